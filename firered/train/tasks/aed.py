"""Recognition: the attention encoder-decoder (FireRedASR2S paper, section 3), from scratch or released weights."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from firered.errors import OptionError
from firered.hub.catalogue import CHECKPOINT
from firered.models.aed import Aed, Ctc
from firered.models.checkpoint import model_files
from firered.options import option
from firered.train.beside import tokens_beside
from firered.train.data.config import SpecAugmentConfig, SpeechDataConfig
from firered.train.data.transcribed import TokenCorpus, corpora, text_targets
from firered.train.objectives.encoder_decoder import AedObjective
from firered.train.sections import Settings
from firered.train.task import SPEECH_SECTIONS, Task, TaskKind
from firered.train.tasks.conformer import ConformerConfig, sizes_of


@dataclass(frozen=True)
class AedTaskConfig(ConformerConfig):
    """Recognition."""

    init: str | None = option(None, "model directory to fine-tune; its sizes, dictionary and statistics are kept")
    ctc_weight: float = option(0.0, "share of the CTC loss, which trains the encoder too", low=0, high=1)
    finetune: str = option(
        "full",
        "what is trained: all weights, all but the encoder's, or LoRA on the attention",
        choices=("full", "frozen_encoder", "lora"),
    )
    lora_rank: int = option(16, "rank of LoRA", low=1)
    lora_alpha: float = option(32.0, "LoRA is scaled by this over the rank", low=0)
    lora_dropout: float = option(0.05, "dropout of the input of LoRA", low=0, high=0.9)
    keep_adapter: bool = option(False, "write LoRA beside the merged model too (OUT/adapter, peft's format)")


def initial_model(config: AedTaskConfig, odim: int) -> Aed:
    """The model to train: a new one, or that of `init`; with a CTC head where `ctc_weight` is above 0."""
    if not config.init:
        return Aed(sizes_of(config, odim), ctc=config.ctc_weight > 0)
    (path,) = model_files(Path(config.init), CHECKPOINT)
    model = Aed.load(path)
    if config.ctc_weight > 0 and model.ctc is None:
        model.ctc = Ctc(model.config.d_model, model.config.odim)
    return model


def objective_of(config: AedTaskConfig, model: Aed, specaugment: SpecAugmentConfig) -> AedObjective:
    """The model with the loss that its options ask for, LoRA included."""
    rates = {"dropout": config.dropout, "label_smoothing": config.label_smoothing, "ctc_weight": config.ctc_weight}
    if config.finetune != "lora":
        return AedObjective(model, specaugment, **rates)
    from firered.train.objectives.lora import LoraObjective  # peft takes seconds to import

    return LoraObjective(
        model,
        specaugment,
        rank=config.lora_rank,
        alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        keep_adapter=config.keep_adapter,
        **rates,
    )


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", AedTaskConfig), settings.section("data", SpeechDataConfig)
    if config.finetune != "full" and not config.init:
        raise OptionError(f"model.finetune: {config.finetune} needs a model to start from (model.init)")
    tokenizer = tokens_beside(settings.out, config.init, data.tokens)
    model = initial_model(config, len(tokenizer))
    if config.finetune == "frozen_encoder":
        model.encoder.requires_grad_(False)
    if model.ctc is not None and config.ctc_weight == 0:
        model.ctc.requires_grad_(False)
    objective = objective_of(config, model, settings.section("specaugment", SpecAugmentConfig))
    corpus = partial(TokenCorpus, silence_db=data.silence_db)
    train, dev, left_out = corpora(
        settings, text_targets(settings, tokenizer), config.init, ctc=config.ctc_weight > 0, corpus=corpus
    )
    return Task(objective, train, dev, data.batch_frames, left_out)


KIND = TaskKind(SpeechDataConfig, AedTaskConfig, build, SPEECH_SECTIONS)
