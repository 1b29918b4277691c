"""Options as frozen dataclasses: the one place where an option is named, defaulted, documented and checked.

Command-line flags (`firered.cli.flags`) and YAML keys are made from the fields. A YAML file may have sections: the
options of one module under its name.
"""

import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar

import yaml

from firered.errors import OptionError, writing
from firered.version import __version__

T = TypeVar("T", bound="Options")


def option(
    default: Any,  # noqa: ANN401 - as is the result, which stands where the field's own type is declared
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple = (),
    model: str | None = None,
) -> Any:  # noqa: ANN401
    """A dataclass field with its help text and the values it may take (`low` and `high` included).

    `model`: the option names a file, or a model directory of this published name ("": of any), on which results depend.
    """
    rules = {"low": low, "high": high, "choices": choices, "model": model}
    return field(default=default, metadata={"help": help, **rules})


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
        """Options from mappings of later precedence over earlier; keys that are not options here are ignored."""
        values = {key: value for layer in layers for key, value in layer.items() if key in cls.names()}
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain mapping of all options, ready for YAML."""
        return asdict(self)


def _checked_type(name: str, value: object, annotation: object) -> object:
    kind, optional = plain_type(annotation)
    if value is None and optional:
        return None
    if typing.get_origin(kind) is tuple:  # of strings; one of them alone is a list of one
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            raise OptionError(f"{name}: {value!r} is not a list of texts")
        return tuple(items)
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
    """What a YAML file of `name: value` lines holds, as plain values; dashes in names count as underscores.

    Raises:
        OptionError: the file is missing, not YAML, or not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OptionError(f"{path}: {error.strerror}") from error
    except RecursionError:
        raise OptionError(f"{path}: not readable as YAML: nested too deeply") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: bytes that are not UTF-8, or a date such as 2024-13-01
        raise OptionError(f"{path}: not readable as YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise OptionError(f"{path}: expected lines of `name: value`")
    return _plain_names(values)


def _plain_names(values: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(key).replace("-", "_"): value for key, value in values.items()}


# The names of the options of each section; "" has those that stand in a file without one.
Sections = Mapping[str, Collection[str]]


def by_section(values: Mapping[str, Any], sections: Sections, source: str) -> dict[str, dict[str, Any]]:
    """The values of every section.

    A mapping under a section's name holds its options. An option may also stand without a section if only one has it.

    Args:
        values: what a YAML file holds.
        sections: what there is.
        source: where the values are from, for messages.

    Raises:
        OptionError: a key is not known, or could belong to several sections; the message lists what is allowed.
    """
    found: dict[str, dict[str, Any]] = {name: {} for name in sections}
    nested = {key: value for key, value in values.items() if _is_section(key, value, sections)}
    bare = {key: value for key, value in values.items() if key not in nested}
    known = [*sections.get("", ()), *filter(None, sections)]
    _refuse_unknown(source, [key for key in bare if not owners(key, sections)], known)
    for key, value in bare.items():
        found[owner(key, sections, source)][key] = value
    for name, inner in nested.items():
        if not isinstance(inner, Mapping | None):
            raise OptionError(f"{source}: {name}: expected `name: value` lines under it")
        given = _plain_names(inner or {})
        _refuse_unknown(f"{source}: {name}", given.keys() - set(sections[name]), sorted(sections[name]))
        found[name].update(given)
    return found


def _is_section(key: str, value: object, sections: Sections) -> bool:
    """Whether a key is a section rather than an option of the same name (`vad: {...}` and `vad: false`)."""
    return key in sections and (value is None or isinstance(value, Mapping) or not owners(key, sections))


def _refuse_unknown(source: str, unknown: Collection[str], known: Collection[str]) -> None:
    if unknown:
        raise OptionError(f"{source}: unknown options {', '.join(sorted(unknown))}; known: {', '.join(known)}")


def owners(option_name: str, sections: Sections) -> list[str]:
    """The sections that have an option of this name."""
    return [section for section, names in sections.items() if option_name in names]


def owner(option_name: str, sections: Sections, source: str) -> str:
    """The only section that has an option of this name.

    Raises:
        OptionError: none has it, or several have.
    """
    found = owners(option_name, sections)
    if len(found) == 1:
        return found[0]
    where = f"is in {' and '.join(found)}: name the section" if found else "is in no section"
    raise OptionError(f"{source}: {option_name}: {where} (sections: {', '.join(filter(None, sections))})")


def write_settings(path: Path, command: str, *groups: Options) -> None:
    """Write the resolved settings of a run, ready for `--config`; the command and version are a comment on top."""
    values: dict[str, Any] = {}
    for group in groups:
        values.update(group.to_dict())
    _write_yaml(path, command, values)


def is_written_by_command(path: Path) -> bool:
    """Whether a file of settings is one that a command has written beside its results, by its first line."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        return lines.readline().startswith("# firered")


def write_sections(path: Path, command: str, sections: Iterable[tuple[str, Options]]) -> None:
    """The same of a command with several modules: options under the name of their section."""
    values: dict[str, Any] = {}
    for name, options in sections:
        values.setdefault(name, {}).update(options.to_dict())
    _write_yaml(path, command, values)


def _write_yaml(path: Path, command: str, values: Mapping[str, Any]) -> None:
    text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True)
    with writing(path):
        path.write_text(f"# {command}, firered {__version__}\n{text}", encoding="utf-8")
