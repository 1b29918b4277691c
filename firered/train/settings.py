"""Reading a training's YAML file, with the changes of `--set`, into checked options."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from firered.errors import OptionError
from firered.options import Options, by_section, owner, plain_type, read_yaml
from firered.train.sections import Settings
from firered.train.tasks import TASKS

_TOP = ("task", "out")


def load_settings(path: Path, changes: Sequence[str] = (), mixes: Sequence[str] = ()) -> Settings:
    """Settings of a YAML file.

    Args:
        path: `task`, `out`, and a mapping for each section.
        changes: `section.name=value`, or `name=value` where only one section has that name; the value is YAML.
        mixes: `DIRECTORY:SHARE`, further sets for training that have this share, from 0 to 1, of every epoch's hours.

    Raises:
        OptionError: the file cannot be read, or a key or value is not known; the message lists the known ones.
    """
    values = read_yaml(path)
    for change in changes:
        _change(values, change)
    return settings_of(values, str(path), mixes)


def settings_of(values: Mapping[str, Any], source: str, mixes: Sequence[str] = ()) -> Settings:
    """Settings of the content of a YAML file; `source` names it in errors. See `load_settings`."""
    kind = TASKS.get(str(values.get("task")))
    if kind is None:
        raise OptionError(f"{source}: task: {values.get('task')!r} is not one of {', '.join(TASKS)}")
    if not isinstance(values.get("out"), str) or not values["out"]:
        raise OptionError(f"{source}: out: the folder to write is not given")
    classes = kind.sections()
    given = by_section(values, _sections(classes), source)
    _take_weights(given["data"], classes["data"], source)
    for mix in mixes:
        _mix(given["data"], classes["data"], mix)
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


def _take_weights(data: dict[str, Any], cls: type[Options], source: str) -> None:
    """Write `train: {DIRECTORY: WEIGHT}` of section `data` as the two options that it stands for."""
    if not isinstance(data.get("train"), Mapping):
        return
    if "weights" not in cls.names():
        raise OptionError(f"{source}: data: train: weights are for tasks of audio; give a list")
    if data.get("weights"):
        raise OptionError(f"{source}: data: weights are given twice, in train and in weights")
    data["weights"] = [*data["train"].values()]
    data["train"] = [*data["train"]]


def _mix(data: dict[str, Any], cls: type[Options], mix: str) -> None:
    """Add an old set to those for training, with its share of the hours."""
    if "weights" not in cls.names():
        raise OptionError(f"--mix {mix}: sets are mixed in tasks of audio alone")
    name, _, text = mix.rpartition(":")
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not name or name.split() != [name] or not 0 < share < 1:
        raise OptionError(f"--mix {mix}: expected DIRECTORY:SHARE, such as data/old:0.3, the share above 0 and below 1")
    train, weights = (_words(data.get(key)) for key in ("train", "weights"))
    data["train"] = [*train, name]
    data["weights"] = [*(weights or ["1"] * len(train)), f"{100 * share:g}%"]


def _words(value: object) -> list[str]:
    """An option of several words: a list, or a text with blanks between them."""
    return [str(word) for word in value] if isinstance(value, list) else str(value or "").split()


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
            return value  # rejected with a message by the options class
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
