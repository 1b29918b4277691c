"""Fun-ASR-Nano from its checkpoints: the published directory (config.yaml, model.pt), unchanged."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn
from transformers import Qwen3Config, Qwen3ForCausalLM

from firered.audio.frontend import FrontEnd
from firered.errors import ModelError
from firered.models.checkpoint import check_tensors, config_from_args, first_line, load_tensors
from firered.models.fun_asr import (
    Adaptor,
    AdaptorSizes,
    FunAsrEncoder,
    SanmSizes,
    qwen3,
    released_adaptor_name,
    released_encoder_name,
    restore_rotary,
    sanm_encoder,
)
from firered.models.qwen import read_json

CONFIG, WEIGHTS, CTC_VOCABULARY = "config.yaml", "model.pt", "multilingual.tiktoken"
_ENCODER, _ADAPTOR, _LLM, _CTC_DECODER, _CTC = "audio_encoder.", "audio_adaptor.", "llm.", "ctc_decoder.", "ctc.ctc_lo."
_CTC_WORDS = 60515  # of the published checkpoint, whose config.yaml does not say it


@dataclass(frozen=True)
class CheckpointConfig:
    """What config.yaml says that inference reads."""

    encoder: SanmSizes
    adaptor: AdaptorSizes
    ctc_decoder: AdaptorSizes | None
    ctc_words: int
    blank: int
    front_end: FrontEnd
    llm: str  # folder of the language model's config and tokenizer
    system_prompt: bool = True
    thinks: bool = True

    @classmethod
    def read(cls, path: Path) -> "CheckpointConfig":
        """That of a published config.yaml.

        Raises:
            ModelError: it is missing or damaged, or describes another model; the entry is named.
        """
        config = _Section.read(path)
        config.must_be("audio_encoder", "SenseVoiceEncoderSmall")
        config.must_be("audio_adaptor", "Transformer")
        encoder = config.section("audio_encoder_conf").sizes(SanmSizes)
        if not encoder.normalize_before or encoder.tp_blocks < 1:
            raise ModelError(f"{path}: audio_encoder_conf: only normalize_before and tp_blocks from 1 are known here")
        data, ctc = config.section("dataset_conf"), config.section("ctc_conf")
        words = config.number("ctc_vocab_size", _CTC_WORDS)
        llm = Path(str(config.section("llm_conf").values.get("init_param_path") or "Qwen3-0.6B"))
        return cls(
            encoder=encoder,
            adaptor=config.section("audio_adaptor_conf").sizes(AdaptorSizes),
            ctc_decoder=config.section("ctc_decoder_conf").sizes(AdaptorSizes)
            if "ctc_decoder" in config.values
            else None,
            ctc_words=words,
            blank=ctc.number("blank_id", words - 1),
            front_end=_front_end(config.section("frontend_conf")),
            llm=llm.name,
            system_prompt=bool(data.values.get("sys_prompt", True)),
            thinks=bool(data.values.get("do_think", True)),
        )


class _Section:
    """A mapping of config.yaml, for reading with errors that name the entry."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values, self.where = values, where

    @classmethod
    def read(cls, path: Path) -> "_Section":
        try:
            values = yaml.safe_load(path.read_bytes())
        except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
            raise ModelError(f"{path}: not readable as YAML ({error})") from error
        if not isinstance(values, dict):
            raise ModelError(f"{path}: not a mapping of names to values")
        return cls(values, str(path))

    def section(self, name: str) -> "_Section":
        values = self.values.get(name) or {}
        if not isinstance(values, dict):
            raise ModelError(f"{self.where}: {name} is {values!r}, not a mapping")
        return _Section(values, f"{self.where}: {name}")

    def must_be(self, name: str, value: str) -> None:
        if self.values.get(name) != value:
            raise ModelError(f"{self.where}: {name} is {self.values.get(name)!r}, only {value!r} is known here")

    def number(self, name: str, default: int) -> int:
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ModelError(f"{self.where}: {name} is {value!r}, not a number from 0")
        return value

    def sizes(self, kind: Callable[..., Any]) -> Any:  # noqa: ANN401 - an instance of the class given
        return config_from_args(kind, Namespace(**self.values), self.where)


def _front_end(conf: _Section) -> FrontEnd:
    conf.must_be("fs", 16000)
    if conf.values.get("cmvn_file"):
        raise ModelError(f"{conf.where}: cmvn_file is set; Fun-ASR-Nano has no mean and variance statistics")
    return FrontEnd(
        window=str(conf.values.get("window", "hamming")),
        bins=conf.number("n_mels", 80),
        frame_length_ms=conf.number("frame_length", 25),
        frame_shift_ms=conf.number("frame_shift", 10),
        stack=conf.number("lfr_m", 7),
        skip=conf.number("lfr_n", 6),
        cmvn=False,
        shrinks=True,
    )


