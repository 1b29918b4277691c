"""Losses of the attention encoder-decoder (FireRedASR2S paper, section 3)."""

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from firered.models.aed import Aed, EncoderDecoder
from firered.text.tokenizer import BLANK_ID
from firered.train.data.config import SpecAugmentConfig
from firered.train.objectives.objective import BatchLoss
from firered.train.objectives.speech import ConformerObjective
from firered.train.objectives.tokens import token_loss, token_report

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
        logits, _, _ = self.model(self.features(tensors), tensors["lengths"], tensors["tokens"])
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
        ctc_weight: share of the CTC loss, 0 to 1.
        rates: see EncoderDecoderObjective.
    """

    def __init__(self, model: Aed, specaugment: SpecAugmentConfig, *, ctc_weight: float, **rates: float) -> None:
        super().__init__(model, specaugment, **rates)
        self.ctc_weight = ctc_weight

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """(1 - ctc_weight) * cross-entropy + ctc_weight * CTC, both summed over utterances."""
        if self.ctc_weight == 0:
            return super().forward(tensors)
        logits, encoded, lengths = self.model(self.features(tensors), tensors["lengths"], tensors["tokens"])
        loss, counts = self.cross_entropy(logits, tensors["targets"])
        ctc = ctc_loss(self.model.ctc_log_probs(encoded), lengths, tensors)
        return BatchLoss((1 - self.ctc_weight) * loss + self.ctc_weight * ctc, counts | {"ctc": ctc.detach()})

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Accuracy and the CTC loss per token; perplexity where the loss is cross-entropy alone."""
        figures = super().report(loss, counts)
        if "ctc" in counts:
            del figures["ppl"]
            figures["ctc"] = counts["ctc"] / counts["tokens"]
        return figures


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
