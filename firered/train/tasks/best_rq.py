"""Pre-training of an encoder without labels: Best-RQ (FunAudio-ASR report, section 4.1)."""

from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from firered.data.utterance import Utterance
from firered.errors import OptionError, Problem
from firered.hub.catalogue import CHECKPOINT
from firered.models.best_rq import BestRq, BestRqConfig
from firered.models.checkpoint import model_files
from firered.models.llm_layers import take_layers
from firered.models.qwen3_encoder import Qwen3Encoder
from firered.options import option
from firered.train.data.config import AugmentConfig, FeatureDataConfig
from firered.train.data.masked import MaskedCorpus, Masking
from firered.train.data.transcribed import corpora
from firered.train.objectives.best_rq import BestRqObjective
from firered.train.sections import Settings
from firered.train.task import Task, TaskKind
from firered.train.tasks.conformer import EncoderOptions, encoder_args, llm_option


@dataclass(frozen=True)
class BestRqTaskConfig(EncoderOptions):
    """Pre-training of an encoder."""

    init: str | None = option(None, "pre-trained directory to go on from; its sizes, quantiser and statistics are kept")
    llm: str | None = llm_option()
    causal: bool = option(False, "for a model that streams: a Conformer's convolutions see no frame after their own")
    codes: int = option(8192, "codes in a codebook", low=2)
    code_dim: int = option(16, "dimensions of a code", low=1)
    codebooks: int = option(1, "codebooks, each with a projection of its own", low=1)
    mask_share: float = option(0.5, "share of an utterance's encoder frames (40 ms) to hide", low=0.01, high=0.99)
    mask_span: int = option(10, "encoder frames of a hidden stretch, about; an utterance has two or more", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.init and self.llm:
            raise OptionError("init, llm: give one of them: a pre-training to go on from, or layers to begin with")


def initial_model(config: BestRqTaskConfig) -> BestRq:
    """The model to train: a new one, with layers of a language model where `llm` is given, or that of `init`.

    Raises:
        ModelError: sizes do not fit together, or a folder is none of such a model.
    """
    if config.init:
        return BestRq.load(model_files(Path(config.init), CHECKPOINT)[0])
    quantiser = {name: getattr(config, name) for name in ("codes", "code_dim", "codebooks", "causal")}
    model = BestRq(BestRqConfig.from_args(Namespace(**quantiser, **encoder_args(config, config.llm))))
    if config.llm:
        take_layers(cast(Qwen3Encoder, model.encoder), Path(config.llm))
    return model


def _no_targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> Mapping[str, None]:
    """Every utterance is of use; none has a target."""
    return {utterance.id: None for utterance in utterances}


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", BestRqTaskConfig), settings.section("data", FeatureDataConfig)
    model = initial_model(config)
    masking = Masking(config.mask_share, config.mask_span, settings.train.seed)
    corpus = partial(MaskedCorpus, masking=masking)
    train, dev, left_out = corpora(settings, _no_targets, config.init, corpus=corpus)
    return Task(BestRqObjective(model, config.dropout), train, dev, data.batch_frames, left_out)


KIND = TaskKind(FeatureDataConfig, BestRqTaskConfig, build, {"augment": AugmentConfig})
