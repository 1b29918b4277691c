"""A small punctuation model of random weights, for the tests that need no published one."""

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

import torch

from firered.hub.catalogue import CHECKPOINT
from firered.models.bert import BertSizes
from firered.models.punc_bert import BERT_CONFIG, PuncArgs, PuncBert
from firered.punc.config import PuncConfig
from firered.punc.punctuate import TAGS, Punc
from firered.punc.tokens import VOCABULARY

TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz'", *(f"##{c}" for c in "abcdefghij")]
TOKENS += [*"今天气很好我们去公园散步吧你世界语音识别", "ok", "hello", "world", "ᄋ", "##ᅡ", "##ᆫ"]
WINDOW = 23  # tokens of a pass, beside [CLS]
_SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
BASE |= {"vocab_size": 21128, "max_position_embeddings": 512, "type_vocab_size": 2}
_ARGS = Namespace(odim=5, cls_id=2, ignore_index=-1, classifier_dropout=0.1, pretrained_bert="/not/there", bert=None)


def punc_of(directory: Path, **options: object) -> Punc:
    return Punc.from_pretrained(directory, PuncConfig(**options), "cpu")


def write_tiny(directory: Path) -> Path:
    config = BertSizes(vocab_size=len(TOKENS), max_position_embeddings=1 + WINDOW, type_vocab_size=2, **_SIZES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PuncBert(config, PuncArgs.from_args(_ARGS))
        torch.nn.init.normal_(model.bert.embeddings.word_embeddings.weight)  # so that tags differ from token to token
        torch.nn.init.normal_(model.classifier.weight)
    return write_model(directory, TOKENS, config, model.state_dict())


def write_model(directory: Path, tokens: list[str], config: BertSizes, state: dict[str, torch.Tensor]) -> Path:
    """A model directory as published."""
    (directory / BERT_CONFIG).parent.mkdir(parents=True)
    (directory / BERT_CONFIG).write_text(json.dumps(asdict(config)))
    (directory / VOCABULARY).write_text("".join(f"{token}\n" for token in tokens))
    (directory / TAGS).write_text("<space>\n，\n。\n？\n！\n")
    torch.save({"args": _ARGS, "model_state_dict": state}, directory / CHECKPOINT)
    return directory
