"""What the Transformer decoder keeps between the steps of a search: `DecoderCache`."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from firered.models.few_queries import cache_dtype
from firered.models.frames import GRID, linear_on_grid
from firered.models.masks import key_bias, padding_mask
from firered.models.step_graph import StepGraph, graphs_help

if TYPE_CHECKING:
    from firered.models.transformer import Attention, TransformerDecoder


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
        self, decoder: "TransformerDecoder", encoder_out: Tensor, encoder_lengths: Tensor, beams: int, max_len: int
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
    def _project(attention: "Attention", encoder_out: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
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
