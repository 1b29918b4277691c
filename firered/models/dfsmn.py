"""DFSMN, the network of the VAD family (FireRedASR2S paper, section 4.3; Zhang et al., Deep-FSMN, ICASSP 2018).

One forward pass serves training (padded batches), whole recordings, recordings of any length in pieces, and the
streaming detector: look-ahead is delay. Fed in pieces with a cache, every memory block holds back the frames whose
look-ahead has not arrived yet, so nothing is computed twice and the pieces join to exactly the whole.
"""

from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from firered.errors import ModelError
from firered.models.checkpoint import arg, at, config_from_args, load_network


@dataclass(frozen=True)
class DfsmnConfig:
    """Sizes under their released names: R blocks of hidden H and projection P, N1 look-back and N2 look-ahead taps."""

    idim: int = arg(80, low=1)
    R: int = arg(8, low=1, layers=True)
    M: int = arg(1)
    H: int = arg(256, low=1)
    P: int = arg(128, low=1)
    N1: int = arg(20, low=1)
    S1: int = arg(1)
    N2: int = arg(20, low=0)
    S2: int = arg(1)
    odim: int = arg(1, low=1)
    dropout: float = arg(0.05, low=0, high=1)

    @classmethod
    def from_args(cls, args: Namespace, source: Path | None = None) -> "DfsmnConfig":
        """Config of a checkpoint's `args`; fields this code does not know are ignored.

        Raises:
            ModelError: sizes are missing, wrong, or those of a network with strides or several inputs.
        """
        required = ("idim", "R", "H", "P", "N1", "N2", "odim")
        config = config_from_args(cls, args, "a DFSMN", required=required, source=source)
        if (config.S1, config.S2, config.M) != (1, 1, 1):
            raise ModelError(
                f"{at(source)}DFSMN with S1={config.S1}, S2={config.S2}, M={config.M}: only 1 is known here"
            )
        return config

    @property
    def delay(self) -> int:
        """Frames of look-ahead of the whole network."""
        return self.R * self.N2

    @property
    def gap(self) -> int:
        """Masked frames that keep two recordings on one time axis from seeing each other."""
        return max(self.N1 - 1, self.N2)


@dataclass
class BlockCache:
    """What one block remembers between pieces: memory inputs still needed, and block inputs not yet given out."""

    memory: Tensor | None = None  # (N, <= N1-1+N2, P)
    pending: Tensor | None = None  # (N, <= N2, P)
    mask: Tensor | None = None  # (N, <= N2, 1)


@dataclass
class DfsmnCache:
    """State of one pass in pieces; start with a new one for every pass."""

    blocks: list[BlockCache] = field(default_factory=list)


class Fsmn(nn.Module):
    """Memory block: y[t] = x[t] + sum_i a_i x[t-N1+1+i] + sum_i b_i x[t+1+i], a filter a channel, x = 0 outside."""

    def __init__(self, config: DfsmnConfig) -> None:
        super().__init__()
        self.lookback, self.lookahead = config.N1, config.N2
        self.lookback_filter = nn.Conv1d(config.P, config.P, config.N1, groups=config.P, bias=False)
        if config.N2 > 0:
            self.lookahead_filter = nn.Conv1d(config.P, config.P, config.N2, groups=config.P, bias=False)

    def kernel(self) -> Tensor:
        """(P, 1, N1+N2): both filters and the identity as one."""
        identity = torch.zeros_like(self.lookback_filter.weight)
        identity[..., -1] = 1.0
        back = self.lookback_filter.weight + identity
        return torch.cat([back, self.lookahead_filter.weight], -1) if self.lookahead else back

    def forward(self, x: Tensor, cache: BlockCache, last: bool) -> Tensor:
        """(N, T, P) -> (N, T', P), the frames whose look-ahead is there (all of them in the last piece)."""
        start = x.new_zeros(x.shape[0], self.lookback - 1, x.shape[2]) if cache.memory is None else cache.memory
        end = [x.new_zeros(x.shape[0], self.lookahead, x.shape[2])] if last and self.lookahead else []
        x = torch.cat([start, x, *end], 1)
        ready = max(0, x.shape[1] - (self.lookback - 1 + self.lookahead))
        cache.memory = x[:, ready:]
        if ready == 0:
            return x[:, :0]
        # One row of a channels-last image: the depthwise kernel takes it as it lies in memory.
        image = x.unsqueeze(1).permute(0, 3, 1, 2)  # (N, P, 1, T)
        y = nn.functional.conv2d(image, self.kernel().unsqueeze(2), groups=x.shape[2])
        return y.permute(0, 2, 3, 1).squeeze(1)


