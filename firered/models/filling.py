"""Networks filled with a checkpoint's weights in the number format that they are to have, a tensor at a time.

The tensors are mapped from the file. What has been taken over is given back, so that a network is never in memory
twice: the most that loading takes are the weights in their format and one layer in the file's.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from firered.models.checkpoint import need_numbers
from firered.models.mapped import give_back
from firered.models.quantise import Layers, quantise

Fill = Callable[[nn.Module, Mapping[str, Tensor], Path], None]  # network without memory, tensors, their file


def in_float(dtype: torch.dtype) -> Fill:
    """What fills a network in one number format."""

    def fill(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
        assign(network, state)
        take_over(network, path, dtype)

    return fill


def in_int8(layers: Layers, parts: tuple[str, ...] = ("",)) -> Fill:
    """What fills a network whose linear layers, of these parts of it, are in 8 bits, all else in float32."""

    def fill(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
        assign(network, state)
        network.eval()
        quantise(network, layers, parts)
        take_over(network, path, torch.float32)

    return fill


def assign(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Make a file's tensors those of a network, still mapped."""
    given = {name: state[name] for name in network.state_dict() if name in state}
    network.load_state_dict(given, strict=False, assign=True)


@torch.no_grad()
def take_over(network: nn.Module, path: Path, dtype: torch.dtype) -> None:
    """Copy a network's tensors out of the file, in a number format.

    Raises:
        ModelError: some are no numbers.
    """
    copies: dict[tuple[int, torch.Size], Tensor] = {}  # what is there under two names stays one
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if tensor.is_meta:
            continue
        place = tensor.data_ptr(), tensor.shape
        if place not in copies:
            source = tensor.detach().float() if tensor.dtype == torch.float64 else tensor.detach()
            need_numbers({name: source}, path)  # a double may be too large for a float
            wanted = dtype if tensor.is_floating_point() else tensor.dtype
            copies[place] = source.to(wanted, copy=True)
        old = tensor.data
        tensor.data = copies[place]
        give_back(old)
