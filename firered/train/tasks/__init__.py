"""The tasks: which sections of the YAML file each has, and the module that builds it."""

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from firered.options import Options
from firered.train import config

if TYPE_CHECKING:
    from firered.train.objectives.task import Task
    from firered.train.settings import Settings


@dataclass(frozen=True)
class TaskKind:
    """A task's module, which has `build(settings) -> Task`, and the classes of its own sections."""

    module: str
    data: type[Options]
    model: type[Options]
    more: dict[str, type[Options]] = field(default_factory=dict)

    def sections(self) -> dict[str, type[Options]]:
        """All sections by name."""
        common = {"optim": config.OptimConfig, "progressive": config.ProgressiveConfig, "train": config.TrainConfig}
        return {"data": self.data, "model": self.model, **self.more, **common}

    def build(self, settings: "Settings") -> "Task":
        """The task itself; its module is imported now, so that a task needs no other task's packages."""
        return importlib.import_module(f"firered.train.tasks.{self.module}").build(settings)


_SPEECH = {"augment": config.AugmentConfig, "specaugment": config.SpecAugmentConfig}
TASKS = {
    "aed": TaskKind("aed", config.SpeechDataConfig, config.AedTaskConfig, _SPEECH),
    "ctc": TaskKind("ctc", config.SpeechDataConfig, config.CtcTaskConfig, _SPEECH),
    "lid": TaskKind("lid", config.FeatureDataConfig, config.LidTaskConfig, _SPEECH),
    "llm": TaskKind("llm", config.LlmDataConfig, config.LlmTaskConfig, _SPEECH),
    "vad": TaskKind("vad", config.VadDataConfig, config.VadTaskConfig, _SPEECH),
    "stream-vad": TaskKind("vad", config.VadDataConfig, config.VadTaskConfig, _SPEECH),
    "mvad": TaskKind("vad", config.VadDataConfig, config.VadTaskConfig, _SPEECH),
    "punc": TaskKind("punc", config.PuncDataConfig, config.PuncTaskConfig),
    "lm": TaskKind("lm", config.TextDataConfig, config.LmTaskConfig),
}
