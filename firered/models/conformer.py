"""The Conformer encoder of recognition, language identification and the LLM variant (FireRedASR2S paper, section 3).

Gulati et al., Conformer, Interspeech 2020, with relative positions after Dai et al., Transformer-XL, ACL 2019.
"""

import itertools
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from firered.models.frames import Frames, beyond_grid, computes_packed, packed_groups
from firered.models.fused import FusedAttention
from firered.models.int8 import Int8Linear, Int8Weight
from firered.models.masks import key_bias, padding_mask
from firered.models.positions import PositionTable

SUBSAMPLING = 4  # feature frames (10 ms) per encoder frame
_CONTEXT = 6  # frames after its first that an encoder frame sees
_CHANNELS = 32
_LN_EPS = 1e-5
_ROWS = 512  # frames at a time in layers that widen them, on a processor
_QUERIES = 64  # frames at a time whose attention is computed there


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
        feats = F.pad(feats, (0, 0, 0, max(_CONTEXT, _CONTEXT + 1 - feats.shape[1])))
        x = self.conv(feats.unsqueeze(1))  # (N, C, T', F')
        x = self.out(x.transpose(1, 2).flatten(2))  # channel-major: c * F' + f
        return x, (lengths + SUBSAMPLING - 1) // SUBSAMPLING


