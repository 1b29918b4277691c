"""What all results share: frozen dataclasses as plain dictionaries, ready for JSON, and back."""

import functools
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeVar

R = TypeVar("R", bound="Result")

LEFT_OUT = {"left_out": True}  # metadata of a field that dictionaries do not have: arrays are stored elsewhere


@dataclass(frozen=True)
class Result:
    """What all results share: lists given to them become tuples, and they can be stored as plain values."""

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, _frozen(getattr(self, f.name)))

    def to_dict(self) -> dict[str, Any]:
        """Dictionaries, lists, strings and numbers, ready for JSON; arrays such as `probs` are left out."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self) if not f.metadata.get("left_out")}

    @classmethod
    def from_dict(cls: type[R], values: Mapping[str, Any]) -> R:
        """The result that `to_dict` gave these values, without its arrays.

        Raises:
            TypeError: fields are missing, or there are others.
        """
        kinds = _field_types(typing.cast(Any, cls))
        return cls(**{name: _read(kinds.get(name), value) for name, value in values.items()})


def _frozen(value: Any) -> Any:  # noqa: ANN401 - any field's value
    """The value with tuples for lists."""
    if isinstance(value, list | tuple):
        return tuple(_frozen(item) for item in value)
    if isinstance(value, dict):
        return {key: _frozen(item) for key, item in value.items()}
    return value


def _plain(value: Any) -> Any:  # noqa: ANN401
    """The value as JSON has it."""
    if isinstance(value, Result):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


@functools.cache
def _field_types(cls: Any) -> dict[str, Any]:  # noqa: ANN401 - a class of results
    return typing.get_type_hints(cls)


def _read(kind: Any, value: Any) -> Any:  # noqa: ANN401 - an annotation, and a plain value of that type
    """A field's value from its plain form; of several kinds of result the one that has just these fields."""
    if isinstance(kind, type) and is_dataclass(kind) and issubclass(kind, Result):
        return kind.from_dict(value)
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if value is None or not inner:
        return value
    if origin in (typing.Union, types.UnionType):
        kinds = [part for part in inner if part is not types.NoneType]
        return _read(kinds[0] if len(kinds) == 1 else _with_these_fields(kinds, value), value)
    if origin is not tuple and issubclass(origin, Mapping):
        return {key: _read(inner[1], item) for key, item in value.items()}
    if origin is tuple and inner[-1] is not ...:
        return tuple(_read(part, item) for part, item in zip(inner, value, strict=True))
    return tuple(_read(inner[0], item) for item in value)


def _with_these_fields(kinds: Sequence[Any], value: Mapping[str, Any]) -> Any:  # noqa: ANN401
    for kind in kinds:
        if {f.name for f in fields(kind) if not f.metadata.get("left_out")} == value.keys():
            return kind
    raise TypeError(f"none of {', '.join(kind.__name__ for kind in kinds)} has the fields {', '.join(value)}")
