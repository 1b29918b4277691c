"""Linear layers turned into 8 bits one after the other, or taken from a file that has them so.

The weights that are turned may be mapped from a checkpoint: of each layer they are in memory only while it is turned.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from firered.errors import ModelError
from firered.models.checkpoint import need_numbers
from firered.models.fused import FusedAttention
from firered.models.int8 import Int8Linear, Int8Weight, parts_of
from firered.models.mapped import give_back
from firered.models.rows import Rows

# Layers of transformers that are given the same, in the order in which they are called.
_GIVEN_THE_SAME = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))
VALUES, SCALES, BIAS = ".int8", ".scales", ".bias"  # what is behind a layer's name in files
_FUSED = "fused"  # the projections of an attention as one layer, by the name of a layer in it

Layer = nn.Linear | nn.Conv1d


class Layers:
    """Weights in 8 bits by the names of their layers, quantised from the layers' own.

    Args:
        path: of the checkpoint, for messages.
        keep: patterns (fnmatch) of names of layers that are left as they are.
        record: gets all that is turned, by the names that it has in files.
    """

    def __init__(self, path: Path, keep: Sequence[str] = (), record: dict[str, Tensor] | None = None) -> None:
        self._path, self._keep, self._record = path, keep, record
        self.kept: dict[str, None] = {}  # names of layers that were left

    def turns(self, name: str, *others: str) -> bool:
        """Whether a layer is turned, of which other names may be known as well."""
        kept = any(fnmatchcase(own, pattern) for own in (name, *others) for pattern in self._keep)
        self.kept |= {name: None} if kept else {}
        return not kept

    def check(self, weights: Mapping[str, Tensor]) -> None:
        """Raise ModelError where weights that a layer is made of are no numbers."""
        need_numbers(weights, self._path)

    def rows(
        self, name: str, shape: Sequence[int], make: Callable[[], tuple[Tensor, Tensor | None]]
    ) -> tuple[Rows, Tensor | None]:
        """The weight (O, I) of a layer, and its bias.

        Args:
            name: of the layer.
            shape: of the weight.
            make: gives the weight in floating point, and the bias.

        Raises:
            ModelError: the weight has no numbers.
        """
        weight, bias = make()
        need_numbers({f"{name}.weight": weight} | ({} if bias is None else {f"{name}.bias": bias}), self._path)
        rows, bias = Rows.of(weight), None if bias is None else bias.detach().float().clone()
        if self._record is not None:
            self._record |= {name + VALUES: rows.values, name + SCALES: rows.scales}
            self._record |= {} if bias is None else {name + BIAS: bias}
        return rows, bias


class StoredLayers(Layers):
    """Weights in 8 bits by the names of their layers, out of a file.

    Args:
        path: of the file.
        stored: its tensors; those that are used are taken out.
    """

    def __init__(self, path: Path, stored: dict[str, Tensor]) -> None:
        super().__init__(path)
        self._stored = stored

    def check(self, weights: Mapping[str, Tensor]) -> None:
        """Nothing: the file does not have them."""

    def turns(self, name: str, *others: str) -> bool:
        """Whether the file has the layer in 8 bits."""
        return name + VALUES in self._stored

    def rows(
        self, name: str, shape: Sequence[int], make: Callable[[], tuple[Tensor, Tensor | None]]
    ) -> tuple[Rows, Tensor | None]:
        """The weight (O, I) of a layer, and its bias.

        Raises:
            ModelError: those of the file are of another shape or type.
        """
        values, scales = self._stored.pop(name + VALUES), self._stored.pop(name + SCALES, torch.empty(0))
        bias = self._stored.pop(name + BIAS, None)
        fits = values.shape == torch.Size(shape) and scales.shape == values.shape[:1]
        fits = fits and (bias is None or (bias.shape == scales.shape and bias.dtype == torch.float32))
        if not fits or (values.dtype, scales.dtype) != (torch.int8, torch.float64):
            found = f"{tuple(values.shape)} with {tuple(scales.shape)} scales"
            raise ModelError(f"{self._path}: weights of another model ({name} is {found}, expected {tuple(shape)})")
        need_numbers({name + SCALES: scales} | ({} if bias is None else {name + BIAS: bias}), self._path)
        return Rows(values, scales.clone()), None if bias is None else bias.clone()


@torch.inference_mode()
def quantise(model: nn.Module, layers: Layers, parts: Sequence[str] = ("",)) -> None:
    """Turn the linear layers of parts of a model, and convolutions over one frame, into 8 bits.

    Args:
        model: in evaluation mode; layers of it that are turned lose their weights.
        layers: gives the weights in 8 bits.
        parts: names of modules; "": all of it. A part that the model does not have is passed over.
    """
    modules = dict(model.named_modules())
    own = [(part, modules[part]) for part in parts if part in modules]
    found = {name: module for part, whole in own for name, module in whole.named_modules(prefix=part)}
    # Packing a layer for its kernel runs on one core.
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(partial(_turn, model, layers), found, found.values()))


@torch.inference_mode()  # each thread has a mode of its own
def _turn(model: nn.Module, layers: Layers, name: str, module: nn.Module) -> None:
    """Turn the layers that are a module's own, not those of the modules in it."""
    many = _takes_many_rows(model, name)
    if isinstance(module, FusedAttention):
        _fuse(name, module, layers, many)
    _join(name, module, layers, many)
    for own, layer in list(module.named_children()):
        if _is_linear(layer) and layers.turns(full := _under(name, own)):
            rows, bias = _rows(full, layer, layers)
            setattr(module, own, Int8Linear(_packed([rows], bias, many)))


