"""The encoder that a speech-LLM begins with: of a recognition model, of Fun-ASR-Nano, or of Whisper."""

from argparse import Namespace
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import WhisperModel

from firered.audio.frontend import CmvnStats
from firered.errors import ModelError, OptionError
from firered.hub.catalogue import CHECKPOINT
from firered.models.aed import Aed
from firered.models.checkpoint import config_from_args, model_files
from firered.models.fun_asr_checkpoint import WEIGHTS, load_published, load_transformers
from firered.models.fun_asr_config import TRANSFORMERS_CONFIG, CheckpointConfig
from firered.models.llm_encoders import OtherEncoder, SanmFrames, WhisperFrames, WhisperSizes
from firered.models.speech_llm import SpeechEncoder
from firered.text.files import first_line, read_json
from firered.train.beside import CMVN, on_main_process
from firered.train.data.config import AugmentConfig, LlmDataConfig
from firered.train.sections import Settings

_MARGIN_FRAMES = 10  # that a rounded length may be off


def first_encoder(directory: Path) -> tuple[SpeechEncoder, dict[str, object]]:
    """The encoder of a directory, and what asr_encoder.pth.tar says of it: its arguments and weights.

    Args:
        directory: of a recognition model (aed), of Fun-ASR-Nano, or of Whisper as transformers has it.

    Raises:
        ModelError: it is none of these, or damaged.
    """
    kind = _model_type(directory)
    if kind == "whisper":
        return _content(_whisper(directory))
    if kind.startswith("fun_asr") or (directory / WEIGHTS).exists():
        config = CheckpointConfig.of_directory(directory)
        load = load_published if (directory / WEIGHTS).exists() else load_transformers
        encoder = SanmFrames(config.encoder, config.front_end)
        encoder.net.load_state_dict(load(directory, config, torch.bfloat16).encoder.encoder.state_dict())
        return _content(encoder)
    model = Aed.load(model_files(directory, CHECKPOINT)[0])
    published = model.checkpoint()
    tensors = published["model_state_dict"]
    assert isinstance(tensors, dict)
    state = {name: value for name, value in tensors.items() if name.startswith("encoder.")}
    return model.encoder, {"args": published["args"], "model_state_dict": state}


def _model_type(directory: Path) -> str:
    path = directory / TRANSFORMERS_CONFIG
    return str(read_json(path).get("model_type", "")) if path.exists() else ""


def _content(encoder: OtherEncoder) -> tuple[SpeechEncoder, dict[str, object]]:
    state: dict[str, Tensor] = {f"encoder.{name}": value for name, value in encoder.state_dict().items()}
    return encoder, {"args": encoder.arguments(), "model_state_dict": state}


def _whisper(directory: Path) -> WhisperFrames:
    values: dict[str, Any] = read_json(directory / TRANSFORMERS_CONFIG)
    known = {one.name: values[one.name] for one in fields(WhisperSizes) if one.name in values}
    sizes = config_from_args(WhisperSizes, Namespace(**known), "Whisper", source=directory / TRANSFORMERS_CONFIG)
    encoder = WhisperFrames(sizes)
    try:
        model = WhisperModel.from_pretrained(str(directory), local_files_only=True, use_safetensors=True)
        encoder.net.load_state_dict(model.encoder.state_dict())
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{directory}: its encoder cannot be read ({first_line(error)})") from error
    return encoder


def write_no_statistics(out: Path, bins: int) -> None:
    """Write statistics that change nothing: of an encoder that takes features as they are, in the published layout."""
    none = CmvnStats(bins)
    none.stats[0, -1] = 1.0
    none.stats[1, :-1] = 1.0

    def write() -> None:
        out.mkdir(parents=True, exist_ok=True)
        none.write(out / CMVN)

    on_main_process(write)


def short_enough(settings: Settings, longest_s: float | None) -> Settings:
    """The settings with `data.max_frames` for an encoder that takes so many seconds at most, at the slowest speed.

    Raises:
        OptionError: silence is added to utterances, so their length is not known.
    """
    if longest_s is None:
        return settings
    augment, data = settings.section("augment", AugmentConfig), settings.section("data", LlmDataConfig)
    if augment.pad_prob:
        raise OptionError("augment.pad_prob: the encoder takes a bounded length, to which silence would add")
    most = int(100 * longest_s * min(1.0, *augment.speed_factors())) - _MARGIN_FRAMES
    values = data.to_dict() | {"max_frames": min(data.max_frames, most)}
    return Settings(settings.task, settings.out, {**settings.sections, "data": type(data)(**values)})
