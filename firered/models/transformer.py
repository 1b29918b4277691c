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

from firered.models.decoder_cache import DecoderCache
from firered.models.embedding import Embedding
from firered.models.few_queries import attend
from firered.models.fused import FusedAttention, few_rows
from firered.models.masks import key_bias, padding_mask
from firered.models.positions import PositionTable

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

    def start(self, encoder_out: Tensor, encoder_lengths: Tensor, beams: int, max_len: int) -> DecoderCache:
        """The cache for steps over these utterances.

        Args:
            encoder_out: (N, T, d_model).
            encoder_lengths: (N,) frames.
            beams: hypotheses of each utterance.
            max_len: steps that will be taken at most.
        """
        return DecoderCache(self, encoder_out, encoder_lengths, beams, max_len)

    def step(self, tokens: Tensor, cache: DecoderCache) -> Tensor:
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
