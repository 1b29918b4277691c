"""The speech-LLM: encoder, adapter and LoRA on a language model (FireRedASR paper, section 2.2)."""

import os
import re
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from firered.asr.families.speech_llm_loaded import llm_folder
from firered.data.utterance import Utterance
from firered.errors import OptionError, Problem
from firered.hub.catalogue import ENCODER
from firered.models.adapters import make_adapter
from firered.models.causal_lm import load_llm, with_lora
from firered.models.llm_stepper import LlmSteps
from firered.models.speech_llm import SpeechLlm, positions_of
from firered.search.config import GenerateConfig
from firered.search.generate import search
from firered.text.llm_tokenizer import LlmTokenizer, load_tokenizer
from firered.text.units import IDEOGRAPH
from firered.train import checkpoints
from firered.train.beside import copy_beside, on_main_process
from firered.train.data.batch import NO_TARGET, Batch
from firered.train.data.config import LlmDataConfig, SpecAugmentConfig, SpeechDataConfig
from firered.train.data.speech import SpeechCorpus
from firered.train.data.text import table_of, why_not
from firered.train.data.transcribed import Targets, corpora
from firered.train.llm_config import CTC_STAGE, LlmTaskConfig
from firered.train.objectives.lora import targets_in
from firered.train.objectives.objective import BatchLoss, Led
from firered.train.objectives.speech import SpeechObjective
from firered.train.objectives.tokens import token_loss, token_report
from firered.train.sections import Settings
from firered.train.task import SPEECH_SECTIONS, Task, TaskKind
from firered.train.tasks import ctc
from firered.train.tasks.llm_encoders import first_encoder, short_enough, write_no_statistics

LLM = "Qwen2-7B-Instruct"  # the folder's released name, whatever model is in it
_PUNCTUATION = re.compile(r"[，。？！,.?!《》（）·“”、\\/]")
_SPACE_AT_IDEOGRAPH = re.compile(rf"(?<={IDEOGRAPH.pattern})\s+|\s+(?={IDEOGRAPH.pattern})")


def clean(text: str) -> str:
    """A transcript as the language model is to write it: lower case, no punctuation, spaces between Latin words."""
    text = " ".join(_PUNCTUATION.sub("", text).split())
    return _SPACE_AT_IDEOGRAPH.sub("", text).lower()


