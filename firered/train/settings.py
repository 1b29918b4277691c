"""A training's YAML file, with `--set` on top, as checked options."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

from firered.errors import OptionError
from firered.options import Options, by_section, owner, plain_type, read_yaml
from firered.train.config import OptimConfig, ProgressiveConfig, TrainConfig
from firered.train.tasks import TASKS
from firered.version import __version__

Section = TypeVar("Section", bound=Options)
_TOP = ("task", "out")


@dataclass(frozen=True)
class Settings:
    """The task, the folder to write, and the options of every section."""

    task: str
    out: Path
    sections: Mapping[str, Options]

    def section(self, name: str, kind: type[Section]) -> Section:
        """The section `name`, which is of this class."""
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
        """All of it as plain values, ready for YAML."""
        sections = {name: options.to_dict() for name, options in self.sections.items()}
        return {"task": self.task, "out": str(self.out), **sections}

    def to_yaml(self) -> str:
        """The file that gives these settings again."""
        return f"# firered-train, firered {__version__}\n{yaml.safe_dump(self.to_dict(), sort_keys=False)}"


def load_settings(path: Path, changes: Sequence[str] = ()) -> Settings:
    """Settings of a YAML file.

    Args:
        path: `task`, `out`, and a mapping a section.
        changes: `section.name=value`, or `name=value` where only one section has that name; the value is YAML.

    Raises:
        OptionError: the file cannot be read, or a key or value is not known; the message lists what is.
    """
    values = read_yaml(path)
    for change in changes:
        _change(values, change)
    return settings_of(values, str(path))


def settings_of(values: Mapping[str, Any], source: str) -> Settings:
    """Settings of what a YAML file holds; see `load_settings`."""
    kind = TASKS.get(str(values.get("task")))
    if kind is None:
        raise OptionError(f"{source}: task: {values.get('task')!r} is not one of {', '.join(TASKS)}")
    if not isinstance(values.get("out"), str) or not values["out"]:
        raise OptionError(f"{source}: out: the folder to write is not given")
    classes = kind.sections()
    given = by_section(values, _sections(classes), source)
    sections = {name: _section(name, cls, given[name], source) for name, cls in classes.items()}
    return Settings(str(values["task"]), Path(values["out"]), sections)


def _sections(classes: Mapping[str, type[Options]]) -> dict[str, Collection[str]]:
    """The names of the options of each section, and those above them."""
    return {"": _TOP, **{name: cls.names() for name, cls in classes.items()}}


def _section(name: str, cls: type[Options], given: Mapping[str, Any], source: str) -> Options:
    try:
        # A key with nothing after it leaves the default.
        return cls(**{f.name: _value(given[f.name], f.type) for f in fields(cls) if given.get(f.name) is not None})
    except OptionError as error:
        raise OptionError(f"{source}: {name}: {error}") from error


def _value(value: object, annotation: object) -> object:
    """A YAML value as the options take it: lists of names as one string, and 1e-3, which is a string to YAML."""
    kind, _ = plain_type(annotation)
    if kind is str and isinstance(value, list):
        return " ".join(map(str, value))
    if kind is str and isinstance(value, float):
        return str(value)
    if kind is float and isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value  # the options say what is wrong with it
    return value


def _change(values: dict[str, Any], change: str) -> None:
    name, equals, text = change.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name:
        raise OptionError(f"--set {change}: expected section.name=value")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise OptionError(f"--set {change}: the value is not readable as YAML") from error
    if name in _TOP:
        values[name] = value
        return
    section, _, key = name.rpartition(".")
    if not section:
        kind = TASKS.get(str(values.get("task")))
        section = owner(key, _sections(kind.sections() if kind else {}), "--set")
    inner = values.setdefault(section, {})
    if not isinstance(inner, dict):
        inner = values[section] = {}
    inner[key] = value