@dataclass
class FunAsrParts:
    """The networks of a checkpoint, in evaluation mode: float32 but for the language model."""

    encoder: FunAsrEncoder
    llm: Qwen3ForCausalLM


def load_published(directory: Path, config: CheckpointConfig, dtype: torch.dtype) -> FunAsrParts:
    """The networks of a directory with config.yaml, model.pt and the folder of the language model's config.

    The CTC head is there if all its tensors are, in their shapes. All other tensors have to be.

    Args:
        directory: of the checkpoint.
        config: its config.yaml.
        dtype: number format of the language model.

    Raises:
        ModelError: a file is missing, damaged or of another model; tensors are named.
    """
    path = directory / WEIGHTS
    state = {name.removeprefix("module."): value for name, value in load_tensors(path).items()}
    llm_config = _llm_config(directory / config.llm)
    with torch.device("meta"):
        sanm = sanm_encoder(config.encoder, config.front_end.bins, config.front_end.stack)
        adaptor, llm = Adaptor(config.adaptor), qwen3(llm_config)
        head = _ctc_head(config)
    parts = [
        _Part(sanm, _ENCODER, lambda name: released_encoder_name(name, config.encoder)),
        _Part(adaptor, _ADAPTOR, lambda name: (released_adaptor_name(name), None)),
        _Part(llm, _LLM, lambda name: (name, None)),
    ]
    ctc = (
        [
            _Part(head[0], _CTC_DECODER, lambda name: (released_adaptor_name(name), None)),
            _Part(head[1], _CTC, lambda name: (name, None)),
        ]
        if head
        else []
    )
    expected = {name: shape for part in parts for name, shape in part.released_shapes().items()}
    of_ctc = {name: shape for part in ctc for name, shape in part.released_shapes().items()}
    has_ctc = bool(of_ctc) and all(name in state and state[name].shape == shape for name, shape in of_ctc.items())
    others = {name: value for name, value in state.items() if not name.startswith((_CTC_DECODER, "ctc."))}
    check_tensors(expected, others, path)
    for part in [*parts, *(ctc if has_ctc else [])]:
        part.fill(state, dtype if part.module is llm else torch.float32)
    restore_rotary(llm)
    return FunAsrParts(FunAsrEncoder(sanm, adaptor, *(head if head and has_ctc else ())).eval(), llm.eval())


def _ctc_head(config: CheckpointConfig) -> tuple[Adaptor, nn.Linear] | None:
    if config.ctc_decoder is None:
        return None
    return Adaptor(config.ctc_decoder), nn.Linear(config.ctc_decoder.llm_dim, config.ctc_words)


@dataclass
class _Part:
    """One of the networks, and what its parameters are called in the file: a name, and which third of that tensor."""

    module: nn.Module
    prefix: str
    released: Callable[[str], tuple[str, int | None]]

    def released_shapes(self) -> dict[str, torch.Size]:
        shapes: dict[str, torch.Size] = {}
        for name, parameter in self.module.state_dict().items():
            released, third = self.released(name)
            rows = 1 if third is None else 3
            shapes[self.prefix + released] = torch.Size((rows * parameter.shape[0], *parameter.shape[1:]))
        return shapes

    def fill(self, state: Mapping[str, Tensor], dtype: torch.dtype) -> None:
        values: dict[str, Tensor] = {}
        for name in self.module.state_dict():
            released, third = self.released(name)
            value = state[self.prefix + released]
            values[name] = (value if third is None else value.chunk(3)[third]).to(dtype)
        self.module.load_state_dict(values, assign=True)


def _llm_config(folder: Path) -> Qwen3Config:
    """The config of the language model's folder, which holds no weights."""
    path = folder / "config.json"
    if not path.is_file():
        raise ModelError(f"{path}: missing; the folder of the language model's config and tokenizer belongs here")
    values = read_json(path)
    if values.get("model_type") != "qwen3":
        raise ModelError(f"{path}: model_type is {values.get('model_type')!r}, not 'qwen3'")
    try:
        return Qwen3Config(**values)
    except Exception as error:  # its own kinds of validation error have no common base
        raise ModelError(f"{path}: not the config of a Qwen3 model ({first_line(error)})") from error
