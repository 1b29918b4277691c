"""The punctuation model: BERT and a linear layer to one tag a token."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from firered.errors import ModelError
from firered.hub.catalogue import CHECKPOINT
from firered.models.bert import Bert, BertSizes
from firered.models.checkpoint import arg, config_from_args, load_checkpoint, load_network, model_files
from firered.text.files import read_json

BERT_CONFIG = "chinese-lert-base/config.json"
# The numbers of places, which some files have, and a layer that the tags do not pass through.
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


class PuncBert(nn.Module):
    """Tags of tokens; parameters carry the released names."""

    def __init__(self, config: BertSizes, args: PuncArgs) -> None:
        super().__init__()
        self.args = args
        self.bert = Bert(config)
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
        args, sizes = PuncArgs.from_args(packed, checkpoint), bert_sizes(config)
        if args.cls_id >= sizes.vocab_size:
            raise ModelError(f"{checkpoint}: cls_id is {args.cls_id}, the model has {sizes.vocab_size} tokens")
        return load_network(lambda: cls(sizes, args), sizes, state, checkpoint, lambda _: _MAY_LACK, config)

    @property
    def max_tokens(self) -> int:
        """Tokens of a text that fit in one pass, beside [CLS]."""
        return self.bert.config.max_position_embeddings - 1

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Logits (N, L, odim) of token ids (N, L); `mask` (N, L) is 0 at padding."""
        return self.classifier(self.dropout(self.bert(ids, mask)))


def bert_sizes(path: Path) -> BertSizes:
    """What a BERT's `config.json` says of its shape and behaviour.

    Raises:
        ModelError: it is not readable, or not of a BERT.
    """
    values = read_json(path)
    if values.get("model_type", "bert") != "bert":
        raise ModelError(f"{path}: not the config of a BERT")
    return config_from_args(BertSizes, Namespace(**values), "a BERT", source=path)
