"""Dolphin, a recogniser of Eastern languages and Chinese dialects, through its package dataoceanai-dolphin."""

import hashlib
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from firered.audio.framing import SAMPLE_RATE
from firered.errors import DataError, ModelError, OptionError
from firered.peers.codes import dolphin_label
from firered.peers.directory import check_directory, log_left_alone

_LONGEST_S = 30  # what it was trained on; its own command cuts what is longer, by another model
_THEIRS = {"yue": "ct"}  # our codes of languages, where Dolphin has others


class Dolphin:
    """Utterance by utterance, by the package's own decoding with its defaults.

    Args:
        model: what the package's load_model gives.
        package: the module `dolphin.transcribe`, or what stands for it.
        languages: the codes that the model knows.
    """

    def __init__(self, model: Any, package: Any, languages: frozenset[str]) -> None:  # noqa: ANN401
        self._model, self._package, self._languages = model, package, languages

    def __call__(self, samples: np.ndarray, language: str | None) -> str:
        """The text of samples (n,).

        Raises:
            OptionError: it does not know the language.
            DataError: it is longer than the model takes.
        """
        code = None if language is None else _THEIRS.get(language, language)
        if code is not None and code not in self._languages:
            raise OptionError(f"language: Dolphin knows {', '.join(sorted(self._languages))}, not {code}")
        return self._package.transcribe(self._model, _as_tensor(samples), lang_sym=code).text_nospecial.strip()


class DolphinLid:
    """The language of an utterance, and of Chinese its region as one of FireRedLID's dialects: dolphin_regions.tsv.

    The package says no probability, so that there is no confidence.
    """

    def __init__(self, model: Any, package: Any) -> None:  # noqa: ANN401
        self._model, self._package = model, package

    def __call__(self, samples: np.ndarray) -> tuple[str, None]:
        """The label of samples (n,); raises DataError where it is longer than the model takes."""
        return dolphin_label(*self._package.detect_language(self._model, _as_tensor(samples))), None


def _as_tensor(samples: np.ndarray) -> torch.Tensor:
    """(1, n) as the package takes audio that it need not read."""
    if len(samples) > _LONGEST_S * SAMPLE_RATE:
        raise DataError(f"{len(samples) / SAMPLE_RATE:.1f} s; Dolphin takes {_LONGEST_S} s at most: cut it first")
    return torch.from_numpy(np.ascontiguousarray(samples))[None]


def load_recogniser(model: str | None, device: str) -> Dolphin:
    """The adapter of recognition; `model` is the directory of the weights."""
    loaded, package = _loaded(model, device)
    return Dolphin(loaded, package, frozenset(package.LANGUAGE_CODES))


def load_lid(model: str | None, device: str) -> DolphinLid:
    """The adapter of languages and dialects; `model` is the directory of the weights."""
    return DolphinLid(*_loaded(model, device))


def _loaded(directory: str | None, device: str) -> tuple[Any, Any]:
    """The model of a directory, and the module of the package that works with it."""
    with log_left_alone():
        from dolphin import transcribe as function
        from dolphin.model_registry import MODELS
    place = check_directory(directory, ("train.yaml", "units.txt"))
    package = sys.modules[function.__module__]  # the function has the module's name in the package
    logging.getLogger("dolphin").setLevel(logging.WARNING)  # it tells of every utterance
    name = _name_in(place, {known: entry["sha256"] for known, entry in MODELS.items()})
    return package.load_model(name, place, None if device == "auto" else device), package


def _name_in(place: Path, digests: dict[str, str]) -> str:
    """The name of the model whose weights lie in a directory; the package fetches others over those it does not know.

    Raises:
        ModelError: there are none, or not the published ones.
    """
    here = [name for name in digests if (place / f"{name}.pt").is_file()]
    if not here:
        raise ModelError(f"{place}: no weights of Dolphin here ({', '.join(f'{name}.pt' for name in digests)})")
    file = check_directory(str(place), (f"{here[0]}.pt",)) / f"{here[0]}.pt"
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != digests[here[0]]:
        raise ModelError(f"{file}: not the published file by its SHA-256 ({digest.hexdigest()}); fetch it again")
    return here[0]
