"""Model directories in the published layout, loaded so that a checkpoint cannot run code."""

import pickle
import struct
import zipfile
from argparse import Namespace
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor, nn

from firered.errors import ModelError

# What torch's reader runs into in files that are damaged.
_DAMAGE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
)

_WRAPPERS = ("state_dict", "model_state_dict", "model")


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


Config = TypeVar("Config", bound=_Dataclass)


def model_files(directory: Path, *names: str) -> list[Path]:
    """Paths of the files that a model directory must hold.

    Raises:
        ModelError: the directory or one of them is missing; the message names all that are.
    """
    if not directory.is_dir():
        raise ModelError(f"{directory}: no such model directory")
    missing = [name for name in names if not (directory / name).is_file()]
    if missing:
        raise ModelError(f"{directory}: not a complete model directory, {', '.join(missing)} missing")
    return [directory / name for name in names]


def load_checkpoint(path: Path) -> tuple[Namespace, dict[str, Tensor]]:
    """`args` and `model_state_dict` of a published checkpoint; beside tensors only argparse.Namespace is let through.

    Raises:
        ModelError: not a checkpoint, not of this layout, or one whose pickle asks for anything else.
    """
    return _parts(path, _read(path))


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: a mapping of them, alone or as `state_dict`, `model_state_dict` or `model`.

    Raises:
        ModelError: not a checkpoint, not of this layout, or one whose pickle asks for more than tensors.
    """
    package = _read(path)
    if isinstance(package, dict):
        inner = next((package[name] for name in _WRAPPERS if isinstance(package.get(name), dict)), package)
        if inner and all(isinstance(value, Tensor) for value in inner.values()):
            return inner
    raise ModelError(f"{path}: not a checkpoint of this layout (tensors by name expected)")


def _read(path: Path) -> object:
    """What a checkpoint holds."""
    try:
        with torch.serialization.safe_globals([Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise ModelError(f"{path}: refused, it is damaged or holds more than tensors ({first_line(error)})") from error
    except _DAMAGE as error:
        raise ModelError(f"{path}: not a readable checkpoint ({first_line(error)})") from error


def _parts(path: Path, package: object) -> tuple[Namespace, dict[str, Tensor]]:
    args = package.get("args") if isinstance(package, dict) else None
    state = package.get("model_state_dict") if isinstance(package, dict) else None
    if not isinstance(args, Namespace) or not isinstance(state, dict):
        raise ModelError(f"{path}: not a checkpoint of this layout (`args` and `model_state_dict` expected)")
    if not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelError(f"{path}: model_state_dict holds more than tensors")
    return args, state


def config_from_args(
    kind: type[Config], args: Namespace, model: str, *, required: Collection[str] | None = None
) -> Config:
    """The config of a model from a checkpoint's `args`; those that it has no field for are ignored.

    Args:
        kind: a dataclass whose fields carry the released names.
        args: of the checkpoint.
        model: what they should be of, for the message: `an AED`.
        required: fields that have to be given; by default those without a default.

    Raises:
        ModelError: some are not given.
    """
    if required is None:
        needed = [field for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]
        required = {field.name for field in needed}
    given = {field.name: getattr(args, field.name) for field in fields(kind) if hasattr(args, field.name)}
    missing = sorted(set(required) - given.keys())
    if missing:
        raise ModelError(f"these are not the arguments of {model}: {', '.join(missing)} not given")
    return kind(**given)


def load_weights(model: nn.Module, state: dict[str, Tensor], path: Path, *, may_lack: tuple[str, ...] = ()) -> None:
    """Put a state dict into a model, name by name.

    Args:
        model: its parameters carry the released names.
        state: the checkpoint's tensors.
        path: of the checkpoint, for messages.
        may_lack: names that may be on one side only, because they can be computed.

    Raises:
        ModelError: a name or shape differs; the message lists the first few.
    """
    wanted = model.state_dict()
    check_tensors({name: tensor.shape for name, tensor in wanted.items()}, state, path, may_lack=may_lack)
    model.load_state_dict({name: tensor for name, tensor in state.items() if name in wanted}, strict=False)


def check_tensors(
    wanted: Mapping[str, torch.Size], state: Mapping[str, Tensor], path: Path, *, may_lack: tuple[str, ...] = ()
) -> None:
    """Raise ModelError where tensors of a file are missing, unknown or misshapen; the message lists the first few.

    Args:
        wanted: the shape of each.
        state: those that there are.
        path: of the file, for messages.
        may_lack: names that may be on one side only.
    """
    missing = [name for name in wanted if name not in state and name not in may_lack]
    unknown = [name for name in state if name not in wanted and name not in may_lack]
    shapes = [
        f"{name} is {tuple(state[name].shape)}, expected {tuple(wanted[name])}"
        for name in wanted
        if name in state and state[name].shape != wanted[name]
    ]
    faults = [f"missing: {name}" for name in missing] + [f"unknown: {name}" for name in unknown] + shapes
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise ModelError(f"{path}: weights of another model ({'; '.join(faults[:5])}{more})")


def pick_device(name: str) -> torch.device:
    """The device an option names; `auto` is CUDA where there is one.

    Raises:
        ModelError: there is no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {name!r} cannot be used here: {first_line(error)}") from error
    return device


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its kind where it has none: torch's run over many lines."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