def quantise_layers(module: nn.Module, path: Path = Path("weights")) -> None:
    """Turn the linear layers in a module, and convolutions over one frame, into 8 bits."""
    quantise(module, Layers(path))


def _takes_many_rows(model: nn.Module, name: str) -> bool:
    """Whether a module of a model, or one that it is in, says that it is given whole utterances (`many_rows`)."""
    names = name.split(".")
    around = [".".join(names[:depth]) for depth in range(len(names) + 1)]
    return any(getattr(model.get_submodule(one), "many_rows", False) for one in around)


def _is_linear(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Linear) or (isinstance(layer, nn.Conv1d) and layer.groups == 1)


def _under(name: str, own: str) -> str:
    return f"{name}.{own}" if name else own


def _packed(parts: Sequence[Rows], bias: Tensor | None, many: bool) -> Int8Weight:
    """The weights as one for the kernels, which have a copy: where they are of a file, its memory is given back."""
    weight = Int8Weight(parts[0] if len(parts) == 1 else Rows.joined(parts), bias, many_rows=many)
    give_back(*(rows.values for rows in parts))
    return weight


def _rows(name: str, layer: nn.Module, layers: Layers) -> tuple[Rows, Tensor | None]:
    assert isinstance(layer, Layer)
    weight = layer.weight
    found = layers.rows(name, weight.flatten(1).shape, lambda: (weight.flatten(1), layer.bias))
    give_back(weight)
    return found


def _fuse(name: str, attention: FusedAttention, layers: Layers, many: bool) -> None:
    """Turn the projections of an attention that are computed as one."""
    own = {_under(name, one): cast(nn.Linear, getattr(attention, one)) for one in attention.PROJECTIONS}
    if attention.folds:
        if not layers.turns(full := _under(name, _FUSED), *own):
            return
        layers.check({f"{one}.weight": layer.weight for one, layer in own.items()})
        width, given = next(iter(own.values())).weight.shape
        rows, bias = layers.rows(full, (len(own) * width, given), attention.fuse)
        attention.set_fused((_packed([rows], bias, many), None))
        give_back(*(layer.weight for layer in own.values()))
        for one in attention.PROJECTIONS:
            setattr(attention, one, nn.Identity())  # nothing calls it
    elif attention.given_the_same and all(layers.turns(one) for one in own):
        parts = [_rows(full, layer, layers) for full, layer in own.items()]
        biases = [torch.zeros(len(rows.scales)) if bias is None else bias for rows, bias in parts]
        weight = _packed([rows for rows, _ in parts], torch.cat(biases), many)
        attention.set_fused((weight, None))
        sizes = [len(rows.scales) for rows, _ in parts]
        for one, part in zip(attention.PROJECTIONS, parts_of(weight, sizes), strict=True):
            setattr(attention, one, part)


def _join(name: str, parent: nn.Module, layers: Layers, many: bool) -> None:
    """Turn layers of a module that are given the same into one."""
    for names in _GIVEN_THE_SAME:
        found = [getattr(parent, own, None) for own in names]
        linear = [layer for layer in found if isinstance(layer, nn.Linear)]
        if len(linear) < len(names) or len({layer.bias is None for layer in linear}) > 1:
            continue
        if not all(layers.turns(_under(name, own)) for own in names):
            continue
        parts = [_rows(_under(name, own), layer, layers) for own, layer in zip(names, linear, strict=True)]
        biases = [bias for _, bias in parts if bias is not None]
        weight = _packed([rows for rows, _ in parts], torch.cat(biases) if biases else None, many)
        for own, part in zip(names, parts_of(weight, [len(rows.scales) for rows, _ in parts]), strict=True):
            setattr(parent, own, part)
