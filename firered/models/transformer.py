"""The Transformer decoder of speech recognition and language identification (FireRedASR2S paper, section 3).

Two passes over the same weights: whole token sequences at once, for training and scoring, and one token at a time
for many hypotheses of many utterances, with keys and values cached.
"""

import math
from collections.abc import Callable
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from firered.models.embedding import Embedding
from firered.models.few_queries import attend, cache_dtype
from firered.models.frames import GRID, linear_on_grid
from firered.models.fused import FusedAttention, few_rows
from firered.models.masks import key_bias, padding_mask
from firered.models.positions import PositionTable
from firered.models.step_graph import StepGraph, graphs_help

_LN_EPS = 1e-5

Decoder = TypeVar("Decoder", bound="TransformerDecoder")


class Attention(FusedAttention):
    """Multi-head attention with biases on all projections but that of the keys."""

    def __init__(self, n_head: int, d_model: int, dropout: float, *, given_the_same: bool = True) -> None:
        super().__init__(given_the_same=given_the_same)
        self.n_head, self.d_k = n_head, d_model // n_head
        self.w_qs = nn.Linear(d_model, d_model)
        self.w_ks = nn.Linear(d_model, d_model, bias=False)
        self.w_vs = nn.Linear(d_model, d_model)
        self.fc = nn.Linear(d_model, d_model)
        self.dropout = dropout

    def fuse(self) -> tuple[Tensor, Tensor]:
        """Weight (3d, d) and bias (3d,) of q, k and v as one layer."""
        weight = torch.cat([self.w_qs.weight, self.w_ks.weight, self.w_vs.weight])
        bias = torch.cat([self.w_qs.bias, torch.zeros_like(self.w_qs.bias), self.w_vs.bias])
        return weight, bias

    def heads(self, x: Tensor) -> Tensor:
        """(N, T, d_model) -> (N, H, T, d_k)."""
        return x.unflatten(-1, (self.n_head, self.d_k)).transpose(1, 2)

    def forward(self, x: Tensor, memory: Tensor, bias: Tensor) -> Tensor:
        """(N, U, d_model) from queries x (N, U, d_model) over memory (N, T, d_model); bias is added to the scores."""
        q, k, v = self.heads(self.w_qs(x)), self.heads(self.w_ks(memory)), self.heads(self.w_vs(memory))
        y = F.scaled_dot_product_attention(q, k, v, bias, dropout_p=self.dropout if self.training else 0.0)
        return self.fc(y.transpose(1, 2).flatten(2))

    def project(self, x: Tensor) -> list[Tensor]:
        """q, k and v (rows, d_model) of a step's rows."""
        fused = self.fused()
        if fused is None:
            return [few_rows(x, layer.weight, layer.bias) for layer in (self.w_qs, self.w_ks, self.w_vs)]
        return list(few_rows(x, *fused).chunk(3, -1))

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        """(N * B, d_model): the B rows q of each utterance over its keys and values (N, H, T, d_k)."""
        q = self.heads(q.view(k.shape[0], -1, q.shape[-1]))  # (N, H, B, d_k)
        y = attend(q, k, v, bias)
        return few_rows(y.transpose(1, 2).flatten(2).flatten(0, 1), self.fc.weight, self.fc.bias)