class DfsmnBlock(nn.Module):
    """Blocks 2..R: fc1 + ReLU, fc2, memory, and the residual from the block's input."""

    def __init__(self, config: DfsmnConfig) -> None:
        super().__init__()
        self.fc1 = nn.Sequential(nn.Linear(config.P, config.H), nn.ReLU(inplace=True))
        self.fc2 = nn.Linear(config.H, config.P, bias=False)
        self.fsmn = Fsmn(config)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None, cache: BlockCache, last: bool) -> tuple[Tensor, Tensor | None]:
        """(N, T, P) -> (N, T', P), the frames whose look-ahead is there, and their part of the mask."""
        y = self.fsmn(_masked(self.fc2(self.dropout(self.fc1(x))), mask), cache, last)
        x, cache.pending = _delay(x, cache.pending, y.shape[1])
        if mask is not None:
            mask, cache.mask = _delay(mask, cache.mask, y.shape[1])
        return y.add_(x), mask


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask


def _delay(x: Tensor, pending: Tensor | None, ready: int) -> tuple[Tensor, Tensor]:
    """First `ready` frames of what is pending plus x, and what stays pending."""
    x = x if pending is None else torch.cat([pending, x], 1)
    return x[:, :ready], x[:, ready:]


class _Body(nn.Module):
    """The part of the network under the released name `dfsmn`."""

    def __init__(self, config: DfsmnConfig) -> None:
        super().__init__()
        self.fc1 = nn.Sequential(nn.Linear(config.idim, config.H), nn.ReLU(inplace=True))
        self.fc2 = nn.Sequential(nn.Linear(config.H, config.P), nn.ReLU(inplace=True))
        self.fsmn1 = Fsmn(config)
        self.fsmns = nn.ModuleList(DfsmnBlock(config) for _ in range(config.R - 1))
        self.dnns = nn.Sequential(nn.Linear(config.P, config.H), nn.ReLU(inplace=True))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, mask: Tensor | None, cache: DfsmnCache, last: bool) -> Tensor:
        first, *others = cache.blocks
        x = self.fsmn1(_masked(self.fc2(self.dropout(self.fc1(x))), mask), first, last)
        if mask is not None:
            mask, first.mask = _delay(mask, first.mask, x.shape[1])
        for block, block_cache in zip(self.fsmns, others, strict=True):
            x, mask = block(x, mask, block_cache, last)
        return self.dropout(self.dnns(x))


class Dfsmn(nn.Module):
    """Frame classifier: normalised filterbank frames in, one logit an event and frame out."""

    def __init__(self, config: DfsmnConfig) -> None:
        super().__init__()
        self.config = config
        self.dfsmn = _Body(config)
        self.out = nn.Linear(config.H, config.odim)

    @classmethod
    def of(cls, config: DfsmnConfig, state: dict[str, Tensor], path: Path) -> "Dfsmn":
        """The network of a checkpoint, in evaluation mode on the CPU.

        Raises:
            ModelError: its weights are not those of a network of these sizes.
        """
        return load_network(lambda: cls(config), config, state, path)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, cache: DfsmnCache | None = None, last: bool = True
    ) -> Tensor:
        """Logits of the frames that are ready.

        Args:
            x: features, (N, T, idim).
            mask: (N, T, 1), 0 on padding and on the gaps between recordings, whose frames no other frame then sees;
                in a pass in pieces, given with every piece or with none.
            cache: carries a pass in pieces; the output runs `config.delay` frames behind until the last piece.
            last: no more frames follow. Without a cache the input is the whole and the output is (N, T, odim).
        """
        cache = DfsmnCache() if cache is None else cache
        cache.blocks = cache.blocks or [BlockCache() for _ in range(self.config.R)]
        return self.out(self.dfsmn(x, mask, cache, last))