class FeedForward(nn.Module):
    """LayerNorm, expansion by four, swish, projection; without the residual."""

    def __init__(self, d_model: int, dropout: float, residual_dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.LayerNorm(d_model, eps=_LN_EPS),
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


class RelativeAttention(FusedAttention):
    """Self-attention with Transformer-XL's relative positions; q, k and v each normalise the input on their own."""

    folds = True  # the weights of the norms into those of the projections

    # Scores of a block of queries are held at a time, which bounds memory: entries of (N, heads, block, keys).
    _BLOCK_ENTRIES = 16 << 20

    def __init__(self, n_head: int, d_model: int, dropout: float, residual_dropout: float) -> None:
        super().__init__()
        self.n_head, self.d_k = n_head, d_model // n_head
        self.scale = self.d_k**-0.5
        self.pos_bias_u = nn.Parameter(torch.empty(n_head, self.d_k))
        self.pos_bias_v = nn.Parameter(torch.empty(n_head, self.d_k))
        nn.init.xavier_uniform_(self.pos_bias_u)
        nn.init.xavier_uniform_(self.pos_bias_v)
        self.w_qs = nn.Linear(d_model, d_model, bias=False)
        self.layer_norm_q = nn.LayerNorm(d_model, eps=_LN_EPS)
        self.w_ks = nn.Linear(d_model, d_model, bias=False)
        self.layer_norm_k = nn.LayerNorm(d_model, eps=_LN_EPS)
        self.w_vs = nn.Linear(d_model, d_model, bias=False)
        self.layer_norm_v = nn.LayerNorm(d_model, eps=_LN_EPS)
        self.fc = nn.Linear(d_model, d_model, bias=False)
        self.linear_pos = nn.Linear(d_model, d_model, bias=False)
        self.dropout = dropout
        self.residual_dropout = nn.Dropout(residual_dropout)

    def fuse(self) -> tuple[Tensor, Tensor]:
        """Weight (3d, d) and bias (3d,) of q, k and v as one layer over the input normalised without weights."""
        norms = (self.layer_norm_q, self.layer_norm_k, self.layer_norm_v)
        layers = (self.w_qs, self.w_ks, self.w_vs)
        weight = torch.cat([layer.weight * norm.weight for norm, layer in zip(norms, layers, strict=True)])
        bias = torch.cat([layer.weight @ norm.bias for norm, layer in zip(norms, layers, strict=True)])
        return weight, bias

    def _project(self, x: Tensor) -> list[Tensor]:
        """q, k and v, each (N, T, H, d_k)."""
        fused = self.fused()
        parts: Sequence[Tensor]
        if fused is None:
            parts = [self.w_qs(self.layer_norm_q(x)), self.w_ks(self.layer_norm_k(x)), self.w_vs(self.layer_norm_v(x))]
        else:
            weight, bias = fused
            x = F.layer_norm(x, x.shape[-1:], eps=_LN_EPS)
            y = weight(x) if isinstance(weight, Int8Weight) else F.linear(x, weight, bias)  # (N, T, 3d)
            parts = y.chunk(3, -1)
        return [part.unflatten(-1, (self.n_head, self.d_k)) for part in parts]

    def table(self, positions: Tensor) -> Tensor:
        """(H, d_k, 2T+1) keys of the relative position vectors T down to -T, (2T+1, d_model)."""
        return self.linear_pos(positions).view(-1, self.n_head, self.d_k).permute(1, 2, 0)

    def forward(self, x: Tensor, table: Tensor, frames: Frames) -> Tensor:
        """What is to be added to x.

        Args:
            x: (N, T, d_model), or packed (1, sum of T, d_model).
            table: of `table`, for the longest utterance or a longer one.
            frames: which are whose.
        """
        parts = zip(*(frames.split(part) for part in self._project(x)), strict=True)
        attend = self._attend_on_grid if x.dtype == torch.bfloat16 and computes_packed(x) else self._attend
        out = [part for q, k, v in parts for part in attend(q, k, v, table, frames.keys)]
        return self.residual_dropout(self.fc(out[0] if len(out) == 1 else torch.cat(out, 1)))

    def _attend_on_grid(self, q: Tensor, k: Tensor, v: Tensor, table: Tensor, keys: Tensor | None) -> list[Tensor]:
        """The same where products are oneDNN's: a size of the grid, filled up with frames that are no keys."""
        size = q.shape[1]
        if not (beyond := beyond_grid(size)) or keys is not None:
            return self._attend(q, k, v, table, keys)
        padding = torch.arange(size + beyond) >= size
        q, k, v = (F.pad(part, (0, 0, 0, 0, 0, beyond)) for part in (q, k, v))
        return [torch.cat(self._attend(q, k, v, table, key_bias(padding[None], q.dtype)), 1)[:, :size]]

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, table: Tensor, keys: Tensor | None) -> list[Tensor]:
        """(N, C, d_model) of all blocks of queries (N, T, H, d_k), in turn.

        `keys` (N, 1, 1, T) are added to the scores of every query; None: nothing is padded.
        """
        n, size = q.shape[:2]
        k, v = k.transpose(1, 2), v.transpose(1, 2)  # (N, H, T, d_k)
        longest = table.shape[2] // 2
        table = table[:, :, longest - size : longest + size + 1]  # (H, d_k, 2T+1)
        block = self._block(n, size)
        out = []
        for start in range(0, size, block):
            part = q[:, start : start + block]
            bias = self._position_scores(part, table, start, size)
            if keys is not None:
                bias = bias + keys if torch.is_grad_enabled() else bias.add_(keys)
            query = (part + self.pos_bias_u).transpose(1, 2)  # (N, H, C, d_k)
            drop = self.dropout if self.training else 0.0
            y = F.scaled_dot_product_attention(query, k, v, bias, dropout_p=drop, scale=self.scale)
            out.append(y.transpose(1, 2).flatten(2))
        return out

    def _block(self, n: int, size: int) -> int:
        """Queries at a time; each meets their own positions in vain, so that on a processor many cost time as well."""
        if n == 1 and computes_packed(self.pos_bias_u):
            return min(size, _QUERIES)
        block = max(1, self._BLOCK_ENTRIES // (n * self.n_head * size))
        return min(size, max(64, block // 64 * 64))

    def _position_scores(self, q: Tensor, table: Tensor, start: int, size: int) -> Tensor:
        """(N, H, C, T): (q_i + v) . p_(i-j) for the queries i from `start` on and all keys j."""
        n, count = q.shape[:2]
        # Row m of the table is position T - m. These queries meet start + count down to start - T + 1; the first of
        # these is one too many, so that a step from row to row is never shorter than a row of the result.
        table = table[:, :, size - start - count : 2 * size - start]  # (H, d_k, T + C)
        q = (q + self.pos_bias_v) * self.scale
        q = q.permute(2, 0, 1, 3).flatten(1, 2)  # (H, N * C, d_k)
        scores = torch.bmm(q, table).view(self.n_head, n, -1)  # (H, N, C * (T + C))
        # Key j of query i lies at column C - i + j: each row starts one place earlier than the one before, so reading
        # on with a step one shorter than a row shifts them into place without moving anything.
        step = size + count - 1
        scores = scores[:, :, count : count + count * step].view(self.n_head, n, count, step)
        return scores[..., :size].transpose(0, 1)


class ConvolutionModule(nn.Module):
    """Pointwise convolution and gate, depthwise convolution over time, LayerNorm, swish, pointwise convolution."""

    def __init__(self, d_model: int, kernel_size: int, residual_dropout: float) -> None:
        super().__init__()
        self.pre_layer_norm = nn.LayerNorm(d_model, eps=_LN_EPS)
        self.pointwise_conv1 = nn.Conv1d(d_model, 4 * d_model, 1, bias=False)
        self.depthwise_conv = nn.Conv1d(2 * d_model, 2 * d_model, kernel_size, groups=2 * d_model, bias=False)
        self.batch_norm = nn.LayerNorm(2 * d_model, eps=_LN_EPS)  # the released name; it is a LayerNorm
        self.pointwise_conv2 = nn.Conv1d(2 * d_model, d_model, 1, bias=False)
        self.residual_dropout = nn.Dropout(residual_dropout)

    def forward(self, x: Tensor, frames: Frames) -> Tensor:
        """(N, T, d_model) -> (N, T, d_model), what is to be added to x, or both packed."""
        x = self.pre_layer_norm(x)
        if frames.padding is not None:
            x = x.masked_fill(frames.padding[:, :, None], 0.0)
        x = self._gated(x)  # (N, T, 2d)
        own = [self._depthwise(part) for part in frames.split(x)]  # each between zeros
        x = own[0] if len(own) == 1 else torch.cat(own, 1)
        x = F.silu(self.batch_norm(x), inplace=True)
        # The published model clears padded frames here once more. Nothing reads them: attention masks them as keys,
        # and the line above clears them before frames mix again.
        return self.residual_dropout(_pointwise(self.pointwise_conv2, x))

    def _gated(self, x: Tensor) -> Tensor:
        if not computes_packed(x) or x.shape[1] <= _ROWS:
            return F.glu(_pointwise(self.pointwise_conv1, x))
        return torch.cat([F.glu(_pointwise(self.pointwise_conv1, part)) for part in x.split(_ROWS, 1)], 1)

    def _depthwise(self, x: Tensor) -> Tensor:
        weight = self.depthwise_conv.weight.unsqueeze(2)  # (2d, 1, 1, K)
        # One row of a channels-last image: the depthwise kernel takes it as it lies in memory.
        size = x.shape[1]
        if computes_packed(x) and (beyond := beyond_grid(size)):
            x = F.pad(x, (0, 0, 0, beyond))
        image = x.unsqueeze(1).permute(0, 3, 1, 2)  # (N, 2d, 1, T)
        y = F.conv2d(image, weight, padding=(0, weight.shape[3] // 2), groups=weight.shape[0])
        return y.permute(0, 2, 3, 1).squeeze(1)[:, :size]


def _pointwise(layer: nn.Conv1d | Int8Linear, x: Tensor) -> Tensor:
    """A convolution over one frame, on (N, T, C)."""
    return layer(x) if isinstance(layer, Int8Linear) else F.linear(x, layer.weight.squeeze(2))


class ConformerBlock(nn.Module):
    """Half a feed-forward, attention, convolution, the other half, LayerNorm."""

    many_rows = True  # its linear layers are given whole utterances

    def __init__(self, d_model: int, n_head: int, kernel_size: int, dropout: float, residual_dropout: float) -> None:
        super().__init__()
        self.ffn1 = FeedForward(d_model, dropout, residual_dropout)
        self.mhsa = RelativeAttention(n_head, d_model, dropout, residual_dropout)
        self.conv = ConvolutionModule(d_model, kernel_size, residual_dropout)
        self.ffn2 = FeedForward(d_model, dropout, residual_dropout)
        self.layer_norm = nn.LayerNorm(d_model, eps=_LN_EPS)

    def forward(self, x: Tensor, table: Tensor, frames: Frames) -> Tensor:
        """(N, T, d_model) -> (N, T, d_model), or both packed; see RelativeAttention."""
        x = torch.add(x, self.ffn1(x), alpha=0.5)
        x = x + self.mhsa(x, table, frames)
        x = x + self.conv(x, frames)
        x = torch.add(x, self.ffn2(x), alpha=0.5)
        return self.layer_norm(x)


class ConformerEncoder(nn.Module):
    """Normalised filterbank frames in, one vector every 40 ms out."""

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
    ) -> None:
        super().__init__()
        self.input_preprocessor = InputPreprocessor(idim, d_model)
        self.positional_encoding = PositionTable(d_model, relative=True)
        self.dropout = nn.Dropout(residual_dropout)
        self.layer_stack = nn.ModuleList(
            ConformerBlock(d_model, n_head, kernel_size, dropout_rate, residual_dropout) for _ in range(n_layers)
        )

    def forward(self, feats: Tensor, lengths: Tensor, layers: int | None = None) -> tuple[Tensor, Tensor]:
        """Encoder frames and their number; those of an utterance are the same in any batch and of any padding.

        Args:
            feats: (N, T, idim) features after mean and variance normalisation, 10 ms apart.
            lengths: (N,) frames of each utterance, on the same device.
            layers: how many of the blocks are gone through, from the first on; by default all.

        Returns:
            (N, T', d_model) with T' = ceil(T / 4), of no meaning beyond an utterance's end, and its (N,) lengths.
        """
        if computes_packed(feats) and not self.training:
            return self._packed(feats, lengths, layers)
        x, lengths = self.input_preprocessor(feats, lengths)
        x = self.dropout(x)
        positions = self.dropout(self.positional_encoding(x.shape[1] + 1, x))  # (2T'+1, d_model)
        frames = Frames.padded(lengths, x)
        for block in self._blocks(layers):
            x = block(x, block.mhsa.table(positions), frames)
        return x, lengths

    def _blocks(self, count: int | None) -> list[ConformerBlock]:
        return cast(list[ConformerBlock], list(itertools.islice(self.layer_stack, count)))

    def _packed(self, feats: Tensor, lengths: Tensor, layers: int | None) -> tuple[Tensor, Tensor]:
        """The same without a computation on padding, a few utterances at a time in each layer."""
        groups = packed_groups(lengths.tolist(), SUBSAMPLING)
        runs = [
            (self._start(feats[group.first :], lengths[group.first :], group.sizes), Frames.packed(group.sizes))
            for group in groups
        ]
        longest = max((size for group in groups for size in group.sizes), default=1)
        # As many as the longest needs, what fills the grid included.
        positions = self.positional_encoding(longest + beyond_grid(longest) + 1, feats)  # (2T'+1, d_model)
        for block in self._blocks(layers):
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
