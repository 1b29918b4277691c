"""The Conformer encoder of recognition, language identification and the LLM variant (FireRedASR2S paper, section 3).

Gulati et al., Conformer, Interspeech 2020, with relative positions after Dai et al., Transformer-XL, ACL 2019.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from firered.models.frame_encoder import FrameEncoder, Run
from firered.models.frames import Frames, beyond_grid, computes_packed
from firered.models.int8 import Int8Linear
from firered.models.past import Past
from firered.models.positions import PositionTable
from firered.models.relative_attention import LN_EPS, RelativeAttention

_ROWS = 512  # frames at a time in layers that widen them, on a processor


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


class ConformerEncoder(FrameEncoder[ConformerBlock]):
    """Normalised filterbank frames in, one vector every 40 ms out.

    With `causal` its convolutions see no frame after their own, so that with chunks no result needs what comes after
    the chunk: what `firered.models.streaming` computes piece by piece.
    """

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
        super().__init__(
            idim,
            d_model,
            residual_dropout,
            n_layers,
            lambda: ConformerBlock(d_model, n_head, kernel_size, dropout_rate, residual_dropout, causal=causal),
        )
        self.causal = causal
        self.positional_encoding = PositionTable(d_model, relative=True)

    def positions(self, size: int, like: Tensor) -> Tensor:
        """(2T'+1, d_model) vectors of the relative positions T' down to -T'."""
        return self.dropout(self.positional_encoding(size + 1, like))

    def through(self, runs: list[Run], positions: Tensor, layers: int | None) -> list[Run]:
        """The same frames after the first so many layers, or all."""
        for block in self.blocks(layers):
            table = block.mhsa.table(positions)
            runs = [(block(x, table, frames), frames) for x, frames in runs]
        return runs
