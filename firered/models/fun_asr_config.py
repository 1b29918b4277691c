"""What the files beside Fun-ASR-Nano's weights say: config.yaml as published, or config.json of transformers' form."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from transformers import FunAsrNanoConfig, FunAsrNanoEncoderConfig
from transformers.models.fun_asr_nano.configuration_fun_asr_nano import FunAsrNanoAdaptorConfig

from firered.audio.frontend import FrontEnd
from firered.errors import ModelError
from firered.models.checkpoint import config_from_args
from firered.models.fun_asr import AdaptorSizes, SanmSizes, heard_rows
from firered.text.files import first_line, read_file, read_json

CONFIG, TRANSFORMERS_CONFIG = "config.yaml", "config.json"
_LARGEST, _LARGEST_NUMBER = 1 << 20, 1 << 24  # bytes of a config.yaml, and any number in it
PUBLISHED_CTC_WORDS = 60515  # of the published checkpoint, whose config.yaml does not say it
Sizes = TypeVar("Sizes", SanmSizes, AdaptorSizes)


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
    languages: tuple[str, ...] = ()  # codes; none: not said

    def heard(self, rows: int) -> int:
        """How many of so many encoder rows the language model is given."""
        return heard_rows(-(-rows // self.adaptor.downsample_rate), self.adaptor.use_low_frame_rate)

    @classmethod
    def of_directory(cls, directory: Path) -> "CheckpointConfig":
        """That of a directory of either form: the published one wherever it has its config.yaml.

        Raises:
            ModelError: see `read`.
        """
        published, other = directory / CONFIG, directory / TRANSFORMERS_CONFIG
        return cls.read(published) if published.exists() or not other.exists() else cls.read_transformers(other)

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
        words = config.number("ctc_vocab_size", PUBLISHED_CTC_WORDS)
        return cls(
            encoder=encoder,
            adaptor=config.section("audio_adaptor_conf").sizes(AdaptorSizes),
            ctc_decoder=config.section("ctc_decoder_conf").sizes(AdaptorSizes)
            if "ctc_decoder" in config.values
            else None,
            ctc_words=words,
            blank=ctc.number("blank_id", words - 1),
            front_end=_front_end(config.section("frontend_conf")),
            llm=config.section("llm_conf").folder("init_param_path", "Qwen3-0.6B"),
            system_prompt=bool(data.values.get("sys_prompt", True)),
            thinks=bool(data.values.get("do_think", True)),
            languages=tuple(str(code) for code in config.values.get("languages") or ()),
        )

    @classmethod
    def read_transformers(cls, path: Path) -> "CheckpointConfig":
        """That of a config.json of the form of transformers.

        Raises:
            ModelError: it is missing or damaged, or describes another model.
        """
        values = transformers_config(path)
        audio, adaptor = values.audio_config, values.adaptor_config
        assert isinstance(audio, FunAsrNanoEncoderConfig)
        assert isinstance(adaptor, FunAsrNanoAdaptorConfig)
        return cls(
            encoder=SanmSizes(
                output_size=audio.hidden_size,
                attention_heads=audio.num_attention_heads,
                linear_units=audio.intermediate_size,
                num_blocks=audio.num_hidden_layers - audio.num_timestamp_prediction_layers,
                tp_blocks=audio.num_timestamp_prediction_layers,
                kernel_size=audio.fsmn_kernel_size,
            ),
            adaptor=AdaptorSizes(
                ffn_dim=adaptor.projector_hidden_size,
                llm_dim=adaptor.hidden_size,
                encoder_dim=audio.hidden_size,
                n_layer=adaptor.num_hidden_layers,
                attention_heads=adaptor.num_attention_heads,
                eps=adaptor.layer_norm_eps,
            ),
            ctc_decoder=None,
            ctc_words=0,
            blank=0,
            front_end=FrontEnd(
                window="hamming",
                bins=audio.num_mel_bins,
                stack=audio.num_stacked_frames,
                skip=6,
                cmvn=False,
                shrinks=True,
            ),
            llm=".",
        )


class _Section:
    """A mapping of config.yaml, for reading with errors that name the entry."""

    def __init__(self, values: Mapping[str, Any], where: str) -> None:
        self.values, self.where = values, where

    @classmethod
    def read(cls, path: Path) -> "_Section":
        raw = read_file(path, _LARGEST)
        try:
            values = yaml.safe_load(raw)
        except RecursionError:
            raise ModelError(f"{path}: not readable as YAML: nested too deeply") from None
        except (yaml.YAMLError, ValueError) as error:
            raise ModelError(f"{path}: not readable as YAML ({first_line(error)})") from error
        if not isinstance(values, dict):
            raise ModelError(f"{path}: not a mapping of names to values")
        return cls(values, str(path))

    def section(self, name: str) -> "_Section":
        values = self.values.get(name) or {}
        if not isinstance(values, dict):
            raise ModelError(f"{self.where}: {name} is {values!r}, not a mapping")
        return _Section(values, f"{self.where}: {name}")

    def must_be(self, name: str, value: str | int, default: str | None = None) -> None:
        given = self.values.get(name, default)
        if given != value:
            raise ModelError(f"{self.where}: {name} is {given!r}, only {value!r} is known here")

    def number(self, name: str, default: int) -> int:
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST_NUMBER:
            raise ModelError(f"{self.where}: {name} is {str(value)[:60]!r}, not a number from 0 to {_LARGEST_NUMBER}")
        return value

    def folder(self, name: str, default: str) -> str:
        """The last part of a path: the folder that it names lies in the checkpoint's directory."""
        value = self.values.get(name, default)
        last = Path(value).name if isinstance(value, str) else ""
        if last in ("", ".."):
            raise ModelError(f"{self.where}: {name} is {str(value)[:60]!r}, not the name of a folder")
        return last

    def sizes(self, kind: type[Sizes]) -> Sizes:
        return config_from_args(kind, Namespace(**self.values), self.where)