class LlmCorpus(SpeechCorpus):
    """Features, and prompts followed by the transcript.

    Args:
        tokenizer: of the language model.
        model: whose encoder takes the features.
        corpus: see SpeechCorpus.
    """

    def __init__(self, tokenizer: LlmTokenizer, model: SpeechLlm, *corpus: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(*corpus)
        self._tokenizer, self._rate = tokenizer, model.encoder_projector.downsample_rate
        self._subsampling, self.front_end = model.encoder.subsampling, model.encoder.front_end.filterbank

    def collate(self, items: list[tuple[str, Tensor, list[int]]]) -> Batch:
        """Padded features, lengths, and tokens `ids` (N, S), `mask` (N, S) and `labels` (N, S), padded on the right."""
        tensors = self.collate_features(items)
        ids, labels = [], []
        for frames, (_, _, transcript) in zip(tensors["lengths"].tolist(), items, strict=True):
            prompt = self._tokenizer.prompt(-(-frames // self._subsampling) // self._rate)
            target = [*transcript, self._tokenizer.eos_id]
            ids.append(torch.tensor([*prompt, *target]))
            labels.append(torch.tensor([NO_TARGET] * len(prompt) + target))
        tensors["ids"] = pad_sequence(ids, batch_first=True, padding_value=self._tokenizer.pad_id)
        tensors["mask"] = pad_sequence([torch.ones_like(tokens) for tokens in ids], batch_first=True).bool()
        tensors["labels"] = pad_sequence(labels, batch_first=True, padding_value=NO_TARGET)
        return Batch([item[0] for item in items], tensors, sum(len(item[2]) + 1 for item in items))


class LlmObjective(SpeechObjective[SpeechLlm]):
    """Cross-entropy of the transcript and eos; the prompt has no loss."""

    def __init__(self, model: SpeechLlm, config: LlmTaskConfig, specaugment: SpecAugmentConfig) -> None:
        super().__init__(model, config.dropout, specaugment)
        trains = config.parts
        model.requires_grad_(False)
        model.encoder.requires_grad_("encoder" in trains)
        model.encoder_projector.requires_grad_("adapter" in trains)
        for name, parameter in model.llm.named_parameters():
            parameter.requires_grad_("lora" in trains and ".lora_" in name)
        self.trains = trains

    def features(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """The batch's features, masked in training: where they are not normalised by their mean; samples never."""
        front_end = self.model.encoder.front_end
        if front_end.plain or not self.training:
            return tensors["feats"]
        if front_end.cmvn:
            return super().features(tensors)
        middle = tensors["feats"].mean(1, keepdim=True)
        return super().features({**tensors, "feats": tensors["feats"] - middle}) + middle

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """Loss summed over the tokens of transcripts; logits are computed from the first of them on."""
        model, mask, labels = self.model, tensors["mask"], tensors["labels"]
        embeds = model.embed(tensors["ids"], model.embed_speech(self.features(tensors), tensors["lengths"]))
        first = int((labels != NO_TARGET).any(0).nonzero()[0])
        out = model.llm(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions_of(mask),
            use_cache=False,
            logits_to_keep=labels.shape[1] - first + 1,
        )
        return token_loss(out.logits[:, :-1], labels[:, first:])

    def decode(self, tensors: Mapping[str, Tensor], by: str, led: Led) -> list[list[int]]:
        """What the language model writes after each prompt; see `Objective.decode`."""
        model, ids, labels = self.model, tensors["ids"], tensors["labels"]
        eos = int(labels[0][labels[0] != NO_TARGET][-1])  # with which every transcript ends
        prompts = [row[given] for row, given in zip(ids, tensors["mask"] & (labels == NO_TARGET), strict=True)]
        ones = [torch.ones_like(prompt, dtype=torch.bool) for prompt in prompts]
        padded, mask = (pad_sequence(rows, batch_first=True, padding_side="left") for rows in (prompts, ones))
        embeds = model.embed(padded, model.embed_speech(tensors["feats"], tensors["lengths"]))
        limits = (padded == model.speech_id).sum(1).clamp(min=1)  # a token each 80 ms, as in recognition
        llm = model.llm.get_base_model() if isinstance(model.llm, PeftModel) else model.llm
        llm = model.llm.get_base_model() if isinstance(model.llm, PeftModel) else model.llm
        steps = led(LlmSteps(cast(PreTrainedModel, llm), embeds, mask, 1, int(limits.max())))
        found = search(steps, limits, GenerateConfig(beam_size=1), first=padded[:, -1], eos=eos)
        return [list(best.tokens) for best, *_ in found]

    @property
    def width(self) -> int:
        """The language model's width."""
        return self.model.llm.config.hidden_size

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Perplexity and accuracy."""
        return token_report(loss, counts)

    def exported(self) -> dict[str, Tensor]:
        """Encoder, adapter and LoRA; the language model's own weights lie in its folder."""
        state = self.model.state_dict()
        return {name: value for name, value in state.items() if not name.startswith("llm.") or ".lora_" in name}

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The published layout."""
        args = Namespace(
            encoder_path="",
            llm_dir="",
            freeze_encoder="encoder" not in self.trains,
            freeze_llm="lora" not in self.trains,
            use_lora=any(".lora_" in name for name in state),
            encoder_downsample_rate=self.model.encoder_projector.downsample_rate,
            **self.model.encoder_projector.arguments(),
        )
        return {"args": args, "model_state_dict": state}


def initial_model(config: LlmTaskConfig, folder: Path, speech_id: int) -> SpeechLlm:
    """The model to train: that of `init`, or the encoder of `encoder` and a new adapter; with LoRA if that is trained.

    Raises:
        ModelError: a part cannot be loaded, or they do not fit together.
    """
    dtype = getattr(torch, config.llm_dtype)
    if config.init:
        model = SpeechLlm.load(Path(config.init), folder, speech_id, dtype=dtype)
    else:
        assert config.encoder is not None  # `build` requires it where there is no `init`
        encoder, _ = first_encoder(Path(config.encoder))
        llm = load_llm(folder, dtype, "cpu")
        sizes = config.adapter_rate, config.adapter_layers, config.adapter_width
        adapter = make_adapter(config.adapter, encoder.width, llm.config.hidden_size, *sizes)
        model = SpeechLlm(encoder, adapter, llm, speech_id)
    if "lora" in config.parts and not isinstance(model.llm, PeftModel):
        model.llm = with_lora(model.llm, config.lora_rank, targets_in(model.llm, config.lora_targets.split()))
    return model


def language_model(config: LlmTaskConfig) -> Path:
    """The folder of the language model: that of the options, or the one of the initial model."""
    if config.llm:
        return Path(config.llm)
    if config.init:
        return llm_folder(Path(config.init))
    raise OptionError("model.llm: the folder of the language model is not given")


def write_beside(out: Path, config: LlmTaskConfig, folder: Path | None) -> None:
    """Write the encoder's arguments and initial weights, and a link to the language model (None: none), to `out`."""
    if config.init:
        copy_beside(out, Path(config.init) / ENCODER)
    else:
        assert config.encoder is not None  # `build` requires it where there is no `init`
        _, content = first_encoder(Path(config.encoder))
        on_main_process(lambda: checkpoints.save(out / ENCODER, content))
    if folder is not None:
        on_main_process(lambda: _link(out / LLM, folder))


def _link(path: Path, folder: Path) -> None:
    if path.is_symlink():
        path.unlink()
    if not path.exists():
        path.symlink_to(os.path.relpath(folder.resolve(), path.parent.resolve()), target_is_directory=True)


def _targets(data: LlmDataConfig, tokenizer: PreTrainedTokenizerBase) -> Targets:
    """A function from utterances to the token ids of their transcripts."""

    def targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> dict[str, list[int]]:
        texts, found = table_of(getattr(data, what), "text", left_out), {}
        for utterance in utterances:
            text = texts.get(utterance.id, "")
            ids = tokenizer.encode(clean(text), add_special_tokens=False)
            if utterance.id not in texts:
                left_out.append(Problem(utterance.id, "not in text"))
            elif reason := why_not(text, ids, data):
                left_out.append(Problem(utterance.id, reason))
            else:
                found[utterance.id] = ids
        return found

    return targets


def build(settings: Settings) -> Task:
    """The task of these settings."""
    config, data = settings.section("model", LlmTaskConfig), settings.section("data", LlmDataConfig)
    if config.stage == CTC_STAGE:
        return ctc.build(_of_ctc(settings, config, data))
    if bool(config.init) == bool(config.encoder):
        raise OptionError("model.init or model.encoder: give one: a speech-LLM to start from, or a recognition model")
    folder = language_model(config)
    tokenizer = LlmTokenizer.from_dir(folder)
    model = initial_model(config, folder, tokenizer.speech_id)
    tokenizer.check_size(model.llm.config.vocab_size)
    objective = LlmObjective(model, config, settings.section("specaugment", SpecAugmentConfig))
    write_beside(settings.out, config, folder)
    plain, front_end = load_tokenizer(folder), model.encoder.front_end
    normalised = front_end.cmvn and not front_end.plain
    if not normalised:
        write_no_statistics(settings.out, front_end.bins)
    train, dev, left_out = corpora(
        short_enough(settings, model.encoder.longest_s),
        _targets(data, plain),
        config.init or config.encoder,
        corpus=partial(LlmCorpus, tokenizer, model),
        normalised=normalised,
    )
    return Task(objective, train, dev, data.batch_frames, left_out, tokenizer.text_of)


def _of_ctc(settings: Settings, config: LlmTaskConfig, data: LlmDataConfig) -> Settings:
    """The fifth stage as task ctc has it."""
    common = {name: getattr(data, name) for name in data.names() & SpeechDataConfig.names()}
    model = ctc.CtcTaskConfig(init=config.encoder, encoder=config.init)
    return replace(settings, sections={**settings.sections, "data": SpeechDataConfig(**common), "model": model})


KIND = TaskKind(LlmDataConfig, LlmTaskConfig, build, SPEECH_SECTIONS)
