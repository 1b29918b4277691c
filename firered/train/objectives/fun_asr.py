"""The loss of Fun-ASR-Nano's supervised training: cross-entropy of the text and its end, as published."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen3ForCausalLM

from firered.asr.families.fun_asr_loaded import padded_rows
from firered.audio.framing import FRAME_SHIFT_S
from firered.models.fun_asr import FunAsrEncoder
from firered.models.fun_asr_checkpoint import WEIGHTS
from firered.models.fun_asr_config import CheckpointConfig
from firered.models.fun_asr_publish import FunAsrNet, published, released_name
from firered.models.llm_stepper import LlmSteps
from firered.models.speech_llm import positions_of, splice
from firered.search.config import GenerateConfig
from firered.search.generate import search
from firered.train.data.batch import NO_TARGET
from firered.train.data.config import SpecAugmentConfig
from firered.train.fun_asr_start import FOLDER, Started
from firered.train.objectives.lora import merged
from firered.train.objectives.objective import BatchLoss, Led
from firered.train.objectives.regularise import set_dropout, spec_augment
from firered.train.objectives.speech import SpeechObjective
from firered.train.objectives.tokens import token_loss, token_report
from firered.train.stages import ADAPTOR, CTC, ENCODER, LLM, LORA

_TOKENS, _TOKENS_A_SECOND, _MOST_TOKENS = 32, 40, 512  # of a text, as in recognition
_RATES = ("hidden_dropout", "attention_dropout", "dropout")  # what transformers' layers call theirs


@dataclass(frozen=True)
class Lora:
    """Additions to the language model."""

    rank: int
    alpha: float
    dropout: float
    targets: Sequence[str]


class FunAsrObjective(SpeechObjective[FunAsrNet]):
    """Cross-entropy of the text and its end; prompt, audio and a given beginning have no loss.

    Args:
        start: the model, and what its directory says.
        trains: parts that are trained, see `firered.train.stages`.
        lora: the additions that are trained, where these are among the parts.
        dropout: full rate of encoder, adaptor and CTC head; the language model has none.
        specaugment: masks of the features in training.
    """

    file = f"{FOLDER}/{WEIGHTS}"

    def __init__(
        self, start: Started, trains: frozenset[str], lora: Lora, dropout: float, specaugment: SpecAugmentConfig
    ) -> None:
        super().__init__(start.net, dropout, specaugment)
        self.config, self._dtypes = start.config, start.dtypes
        net, self._scale = start.net, lora.alpha / lora.rank
        net.requires_grad_(False)
        if LORA in trains:
            add_lora(net.llm, lora)
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(_part_of(name) in trains)

    def features(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """(N, T, bins) the batch's features, in training masked by their mean: they are not normalised."""
        feats, lengths = tensors["feats"], tensors["lengths"]
        if not self.training or self.strength == 0:
            return feats
        mean = (feats.sum(1) / lengths[:, None]).mean(1)[:, None, None]  # behind an utterance's end are zeros
        return spec_augment(feats - mean, lengths, self.specaugment, self.strength) + mean

    def encoded(self, tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(N, L, d) encoder rows of a batch, and how many each utterance has (N,)."""
        return encoded(self.model.encoder, self.config, self.features(tensors), tensors["lengths"])

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """Loss summed over the tokens of texts; logits are computed from the first of them on."""
        net, labels, mask = self.model, tensors["labels"], tensors["mask"]
        embeds = embedded(net.encoder, net.llm, self.config, self.encoded(tensors), tensors["ids"], tensors["speech"])
        learnt = (labels != NO_TARGET).any(0).nonzero()
        first = int(learnt[0]) if len(learnt) else labels.shape[1] - 1
        out = net.llm(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions_of(mask),
            use_cache=False,
            logits_to_keep=labels.shape[1] - first + 1,
        )
        return token_loss(out.logits[:, :-1], labels[:, first:])

    def decode(self, tensors: Mapping[str, Tensor], by: str, led: Led) -> list[list[int]]:
        """What the language model writes after each prompt; see `Objective.decode`."""
        net, labels = self.model, tensors["labels"]
        ids, speech, mask = prompts(tensors)
        eos = int(labels[0][labels[0] != NO_TARGET][-1])  # with which every text ends
        embeds = embedded(net.encoder, net.llm, self.config, self.encoded(tensors), ids, speech)
        seconds = (tensors["lengths"] * FRAME_SHIFT_S).tolist()
        most = [min(_MOST_TOKENS, _TOKENS + math.ceil(_TOKENS_A_SECOND * own)) for own in seconds]
        steps = led(LlmSteps(net.llm, embeds, mask, 1, max(most)))
        limits = torch.tensor(most, device=embeds.device)
        found = search(steps, limits, GenerateConfig(beam_size=1), first=ids[:, -1], eos=eos)
        return [list(best.tokens) for best, *_ in found]

    @property
    def width(self) -> int:
        """The language model's width."""
        return int(self.model.llm.config.hidden_size)

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Perplexity and accuracy."""
        return token_report(loss, counts)

    def set_strength(self, strength: float) -> None:
        """Set regularisation to this share, 0 to 1, of what is configured."""
        if strength != self.strength:
            self.strength = strength
            _set_rates(self.model.encoder, strength * self.full_dropout)

    def parts(self) -> Iterable[nn.Module]:
        """Encoder, adaptor, CTC head and language model."""
        return [*self.model.encoder.children(), self.model.llm]

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The published layout, LoRA merged: what was trained in float32, all else as it was bit for bit."""
        changed = {name for name in state if ".lora_" in name}
        changed = {name.partition(".lora_")[0] + ".weight" for name in changed} | set(self.trained())
        plain = merged(state, self._scale)
        new = {released_name(name, self.config.encoder)[0] for name in plain if name in changed}
        dtypes = {name: torch.float32 if name in new else dtype for name, dtype in self._dtypes.items()}
        return {"state_dict": published(plain, self.config.encoder, dtypes)}


def _part_of(name: str) -> str:
    """The part of the model that a parameter belongs to."""
    if ".lora_" in name:
        return LORA
    if name.startswith("llm."):
        return LLM
    return {"encoder": ENCODER, "adaptor": ADAPTOR}.get(name.split(".")[1], CTC)


def _set_rates(encoder: FunAsrEncoder, rate: float) -> None:
    set_dropout(encoder, rate)
    modules: Iterable[Any] = encoder.modules()
    for module in modules:
        for name in _RATES:
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, rate)


