"""Model directories in the published layout: their checkpoints, checked before memory is spent on a network.

There is one place for each check: `config_from_args` for the types and sizes of arguments, `load_network` for names,
shapes and numbers of weights. `firered.models.torch_file` reads the file.
"""

import math
import stat
from argparse import Namespace
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, field, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import torch
from torch import Tensor, nn

from firered.errors import ModelError
from firered.models.mapped import give_back
from firered.models.torch_file import read_torch_file
from firered.options import plain_type
from firered.text.files import first_line

_WEIGHTS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_LARGEST = 2**31 - 1  # of any count or size
_FEW = 100  # layers, which are made in an instant: comparing their names then says more

_WRAPPERS = ("state_dict", "model_state_dict", "model")


class _Dataclass(Protocol):
    __dataclass_fields__: ClassVar[dict[str, Any]]


Config = TypeVar("Config", bound=_Dataclass)
Network = TypeVar("Network", bound=nn.Module)


def model_files(directory: Path, *names: str) -> list[Path]:
    """Paths of the files that a model directory must hold.

    Raises:
        ModelError: the directory or one of them is missing; the message names all that are.
    """
    if not directory.is_dir():
        raise ModelError(f"{directory}: no such model directory")
    missing = [name for name in names if not (directory / name).exists()]
    if missing:
        raise ModelError(f"{directory}: not a complete model directory, {', '.join(missing)} missing")
    others = [name for name in names if not stat.S_ISREG((directory / name).stat().st_mode)]
    if others:
        raise ModelError(f"{directory}: {', '.join(others)}: a file belongs there, not a folder, a pipe or a device")
    return [directory / name for name in names]


