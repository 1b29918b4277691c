"""The settings of one training: its task, the folder it writes, and the options of every section."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from firered.options import Options
from firered.train.config import OptimConfig, ProgressiveConfig, TrainConfig
from firered.version import __version__

Section = TypeVar("Section", bound=Options)


@dataclass(frozen=True)
class Settings:
    """What a training's YAML file says (`firered.train.settings` reads it), with defaults for what it leaves out."""

    task: str
    out: Path
    sections: Mapping[str, Options]

    def section(self, name: str, kind: type[Section]) -> Section:
        """The section `name`, which is of the class `kind`."""
        found = self.sections[name]
        assert isinstance(found, kind), f"{name} is a {type(found).__name__}"
        return found

    @property
    def train(self) -> TrainConfig:
        """Section `train`."""
        return self.section("train", TrainConfig)

    @property
    def optim(self) -> OptimConfig:
        """Section `optim`."""
        return self.section("optim", OptimConfig)

    @property
    def progressive(self) -> ProgressiveConfig:
        """Section `progressive`."""
        return self.section("progressive", ProgressiveConfig)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values, ready for YAML."""
        sections = {name: options.to_dict() for name, options in self.sections.items()}
        return {"task": self.task, "out": str(self.out), **sections}

    def to_yaml(self) -> str:
        """The text of a YAML file that gives these settings again."""
        return f"# firered-train, firered {__version__}\n{yaml.safe_dump(self.to_dict(), sort_keys=False)}"
