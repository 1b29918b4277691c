"""Sizes and losses of the attention encoder-decoder (FireRedASR2S paper, section 3): what its trainings share."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, replace

from torch import Tensor
from torch.nn import functional as F

from firered.models.aed import Aed, AedConfig, EncoderDecoder
from firered.text.tokenizer import BLANK_ID
from firered.train.config import AedTaskConfig, ConformerConfig, SpecAugmentConfig
from firered.train.data.text import NO_TARGET
from firered.train.data.transcribed import ConformerObjective
from firered.train.objectives.task import Outcome, token_report


def sizes_of(config: ConformerConfig, odim: int, lid_odim: int | None = None) -> AedConfig:
    """The published size, with what is given explicitly in its place.

    Raises:
        ModelError: the sizes do not fit together.
    """
    names = ("d_model", "n_head", "n_layers_enc", "n_layers_dec")
    given = {name: getattr(config, name) for name in names if getattr(config, name)}
    if config.d_model and not config.n_head:
        given["n_head"] = max(1, config.d_model // 64)
    rates = {"dropout_rate": config.dropout, "residual_dropout": config.dropout}
    sizes = replace(AedConfig.of_size(config.size, odim), kernel_size=config.kernel_size, lid_odim=lid_odim, **rates)
    return AedConfig.from_args(Namespace(**asdict(replace(sizes, **given))))


class EncoderDecoderObjective(ConformerObjective):
    """Cross-entropy of the tokens given those before (teacher forcing), label smoothing in training only."""

    def __init__(self, model: EncoderDecoder, config: ConformerConfig, specaugment: SpecAugmentConfig) -> None:
        super().__init__(model, config.dropout, specaugment)
        self.label_smoothing = config.label_smoothing

    def forward(self, tensors: Mapping[str, Tensor]) -> Outcome:
        """Loss summed over tokens, the end included."""
        logits, _, _ = self.model(self.features(tensors), tensors["lengths"], tensors["tokens"])
        return self.cross_entropy(logits, tensors["targets"])

    def cross_entropy(self, logits: Tensor, targets: Tensor) -> Outcome:
        """Loss of logits (N, U, odim), and how many tokens were likeliest."""
        smoothing = self.label_smoothing if self.training else 0.0
        rows, wanted = logits.float().flatten(0, 1), targets.flatten()
        loss = F.cross_entropy(rows, wanted, ignore_index=NO_TARGET, reduction="sum", label_smoothing=smoothing)
        correct = (rows.detach().argmax(-1) == wanted).sum()
        return Outcome(loss, {"correct": correct, "tokens": (wanted != NO_TARGET).sum()})

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Perplexity and accuracy."""
        return token_report(loss, counts)


class AedObjective(EncoderDecoderObjective):
    """The same with, if wanted, a share of CTC loss that trains the encoder too."""

    def __init__(self, model: Aed, config: AedTaskConfig, specaugment: SpecAugmentConfig) -> None:
        super().__init__(model, config, specaugment)
        self.ctc_weight = config.ctc_weight

    def forward(self, tensors: Mapping[str, Tensor]) -> Outcome:
        """(1 - ctc_weight) * cross-entropy + ctc_weight * CTC, both summed over utterances."""
        if self.ctc_weight == 0:
            return super().forward(tensors)
        logits, encoded, lengths = self.model(self.features(tensors), tensors["lengths"], tensors["tokens"])
        loss, counts = self.cross_entropy(logits, tensors["targets"])
        ctc = ctc_loss(self.model.ctc_log_probs(encoded), lengths, tensors)
        return Outcome((1 - self.ctc_weight) * loss + self.ctc_weight * ctc, counts | {"ctc": ctc.detach()})

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Accuracy, and the CTC loss a token; perplexity where the loss is cross-entropy alone."""
        figures = super().report(loss, counts)
        if "ctc" in counts:
            del figures["ppl"]
            figures["ctc"] = counts["ctc"] / counts["tokens"]
        return figures


def ctc_loss(log_probs: Tensor, lengths: Tensor, tensors: Mapping[str, Tensor]) -> Tensor:
    """CTC loss of posteriors (N, T, odim), summed over utterances."""
    targets = tensors["tokens"][:, 1:]  # without sos
    return F.ctc_loss(
        log_probs.transpose(0, 1), targets, lengths, tensors["token_lengths"], blank=BLANK_ID, reduction="sum"
    )
