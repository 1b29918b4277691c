"""BERT's encoder (Devlin et al., NAACL 2019, section 3), which reads punctuation.

Parameters carry the names of the released checkpoints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from firered.errors import ModelError
from firered.models.checkpoint import arg
from firered.models.embedding import Embedding
from firered.models.masks import key_bias

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": partial(F.gelu, approximate="tanh"),
    "relu": F.relu,
    "silu": F.silu,
}
_DEVIATION = 0.02  # of new weights


@dataclass(frozen=True)
class BertSizes:
    """What is read from a BERT's config.json; all other keys could only name code or paths."""

    vocab_size: int = arg(low=1)
    hidden_size: int = arg(low=1)
    num_hidden_layers: int = arg(low=1, high=1000, layers=True)
    num_attention_heads: int = arg(low=1)
    intermediate_size: int = arg(low=1)
    max_position_embeddings: int = arg(low=2)
    type_vocab_size: int = arg(low=1)
    hidden_act: str = arg("gelu")
    hidden_dropout_prob: float = arg(0.1, low=0, high=1)
    attention_probs_dropout_prob: float = arg(0.1, low=0, high=1)
    layer_norm_eps: float = arg(1e-12, low=0, high=1)
    pad_token_id: int | None = arg(0, low=0)


class Bert(nn.Module):
    """Embeddings and Transformer layers, for one text at a time: all tokens are of the first type.

    Raises:
        ModelError: the sizes do not fit together.
    """

    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        if config.hidden_size % config.num_attention_heads:
            raise ModelError(
                f"a BERT of {config.hidden_size} dimensions cannot have {config.num_attention_heads} attention heads"
            )
        if config.hidden_act not in ACTIVATIONS:
            raise ModelError(f"hidden_act: {config.hidden_act!r} is not one of {', '.join(ACTIVATIONS)}")
        self.config = config
        self.embeddings = _Embeddings(config)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(_Layer(config) for _ in range(config.num_hidden_layers))})
        self.apply(_initialise)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(N, L, D) for token ids (N, L); `mask` (N, L) is 0 at padding."""
        padding = mask == 0
        bias = key_bias(padding if bool(padding.any()) else None, self.embeddings.LayerNorm.weight.dtype)
        x = self.embeddings(ids)
        for layer in cast(nn.ModuleList, self.encoder["layer"]):
            x = layer(x, bias)
        return x


class _Embeddings(nn.Module):
    """The sum of what a token, its place and its type stand for, normalised."""

    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        self.word_embeddings = Embedding(config.vocab_size, config.hidden_size, padding_idx=config.pad_token_id)
        self.position_embeddings = Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, ids: Tensor) -> Tensor:
        """(N, L, D) for token ids (N, L)."""
        x = self.word_embeddings(ids) + self.token_type_embeddings.weight[0]
        return self.dropout(self.LayerNorm(x + self.position_embeddings.weight[: ids.shape[1]]))


class _SelfAttention(nn.Module):
    """Multi-head attention of all tokens of a text to all."""

    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        self.heads, self.dropout = config.num_attention_heads, config.attention_probs_dropout_prob
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """(N, L, D); `bias` is added to the scores."""
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        drop = self.dropout if self.training else 0.0
        return F.scaled_dot_product_attention(q, k, v, bias, dropout_p=drop).transpose(1, 2).flatten(2)


class _Output(nn.Module):
    """A projection back to the model's width, added to what came in, and normalised."""

    def __init__(self, config: BertSizes, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        """(N, L, D)."""
        return self.LayerNorm(self.dropout(self.dense(x)) + residual)


class _Layer(nn.Module):
    """Attention and feed-forward layer."""

    def __init__(self, config: BertSizes) -> None:
        super().__init__()
        self.attention = nn.ModuleDict({"self": _SelfAttention(config), "output": _Output(config, config.hidden_size)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(config.hidden_size, config.intermediate_size)})
        self.output = _Output(config, config.intermediate_size)
        self._activation = ACTIVATIONS[config.hidden_act]

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """(N, L, D); see _SelfAttention."""
        x = self.attention["output"](self.attention["self"](x, bias), x)
        return self.output(self._activation(self.intermediate["dense"](x)), x)


@torch.no_grad()
def _initialise(module: nn.Module) -> None:
    """New weights, as BERT has them."""
    if not isinstance(module, nn.Linear | Embedding) or module.weight.is_meta:
        return
    module.weight.normal_(0.0, _DEVIATION)
    if isinstance(module, nn.Linear):
        module.bias.zero_()
    elif module.padding_idx is not None:
        module.weight[module.padding_idx].zero_()