class Mlp(nn.Module):
    """Expansion by four, exact GELU, projection."""

    def __init__(self, d_model: int, dropout: float) -> None:
        super().__init__()
        self.w_1 = nn.Linear(d_model, 4 * d_model)
        self.w_2 = nn.Linear(4 * d_model, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(..., d_model) -> (..., d_model)."""
        return self.w_2(self.dropout(F.gelu(self.w_1(x))))

    def step(self, x: Tensor) -> Tensor:
        """The same for the few rows of a step, (rows, d_model)."""
        return few_rows(F.gelu(few_rows(x, self.w_1.weight, self.w_1.bias)), self.w_2.weight, self.w_2.bias)


class DecoderLayer(nn.Module):
    """Self-attention, attention to the encoder and MLP, each normalised first and added to its input."""

    def __init__(self, n_head: int, d_model: int, residual_dropout: float, dropout: float) -> None:
        super().__init__()
        self.self_attn_norm = nn.LayerNorm(d_model, eps=_LN_EPS)
        self.self_attn = Attention(n_head, d_model, dropout)
        self.cross_attn_norm = nn.LayerNorm(d_model, eps=_LN_EPS)
        self.cross_attn = Attention(n_head, d_model, dropout, given_the_same=False)
        self.mlp_norm = nn.LayerNorm(d_model, eps=_LN_EPS)
        self.mlp = Mlp(d_model, dropout)
        self.dropout = nn.Dropout(residual_dropout)

    def forward(self, x: Tensor, encoder_out: Tensor, causal: Tensor, cross: Tensor | None) -> Tensor:
        """(N * B, U, d_model) -> (N * B, U, d_model): B texts for each of the N encoder outputs."""
        y = self.self_attn_norm(x)
        x = x + self.dropout(self.self_attn(y, y, causal))
        y = self.cross_attn_norm(x).reshape(len(encoder_out), -1, x.shape[2])
        x = x + self.dropout(self.cross_attn(y, encoder_out, cross)).view_as(x)
        return x + self.dropout(self.mlp(self.mlp_norm(x)))


class TransformerDecoder(nn.Module):
    """Tokens and encoder frames in, logits of the next tokens out; the output projection is the embedding."""

    def __init__(
        self,
        *,
        odim: int,
        d_model: int,
        n_layers: int,
        n_head: int,
        residual_dropout: float,
        dropout_rate: float,
        pad_id: int,
    ) -> None:
        super().__init__()
        self.pad_id, self.scale = pad_id, math.sqrt(d_model)
        self.tgt_word_emb = Embedding(odim, d_model, padding_idx=pad_id)
        self.tgt_word_emb.draw(std=1 / self.scale)  # unit vectors in, logits of order one out
        self.positional_encoding = PositionTable(d_model, relative=False)
        self.dropout = nn.Dropout(residual_dropout)
        self.layer_stack = nn.ModuleList(
            DecoderLayer(n_head, d_model, residual_dropout, dropout_rate) for _ in range(n_layers)
        )
        self.layer_norm_out = nn.LayerNorm(d_model, eps=_LN_EPS)
        self.tgt_word_prj = nn.Linear(d_model, odim, bias=False)
        self.tgt_word_prj.weight = self.tgt_word_emb.weight

    def _apply(self: Decoder, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Decoder:
        super()._apply(fn, recurse)
        self.tgt_word_prj.weight = self.tgt_word_emb.weight  # what gives a network its memory makes two of them
        return self

    @property
    def layers(self) -> list[DecoderLayer]:
        """The layers, first to last."""
        return cast(list[DecoderLayer], list(self.layer_stack))

    def forward(self, tokens: Tensor, encoder_out: Tensor, encoder_lengths: Tensor) -> Tensor:
        """Logits of the token after each of the given ones, all at once (teacher forcing).

        Args:
            tokens: (N * B, U) ids beginning with sos, padded with pad; row n * B + b is text b of utterance n.
            encoder_out: (N, T, d_model).
            encoder_lengths: (N,) frames.

        Returns:
            (N * B, U, odim) logits; row u has seen tokens up to u, no pad, and no encoder frame beyond the length.
        """
        size = tokens.shape[1]
        x = self.dropout(self.tgt_word_emb(tokens) * self.scale + self.positional_encoding(size, encoder_out))
        future = torch.ones(size, size, dtype=torch.bool, device=tokens.device).triu(1)
        hidden = future | (tokens == self.pad_id)[:, None, None]  # (N, 1, U, U)
        causal = torch.zeros_like(hidden, dtype=encoder_out.dtype).masked_fill_(hidden, -torch.inf)
        cross = key_bias(padding_mask(encoder_lengths, encoder_out.shape[1]), encoder_out.dtype)
        for layer in self.layers:
            x = layer(x, encoder_out, causal, cross)
        return self.tgt_word_prj(self.layer_norm_out(x))

    def start(self, encoder_out: Tensor, encoder_lengths: Tensor, beams: int, max_len: int) -> "DecoderCache":
        """The cache for steps over these utterances.

        Args:
            encoder_out: (N, T, d_model).
            encoder_lengths: (N,) frames.
            beams: hypotheses of each utterance.
            max_len: steps that will be taken at most.
        """
        return DecoderCache(self, encoder_out, encoder_lengths, beams, max_len)

    def step(self, tokens: Tensor, cache: "DecoderCache") -> Tensor:
        """(N * B, odim) logits of the next tokens, given each hypothesis' last (N * B,), sos in the first step."""
        x = self.tgt_word_emb(tokens) * self.scale + cache.position()  # (N * B, d_model)
        bias = cache.lineage()
        for index, layer in enumerate(self.layers):
            q, k, v = layer.self_attn.project(layer.self_attn_norm(x))
            keys, values = cache.append(index, k, v)
            x = x + layer.self_attn.attend(q, keys, values, bias)
            cross = layer.cross_attn
            q = few_rows(layer.cross_attn_norm(x), cross.w_qs.weight, cross.w_qs.bias)
            x = x + cross.attend(q, *cache.encoder(index), cache.encoder_bias)
            x = x + layer.mlp.step(layer.mlp_norm(x))
        return few_rows(self.layer_norm_out(x), self.tgt_word_prj.weight, None)


class DecoderCache:
    """Keys and values of N utterances with B hypotheses each; row n * B + b is hypothesis b of utterance n.

    The encoder frames are projected once an utterance, and its hypotheses are queries of one attention. The tokens of
    all its hypotheses lie in one pool a layer, B more each step, and stay where they are: re-ordering changes only
    `_lineage`, which marks the tokens of the pool that are a hypothesis' own, and copies no keys or values.

    Where steps become graphs their shapes are fixed: each attends to the whole pool, of which what is not written yet
    is nobody's own.
    """

    _FIRST_STEPS = 64  # room to begin with; it doubles when it is full

    def __init__(
        self, decoder: TransformerDecoder, encoder_out: Tensor, encoder_lengths: Tensor, beams: int, max_len: int
    ) -> None:
        self.decoder, self.beams, self.max_len = decoder, beams, max_len
        self._frames = encoder_lengths.clamp(min=1).tolist()
        self.size, self.steps = len(self._frames), 0  # utterances, tokens of each hypothesis
        self._attention = decoder.layers[0].self_attn  # all layers cut their heads alike
        dtype = cache_dtype(encoder_out.dtype, encoder_out.device, reduced=self._attention.in_int8)
        # Products in bfloat16 are oneDNN's; see GRID.
        self._grid = GRID if dtype == torch.bfloat16 and encoder_out.device.type == "cpu" else 1
        encoder_out = F.pad(encoder_out, (0, 0, 0, -encoder_out.shape[1] % self._grid))
        self._encoder = [self._project(layer.cross_attn, encoder_out, dtype) for layer in decoder.layers]
        self.encoder_bias = key_bias(padding_mask(encoder_lengths, encoder_out.shape[1]), encoder_out.dtype)
        shape = self._encoder[0][0].shape  # (N, H, T, d_k)
        room = min(max_len, self._FIRST_STEPS) * beams
        self._graph = StepGraph() if graphs_help(encoder_out.device, self.size * beams) else None
        self._positions = decoder.positional_encoding(max_len, encoder_out)
        self._pool = [(self._room(shape, room), self._room(shape, room)) for _ in decoder.layers]
        self._step = torch.full((1,), -1, device=encoder_out.device)  # a graph reads it, and where its tokens go
        self._slots = torch.arange(-beams, 0, device=encoder_out.device)
        self._lineage = encoder_out.new_full((self.size, 1, beams, room), -torch.inf)
        self._own = torch.full_like(self._lineage[0, 0, :, :beams], -torch.inf).fill_diagonal_(0.0)  # (B, B)

    @staticmethod
    def _project(attention: Attention, encoder_out: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Keys and values (N, H, T, d_k), each head's in one piece: they are read at every step."""
        return (
            attention.heads(linear_on_grid(attention.w_ks, encoder_out).to(dtype)).contiguous(),
            attention.heads(linear_on_grid(attention.w_vs, encoder_out).to(dtype)).contiguous(),
        )

    def step(self, tokens: Tensor) -> Tensor:
        """(N * B, odim) logits; see TransformerDecoder.step."""
        used = self.steps * self.beams
        self.steps += 1
        if used + self.beams > self._lineage.shape[3]:
            self._grow()
        self._lineage[..., used : used + self.beams] = self._own
        if self._graph is None:
            return self._compute(tokens)
        self._step += 1
        self._slots += self.beams
        return self._graph(self._compute, tokens)

    def _compute(self, tokens: Tensor) -> Tensor:
        return self.decoder.step(tokens, self)

    def position(self) -> Tensor:
        """(1, d_model) position vector of the tokens of this step."""
        if self._graph is None:
            return self._positions[self.steps - 1 : self.steps]
        return self._positions.index_select(0, self._step)

    def lineage(self) -> Tensor | None:
        """(N, 1, B, S) to be added to the scores of the S tokens that `append` gives."""
        if self._graph is None and self.beams == 1:
            return None
        return self._lineage[..., : self._attended]

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Put this step's keys and values (N * B, d_model) into a layer's pool; those in it, (N, H, S, d_k) each."""
        for room, rows in zip(self._pool[layer], (k, v), strict=True):
            new = self._attention.heads(rows.view(self.size, self.beams, -1))
            if self._graph is None:
                room[:, :, self._attended - self.beams : self._attended] = new
            else:
                room.index_copy_(2, self._slots, new)
        keys, values = self._pool[layer]
        return keys[:, :, : self._attended], values[:, :, : self._attended]

    @property
    def _attended(self) -> int:
        """S, the places of the pool that are attended to: those that are used, or all of them."""
        return self.steps * self.beams if self._graph is None else self._lineage.shape[3]

    def encoder(self, layer: int) -> tuple[Tensor, Tensor]:
        """A layer's keys and values (N, H, T, d_k) of the encoder frames."""
        return self._encoder[layer]

    def _room(self, like: torch.Size, tokens: int) -> Tensor:
        """Memory for keys or values (N, H, tokens, d_k)."""
        # What is attended to before it is written must be a number, even where the lineage gives it no weight.
        make = self._positions.new_empty if self._graph is None else self._positions.new_zeros
        return make(*like[:2], tokens, like[3])

    def _grow(self) -> None:
        tokens = min(2 * self._lineage.shape[3], max(self.max_len, self.steps) * self.beams)
        self._lineage = F.pad(self._lineage, (0, tokens - self._lineage.shape[3]), value=-torch.inf)
        self._pool = [(self._longer(k, tokens), self._longer(v, tokens)) for k, v in self._pool]
        self._positions = self.decoder.positional_encoding(max(self.max_len, self.steps), self._positions)
        self._forget()

    def _longer(self, x: Tensor, tokens: int) -> Tensor:
        """A copy of keys or values with room for more tokens behind."""
        longer = self._room(x.shape, tokens)
        longer[:, :, : x.shape[2]] = x
        return longer

    def _forget(self) -> None:
        if self._graph is not None:
            self._graph.forget()

    def reorder(self, index: Tensor) -> None:
        """Continue row i from what was row index[i], a row of the same utterance; index is (N * B,)."""
        if self.beams > 1:
            lineage = self._lineage[:, 0, :, : self.steps * self.beams].flatten(0, 1)
            self._lineage[:, 0, :, : self.steps * self.beams] = lineage[index].view(self.size, self.beams, -1)

    def select(self, kept: list[int]) -> None:
        """Keep these utterances, in this order; the others are no longer computed.

        Where those that move come from beyond the first n, as when the last fill the gaps, only they are copied.
        """
        self._forget()
        self._encoder = [(_pick(k, kept), _pick(v, kept)) for k, v in self._encoder]
        self._pool = [(_pick(k, kept), _pick(v, kept)) for k, v in self._pool]
        self._lineage = _pick(self._lineage, kept)
        self.size, self._frames = len(kept), [self._frames[i] for i in kept]
        if self.encoder_bias is None:
            return
        frames = max(self._frames, default=1)
        frames += -frames % self._grid
        self._encoder = [(k[:, :, :frames].contiguous(), v[:, :, :frames].contiguous()) for k, v in self._encoder]
        padded = min(self._frames, default=frames) < frames
        self.encoder_bias = _pick(self.encoder_bias, kept)[..., :frames] if padded else None


def _pick(x: Tensor, kept: list[int]) -> Tensor:
    """Rows of x in this order, in its own memory if possible."""
    moves = [(place, row) for place, row in enumerate(kept) if place != row]
    if any(row < len(kept) for _, row in moves):
        return x[kept]
    for place, row in moves:
        x[place] = x[row]
    return x[: len(kept)]
