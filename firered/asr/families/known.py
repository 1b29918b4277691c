"""The families of this project, and how each is known by its files and loaded; torch only when it is."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from firered.align.config import AlignConfig
from firered.asr.aed_config import AsrConfig
from firered.asr.families.family import Family
from firered.asr.families.transformers_kinds import holds_recogniser, writes_marks
from firered.asr.fun_asr_config import FunAsrConfig
from firered.asr.llm_config import LlmConfig
from firered.asr.transformers_config import TransformersConfig
from firered.hub.catalogue import FUN_ASR_MLT, FUN_ASR_WEIGHTS
from firered.optional import need_transformers
from firered.text.units import IDEOGRAPH

if TYPE_CHECKING:
    from firered.align.base import CtcAligner
    from firered.asr.recogniser import Encoder, Recogniser
    from firered.audio.frontend import FrontEnd

DICT, PIECES_MODEL = "dict.txt", "train_bpe1000.model"


def _holds_text(directory: Path) -> bool:
    """Whether a dictionary is of text, and not of the languages that language identification knows."""
    if (directory / PIECES_MODEL).is_file():
        return True
    if not (directory / DICT).is_file():
        return False
    return IDEOGRAPH.search((directory / DICT).read_text(encoding="utf-8", errors="replace")) is not None


def _load_aed(directory: Path, config: AsrConfig, device: str) -> "Recogniser":
    from firered.asr.families.aed import Asr

    return Asr.from_pretrained(directory, config, device)


def _load_aed_aligner(directory: Path, config: AlignConfig, device: str) -> "CtcAligner":
    from firered.align.aligner import Aligner

    return Aligner.from_pretrained(directory, config, device)


def _lacks_aed_streaming(directory: Path) -> str:
    from firered.asr.families.aed import lacks_streaming

    return lacks_streaming(directory)


def _load_speech_llm(directory: Path, config: LlmConfig, device: str) -> "Recogniser":
    need_transformers()
    from firered.asr.families.speech_llm import LlmAsr

    return LlmAsr.from_pretrained(directory, config, device)


def _holds_fun_asr(directory: Path) -> bool:
    """Whether this is a Fun-ASR-Nano: as published, or in the form of transformers; asked of files, not of a name."""
    published = directory / "config.yaml"
    if published.is_file() and (directory / FUN_ASR_WEIGHTS).is_file():
        return re.search(rb"(?m)^model: *[\"']?FunASRNano\b", published.read_bytes()) is not None
    form = directory / "config.json"
    if form.is_file() and any(directory.glob("*.safetensors")):
        return re.search(rb'"model_type": *"fun_asr_nano"', form.read_bytes()) is not None
    return False


def _load_fun_asr(directory: Path, config: FunAsrConfig, device: str) -> "Recogniser":
    need_transformers()
    from firered.asr.families.fun_asr import FunAsr

    return FunAsr.from_pretrained(directory, config, device)


def _speech_llm_front_end(directory: Path) -> "FrontEnd":
    from firered.hub.catalogue import ENCODER
    from firered.models.checkpoint import load_checkpoint, model_files
    from firered.models.llm_encoder_args import front_end_of

    path = model_files(directory, ENCODER)[0]
    return front_end_of(load_checkpoint(path)[0], path)


def _published_front_end(_: Path) -> "FrontEnd":
    from firered.audio.frontend import PUBLISHED

    return PUBLISHED


def _fun_asr_front_end(directory: Path) -> "FrontEnd":
    from firered.models.fun_asr_config import CheckpointConfig

    return CheckpointConfig.of_directory(directory).front_end


def _load_fun_asr_aligner(directory: Path, config: AlignConfig, device: str) -> "CtcAligner":
    from firered.asr.families.fun_asr_aligner import FunAsrAligner

    return FunAsrAligner.from_pretrained(directory, config, device)


def _lacks_fun_asr_aligner(directory: Path) -> str:
    from firered.asr.families.fun_asr_aligner import lacks_ctc

    return lacks_ctc(directory)


def _samples_front_end(_: Path) -> "FrontEnd":
    from firered.audio.frontend import SAMPLES

    return SAMPLES


def _load_transformers(directory: Path, config: TransformersConfig, device: str) -> "Recogniser":
    from firered.asr.families.transformers import TransformersAsr

    return TransformersAsr.from_pretrained(directory, config, device)


def _load_speech_llm_encoder(directory: Path, config: LlmConfig, device: str) -> "Encoder":
    need_transformers()
    from firered.asr.families.speech_llm import LlmEncoder

    return LlmEncoder.from_pretrained(directory, config, device)


# What the reports of FireRedASR and FireRedASR2 state: Mandarin and Chinese dialects, English, and both mixed.
_FIRERED = ("zh", "en", "yue")

AED = Family(
    name="aed",
    about="attention encoder-decoder (FireRedASR-AED, either generation)",
    files=("model.pth.tar", "cmvn.ark", "dict.txt"),
    contents=_holds_text,
    needs="model.pth.tar, cmvn.ark, dict.txt, and train_bpe1000.model unless the text is Chinese alone",
    config=AsrConfig,
    load=_load_aed,
    published=("FireRedASR2-AED", "FireRedASR-AED-L"),
    front_end=_published_front_end,
    times="timestamps",
    nbest=True,
    load_aligner=_load_aed_aligner,
    lacks_streaming=_lacks_aed_streaming,
    languages=_FIRERED,
)
SPEECH_LLM = Family(
    name="llm",
    about="encoder, adapter and large language model (FireRedASR-LLM, either generation)",
    files=("model.pth.tar", "asr_encoder.pth.tar", "cmvn.ark", "*/config.json"),
    config=LlmConfig,
    load=_load_speech_llm,
    published=("FireRedASR2-LLM", "FireRedASR-LLM-L"),
    times="align_model",
    nbest=True,
    adapter=True,
    load_encoder=_load_speech_llm_encoder,
    front_end=_speech_llm_front_end,
    languages=_FIRERED,
)
FUN_ASR = Family(
    name="fun-asr",
    about="Fun-ASR-Nano, as published or in the form of transformers",
    files=("config.*",),
    contents=_holds_fun_asr,
    needs="config.yaml, model.pt, multilingual.tiktoken and the folder Qwen3-0.6B, or config.json and *.safetensors",
    config=FunAsrConfig,
    load=_load_fun_asr,
    front_end=_fun_asr_front_end,
    published=("Fun-ASR-Nano-2512", FUN_ASR_MLT, "Fun-ASR-Nano-2512-hf"),
    times="timestamps",
    nbest=True,
    adapter=True,
    load_aligner=_load_fun_asr_aligner,
    lacks_aligner=_lacks_fun_asr_aligner,
    told_language=True,
)
TRANSFORMERS = Family(
    name="transformers",
    about="any speech recogniser of Hugging Face transformers, such as Whisper",
    files=("config.json",),
    contents=holds_recogniser,
    needs="config.json of a recogniser that transformers knows, *.safetensors, and the files of its processor",
    config=TransformersConfig,
    load=_load_transformers,
    times="timestamps",
    front_end=_samples_front_end,
    writes_marks=writes_marks,
    told_language=True,
)
