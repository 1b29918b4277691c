"""Punctuation: a BERT and one tag per token (FireRedASR2S paper, section 6)."""

import json
import logging
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from firered.data.datadir import write_lines
from firered.errors import DataError, ModelError, OptionError, Problem
from firered.models.bert import Bert, BertSizes
from firered.models.checkpoint import load_weights, make_network, model_files
from firered.models.punc_bert import BERT_CONFIG, PuncArgs, PuncBert, bert_sizes
from firered.options import Options, option
from firered.punc.punctuate import TAGS
from firered.punc.tokens import VOCABULARY, PieceTokenizer
from firered.text.files import check_file, first_line
from firered.text.tokenizer import read_dict
from firered.train.beside import on_main_process
from firered.train.data.batch import NO_TARGET
from firered.train.data.config import PuncDataConfig
from firered.train.data.marked import MARKS, Example, MarkedCorpus, learn_vocabulary, tagged
from firered.train.data.text import sentences_of
from firered.train.data.transcribed import examples_of
from firered.train.objectives.objective import BatchLoss, Objective
from firered.train.sections import Settings
from firered.train.task import Task, TaskKind

log = logging.getLogger(__name__)

_CLS = "[CLS]"


@dataclass(frozen=True)
class PuncTaskConfig(Options):
    """Punctuation; the sizes, under BERT's names, are those of a new model."""

    init: str | None = option(None, "model directory to fine-tune; its vocabulary and marks are kept")
    bert: str | None = option(None, "folder of a BERT or LERT (config.json, vocab.txt, weights) to start from")
    pieces: int = option(3000, "tokens of the vocabulary that is learnt from the training text", low=10)
    hidden_size: int = option(128, "width", low=1)
    num_hidden_layers: int = option(3, "layers", low=1)
    num_attention_heads: int = option(4, "attention heads", low=1)
    intermediate_size: int = option(512, "inner width of the feed-forward layers", low=1)
    max_position_embeddings: int = option(512, "tokens of a window, [CLS] included", low=2)
    dropout: float = option(0.1, "full dropout rate", low=0, high=0.9)


class PuncObjective(Objective[PuncBert]):
    """Cross-entropy of the tag of every token."""

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """Loss summed over tokens."""
        logits = self.model(tensors["ids"], tensors["mask"])[:, 1:].float()  # without [CLS]
        rows, wanted = logits.flatten(0, 1), tensors["targets"].flatten()
        loss = F.cross_entropy(rows, wanted, ignore_index=NO_TARGET, reduction="sum")
        tags, real = rows.detach().argmax(-1), wanted != NO_TARGET
        hits, predicted = (tags == wanted) & (wanted > 0), (tags > 0) & real
        return BatchLoss(loss, {"hits": hits.sum(), "predicted": predicted.sum(), "true": (wanted > 0).sum()})

    @property
    def width(self) -> int:
        """BERT's width."""
        return self.model.bert.config.hidden_size

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """F1 over all marks."""
        both = counts["predicted"] + counts["true"]
        return {"f1": 2 * counts["hits"] / both if both else 1.0}

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The published layout."""
        return {"args": Namespace(**asdict(self.model.args)), "model_state_dict": state}


def _vocabulary(config: PuncTaskConfig, texts: Mapping[str, str]) -> list[str]:
    """Tokens of the initial model or BERT, or learnt from the training text, by id."""
    if config.init:
        return read_dict(Path(config.init) / VOCABULARY)
    if config.bert:
        return read_dict(Path(config.bert) / "vocab.txt")
    return learn_vocabulary(texts.values(), config.pieces)


def _sizes(config: PuncTaskConfig, vocabulary: int) -> BertSizes:
    if config.init:
        return bert_sizes(Path(config.init) / BERT_CONFIG)
    if config.bert:
        return bert_sizes(Path(config.bert) / "config.json")
    names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings")
    return BertSizes(vocab_size=vocabulary, type_vocab_size=2, **{name: getattr(config, name) for name in names})


def initial_model(config: PuncTaskConfig, sizes: BertSizes, cls_id: int) -> PuncBert:
    """The model to train: that of `init`, a new layer on the BERT of `bert`, or all new.

    Raises:
        ModelError: the initial model or BERT cannot be loaded, or the sizes do not fit together.
    """
    if config.init:
        if [tag.strip() for tag in read_dict(Path(config.init) / TAGS)[1:]] != list(MARKS):
            raise ModelError(f"{config.init}/{TAGS}: other marks than {' '.join(MARKS)}")
        return PuncBert.load(Path(config.init))
    args = PuncArgs(odim=len(MARKS) + 1, cls_id=cls_id)
    if not config.bert:
        return PuncBert(sizes, args)
    folder = Path(config.bert)
    _check_bert(folder, sizes)
    model = PuncBert(sizes, args)
    load_weights(model.bert, _pretrained(folder), folder, may_lack=())
    return model


def _check_bert(folder: Path, sizes: BertSizes) -> None:
    """Compare the sizes of a BERT's folder with its files, before there is memory for them."""
    files = [path for pattern in ("*.safetensors", "*.bin") for path in sorted(folder.glob(pattern))]
    for path in files:
        check_file(path)
    with torch.device("meta"):
        bert = make_network(lambda: Bert(sizes), sizes, sizes.num_hidden_layers, folder)
    weights, held = sum(weight.numel() for weight in bert.parameters()), sum(path.stat().st_size for path in files)
    if weights > held:
        raise ModelError(f"{folder}: a BERT of {weights} weights by its config.json, its files have {held} bytes")


