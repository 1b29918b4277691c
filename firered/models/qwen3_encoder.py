"""An encoder of speech with the layers of the language model Qwen3 (Yang et al., 2025), in which every frame sees all.

RMSNorm before attention and feed-forward, rotary positions, normalised queries and keys, queries in groups that share
keys and values, SwiGLU. Parameters carry Qwen3's names below `layer_stack.N.`, so that layers of one can be taken over
(`firered.models.llm_layers`; FunAudio-ASR report, section 4.1).
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from firered.models.frame_encoder import FrameEncoder, Run
from firered.models.frames import Frames

_DEVIATION = 0.02  # of new weights, as Qwen3's are drawn


@dataclass(frozen=True)
class Qwen3Sizes:
    """Of the layers.

    Attributes:
        heads: of queries.
        kv_heads: of keys and values, each for as many heads of queries.
        head_dim: dimensions of a head.
        ffn_dim: width of the feed-forward part.
        rope_theta: base of the wavelengths of rotary positions.
        norm_eps: of all norms.
    """

    heads: int
    kv_heads: int
    head_dim: int
    ffn_dim: int
    rope_theta: float
    norm_eps: float


def rotations(size: int, sizes: Qwen3Sizes, like: Tensor) -> Tensor:
    """(T, 2, head_dim) cosines and sines of the positions from 0 up, in the type of `like`."""
    half = torch.arange(0, sizes.head_dim, 2, dtype=torch.float32, device=like.device) / sizes.head_dim
    angles = torch.arange(size, device=like.device)[:, None] / sizes.rope_theta**half  # (T, head_dim / 2)
    return torch.stack([angles.cos(), angles.sin()], 1).repeat(1, 1, 2).to(like.dtype)


def rotated(x: Tensor, rotation: Tensor) -> Tensor:
    """(N, T, H, D) queries or keys turned to their positions, by (T, 2, D) cosines and sines."""
    first, second = x.chunk(2, -1)
    cosines, sines = rotation[:, 0, None], rotation[:, 1, None]  # (T, 1, D)
    return x * cosines + torch.cat([-second, first], -1) * sines


class Qwen3Attention(nn.Module):
    """Self-attention of grouped queries."""

    def __init__(self, d_model: int, sizes: Qwen3Sizes, dropout: float) -> None:
        super().__init__()
        self.sizes, self.dropout = sizes, dropout
        width, shared = sizes.heads * sizes.head_dim, sizes.kv_heads * sizes.head_dim
        self.q_proj = nn.Linear(d_model, width, bias=False)
        self.k_proj = nn.Linear(d_model, shared, bias=False)
        self.v_proj = nn.Linear(d_model, shared, bias=False)
        self.o_proj = nn.Linear(width, d_model, bias=False)
        self.q_norm = nn.RMSNorm(sizes.head_dim, sizes.norm_eps)
        self.k_norm = nn.RMSNorm(sizes.head_dim, sizes.norm_eps)

    def forward(self, x: Tensor, rotation: Tensor, frames: Frames) -> Tensor:
        """What is to be added to x (N, T, d_model), or packed (1, sum of T, d_model); `rotation` is of its frames."""
        heads = -1, self.sizes.head_dim
        q, k, v = (layer(x).unflatten(-1, heads) for layer in (self.q_proj, self.k_proj, self.v_proj))
        q, k = rotated(self.q_norm(q), rotation).to(v.dtype), rotated(self.k_norm(k), rotation).to(v.dtype)
        parts = zip(frames.split(q), frames.split(k), frames.split(v), strict=True)
        out = [self._attend(*part, frames) for part in parts]
        return self.o_proj(out[0] if len(out) == 1 else torch.cat(out, 1))

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, frames: Frames) -> Tensor:
        bias, group = frames.bias(q), self.sizes.heads // self.sizes.kv_heads
        k, v = (part.repeat_interleave(group, 2).transpose(1, 2) for part in (k, v))  # (N, H, T, D)
        drop = self.dropout if self.training else 0.0
        seen = None if bias is None else bias.to(q.dtype)
        return F.scaled_dot_product_attention(q.transpose(1, 2), k, v, seen, drop).transpose(1, 2).flatten(2)


class Qwen3FeedForward(nn.Module):
    """SwiGLU."""

    def __init__(self, d_model: int, ffn_dim: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(d_model, ffn_dim, bias=False)
        self.up_proj = nn.Linear(d_model, ffn_dim, bias=False)
        self.down_proj = nn.Linear(ffn_dim, d_model, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, d_model) -> (N, T, d_model), what is to be added to x."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Qwen3Layer(nn.Module):
    """Attention and feed-forward, each behind a norm and beside what goes straight on."""

    many_rows = True  # its linear layers are given whole utterances

    def __init__(self, d_model: int, sizes: Qwen3Sizes, dropout: float, residual_dropout: float) -> None:
        super().__init__()
        self.self_attn = Qwen3Attention(d_model, sizes, dropout)
        self.mlp = Qwen3FeedForward(d_model, sizes.ffn_dim)
        self.input_layernorm = nn.RMSNorm(d_model, sizes.norm_eps)
        self.post_attention_layernorm = nn.RMSNorm(d_model, sizes.norm_eps)
        self.residual_dropout = nn.Dropout(residual_dropout)
        for module in self.modules():
            if isinstance(module, nn.Linear) and not module.weight.is_meta:
                nn.init.normal_(module.weight, std=_DEVIATION)

    def forward(self, x: Tensor, rotation: Tensor, frames: Frames) -> Tensor:
        """(N, T, d_model) -> (N, T, d_model); see Qwen3Attention."""
        x = x + self.residual_dropout(self.self_attn(self.input_layernorm(x), rotation, frames))
        return x + self.residual_dropout(self.mlp(self.post_attention_layernorm(x)))


class Qwen3Encoder(FrameEncoder[Qwen3Layer]):
    """Normalised filterbank frames in, one vector every 40 ms out; only for whole utterances.

    Args:
        idim: dimensions of a feature frame.
        d_model: width.
        n_layers: layers.
        sizes: of these.
        residual_dropout: of what each part of a layer adds.
        dropout_rate: of attention.
    """

    def __init__(
        self, *, idim: int, d_model: int, n_layers: int, sizes: Qwen3Sizes, residual_dropout: float, dropout_rate: float
    ) -> None:
        rates = dropout_rate, residual_dropout
        super().__init__(idim, d_model, residual_dropout, n_layers, lambda: Qwen3Layer(d_model, sizes, *rates))
        self.sizes = sizes
        self.norm = nn.RMSNorm(d_model, sizes.norm_eps)

    def positions(self, size: int, like: Tensor) -> Tensor:
        """(T', 2, head_dim) rotations of so many frames."""
        return rotations(size, self.sizes, like)

    def through(self, runs: list[Run], positions: Tensor, layers: int | None) -> list[Run]:
        """The same frames after the first so many layers, or all."""
        own = [frames.each(positions, x.shape[1]) for x, frames in runs]
        for layer in self.blocks(layers):
            runs = [(layer(x, rotation, frames), frames) for (x, frames), rotation in zip(runs, own, strict=True)]
        return runs

    def end(self, x: Tensor) -> Tensor:
        """The norm behind the last layer."""
        return self.norm(x)