def load_checkpoint(path: Path) -> tuple[Namespace, dict[str, Tensor]]:
    """`args` and `model_state_dict` of a published checkpoint; beside tensors only argparse.Namespace is let through.

    Raises:
        ModelError: not a checkpoint, not of this layout, or one whose pickle asks for anything else.
    """
    package = read_torch_file(path)
    args = package.get("args") if isinstance(package, dict) else None
    state = package.get("model_state_dict") if isinstance(package, dict) else None
    if not isinstance(args, Namespace) or not isinstance(state, dict):
        raise ModelError(f"{path}: not a checkpoint of this layout (`args` and `model_state_dict` expected)")
    if not all(isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()):
        raise ModelError(f"{path}: model_state_dict holds more than tensors by name")
    return args, state


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name: a mapping of them, alone or as `state_dict`, `model_state_dict` or `model`.

    Raises:
        ModelError: not a checkpoint, not of this layout, or one whose pickle asks for more than tensors.
    """
    package = read_torch_file(path)
    if isinstance(package, dict):
        inner = next((package[name] for name in _WRAPPERS if isinstance(package.get(name), dict)), package)
        if inner and all(isinstance(name, str) and isinstance(value, Tensor) for name, value in inner.items()):
            return inner
    raise ModelError(f"{path}: not a checkpoint of this layout (tensors by name expected)")


def arg(default: Any = MISSING, *, low: float | None = None, high: float = _LARGEST, layers: bool = False) -> Any:  # noqa: ANN401 - stands where the field's own type is declared
    """A field of a model's config, with the values that it may take (`low` and `high` included).

    Args:
        default: what it is where a checkpoint does not state it.
        low: the smallest value.
        high: the largest value.
        layers: it is a number of layers, of which a checkpoint holds at least one tensor each.
    """
    return field(default=default, metadata={"low": low, "high": high, "layers": layers})


def config_from_args(
    kind: type[Config],
    args: Namespace,
    model: str,
    *,
    required: Collection[str] | None = None,
    source: Path | None = None,
) -> Config:
    """The config of a model from a checkpoint's `args`; those that it has no field for are ignored.

    Args:
        kind: a dataclass whose fields carry the released names; `arg` says what they may be.
        args: of the checkpoint.
        model: what they should be of, for the message: `an AED`.
        required: fields that have to be given; by default those without a default.
        source: the file that messages name.

    Raises:
        ModelError: some are not given, or of a wrong type or size.
    """
    if required is None:
        required = {one.name for one in fields(kind) if one.default is MISSING}
    given = {one.name: vars(args)[one.name] for one in fields(kind) if one.name in vars(args)}
    missing = sorted(set(required) - given.keys())
    if missing:
        raise ModelError(f"{at(source)}these are not the arguments of {model}: {', '.join(missing)} not given")
    for one in fields(kind):
        fault = _fault(given[one.name], one.type, one.metadata) if one.name in given else ""
        if fault:
            raise ModelError(f"{at(source)}the argument {one.name} of {model} is {fault}")
    return kind(**given)


def at(source: Path | None) -> str:
    """The beginning of a message about a file, where that is known."""
    return f"{source}: " if source else ""


def _fault(value: object, annotation: object, rule: Mapping[str, Any]) -> str:
    """What is wrong with an argument; empty where nothing is."""
    wanted, optional = plain_type(annotation)
    if value is None and optional:
        return ""
    shown = repr(value)[:60] if isinstance(value, str | int | float | None) else f"of type {type(value).__name__}"
    fits = {
        bool: isinstance(value, bool) or value in (0, 1),
        int: type(value) is int,
        float: type(value) in (int, float),
    }
    if not fits.get(wanted, isinstance(value, wanted)):
        return f"{shown}, not a value of type {wanted.__name__}"
    if not isinstance(value, int | float):
        return ""
    low, high = rule.get("low"), rule.get("high", _LARGEST)
    if not abs(value) <= _LARGEST or (low is not None and value < low) or value > high:
        return f"{shown}, which cannot be (from {-_LARGEST if low is None else low} to {high})"
    return ""


def load_network(
    make: Callable[[], Network],
    config: Any,  # noqa: ANN401 - a dataclass of `arg` fields
    state: dict[str, Tensor],
    path: Path,
    may_lack: Callable[[Network], Collection[str]] = lambda network: (),
    sizes: Path | None = None,
    fill: Callable[[Network, Mapping[str, Tensor], Path], None] | None = None,
) -> Network:
    """A network with a checkpoint's weights, in evaluation mode on the CPU.

    It is made without memory first, and gets some when names and shapes are those of the file.

    Args:
        make: builds it of `config`.
        config: its sizes.
        state: the checkpoint's tensors.
        path: of the checkpoint, for messages.
        may_lack: see `load_weights`.
        sizes: the file that `config` is from, where it is not the checkpoint.
        fill: puts the tensors into the network that has no memory; see `firered.models.filling`. By default all are
            copied as float32.

    Raises:
        ModelError: the weights are those of another network, or no numbers.
    """
    with torch.device("meta"):
        network = make_network(make, config, len(state), sizes or path)
    lacking = tuple(may_lack(network))
    check_weights(network.state_dict(keep_vars=True), state, path, may_lack=lacking)
    try:
        if fill is not None:
            fill(network, state, path)
            return network.eval()
        # What `to_empty` does; that imports torch's compiler, a third of a second for every command.
        network._apply(lambda held: torch.empty(held.shape, dtype=held.dtype))
    except RuntimeError as error:
        raise ModelError(f"{path}: no memory for its weights ({first_line(error)})") from error
    _copy_weights(network, state, path)
    return network.eval()


def make_network(make: Callable[[], Network], config: Any, tensors: int, path: Path) -> Network:  # noqa: ANN401 - a dataclass of `arg` fields
    """The network that `make` builds of a file's sizes.

    Args:
        make: builds it of `config`.
        config: its sizes, a dataclass of `arg` fields.
        tensors: how many the file has: there are no more layers.
        path: of the file that has the sizes, for messages.

    Raises:
        ModelError: there is no such network.
    """
    for one in fields(config):
        layers = getattr(config, one.name)
        if one.metadata.get("layers") and layers > max(tensors, _FEW):
            raise ModelError(f"{path}: {one.name} is {layers}, but its weights are {tensors} tensors")
    try:
        return make()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except Exception as error:  # errors of many kinds, all from sizes that do not fit together
        raise ModelError(f"{path}: no network can be made of its arguments ({first_line(error)})") from error


def load_weights(model: nn.Module, state: dict[str, Tensor], path: Path, *, may_lack: Collection[str] = ()) -> None:
    """Put a state dict into a model, name by name.

    Args:
        model: its parameters carry the released names.
        state: the checkpoint's tensors.
        path: of the checkpoint, for messages.
        may_lack: names that may be on one side only, because they can be computed.

    Raises:
        ModelError: a name, shape or type differs, or a weight is no number; the message lists the first few.
    """
    check_weights(model.state_dict(keep_vars=True), state, path, may_lack=may_lack)
    _copy_weights(model, state, path)


def check_weights(
    wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path, *, may_lack: Collection[str] = ()
) -> None:
    """Compare names, shapes and types, without reading a weight.

    Args:
        wanted: parameters and buffers by name.
        state: the tensors of a file.
        path: of the file, for messages.
        may_lack: see `load_weights`.

    Raises:
        ModelError: they differ.
    """
    missing = [name for name in wanted if name not in state and name not in may_lack]
    unknown = [name for name in state if name not in wanted and name not in may_lack]
    shapes = [
        f"{name} is {tuple(state[name].shape)}, expected {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    faults = [f"missing: {name}" for name in missing] + [f"unknown: {shown(name)}" for name in unknown] + shapes
    faults = faults or [
        f"{name} is of type {str(state[name].dtype).removeprefix('torch.')}"
        for name in wanted
        if name in state and wanted[name].is_floating_point() and state[name].dtype not in _WEIGHTS
    ]
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise ModelError(f"{path}: weights of another model ({'; '.join(faults[:5])}{more})")
    parameters = {id(value): value for name, value in wanted.items() if name in state}
    needed, stored = sum(value.numel() for value in parameters.values()), _distinct_bytes(state.values())
    # Two names may have the same numbers, in half precision too; a whole network of one set of numbers is none.
    if needed > stored:
        raise ModelError(f"{path}: {needed} weights, which share {stored} bytes of numbers")


def _distinct_bytes(tensors: Iterable[Tensor]) -> int:
    """The bytes that tensors take, those counted once that lie in several."""
    starts = [(tensor.data_ptr(), tensor.numel() * tensor.itemsize) for tensor in tensors]
    total = reached = 0
    for start, size in sorted(starts):
        end = max(reached, start + size)
        total += end - max(reached, start)
        reached = end
    return total


def _copy_weights(model: nn.Module, state: dict[str, Tensor], path: Path) -> None:
    model.load_state_dict({}, strict=False)  # for what modules do when their weights change
    for name, tensor in model.state_dict().items():
        if name in state:
            tensor.copy_(state[name])
            need_numbers({name: tensor}, path)  # not of the file's: a double may be too large here
            give_back(state[name])


def need_numbers(weights: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are NaN or infinite.

    One sum over each tensor tells, and takes less time than reading it; only where that is no number is it looked at
    closely, for sums of good weights can overflow.

    Raises:
        ModelError: some are; the message names the first tensor.
    """
    for name, tensor in weights.items():
        if not tensor.is_floating_point() or math.isfinite(float(tensor.detach().sum())):
            continue
        bad = int((~torch.isfinite(tensor)).sum())
        if bad:
            raise ModelError(
                f"{path}: {bad} of {tensor.numel()} weights of {shown(name)} are no numbers (NaN or infinite): "
                "the file is damaged, or its training diverged; take another checkpoint"
            )


def shown(name: str) -> str:
    """A name out of a file, as a message can show it."""
    return name if name.isprintable() and len(name) <= 100 else ascii(name)[:100]


def pick_device(name: str) -> torch.device:
    """The device an option names; `auto` is CUDA where there is one.

    Raises:
        ModelError: there is no such device here.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"device {name!r} cannot be used here: {first_line(error)}") from error
    if device.type == "cuda":
        # It plans every new shape anew, 4 ms each, and in speech nearly every batch and step has a new one.
        torch.backends.cuda.enable_cudnn_sdp(False)
    return device
