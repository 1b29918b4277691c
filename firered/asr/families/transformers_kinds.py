"""What a directory of transformers holds, by its config.json: which speech recogniser, if any, and of which auto class.

The tables are transformers' own, so that what a later version adds is known here, too. Nothing of a directory is run.
"""

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from firered.errors import ModelError
from firered.text.files import check_file, read_json

CONFIG = "config.json"
CTC = "AutoModelForCTC"
_OWN_FAMILY = ("fun_asr_nano",)  # recognised by a family of its own
_NO_TEXT = ("dia", "pop2piano", "vibevoice")  # in transformers' tables of recognisers, but they write no text
_AUDIO_MODELS = ("audioflamingo3", "musicflamingo", "gemma3n")  # that also see or sing
_WRITING_PARTS = {"qwen2_5_omni_thinker": "Qwen2_5OmniThinkerForConditionalGeneration"}  # of models that also talk
_MODEL_TYPE = re.compile(rb'"model_type"\s*:\s*"')
_MARKS = (".", ",", "?", "。", "，", "？")


def holds_recogniser(directory: Path) -> bool:
    """Whether a directory's config.json is of a recogniser that transformers knows."""
    path = directory / CONFIG
    if not path.is_file() or path.stat().st_size > 1 << 22 or not _MODEL_TYPE.search(path.read_bytes()):
        return False
    try:
        values = read_json(path)
    except ModelError:
        return False
    return auto_class(values) is not None


def auto_class(config: Mapping[str, Any]) -> str | None:
    """The name of transformers' auto class for a config.json; None: no recogniser of speech, or not one for here."""
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind in _OWN_FAMILY or kind in _NO_TEXT:
        return None
    made = config.get("architectures")
    first = made[0] if isinstance(made, list) and made and isinstance(made[0], str) else None
    for name, classes in _classes().items():
        if first in classes.values():
            return name
        # A base model, such as Wav2Vec2Model, recognises nothing; Qwen2.5-Omni's files name one all the same.
        chats = name == "AutoModelForMultimodalLM" and first is not None and first.endswith("Model")
        if kind in classes and (first is None or chats):
            return name
    return None


@functools.cache
def _classes() -> dict[str, dict[str, str]]:
    """Classes by model type, of each auto class."""
    from transformers.models.auto import modeling_auto as known

    images = known.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
    of_all = known.MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES
    audio = {kind: name for kind, name in of_all.items() if kind not in images or kind in _AUDIO_MODELS}
    found = {
        CTC: known.MODEL_FOR_CTC_MAPPING_NAMES,
        "AutoModelForTDT": getattr(known, "MODEL_FOR_TDT_MAPPING_NAMES", {}),
        "AutoModelForRNNT": getattr(known, "MODEL_FOR_RNNT_MAPPING_NAMES", {}),
        "AutoModelForSpeechSeq2Seq": known.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING_NAMES,
        "AutoModelForMultimodalLM": audio | _WRITING_PARTS,
    }
    return {name: dict(classes) for name, classes in found.items()}


def writes_marks(directory: Path) -> bool:
    """Whether a model writes punctuation: a CTC model does if a mark is among its tokens, all others do."""
    try:
        if auto_class(read_json(directory / CONFIG)) != CTC:
            return True
        return any(mark in _MARKS for mark in _tokens(directory))
    except ModelError:
        return False


def _tokens(directory: Path) -> Iterator[str]:
    """The tokens that a vocabulary's files name."""
    for path in (directory / "vocab.json", directory / "tokenizer.json"):
        if path.is_file():
            check_file(path)
            yield from _strings(json.loads(path.read_text(encoding="utf-8")))


def _strings(values: object) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict):
        for name, value in values.items():
            yield name
            yield from _strings(value)
    elif isinstance(values, list):
        for value in values:
            yield from _strings(value)
