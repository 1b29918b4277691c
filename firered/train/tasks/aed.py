"""Recognition: the attention encoder-decoder (FireRedASR2S paper, section 3), from scratch or released weights."""

import logging
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from torch.nn import functional as F

from firered.errors import OptionError
from firered.hub.catalogue import CHECKPOINT
from firered.models.aed import Aed, AedConfig, Ctc
from firered.models.best_rq import load_encoder
from firered.models.checkpoint import model_files
from firered.models.chunks import ALL, DYNAMIC, ChunkPlan
from firered.models.conformer import ConformerEncoder
from firered.models.frame_encoder import SUBSAMPLING
from firered.models.llm_layers import take_layers
from firered.models.qwen3_encoder import Qwen3Encoder
from firered.options import option
from firered.train.beside import tokens_beside
from firered.train.data.config import SpecAugmentConfig, SpeechDataConfig
from firered.train.data.transcribed import TokenCorpus, corpora, text_targets
from firered.train.objectives.encoder_decoder import AedObjective
from firered.train.sections import Settings
from firered.train.task import SPEECH_SECTIONS, Task, TaskKind
from firered.train.tasks.conformer import ConformerConfig, encoder_args, llm_option, sizes_of

_OF_THE_LOSS = ("dropout", "label_smoothing", "ctc_weight", "cr_weight", "cr_time_masks", "dev_chunk")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class AedTaskConfig(ConformerConfig):
    """Recognition."""

    init: str | None = option(None, "model directory to fine-tune; its sizes, dictionary and statistics are kept")
    encoder: str | None = option(
        None,
        "directory whose encoder is taken on, with its sizes and statistics: of a pre-training (best-rq) or of another "
        "recognition model; the decoder is new",
    )
    llm: str | None = llm_option()
    ctc_weight: float = option(
        0.0,
        "share of the CTC loss, which trains the encoder too; 1: CTC alone, a new model has no decoder",
        low=0,
        high=1,
    )
    cr_weight: float = option(
        0.0,
        "CR-CTC: weight of the consistency of two views of every utterance, masked differently; published: 0.2 with "
        "CTC alone, else a fifth of ctc_weight; it takes twice the time and memory; 0: there is one view",
        low=0,
    )
    cr_time_masks: float = option(2.5, "with cr_weight: times as many time masks as specaugment says", low=1)
    finetune: str = option(
        "full",
        "what is trained: all weights, all but the encoder's, or LoRA on the attention",
        choices=("full", "frozen_encoder", "lora"),
    )
    lora_rank: int = option(16, "rank of LoRA", low=1)
    lora_alpha: float = option(32.0, "LoRA is scaled by this over the rank", low=0)
    lora_dropout: float = option(0.05, "dropout of the input of LoRA", low=0, high=0.9)
    keep_adapter: bool = option(False, "write LoRA beside the merged model too (OUT/adapter, peft's format)")
    causal: bool = option(
        False, "for a model that streams: the encoder's convolutions see no frame after their own; as in init if false"
    )
    chunk_sizes: str = option(
        "",
        "for a model that streams: encoder frames (40 ms) of the chunks that its attention sees with all before them, "
        "drawn for each batch: `dynamic` (half of the batches see everything, the others have chunks of 1 to 25), or "
        "numbers with equal chances, such as `8 16 full`; empty: as in init, or everything",
    )
    left_chunks: str = option(
        "", f"chunks before its own that a frame sees: {ALL}, or {DYNAMIC}: any number; empty: as in init, or {ALL}",
        choices=("", ALL, DYNAMIC),
    )  # fmt: skip
    dev_chunk: int = option(
        0, "encoder frames of chunks with which the dev set is evaluated too (`chunk_loss`); 0: it is not", low=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cr_weight and not self.ctc_weight:
            raise OptionError("cr_weight: is of the CTC posteriors, so ctc_weight has to be above 0")
        if len(given := [name for name in ("init", "encoder", "llm") if getattr(self, name)]) > 1:
            raise OptionError(f"{', '.join(given)}: give one of them, a model begins with one other")
        try:
            plan = ChunkPlan(self.chunk_sizes) if self.chunk_sizes else None
        except ValueError as error:
            raise OptionError(f"chunk_sizes: {error}") from error
        if plan is not None and plan.has_chunks and not (self.causal or self.init or self.encoder):
            raise OptionError("chunk_sizes: a model with chunks needs causal convolutions (model.causal: true)")


def initial_model(config: AedTaskConfig, odim: int) -> Aed:
    """The model to train: a new one, perhaps with an encoder or layers of another, or that of `init`.

    It has a CTC head where `ctc_weight` is above 0.

    Raises:
        OptionError: it is to have chunks, and its convolutions are not causal; or sizes are not those of `encoder`.
    """
    if config.init:
        (path,) = model_files(Path(config.init), CHECKPOINT)
        model = Aed.load(path)
    elif config.encoder:
        model = with_encoder(config, odim)
    else:
        sizes = _with_chunks(_new_sizes(config, odim, encoder_args(config, config.llm)), config)
        model = Aed(sizes, ctc=config.ctc_weight > 0)
        if config.llm:
            take_layers(cast(Qwen3Encoder, model.encoder), Path(config.llm))
        return model
    wanted = _with_chunks(model.config, config)
    if wanted.causal != model.config.causal:
        log.info("%s: its convolutions become causal", config.init or config.encoder)
        model = made_causal(model, wanted)
    model.config = wanted
    if config.ctc_weight > 0 and model.ctc is None:
        model.ctc = Ctc(model.config.d_model, model.config.odim)
    if config.ctc_weight < 1 and not model.has_decoder:
        raise OptionError(f"ctc_weight: {config.init} has no decoder and is trained with CTC alone (1)")
    return model


def _new_sizes(config: AedTaskConfig, odim: int, encoder: dict[str, Any]) -> AedConfig:
    """Sizes of a new model with an encoder: it has no decoder where CTC alone is learnt."""
    sizes = sizes_of(config, odim, encoder=encoder)
    return replace(sizes, n_layers_dec=0) if config.ctc_weight == 1 else sizes


def with_encoder(config: AedTaskConfig, odim: int) -> Aed:
    """A new model with the encoder of the directory `encoder`.

    Raises:
        OptionError: the options have other sizes.
        ModelError: the directory has no encoder.
    """
    assert config.encoder is not None
    taken, encoder = load_encoder(model_files(Path(config.encoder), CHECKPOINT)[0])
    rates = {"dropout_rate": config.dropout, "residual_dropout": config.dropout}
    if taken.encoder_type and config.n_head:
        rates["n_head"] = config.n_head  # the decoder's alone
    sizes = _new_sizes(config, odim, asdict(taken) | rates)
    wanted = {name: getattr(config, name) for name in ("d_model", "n_head", "n_layers_enc") if getattr(config, name)}
    for name, value in wanted.items():
        if value != (own := getattr(sizes, name)):
            raise OptionError(f"{name}: {value}, the encoder of {config.encoder} has {own}; omit it")
    model = Aed(sizes, ctc=config.ctc_weight > 0)
    model.encoder.load_state_dict(encoder.state_dict())
    return model


def made_causal(model: Aed, config: AedConfig) -> Aed:
    """A new model with the weights of one whose convolutions see frames after their own; these are left out."""
    causal = Aed(config, ctc=model.has_ctc)
    causal.load_state_dict(model.state_dict())
    for block in cast(ConformerEncoder, causal.encoder).blocks():
        weight = block.conv.depthwise_conv.weight.data  # (2d, 1, K)
        after = weight.shape[2] // 2
        weight.copy_(F.pad(weight[..., : weight.shape[2] - after], (after, 0)))
    return causal


def _with_chunks(sizes: AedConfig, config: AedTaskConfig) -> AedConfig:
    """The sizes with the chunks that the options ask for; those that are empty leave what is there."""
    causal, given = sizes.causal or config.causal, config.init or config.encoder
    if causal and sizes.encoder_type:
        raise OptionError("causal: an encoder with layers of Qwen3 sees whole utterances, and cannot stream")
    if causal != sizes.causal and config.finetune != "full":
        raise OptionError(f"causal: {given} is not, so its encoder has to be trained (model.finetune: full)")
    left = {"": sizes.left_chunks, ALL: None}.get(config.left_chunks, config.left_chunks)
    found = replace(sizes, causal=causal, chunk_sizes=config.chunk_sizes or sizes.chunk_sizes, left_chunks=left)
    plan = found.chunk_plan
    if plan is not None and plan.has_chunks and not causal:
        raise OptionError(f"chunk_sizes: the convolutions of {given} are not causal (model.causal: true)")
    return found


def objective_of(config: AedTaskConfig, model: Aed, specaugment: SpecAugmentConfig, trim_tail: int = 0) -> AedObjective:
    """The model with the loss that its options ask for, LoRA included; up to so many frames are cut off utterances."""
    common: dict[str, Any] = {name: getattr(config, name) for name in _OF_THE_LOSS} | {"trim_tail": trim_tail}
    if config.finetune != "lora":
        return AedObjective(model, specaugment, **common)
    from firered.train.objectives.lora import LoraObjective  # peft takes seconds to import

    return LoraObjective(
        model,
        specaugment,
        rank=config.lora_rank,
        alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        keep_adapter=config.keep_adapter,
        **common,
    )


def _check_decoding(settings: Settings, model: Aed) -> None:
    """Raise OptionError where the dev set is to be decoded by a part that the model does not have."""
    by = settings.train.error_rate_by
    if settings.train.error_rate_utterances and not {"attention": model.has_decoder, "ctc": model.has_ctc}[by]:
        lacking = "decoder; give ctc" if by == "attention" else "CTC head (model.ctc_weight above 0)"
        raise OptionError(f"train.error_rate_by: {by}: this model has no {lacking}")


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", AedTaskConfig), settings.section("data", SpeechDataConfig)
    if config.finetune != "full" and not (config.init or config.encoder):
        raise OptionError(f"model.finetune: {config.finetune} needs a model to start from (model.init, model.encoder)")
    tokenizer = tokens_beside(settings.out, config.init, data.tokens)
    model = initial_model(config, len(tokenizer))
    _check_decoding(settings, model)
    if config.finetune == "frozen_encoder":
        model.encoder.requires_grad_(False)
    if model.ctc is not None and config.ctc_weight == 0:
        model.ctc.requires_grad_(False)
    objective = objective_of(config, model, settings.section("specaugment", SpecAugmentConfig), data.trim_tail)
    if config.ctc_weight == 1 and model.has_decoder:
        model.get_submodule(model.decoder_name).requires_grad_(False)  # LoRA included
    corpus = partial(TokenCorpus, silence_db=data.silence_db)
    train, dev, left_out = corpora(
        settings,
        text_targets(settings, tokenizer),
        config.init or config.encoder,
        ctc=SUBSAMPLING * (config.ctc_weight > 0),
        corpus=corpus,
    )
    return Task(objective, train, dev, data.batch_frames, left_out, tokenizer.text_of)


KIND = TaskKind(SpeechDataConfig, AedTaskConfig, build, SPEECH_SECTIONS)
