"""Self-attention with relative positions, of the Conformer encoder (Dai et al., Transformer-XL, ACL 2019)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from firered.models.frames import Frames, beyond_grid, computes_packed
from firered.models.fused import FusedAttention
from firered.models.int8 import Int8Weight
from firered.models.masks import key_bias
from firered.models.past import Past

LN_EPS = 1e-5
_QUERIES = 64  # frames at a time whose attention is computed on a processor


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
        self.layer_norm_q = nn.LayerNorm(d_model, eps=LN_EPS)
        self.w_ks = nn.Linear(d_model, d_model, bias=False)
        self.layer_norm_k = nn.LayerNorm(d_model, eps=LN_EPS)
        self.w_vs = nn.Linear(d_model, d_model, bias=False)
        self.layer_norm_v = nn.LayerNorm(d_model, eps=LN_EPS)
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
            x = F.layer_norm(x, x.shape[-1:], eps=LN_EPS)
            y = weight(x) if isinstance(weight, Int8Weight) else F.linear(x, weight, bias)  # (N, T, 3d)
            parts = y.chunk(3, -1)
        return [part.unflatten(-1, (self.n_head, self.d_k)) for part in parts]

    def table(self, positions: Tensor) -> Tensor:
        """(H, d_k, 2T+1) keys of the relative position vectors T down to -T, (2T+1, d_model)."""
        return self.linear_pos(positions).view(-1, self.n_head, self.d_k).permute(1, 2, 0)

    def forward(self, x: Tensor, table: Tensor, frames: Frames, past: Past | None = None) -> Tensor:
        """What is to be added to x.

        Args:
            x: (N, T, d_model), or packed (1, sum of T, d_model).
            table: of `table`, for the longest utterance or a longer one, with what is past.
            frames: which are whose.
            past: of a stream, of which x (1, T, d_model) is the next chunk.
        """
        projected = self._project(x)
        if past is not None:
            q, k, v = projected
            out = self._attend_from(q, *past.with_keys(k, v), table)
        else:
            parts = zip(*(frames.split(part) for part in projected), strict=True)
            attend = self._attend_on_grid if _on_grid(x) else self._attend
            out = [part for q, k, v in parts for part in attend(q, k, v, table, frames.bias(q))]
        return self.residual_dropout(self.fc(out[0] if len(out) == 1 else torch.cat(out, 1)))

    def _attend_from(self, q: Tensor, k: Tensor, v: Tensor, table: Tensor) -> list[Tensor]:
        """The same for queries that are the last of the frames whose keys these are."""
        first, size, keys = k.shape[1] - q.shape[1], k.shape[1], None
        if _on_grid(q) and (beyond := beyond_grid(size)):
            keys = key_bias((torch.arange(size + beyond) >= size)[None], q.dtype)
            k, v = (F.pad(part, (0, 0, 0, 0, 0, beyond)) for part in (k, v))
        return self._attend(q, k, v, table, keys, first)

    def _attend_on_grid(self, q: Tensor, k: Tensor, v: Tensor, table: Tensor, keys: Tensor | None) -> list[Tensor]:
        """The same where products are oneDNN's: a size of the grid, filled up with frames that are no keys."""
        size = q.shape[1]
        if not (beyond := beyond_grid(size)) or keys is not None:
            return self._attend(q, k, v, table, keys)
        padding = torch.arange(size + beyond) >= size
        q, k, v = (F.pad(part, (0, 0, 0, 0, 0, beyond)) for part in (q, k, v))
        return [torch.cat(self._attend(q, k, v, table, key_bias(padding[None], q.dtype)), 1)[:, :size]]

    def _attend(
        self, q: Tensor, k: Tensor, v: Tensor, table: Tensor, keys: Tensor | None, first: int = 0
    ) -> list[Tensor]:
        """(N, C, d_model) of all blocks of queries (N, T, H, d_k), in turn.

        `keys` (N, 1, 1, T) are added to the scores of every query, (N, 1, T, T) to those of each its own; None: every
        query sees all. `first` is the frame of the first query, of those whose keys and values are given.
        """
        n, size = k.shape[:2]
        k, v = k.transpose(1, 2), v.transpose(1, 2)  # (N, H, T, d_k)
        longest = table.shape[2] // 2
        table = table[:, :, longest - size : longest + size + 1]  # (H, d_k, 2T+1)
        block = self._block(n, size)
        out = []
        for start in range(0, q.shape[1], block):
            part = q[:, start : start + block]
            bias = self._position_scores(part, table, first + start, size)
            if keys is not None:
                own = keys if keys.shape[2] == 1 else keys[:, :, start : start + block]
                bias = bias + own if torch.is_grad_enabled() else bias.add_(own)
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


def _on_grid(x: Tensor) -> bool:
    """Whether products are oneDNN's, which keeps code for each size."""
    return x.dtype == torch.bfloat16 and computes_packed(x)
