"""The LSTM language model for shallow fusion in beam search."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor

from firered.errors import DataError, ModelError, Problem
from firered.hub.catalogue import CHECKPOINT
from firered.models.checkpoint import model_files
from firered.models.lstm_lm import LstmLm, LstmLmConfig
from firered.options import Options, option
from firered.text.tokenizer import Tokenizer
from firered.train.beside import tokens_beside
from firered.train.data.config import TextDataConfig
from firered.train.data.text import SentenceCorpus, TokenTargets, sentences_of
from firered.train.data.transcribed import examples_of
from firered.train.objectives.objective import BatchLoss, Objective
from firered.train.objectives.tokens import token_loss, token_report
from firered.train.sections import Settings
from firered.train.task import Task, TaskKind


@dataclass(frozen=True)
class LmTaskConfig(Options):
    """The LSTM language model."""

    init: str | None = option(None, "model directory to fine-tune; its sizes are kept")
    embedding_dim: int = option(512, "width of the embedding", low=1)
    hidden_size: int = option(512, "width of the LSTM", low=1)
    num_layers: int = option(2, "LSTM layers", low=1)
    tie_weights: bool = option(True, "the output layer is the embedding")
    dropout: float = option(0.1, "full dropout rate", low=0, high=0.9)


class LmObjective(Objective[LstmLm]):
    """Cross-entropy of every token, eos included."""

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """Loss summed over tokens."""
        return token_loss(self.model(tensors["tokens"]), tensors["targets"])

    @property
    def width(self) -> int:
        """The LSTM's width."""
        return self.model.config.hidden_size

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Perplexity and accuracy."""
        return token_report(loss, counts)

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The layout that beam search loads."""
        return {"args": Namespace(**asdict(self.model.config)), "model_state_dict": state}


def _corpus(data: TextDataConfig, what: str, tokenizer: Tokenizer, left_out: list[Problem]) -> SentenceCorpus:
    targets = TokenTargets(tokenizer, data, left_out)
    texts = sentences_of(getattr(data, what), what, left_out)
    known = {key: ids for key, text in texts.items() if (ids := targets.ids(key, text)) is not None}
    targets.log_unknown(f"data.{what}")
    if not known:
        raise DataError(f"data.{what}: no sentence is left in {getattr(data, what)}{examples_of(left_out)}")
    return SentenceCorpus(known)


def initial_model(config: LmTaskConfig, odim: int) -> LstmLm:
    """The model to train: a new one, or that of `init`.

    Raises:
        ModelError: the initial model has another vocabulary.
    """
    if not config.init:
        sizes = {"embedding_dim": config.embedding_dim, "hidden_size": config.hidden_size}
        more = {"num_layers": config.num_layers, "dropout": config.dropout, "tie_weights": config.tie_weights}
        return LstmLm(LstmLmConfig.from_args(Namespace(idim=odim, odim=odim, **sizes, **more)))
    model = LstmLm.load(model_files(Path(config.init), CHECKPOINT)[0])
    if model.config.odim != odim:
        raise ModelError(f"{config.init}: {model.config.odim} tokens, the dictionary of data.tokens has {odim}")
    return model


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", LmTaskConfig), settings.section("data", TextDataConfig)
    tokenizer = tokens_beside(settings.out, None, data.tokens)
    left_out: list[Problem] = []
    train, dev = (_corpus(data, what, tokenizer, left_out) for what in ("train", "dev"))
    return Task(
        LmObjective(initial_model(config, len(tokenizer)), config.dropout), train, dev, data.batch_tokens, left_out
    )


KIND = TaskKind(TextDataConfig, LmTaskConfig, build)