def add_lora(llm: Qwen3ForCausalLM, lora: Lora) -> None:
    """Put additions into a language model: they begin as no change, in float32 whatever it is in."""
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,  # type: ignore[arg-type]  # declared as int, used as a factor
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
    )
    inject_adapter_in_model(config, llm)
    for name, parameter in llm.named_parameters():
        if ".lora_" in name:
            parameter.data = parameter.data.float()


def encoded(encoder: FunAsrEncoder, config: CheckpointConfig, feats: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """(N, L, d) encoder rows and their numbers (N,) of features (N, T, bins) with lengths (N,), not stacked yet."""
    own = [frames[:length] for frames, length in zip(feats, lengths.tolist(), strict=True)]
    rows, counts = padded_rows(own, config.front_end, feats.device, encoder.dtype)
    return encoder.encode(rows, counts), counts


def embedded(
    encoder: FunAsrEncoder,
    llm: Qwen3ForCausalLM,
    config: CheckpointConfig,
    rows: tuple[Tensor, Tensor],
    ids: Tensor,
    speech: Tensor,
) -> Tensor:
    """(N, S, d) what the language model is given.

    Args:
        encoder: whose adaptor is used.
        llm: the language model.
        config: how many rows of the adaptor the language model is given.
        rows: encoder rows (N, L, d) and their numbers (N,).
        ids: (N, S) tokens.
        speech: (N, S), True where a row of the adaptor belongs.
    """
    adapted = encoder.adaptor(*rows)[0]
    heard = [own[: config.heard(count)] for own, count in zip(adapted, rows[1].tolist(), strict=True)]
    return splice(llm.get_input_embeddings()(ids), speech, torch.cat(heard))


def prompts(tensors: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    """Tokens `ids` (N, S), places of `speech` (N, S) and `mask` (N, S) of what comes before the text, padded left."""
    given = tensors["mask"] & (tensors["labels"] == NO_TARGET)

    def left(values: Tensor) -> Tensor:
        rows = [own[there] for own, there in zip(values, given, strict=True)]
        return pad_sequence(rows, batch_first=True, padding_side="left")

    return left(tensors["ids"]), left(tensors["speech"]), left(given)
