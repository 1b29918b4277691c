"""Recognition: the attention encoder-decoder (FireRedASR2S paper, section 3), from nothing or from released weights."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from torch import Tensor
from torch.nn import functional as F

from firered.asr.tokenizer import BLANK_ID
from firered.errors import OptionError
from firered.models.aed import Aed, AedConfig, Ctc, EncoderDecoder
from firered.models.checkpoint import model_files
from firered.pretrained import CHECKPOINT
from firered.train.config import AedTaskConfig, ConformerConfig, SpecAugmentConfig, SpeechDataConfig
from firered.train.layout import tokens_beside
from firered.train.settings import Settings
from firered.train.task import Outcome, Task, token_report
from firered.train.text import NO_TARGET
from firered.train.transcribed import ConformerObjective, corpora, text_targets


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
    from firered.train.lora import LoraObjective  # peft takes seconds to import

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
