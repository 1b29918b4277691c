"""What encoders of speech share: a quarter of the frames goes in, utterances are padded or packed, layers follow."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from firered.audio.frontend import PUBLISHED
from firered.models.chunks import Chunk
from firered.models.frames import Frames, beyond_grid, computes_packed, packed_groups
from firered.models.masks import padding_mask

SUBSAMPLING = 4  # feature frames (10 ms) per encoder frame
CONTEXT = 6  # feature frames after its first that an encoder frame sees
_CHANNELS = 32

Block = TypeVar("Block", bound=nn.Module)
Run = tuple[Tensor, Frames]  # frames of utterances, and whose they are


class InputPreprocessor(nn.Module):
    """Two 3x3 convolutions of stride 2 and a projection: a quarter of the frames."""

    def __init__(self, idim: int, d_model: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(1, _CHANNELS, 3, stride=2),
            nn.ReLU(inplace=True),
            nn.Conv2d(_CHANNELS, _CHANNELS, 3, stride=2),
            nn.ReLU(inplace=True),
        )
        self.out = nn.Linear(_CHANNELS * (((idim - 1) // 2 - 1) // 2), d_model)

    def forward(self, feats: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(N, T, idim) -> (N, T', d_model) and the lengths in encoder frames."""
        # Zeros after the end of every utterance, as it has on its own: what a batch is padded with must not count.
        padding = padding_mask(lengths, feats.shape[1])
        if padding is not None:
            feats = feats.masked_fill(padding[:, :, None], 0.0)
        # Frames of no utterance keep the convolution defined where there are no frames at all.
        feats = F.pad(feats, (0, 0, 0, max(CONTEXT, CONTEXT + 1 - feats.shape[1])))
        return self.whole(feats), (lengths + SUBSAMPLING - 1) // SUBSAMPLING

    def whole(self, feats: Tensor) -> Tensor:
        """(N, T', d_model) encoder frames that have all that they see in (N, 4 T' + 3, idim), or up to 3 more."""
        x = self.conv(feats.unsqueeze(1))  # (N, C, T', F')
        return self.out(x.transpose(1, 2).flatten(2))  # channel-major: c * F' + f


class FrameEncoder(nn.Module, ABC, Generic[Block]):
    """Normalised filterbank frames in, one vector every 40 ms out.

    Args:
        idim: dimensions of a feature frame.
        d_model: of what the layers take and give.
        residual_dropout: of what the first of them is given.
        n_layers: number of layers.
        block: makes one.

    Attributes:
        front_end: the features that it takes.
        subsampling: of their frames to one of its own.
        longest_s: seconds that it takes at most; None: any.
        width: dimensions of an encoder frame.
    """

    front_end = PUBLISHED
    subsampling = SUBSAMPLING
    longest_s: float | None = None

    def __init__(
        self, idim: int, d_model: int, residual_dropout: float, n_layers: int, block: Callable[[], Block]
    ) -> None:
        super().__init__()
        self.width = d_model
        self.input_preprocessor = InputPreprocessor(idim, d_model)
        self.dropout = nn.Dropout(residual_dropout)
        self.layer_stack = nn.ModuleList(block() for _ in range(n_layers))

    @abstractmethod
    def positions(self, size: int, like: Tensor) -> Tensor:
        """What the layers are told of the positions in up to so many encoder frames, in the type of `like`."""

    @abstractmethod
    def through(self, runs: list[Run], positions: Tensor, layers: int | None) -> list[Run]:
        """The same frames after the first so many layers, or all."""

    def end(self, x: Tensor) -> Tensor:
        """What follows the last layer."""
        return x

    def forward(
        self, feats: Tensor, lengths: Tensor, layers: int | None = None, chunk: Chunk | None = None
    ) -> tuple[Tensor, Tensor]:
        """Encoder frames and their number; those of an utterance are the same in any batch and of any padding.

        Args:
            feats: (N, T, idim) features after mean and variance normalisation, 10 ms apart.
            lengths: (N,) frames of each utterance, on the same device.
            layers: how many of the blocks are gone through, from the first on; by default all.
            chunk: what a frame sees of the others; None: all of them.

        Returns:
            (N, T', d_model) with T' = ceil(T / 4), of no meaning beyond an utterance's end, and its (N,) lengths.
        """
        if computes_packed(feats) and not self.training:
            return self._packed(feats, lengths, layers, chunk)
        x, lengths = self.input_preprocessor(feats, lengths)
        x = self.dropout(x)
        positions = self.positions(x.shape[1], x)
        ((x, _),) = self.through([(x, Frames.padded(lengths, x, chunk))], positions, layers)
        return x if layers is not None else self.end(x), lengths

    def blocks(self, count: int | None = None) -> list[Block]:
        """The first so many layers; all of them."""
        return cast(list[Block], list(itertools.islice(self.layer_stack, count)))

    def _packed(self, feats: Tensor, lengths: Tensor, layers: int | None, chunk: Chunk | None) -> tuple[Tensor, Tensor]:
        """The same without a computation on padding, a few utterances at a time in each layer."""
        groups = packed_groups(lengths.tolist(), SUBSAMPLING)
        runs = [
            (self._start(feats[group.first :], lengths[group.first :], group.sizes), Frames.packed(group.sizes, chunk))
            for group in groups
        ]
        longest = max((size for group in groups for size in group.sizes), default=1)
        positions = self.positions(longest + beyond_grid(longest), feats)
        runs = self.through(runs, positions, layers)
        if layers is None:
            runs = [(self.end(x), frames) for x, frames in runs]
        size = max(1, -(-feats.shape[1] // SUBSAMPLING))
        out = feats.new_zeros(len(feats), size, self.input_preprocessor.out.out_features)
        own = zip(runs, groups, strict=True)
        rows = [part[0] for (x, frames), group in own for part in frames.split(x)[: len(group.sizes)]]
        for into, one in zip(out, rows, strict=True):
            into[: len(one)] = one
        return out, (lengths + SUBSAMPLING - 1) // SUBSAMPLING

    def _start(self, feats: Tensor, lengths: Tensor, sizes: list[int]) -> Tensor:
        """(1, sum of T', d_model) what the first layer is given of the first utterances, filled up to the grid."""
        rows = []
        for own, length, size in zip(feats, lengths.tolist(), sizes, strict=False):
            given = F.pad(own[:length], (0, 0, 0, SUBSAMPLING * (size + beyond_grid(size)) - length))[None]
            x, _ = self.input_preprocessor(given, lengths.new_full((1,), given.shape[1]))
            rows.append(x[0, :size])
        return F.pad(torch.cat(rows), (0, 0, 0, beyond_grid(sum(sizes))))[None]