def _front_end(conf: _Section) -> FrontEnd:
    conf.must_be("fs", 16000)
    conf.must_be("window", "hamming", default="hamming")
    if conf.values.get("cmvn_file"):
        raise ModelError(f"{conf.where}: cmvn_file is set; Fun-ASR-Nano has no mean and variance statistics")
    return FrontEnd(
        window="hamming",
        bins=conf.number("n_mels", 80),
        frame_length_ms=conf.number("frame_length", 25),
        frame_shift_ms=conf.number("frame_shift", 10),
        stack=conf.number("lfr_m", 7),
        skip=conf.number("lfr_n", 6),
        cmvn=False,
        shrinks=True,
    )


def transformers_config(path: Path) -> FunAsrNanoConfig:
    """The config.json of the form of transformers.

    Raises:
        ModelError: it is missing or damaged, or of another model.
    """
    values = read_json(path)
    if values.get("model_type") != "fun_asr_nano":
        raise ModelError(f"{path}: model_type is {values.get('model_type')!r}, not 'fun_asr_nano'")
    try:
        return FunAsrNanoConfig(**values)
    except Exception as error:  # its own kinds of validation error have no common base
        raise ModelError(f"{path}: not the config of a Fun-ASR-Nano ({first_line(error)})") from error


def llm_values(folder: Path) -> dict[str, Any]:
    """The config.json of the language model's folder, which holds no weights.

    Raises:
        ModelError: it is missing or damaged, or of another model.
    """
    path = folder / TRANSFORMERS_CONFIG
    if not path.exists():
        raise ModelError(f"{path}: missing; the folder of the language model's config and tokenizer belongs here")
    values = read_json(path)
    if values.get("model_type") != "qwen3":
        raise ModelError(f"{path}: model_type is {values.get('model_type')!r}, not 'qwen3'")
    return values
