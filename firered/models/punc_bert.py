"""The punctuation model: BERT and a linear layer to one tag a token."""

import json
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from firered.errors import ModelError
from firered.hub.catalogue import CHECKPOINT
from firered.models.checkpoint import config_from_args, load_checkpoint, load_weights, model_files

BERT_CONFIG = "chinese-lert-base/config.json"
_SIZES = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "intermediate_size",
    "max_position_embeddings",
    "type_vocab_size",
)
# What else is read from config.json; all other keys could only name code or paths.
_DETAILS = ("hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "layer_norm_eps", "pad_token_id")
# A table of numbers that can be computed, and a layer that the tags do not pass through.
_MAY_LACK = ("bert.embeddings.position_ids", "bert.pooler.dense.weight", "bert.pooler.dense.bias")


@dataclass(frozen=True)
class PuncArgs:
    """What a checkpoint's `args` say of the model, under their released names."""

    odim: int
    cls_id: int
    classifier_dropout: float = 0.1
    ignore_index: int = -1

    @classmethod
    def from_args(cls, args: Namespace) -> "PuncArgs":
        """The known fields of `args`; the others, such as the path of the BERT it was trained from, are ignored.

        Raises:
            ModelError: they are not those of a punctuation model.
        """
        return config_from_args(cls, args, "a punctuation model")


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
        args, sizes = PuncArgs.from_args(packed), bert_sizes(config)
        try:
            with torch.device("meta"):  # all weights come from the file: none are drawn first
                model = cls(BertConfig(**{**sizes, "attn_implementation": "sdpa"}), args)
        except Exception as error:  # errors of many kinds, all from values that do not fit together
            raise ModelError(f"{config}: no BERT can be made of these values ({error})") from error
        model.to_empty(device="cpu")
        positions = model.bert.embeddings.position_ids  # no weights, so the file does not have them
        positions.copy_(torch.arange(positions.shape[1]))
        model.bert.embeddings.token_type_ids.zero_()
        load_weights(model, state, checkpoint, may_lack=_MAY_LACK)
        return model.eval()

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
    try:
        values: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(values, dict) or values.get("model_type", "bert") != "bert":
        raise ModelError(f"{path}: not the config of a BERT")
    missing = [name for name in _SIZES if type(values.get(name)) is not int or values[name] < 1]
    if missing:
        raise ModelError(f"{path}: {', '.join(missing)} not given as numbers above 0")
    return {name: values[name] for name in (*_SIZES, *_DETAILS) if name in values}
