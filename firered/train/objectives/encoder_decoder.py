"""Losses of the attention encoder-decoder (FireRedASR2S paper, section 3)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from firered.models.aed import Aed, EncoderDecoder
from firered.models.chunks import Chunk
from firered.search.config import GenerateConfig
from firered.search.ctc import ctc_greedy
from firered.search.generate import search
from firered.text.tokenizer import BLANK_ID, EOS_ID, SOS_ID
from firered.train.data.config import SpecAugmentConfig
from firered.train.objectives.consistency import consistency_loss, halved, twice
from firered.train.objectives.objective import BatchLoss, Led
from firered.train.objectives.speech import ConformerObjective
from firered.train.objectives.tokens import token_loss, token_report
from firered.train.objectives.trim_tail import trimmed

CHUNK_LOSS = "chunk_loss"  # the dev loss with chunks
CONSISTENCY = "consistency"
_PARTS = ("ctc", CONSISTENCY, CHUNK_LOSS)
_IMPOSSIBLE = -1e4  # a log-probability that no path chooses
Model = TypeVar("Model", bound=EncoderDecoder)


class EncoderDecoderObjective(ConformerObjective[Model]):
    """Cross-entropy of the tokens given those before (teacher forcing), with label smoothing in training only.

    Args:
        model: what is trained.
        specaugment: masks of the features in training.
        dropout: full dropout rate.
        label_smoothing: share of probability spread over all tokens.
    """

    def __init__(self, model: Model, specaugment: SpecAugmentConfig, *, dropout: float, label_smoothing: float) -> None:
        super().__init__(model, dropout, specaugment)
        self.label_smoothing = label_smoothing

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """Loss summed over tokens, eos included."""
        chunk = self.chunk(tensors)
        logits, _, _ = self.model(self.features(tensors), tensors["lengths"], tensors["tokens"], chunk)
        return self.cross_entropy(logits, tensors["targets"])

    def cross_entropy(self, logits: Tensor, targets: Tensor) -> BatchLoss:
        """Loss of logits (N, U, odim) and counts for accuracy."""
        return token_loss(logits, targets, self.label_smoothing if self.training else 0.0)

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Perplexity and accuracy."""
        return token_report(loss, counts)


class AedObjective(EncoderDecoderObjective[Aed]):
    """Cross-entropy, optionally interpolated with a CTC loss that trains the encoder too.

    Args:
        model: with a CTC head where `ctc_weight` is above 0.
        specaugment: see EncoderDecoderObjective.
        ctc_weight: share of the CTC loss, 0 to 1; at 1 a decoder is not computed.
        cr_weight: weight of the consistency of two views of each utterance (CR-CTC); 0: there is one view.
        cr_time_masks: times as many time masks in these views.
        trim_tail: frames cut off the end of utterances in training at most.
        dev_chunk: encoder frames of the chunks with which utterances are evaluated too; 0: with none.
        rates: see EncoderDecoderObjective.
    """

    takes_layers_apart = True

    def __init__(
        self,
        model: Aed,
        specaugment: SpecAugmentConfig,
        *,
        ctc_weight: float,
        cr_weight: float = 0.0,
        cr_time_masks: float = 1.0,
        trim_tail: int = 0,
        dev_chunk: int = 0,
        **rates: float,
    ) -> None:
        if cr_weight:
            specaugment = replace(specaugment, time_masks=round(cr_time_masks * specaugment.time_masks))
        super().__init__(model, specaugment, **rates)
        self.ctc_weight, self.cr_weight = ctc_weight, cr_weight
        self.trim_tail, self.dev_chunk = trim_tail, dev_chunk

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """(1 - ctc_weight) * cross-entropy + ctc_weight * CTC + cr_weight * consistency, summed over utterances.

        With two views of each utterance the first two are the means of both.
        """
        chunk = self.chunk(tensors)
        if self.training:
            tensors = trimmed(tensors, round(self.strength * self.trim_tail))
        found = self._loss(tensors, chunk)
        if self.training or not self.dev_chunk:
            return found
        return BatchLoss(found.loss, found.counts | {CHUNK_LOSS: self._loss(tensors, Chunk(self.dev_chunk)).loss})

    def _loss(self, tensors: Mapping[str, Tensor], chunk: Chunk | None) -> BatchLoss:
        feats = self.features(tensors)
        views = self.training and self.cr_weight > 0
        if views:
            feats, tensors = torch.cat([feats, self.features(tensors)]), twice(tensors)
        if self.ctc_weight == 1:
            encoded, lengths = self.model.encoder(feats, tensors["lengths"], chunk=chunk)
            tokens = (tensors["token_lengths"] + 1).sum()  # with the end, as the loss is weighed
            loss, counts = feats.new_zeros(()), {"tokens": tokens}
        else:
            logits, encoded, lengths = self.model(feats, tensors["lengths"], tensors["tokens"], chunk)
            loss, counts = self.cross_entropy(logits, tensors["targets"])
        if self.ctc_weight == 0:
            return BatchLoss(loss, counts)
        log_probs = self.model.ctc_log_probs(encoded)
        ctc = ctc_loss(log_probs, lengths, tensors)
        loss, counts = (1 - self.ctc_weight) * loss + self.ctc_weight * ctc, counts | {"ctc": ctc.detach()}
        if views:
            consistency = consistency_loss(log_probs, lengths)
            loss, counts = loss + self.cr_weight * consistency, counts | {CONSISTENCY: consistency.detach()}
            return halved(BatchLoss(loss, counts))
        return BatchLoss(loss, counts)

    def decode(self, tensors: Mapping[str, Tensor], by: str, led: Led) -> list[list[int]]:
        """The tokens of each utterance, by the decoder or the CTC head; see `Objective.decode`."""
        encoded, lengths = self.model.encoder(tensors["feats"], tensors["lengths"])
        if by == "ctc":
            return [list(found.tokens) for found in ctc_greedy(self.model.ctc_log_probs(encoded), lengths)]
        steps = led(self.model.start(encoded, lengths, 1, int(lengths.max())))
        found = search(steps, lengths, GenerateConfig(beam_size=1), first=SOS_ID, eos=EOS_ID)
        return [list(best.tokens) for best, *_ in found]

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Accuracy, and the parts of the loss per token; perplexity where the loss is cross-entropy alone."""
        figures = super().report(loss, counts)
        if "ctc" in counts:
            del figures["ppl"]
        return figures | {name: counts[name] / counts["tokens"] for name in _PARTS if name in counts}


def ctc_loss(log_probs: Tensor, lengths: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    """CTC loss of log posteriors (N, T, odim), summed over utterances; all paths are blank outside `labelled`."""
    targets = tensors["tokens"][:, 1:]  # without sos
    frames, (first, end) = torch.arange(log_probs.shape[1], device=log_probs.device), tensors["labelled"].T[:, :, None]
    blank = (frames < first) | ((frames >= end) & (frames < lengths[:, None]))
    certain = log_probs.new_full(log_probs.shape[2:], _IMPOSSIBLE)
    certain[BLANK_ID] = 0.0
    inside = torch.where(blank[:, :, None], certain, log_probs).transpose(0, 1)
    loss = F.ctc_loss(inside, targets, lengths, tensors["token_lengths"], blank=BLANK_ID, reduction="sum")
    return loss - log_probs[..., BLANK_ID][blank].sum()
