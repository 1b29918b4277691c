"""The attention decoder over many prefixes in one pass: `DecoderTree`."""

from collections.abc import Sequence

import torch
from torch import Tensor

from firered.models.decoder_cache import DecoderCache
from firered.models.few_queries import attend
from firered.models.fused import few_rows
from firered.models.prefix_slots import NewRows, PrefixSlots, with_room
from firered.models.transformer import Attention, TransformerDecoder


class DecoderTree:
    """A `firered.search.drafts.PrefixModel` of a decoder and N utterances.

    It computes what `TransformerDecoder.step` does, for prefixes of any lengths at once: each attends to the tokens
    that are its own. Linear layers see no padding.

    Args:
        decoder: with its weights.
        encoder_out: (N, T, d_model).
        encoder_lengths: (N,) frames.
    """

    def __init__(self, decoder: TransformerDecoder, encoder_out: Tensor, encoder_lengths: Tensor) -> None:
        self._decoder, self._slots = decoder, PrefixSlots(len(encoder_out), encoder_out.device)
        self._frames = DecoderCache(decoder, encoder_out, encoder_lengths, 1, 1)  # keys and values of the encoder's
        shape = self._frames.encoder(0)[0].shape
        empty = encoder_out.new_zeros(*shape[:2], 0, shape[3])
        self._pool = [[empty, empty] for _ in decoder.layers]

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return self._decoder.tgt_word_emb.num_embeddings

    def extend(self, tokens: Sequence[Sequence[int]], parents: Sequence[Sequence[int]]) -> Tensor:
        """(M, V) logits after new prefixes; see `PrefixModel.extend`."""
        decoder, new = self._decoder, self._slots.add(tokens, parents)
        table = decoder.positional_encoding(int(new.depths.max()) + 1, self._pool[0][0])
        x = decoder.tgt_word_emb(new.tokens) * decoder.scale + table[new.depths]  # (M, d_model)
        bias = torch.zeros(new.seen.shape, dtype=x.dtype, device=x.device).masked_fill_(~new.seen, -torch.inf)[:, None]
        for index, layer in enumerate(decoder.layers):
            q, k, v = layer.self_attn.project(layer.self_attn_norm(x))
            x = x + _attend(layer.self_attn, new, q, self._held(index, new, k, v), bias)
            cross = layer.cross_attn
            q = few_rows(layer.cross_attn_norm(x), cross.w_qs.weight, cross.w_qs.bias)
            x = x + _attend(cross, new, q, self._frames.encoder(index), self._frames.encoder_bias)
            x = x + layer.mlp.step(layer.mlp_norm(x))
        return few_rows(decoder.layer_norm_out(x), decoder.tgt_word_prj.weight, None)

    def _held(self, layer: int, new: NewRows, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """A layer's keys and values (N, H, S, d_k), with the new ones (M, d_model) among them."""
        held, used, heads = self._pool[layer], self._slots.used, self._pool[layer][0].shape[1]
        for number, rows in enumerate((k, v)):
            held[number] = with_room(held[number], used, 2 * used)
            new.put(held[number], rows.unflatten(-1, (heads, -1)))
        return held[0][:, :, :used], held[1][:, :, :used]

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        self._slots.select(utterances)
        self._frames.select(utterances)
        self._pool = [[keys[utterances], values[utterances]] for keys, values in self._pool]


def _attend(attention: Attention, new: NewRows, q: Tensor, held: tuple[Tensor, Tensor], bias: Tensor | None) -> Tensor:
    """(M, d_model): rows q of each utterance over its keys and values (N, H, S, d_k)."""
    heads = attention.heads(new.spread(q))  # (N, H, R, d_k)
    y = attend(heads, *held, bias)
    return few_rows(new.gather(y.transpose(1, 2).flatten(2)), attention.fc.weight, attention.fc.bias)
