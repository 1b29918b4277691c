"""Recognition: the attention encoder-decoder (FireRedASR2S paper, section 3), from nothing or from released weights."""

from pathlib import Path

from firered.errors import OptionError
from firered.hub.catalogue import CHECKPOINT
from firered.models.aed import Aed, Ctc
from firered.models.checkpoint import model_files
from firered.train.beside import tokens_beside
from firered.train.config import AedTaskConfig, SpecAugmentConfig, SpeechDataConfig
from firered.train.data.transcribed import corpora, text_targets
from firered.train.objectives.encoder_decoder import AedObjective, sizes_of
from firered.train.objectives.task import Task
from firered.train.settings import Settings


def initial_model(config: AedTaskConfig, odim: int) -> Aed:
    """The model to train: a new one, or that of `init`; with a CTC head where its loss is wanted."""
    if not config.init:
        return Aed(sizes_of(config, odim), ctc=config.ctc_weight > 0)
    (path,) = model_files(Path(config.init), CHECKPOINT)
    model = Aed.load(path)
    if config.ctc_weight > 0 and model.ctc is None:
        model.ctc = Ctc(model.config.d_model, model.config.odim)
    return model


def _objective(config: AedTaskConfig) -> type[AedObjective]:
    if config.finetune != "lora":
        return AedObjective
    from firered.train.objectives.lora import LoraObjective  # peft takes seconds to import

    return LoraObjective


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
    objective = _objective(config)(model, config, settings.section("specaugment", SpecAugmentConfig))
    train, dev, left_out = corpora(settings, text_targets(settings, tokenizer), config.init, ctc=config.ctc_weight > 0)
    return Task(objective, train, dev, data.batch_frames, left_out)
