"""The punctuation model: BERT and a linear layer to one tag a token."""

from argparse import Namespace
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from firered.errors import ModelError
from firered.hub.catalogue import CHECKPOINT
from firered.models.checkpoint import arg, config_from_args, load_checkpoint, load_network, model_files
from firered.text.files import read_json

BERT_CONFIG = "chinese-lert-base/config.json"
# A table of numbers that can be computed, and a layer that the tags do not pass through.
_MAY_LACK = ("bert.embeddings.position_ids", "bert.pooler.dense.weight", "bert.pooler.dense.bias")


@dataclass(frozen=True)
class PuncArgs:
    """What a checkpoint's `args` say of the model, under their released names."""

    odim: int = arg(low=1)
    cls_id: int = arg(low=0)
    classifier_dropout: float = arg(0.1, low=0, high=1)
    ignore_index: int = arg(-1)

    @classmethod
    def from_args(cls, args: Namespace, source: Path | None = None) -> "PuncArgs":
        """The known fields of `args`; the others, such as the path of the BERT it was trained from, are ignored.

        Raises:
            ModelError: they are not those of a punctuation model.
        """
        return config_from_args(cls, args, "a punctuation model", source=source)


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


class PuncBert(nn.Module):
    """Tags of tokens; parameters carry the released names."""

    def __init__(self, config: BertConfig, args: PuncArgs) -> None:
        super().__init__()
        self.args = args
        self.bert = BertModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(args.classifier_dropout)
        self.classifier = nn.Linear(config.hidden_size, args.odim)

    @classmethod
    def load(cls, directory: Path) -> "PuncBert":
        """The model of a published directory, in evaluation mode on the CPU.

        Raises:
            ModelError: files are missing, cannot be read, or are of another kind.
        """
        checkpoint, config = model_files(directory, CHECKPOINT, BERT_CONFIG)
        packed, state = load_checkpoint(checkpoint)
        args, values = PuncArgs.from_args(packed, checkpoint), bert_sizes(config)
        if args.cls_id >= values["vocab_size"]:
            raise ModelError(f"{checkpoint}: cls_id is {args.cls_id}, the model has {values['vocab_size']} tokens")

        def make() -> PuncBert:
            return cls(BertConfig(**{**values, "attn_implementation": "sdpa"}), args)

        model = load_network(make, BertSizes(**values), state, checkpoint, lambda _: _MAY_LACK, config)
        positions = model.bert.embeddings.position_ids  # no weights, so the file does not have them
        positions.copy_(torch.arange(positions.shape[1]))
        model.bert.embeddings.token_type_ids.zero_()
        return model

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that fit in one pass, beside [CLS]."""
        return self.bert.config.max_position_embeddings - 1

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits (N, L, odim) of token ids (N, L); `mask` (N, L) is 0 at padding."""
        hidden = self.bert(ids, attention_mask=mask).last_hidden_state  # (N, L, D)
        return self.classifier(self.dropout(hidden))


def bert_sizes(path: Path) -> dict[str, Any]:
    """The values of a BERT's `config.json` that decide its shape and behaviour.

    Raises:
        ModelError: it is not readable, or not of a BERT.
    """
    values = read_json(path)
    if values.get("model_type", "bert") != "bert":
        raise ModelError(f"{path}: not the config of a BERT")
    config_from_args(BertSizes, Namespace(**values), "a BERT", source=path)
    return {one.name: values[one.name] for one in fields(BertSizes) if one.name in values}
