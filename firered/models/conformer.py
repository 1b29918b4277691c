"""The Conformer encoder of recognition, language identification and the LLM variant (FireRedASR2S paper, section 3).

Gulati et al., Conformer, Interspeech 2020, with relative positions after Dai et al., Transformer-XL, ACL 2019.
"""

import itertools
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from firered.audio.frontend import PUBLISHED
from firered.models.chunks import Chunk
from firered.models.frames import Frames, beyond_grid, computes_packed, packed_groups
from firered.models.int8 import Int8Linear
from firered.models.masks import padding_mask
from firered.models.past import Past
from firered.models.positions import PositionTable
from firered.models.relative_attention import LN_EPS, RelativeAttention

SUBSAMPLING = 4  # feature frames (10 ms) per encoder frame
CONTEXT = 6  # feature frames after its first that an encoder frame sees
_CHANNELS = 32
_ROWS = 512  # frames at a time in layers that widen them, on a processor


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


class FeedForward(nn.Module):
    """LayerNorm, expansion by four, swish, projection; without the residual."""

    def __init__(self, d_model: int, dropout: float, residual_dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(d_model, eps=LN_EPS),
            nn.Linear(d_model, 4 * d_model),
            nn.SiLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(4 * d_model, d_model),
            nn.Dropout(residual_dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, d_model) -> (N, T, d_model), what is to be added to x."""
        if not computes_packed(x) or x.shape[1] <= _ROWS:
            return self.net(x)
        # The expanded frames, held for all frames, would be memory that the system has to clear at every call.
        return torch.cat([self.net(part) for part in x.split(_ROWS, 1)], 1)


class ConvolutionModule(nn.Module):
    """Pointwise convolution and gate, depthwise convolution over time, LayerNorm, swish, pointwise convolution.

    The depthwise convolution sees as many frames after a frame as before it; with `causal`, all are before it.
    """

    def __init__(self, d_model: int, kernel_size: int, residual_dropout: float, *, causal: bool = False) -> None:
        super().__init__()
        self.padding = kernel_size - 1 if causal else kernel_size // 2
        self.pre_layer_norm = nn.LayerNorm(d_model, eps=LN_EPS)
        self.pointwise_conv1 = nn.Conv1d(d_model, 4 * d_model, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(2 * d_model, 2 * d_model, kernel_size, groups=2 * d_model, bias=False)
        self.batch_norm = nn.LayerNorm(2 * d_model, eps=LN_EPS)  # the released name; it is a LayerNorm
        self.pointwise_conv2 = nn.Conv1d(2 * d_model, d_model, 1, bias=False)
        self.residual_dropout = nn.Dropout(residual_dropout)

    def forward(self, x: Tensor, frames: Frames, past: Past | None = None) -> Tensor:
        """(N, T, d_model) -> (N, T, d_model), what is to be added to x, or both packed; of a stream its next chunk."""
        x = self.pre_layer_norm(x)
        if frames.padding is not None:
            x = x.masked_fill(frames.padding[:, :, None], 0.0)
        x = self._gated(x)  # (N, T, 2d)
        if past is None:
            own = [self._depthwise(part) for part in frames.split(x)]  # each between zeros
            x = own[0] if len(own) == 1 else torch.cat(own, 1)
        else:
            x = self._convolved(past.with_frames(x, self.padding), 0)
        x = F.silu(self.batch_norm(x), inplace=True)
        # The published model clears padded frames here once more. Nothing reads them: attention masks them as keys,
        # and the line above clears them before frames mix again.
        return self.residual_dropout(_pointwise(self.pointwise_conv2, x))

    def _gated(self, x: Tensor) -> Tensor:
        if not computes_packed(x) or x.shape[1] <= _ROWS:
            return F.glu(_pointwise(self.pointwise_conv1, x))
        return torch.cat([F.glu(_pointwise(self.pointwise_conv1, part)) for part in x.split(_ROWS, 1)], 1)

    def _depthwise(self, x: Tensor) -> Tensor:
        size = x.shape[1]
        if computes_packed(x) and (beyond := beyond_grid(size)):
            x = F.pad(x, (0, 0, 0, beyond))
        return self._convolved(x, self.padding)[:, :size]

    def _convolved(self, x: Tensor, padding: int) -> Tensor:
        """(N, T + 2 * padding - K + 1, 2d) of frames (N, T, 2d) between so many zeros on either side."""
        weight = self.depthwise_conv.weight.unsqueeze(2)  # (2d, 1, 1, K)
        # One row of a channels-last image: the depthwise kernel takes it as it lies in memory.
        image = x.unsqueeze(1).permute(0, 3, 1, 2)  # (N, 2d, 1, T)
        y = F.conv2d(image, weight, padding=(0, padding), groups=weight.shape[0])
        return y.permute(0, 2, 3, 1).squeeze(1)


def _pointwise(layer: nn.Conv1d | Int8Linear, x: Tensor) -> Tensor:
    """A convolution over one frame, on (N, T, C)."""
    return layer(x) if isinstance(layer, Int8Linear) else F.linear(x, layer.weight.squeeze(2))


class ConformerBlock(nn.Module):
    """Half a feed-forward, attention, convolution, the other half, LayerNorm."""

    many_rows = True  # its linear layers are given whole utterances

    def __init__(
        self,
        d_model: int,
        n_head: int,
        kernel_size: int,
        dropout: float,
        residual_dropout: float,
        *,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.ffn1 = FeedForward(d_model, dropout, residual_dropout)
        self.mhsa = RelativeAttention(n_head, d_model, dropout, residual_dropout)
        self.conv = ConvolutionModule(d_model, kernel_size, residual_dropout, causal=causal)
        self.ffn2 = FeedForward(d_model, dropout, residual_dropout)
        self.layer_norm = nn.LayerNorm(d_model, eps=LN_EPS)

    def forward(self, x: Tensor, table: Tensor, frames: Frames, past: Past | None = None) -> Tensor:
        """(N, T, d_model) -> (N, T, d_model), or both packed; see RelativeAttention."""
        x = torch.add(x, self.ffn1(x), alpha=0.5)
        x = x + self.mhsa(x, table, frames, past)
        x = x + self.conv(x, frames, past)
        x = torch.add(x, self.ffn2(x), alpha=0.5)
        return self.layer_norm(x)


class ConformerEncoder(nn.Module):
    """Normalised filterbank frames in, one vector every 40 ms out.

    With `causal` its convolutions see no frame after their own, so that with chunks no result needs what comes after
    the chunk: what `firered.models.streaming` computes piece by piece.

    Attributes:
        front_end: the features that it takes.
        subsampling: of their frames to one of its own.
        longest_s: seconds that it takes at most; None: any.
    """

    front_end = PUBLISHED
    subsampling = SUBSAMPLING
    longest_s: float | None = None

    def __init__(
        self,
        *,
        idim: int,
        d_model: int,
        n_layers: int,
        n_head: int,
        kernel_size: int,
        residual_dropout: float,
        dropout_rate: float,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.causal = causal
        self.input_preprocessor = InputPreprocessor(idim, d_model)
        self.positional_encoding = PositionTable(d_model, relative=True)
        self.dropout = nn.Dropout(residual_dropout)
        self.layer_stack = nn.ModuleList(
            ConformerBlock(d_model, n_head, kernel_size, dropout_rate, residual_dropout, causal=causal)
            for _ in range(n_layers)
        )

    @property
    def width(self) -> int:
        """Dimensions of an encoder frame."""
        return self.input_preprocessor.out.out_features

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
        positions = self.dropout(self.positional_encoding(x.shape[1] + 1, x))  # (2T'+1, d_model)
        frames = Frames.padded(lengths, x, chunk)
        for block in self.blocks(layers):
            x = block(x, block.mhsa.table(positions), frames)
        return x, lengths

    def blocks(self, count: int | None = None) -> list[ConformerBlock]:
        """The first so many layers; all of them."""
        return cast(list[ConformerBlock], list(itertools.islice(self.layer_stack, count)))

    def _packed(self, feats: Tensor, lengths: Tensor, layers: int | None, chunk: Chunk | None) -> tuple[Tensor, Tensor]:
        """The same without a computation on padding, a few utterances at a time in each layer."""
        groups = packed_groups(lengths.tolist(), SUBSAMPLING)
        runs = [
            (self._start(feats[group.first :], lengths[group.first :], group.sizes), Frames.packed(group.sizes, chunk))
            for group in groups
        ]
        longest = max((size for group in groups for size in group.sizes), default=1)
        # As many as the longest needs, what fills the grid included.
        positions = self.positional_encoding(longest + beyond_grid(longest) + 1, feats)  # (2T'+1, d_model)
        for block in self.blocks(layers):
            table = block.mhsa.table(positions)
            runs = [(block(x, table, frames), frames) for x, frames in runs]
        size = max(1, -(-feats.shape[1] // SUBSAMPLING))
        out = feats.new_zeros(len(feats), size, positions.shape[1])
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
