"""Weights in a reduced number format on disk: `quantised.safetensors` in a model directory.

The directory's checkpoints say what the model is, and have no weights. The file has layers in 8 bits under their names
(`NAME.int8`, `NAME.scales`, `NAME.bias`; see `firered.models.quantise`), and all else under the released names.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from firered.errors import ModelError, OptionError
from firered.hub.catalogue import QUANTISED
from firered.models.checkpoint import Network, check_weights, make_network
from firered.models.filling import assign, take_over
from firered.models.quantise import StoredLayers, quantise
from firered.models.safetensors_file import read_safetensors
from firered.version import __version__

_FORMAT = "firered-quantised-1"
_DTYPES = ("int8", "bfloat16")


@dataclass(frozen=True)
class Stored:
    """What the file of a directory holds; the tensors are mapped from it."""

    path: Path
    dtype: str
    keep: tuple[str, ...]  # patterns of the layers that were left in floating point
    tensors: dict[str, Tensor]

    @classmethod
    def of(cls, directory: Path) -> "Stored | None":
        """That of a directory; None: it has no such file.

        Raises:
            ModelError: the file is damaged, or was not written by `firered-quantize`.
        """
        path = directory / QUANTISED
        if not path.exists():
            return None
        tensors, notes = read_safetensors(path)
        dtype = notes.get("dtype", "")
        if notes.get("format") != _FORMAT or dtype not in _DTYPES:
            raise ModelError(
                f"{path}: not of the form that firered {__version__} writes ({_FORMAT}); make it again with "
                "firered-quantize from the published model"
            )
        return cls(path, dtype, tuple(json.loads(notes.get("keep", "[]"))), tensors)

    def network(self, make: Callable[[], Network], config: Any, parts: Sequence[str]) -> Network:  # noqa: ANN401 - a dataclass of `arg` fields
        """The network with the file's weights, in evaluation mode on the CPU.

        Args:
            make: builds it of `config`.
            config: its sizes.
            parts: of it that int8 is for.

        Raises:
            ModelError: the file has those of another network, or no numbers.
        """
        tensors = dict(self.tensors)
        with torch.device("meta"):
            network = make_network(make, config, len(tensors), self.path).eval()
        if self.dtype == "int8":
            quantise(network, StoredLayers(self.path, tensors), parts)
        check_weights(network.state_dict(keep_vars=True), tensors, self.path)
        assign(network, tensors)
        take_over(network, self.path, torch.float32 if self.dtype == "int8" else torch.bfloat16)
        return network

    def need(self, dtype: str) -> None:
        """Raise OptionError where a number format is asked for that is neither the file's nor the default."""
        if dtype not in ("float32", "auto", self.dtype):
            raise OptionError(f"dtype: {self.path} holds {self.dtype}; {dtype} comes from the published model")


def write_stored(path: Path, tensors: Mapping[str, Tensor], dtype: str, keep: Sequence[str], source: str) -> None:
    """Write the file.

    Args:
        path: of it.
        tensors: by the names that they are to have.
        dtype: the number format.
        keep: patterns of layers that were left in floating point.
        source: the name of the model that they are from.
    """
    notes = {"format": _FORMAT, "dtype": dtype, "keep": json.dumps(list(keep)), "source": source}
    notes["version"] = __version__
    seen: set[int] = set()
    own: dict[str, Tensor] = {}
    for name, tensor in tensors.items():  # the format has no tensor under two names
        own[name] = tensor.clone() if tensor.data_ptr() in seen else tensor.contiguous()
        seen.add(own[name].data_ptr())
    save_file(own, path, notes)
