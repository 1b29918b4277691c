"""What a task is made of: the sections of its YAML file, and what the loop trains."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from firered.errors import Problem
from firered.options import Options
from firered.train.config import OptimConfig, ProgressiveConfig, TrainConfig
from firered.train.data.batch import Corpus
from firered.train.data.config import AugmentConfig, SpecAugmentConfig
from firered.train.objectives.objective import Objective
from firered.train.sections import Settings

SPEECH_SECTIONS: Mapping[str, type[Options]] = {"augment": AugmentConfig, "specaugment": SpecAugmentConfig}


@dataclass
class Task:
    """A model with its loss, and the examples it is trained and evaluated on."""

    objective: Objective
    train: Corpus
    dev: Corpus
    batch_size: int  # cap of a batch in the unit of `Corpus.sizes`, padding included
    left_out: list[Problem] = field(default_factory=list)
    text_of: Callable[[list[int]], str] | None = None  # of the tokens that `Objective.decode` finds


@dataclass(frozen=True)
class TaskKind:
    """A task before its settings are known.

    Attributes:
        data: class of its section `data`.
        model: class of its section `model`.
        build: makes the task of its settings; has the files that lie beside the model written to `settings.out`.
        more: further sections of its own by name.
    """

    data: type[Options]
    model: type[Options]
    build: Callable[[Settings], Task]
    more: Mapping[str, type[Options]] = field(default_factory=dict)

    def sections(self) -> dict[str, type[Options]]:
        """All sections by name."""
        common = {"optim": OptimConfig, "progressive": ProgressiveConfig, "train": TrainConfig}
        return {"data": self.data, "model": self.model, **self.more, **common}