def _pretrained(folder: Path) -> dict[str, Tensor]:
    """The weights of a BERT's folder, whatever form its files have, without its pooling layer.

    Raises:
        ModelError: they cannot be read, or some are missing.
    """
    from transformers import BertModel  # it knows the forms that there are; importing it takes seconds
    from transformers.utils import logging as hf_logging

    hf_logging.set_verbosity_error()  # it would report the pooling layer, which is not loaded
    hf_logging.disable_progress_bar()
    try:
        loaded: Any = BertModel.from_pretrained(
            str(folder), add_pooling_layer=False, local_files_only=True, output_loading_info=True
        )
    except Exception as error:  # the library raises errors of many kinds
        raise ModelError(f"{folder}: no BERT can be made of this ({first_line(error)})") from error
    bert, report = loaded  # a pair, which the library's signature does not tell
    if missing := sorted(report["missing_keys"]):
        raise ModelError(f"{folder}: {len(missing)} tensors are not in its files, such as {missing[0]}")
    return dict(bert.named_parameters())


def _write_beside(out: Path, vocabulary: list[str], sizes: BertSizes) -> None:
    write_lines(out / BERT_CONFIG, [json.dumps({"model_type": "bert", **asdict(sizes)}, indent=2, sort_keys=True)])
    write_lines(out / VOCABULARY, vocabulary)
    write_lines(out / TAGS, ["<space>", *MARKS])


def _examples(
    texts: Mapping[str, str], what: str, tokenizer: PieceTokenizer, config: PuncDataConfig, left_out: list[Problem]
) -> dict[str, Example]:
    found: dict[str, Example] = {}
    for key, (ids, tags) in zip(texts, tagged(list(texts.values()), tokenizer), strict=True):
        if not len(ids):
            left_out.append(Problem(key, "no text but punctuation" if texts[key].strip() else "an empty text"))
        for first in range(0, len(ids), config.max_tokens):
            part = slice(first, first + config.max_tokens)
            found[f"{key}-{first}" if len(ids) > config.max_tokens else key] = ids[part], tags[part]
    if not found:
        raise DataError(f"data.{what}: no text is left in {getattr(config, what)}{examples_of(left_out)}")
    marks = sum(int((tags > 0).sum()) for _, tags in found.values())
    if not marks:
        raise DataError(f"data.{what}: no punctuation in {getattr(config, what)}, so nothing to learn from")
    log.info("data.%s: %d marks after %d tokens", what, marks, sum(len(ids) for ids, _ in found.values()))
    return found


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", PuncTaskConfig), settings.section("data", PuncDataConfig)
    if config.init and config.bert:
        raise OptionError("model.init and model.bert: give one of them")
    if config.bert:
        model_files(Path(config.bert), "config.json", "vocab.txt")
    left_out: list[Problem] = []
    texts = {what: sentences_of(getattr(data, what), what, left_out) for what in ("train", "dev")}
    vocabulary = _vocabulary(config, texts["train"])
    sizes = _sizes(config, len(vocabulary))
    if len(vocabulary) != sizes.vocab_size or _CLS not in vocabulary:
        raise ModelError(f"{config.init or config.bert}: its vocabulary is not that of its model")
    model = initial_model(config, sizes, vocabulary.index(_CLS))
    if data.max_tokens > model.max_tokens:
        raise OptionError(f"data.max_tokens: {data.max_tokens}, a window of this model has {model.max_tokens}")
    on_main_process(lambda: _write_beside(settings.out, vocabulary, sizes))
    tokenizer = PieceTokenizer(vocabulary)
    train, dev = (
        MarkedCorpus(
            _examples(texts[what], what, tokenizer, data, left_out), data, model.args.cls_id, settings.train.seed
        )
        for what in ("train", "dev")
    )
    return Task(PuncObjective(model, config.dropout), train, dev, data.batch_tokens, left_out)


KIND = TaskKind(PuncDataConfig, PuncTaskConfig, build)
