"""The post-hoc CTC head: one layer on a trained encoder, which is frozen (FireRedASR2S paper, section 3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from firered.errors import OptionError
from firered.hub.catalogue import CHECKPOINT, ENCODER
from firered.models.aed import Aed, Ctc
from firered.models.checkpoint import load_checkpoint, load_weights, model_files
from firered.models.chunks import Chunk
from firered.models.frame_encoder import SUBSAMPLING
from firered.options import Options, option
from firered.train.beside import tokens_beside
from firered.train.data.config import SpecAugmentConfig, SpeechDataConfig
from firered.train.data.transcribed import TokenCorpus, corpora, text_targets
from firered.train.objectives.encoder_decoder import CHUNK_LOSS, ctc_loss
from firered.train.objectives.objective import BatchLoss
from firered.train.objectives.speech import ConformerObjective
from firered.train.objectives.trim_tail import trimmed
from firered.train.sections import Settings
from firered.train.task import SPEECH_SECTIONS, Task, TaskKind


@dataclass(frozen=True)
class CtcTaskConfig(Options):
    """The post-hoc CTC head."""

    init: str | None = option(None, "directory of the trained encoder-decoder")
    encoder: str | None = option(None, "directory of a trained speech-LLM whose encoder takes the place of init's")
    dropout: float = option(0.0, "of the encoder's output", low=0, high=0.9)
    dev_chunk: int = option(
        0, "encoder frames of chunks with which the dev set is evaluated too (`chunk_loss`); 0: it is not", low=0
    )


class CtcObjective(ConformerObjective[Aed]):
    """CTC loss that trains the head alone.

    Args:
        model: with a CTC head.
        dropout: of the encoder's output.
        specaugment: masks of the features in training.
        trim_tail: frames cut off the end of utterances in training at most.
        dev_chunk: encoder frames of the chunks with which utterances are evaluated too; 0: with none.
    """

    def __init__(
        self, model: Aed, dropout: float, specaugment: SpecAugmentConfig, *, trim_tail: int = 0, dev_chunk: int = 0
    ) -> None:
        super().__init__(model, dropout, specaugment)
        self.trim_tail, self.dev_chunk = trim_tail, dev_chunk

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """Loss summed over utterances."""
        chunk = self.chunk(tensors)
        if self.training:
            tensors = trimmed(tensors, round(self.strength * self.trim_tail))
        counts = {}
        if not self.training and self.dev_chunk:
            tokens = tensors["token_lengths"] + 1  # with the end, as the loss is weighed
            counts = {CHUNK_LOSS: self._loss(tensors, Chunk(self.dev_chunk)), "tokens": tokens.sum()}
        return BatchLoss(self._loss(tensors, chunk), counts)

    def _loss(self, tensors: Mapping[str, Tensor], chunk: Chunk | None) -> Tensor:
        with torch.no_grad():
            encoded, lengths = self.model.encoder(self.features(tensors), tensors["lengths"], chunk=chunk)
        rate = self.strength * self.full_dropout
        log_probs = self.model.ctc_log_probs(F.dropout(encoded, rate, self.training))
        return ctc_loss(log_probs, lengths, tensors)

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """The loss with chunks, where there is one."""
        return {CHUNK_LOSS: counts[CHUNK_LOSS] / counts["tokens"]} if CHUNK_LOSS in counts else {}


def take_encoder(model: Aed, directory: Path) -> None:
    """Replace the encoder of the model by that of a speech-LLM: the fifth stage of FunAudio-ASR (section 4).

    Raises:
        ModelError: it is missing, or of other sizes.
    """
    weights: dict[str, Tensor] = {}
    for path in model_files(directory, ENCODER, CHECKPOINT):  # the second has the trained weights
        state = load_checkpoint(path)[1]
        weights |= {name: value for name, value in state.items() if name.startswith("encoder.")}
    tables = tuple(name.removeprefix("encoder.") for name in model.position_tables())
    load_weights(model.encoder, {name.removeprefix("encoder."): value for name, value in weights.items()}, path,
                 may_lack=tables)  # fmt: skip


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", CtcTaskConfig), settings.section("data", SpeechDataConfig)
    if not config.init:
        raise OptionError("model.init: the directory of the trained encoder-decoder is not given")
    tokenizer = tokens_beside(settings.out, config.init, data.tokens)
    model = Aed.load(model_files(Path(config.init), CHECKPOINT)[0]).requires_grad_(False)
    if config.encoder:
        take_encoder(model, Path(config.encoder))
    if model.ctc is None:
        model.ctc = Ctc(model.config.d_model, model.config.odim)
    model.ctc.requires_grad_(True)
    specaugment = settings.section("specaugment", SpecAugmentConfig)
    corpus = partial(TokenCorpus, silence_db=data.silence_db)
    targets = text_targets(settings, tokenizer)
    train, dev, left_out = corpora(settings, targets, config.init, ctc=SUBSAMPLING, corpus=corpus)
    objective = CtcObjective(model, config.dropout, specaugment, trim_tail=data.trim_tail, dev_chunk=config.dev_chunk)
    return Task(objective, train, dev, data.batch_frames, left_out)


KIND = TaskKind(SpeechDataConfig, CtcTaskConfig, build, SPEECH_SECTIONS)
