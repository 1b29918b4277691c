"""Options as frozen dataclasses: the one place where an option is named, defaulted, documented and checked.

Command-line flags (`firered.cli.flags`) and YAML keys are made from the fields.
"""

import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar

import yaml

from firered.errors import OptionError
from firered.version import __version__

T = TypeVar("T", bound="Options")


def option(default: Any, help: str, *, low: float | None = None, high: float | None = None, choices: tuple = ()) -> Any:  # noqa: ANN401 - stands where the field's own type is declared
    """A dataclass field with its help text and the values it may take (`low` and `high` included)."""
    return field(default=default, metadata={"help": help, "low": low, "high": high, "choices": choices})


def plain_type(kind: Any) -> tuple[type, bool]:  # noqa: ANN401 - an annotation
    """(type, may be None) of a field's annotation such as `int` or `int | None`."""
    if isinstance(kind, UnionType) or typing.get_origin(kind) is typing.Union:
        inner = [part for part in typing.get_args(kind) if part is not NoneType]
        return inner[0], True
    return kind, False


@dataclass(frozen=True)
class Options:
    """Checks every field on construction.

    Raises:
        OptionError: a value of the wrong type or outside its range, with the option's name and what it may be.
    """

    def __post_init__(self) -> None:
        for f in fields(self):
            value = _checked_type(f.name, getattr(self, f.name), f.type)
            object.__setattr__(self, f.name, value)
            if value is not None:
                _check_range(f.name, value, f.metadata)

    @classmethod
    def names(cls) -> set[str]:
        """Names of all options."""
        return {f.name for f in fields(cls)}

    @classmethod
    def of(cls: type[T], *layers: Mapping[str, Any]) -> T:
        """Options from mappings of later precedence over earlier; keys that are not options here are passed over."""
        values = {key: value for layer in layers for key, value in layer.items() if key in cls.names()}
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping of all options, ready for YAML."""
        return asdict(self)


def _checked_type(name: str, value: object, annotation: object) -> object:
    kind, optional = plain_type(annotation)
    if value is None and optional:
        return None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and type(value) is int:
        return str(value)  # YAML's `channel: 2`
    if type(value) is not kind:
        raise OptionError(f"{name}: {value!r} is not a value of type {kind.__name__}")
    return value


def _check_range(name: str, value: object, rule: Mapping[str, Any]) -> None:
    choices, low, high = rule.get("choices"), rule.get("low"), rule.get("high")
    if choices and value not in choices:
        raise OptionError(f"{name}: {value!r} is not one of {', '.join(map(str, choices))}")
    if low is not None and not value >= low:
        raise OptionError(f"{name}: {value} is less than {low}")
    if high is not None and not value <= high:
        raise OptionError(f"{name}: {value} is more than {high}")


def read_yaml(path: Path) -> dict[str, Any]:
    """Options of a YAML file of `name: value` lines; dashes in names count as underscores.

    Raises:
        OptionError: the file is missing, not YAML, or not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise OptionError(f"{path}: not readable as YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise OptionError(f"{path}: expected lines of `name: value`")
    return {str(key).replace("-", "_"): value for key, value in values.items()}


def write_settings(path: Path, command: str, *groups: Options) -> None:
    """Write the resolved settings of a run, ready for `--config`; the command and version are a comment on top."""
    values: dict[str, Any] = {}
    for group in groups:
        values.update(group.to_dict())
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    path.write_text(f"# {command}, firered {__version__}\n{text}", encoding="utf-8")
