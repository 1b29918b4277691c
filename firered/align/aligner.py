"""Forced alignment of given text by the CTC head of a recognition model: `Aligner`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from firered.align.config import AlignConfig
from firered.align.ctc import NotAligned, align, word_times
from firered.errors import AudioError
from firered.models.aed import Aed
from firered.results import Alignment, AlignResult, Word
from firered.runtime.batches import by_parts
from firered.runtime.loaded import Loaded, need_ctc
from firered.runtime.speech import Speech
from firered.runtime.windows import window_parts
from firered.search.ctc import ctc_texts


@dataclass
class Heard:
    """Words of a text in seconds from the utterance's start, and what the CTC head itself reads there."""

    words: list[Word]
    ctc_text: str


class Aligner:
    """Finds when each word of a known text was said."""

    def __init__(self, loaded: Loaded[Aed], config: AlignConfig) -> None:
        need_ctc(loaded, "alignment")
        self.loaded, self.config = loaded, config

    @classmethod
    def from_pretrained(
        cls, model_dir: str | Path, config: AlignConfig | None = None, device: str = "auto"
    ) -> "Aligner":
        """Aligner of a published model directory of the second generation.

        Raises:
            ModelError: the directory is incomplete, of another kind, or has no CTC head.
        """
        config = config or AlignConfig()
        return cls(Loaded.load(Aed, Path(model_dir), config.dtype, device), config)

    def align(self, utterances: Sequence[Speech], texts: Sequence[str]) -> list[AlignResult | Exception]:
        """The alignment of each text to its utterance, or why there is none."""
        results: list[AlignResult | Exception] = []
        for one, text, log_probs in zip(utterances, texts, self._log_probs(utterances), strict=True):
            results.append(log_probs if isinstance(log_probs, Exception) else self._align_one(one, text, log_probs))
        return results

    def hear(self, utterances: Sequence[Speech], texts: Sequence[str]) -> list[Heard | Exception]:
        """Word times of each text, spread evenly where it cannot be aligned, and what the CTC head makes of it."""
        results: list[Heard | Exception] = []
        for one, text, log_probs in zip(utterances, texts, self._log_probs(utterances), strict=True):
            if isinstance(log_probs, Exception):
                results.append(log_probs)
                continue
            words = self._words(one, *self._path(text, log_probs))
            (read,) = ctc_texts(log_probs[None], torch.tensor([len(log_probs)]), self.loaded.tokenizer.text_of)
            results.append(Heard(words, read))
        return results

    def _align_one(self, one: Speech, text: str, log_probs: Tensor) -> AlignResult | Exception:
        tokens, found = self._path(text, log_probs)
        if not isinstance(found, Alignment):
            return AudioError(f"cannot be aligned: {found.reason}")
        return AlignResult(one.key, self._words(one, tokens, found), found)

    def _path(self, text: str, log_probs: Tensor) -> tuple[list[str], Alignment | NotAligned]:
        tokens, ids = self.loaded.tokenizer.tokenize(text)
        (found,) = align(log_probs[None], [len(log_probs)], [ids])
        return tokens, found

    def _words(self, one: Speech, tokens: list[str], found: Alignment | NotAligned) -> list[Word]:
        lead_s = self.loaded.model.config.ctc_lead_s
        return word_times(tokens, found, one.duration_s, self.config.timestamps, lead_s)

    def _log_probs(self, utterances: Sequence[Speech]) -> list[Tensor | Exception]:
        """CTC log posteriors (T, V) of each utterance, long ones joined from their windows."""
        config = self.config
        encoded = by_parts(
            utterances, lambda one: window_parts(one, config.window_seconds), config.batch_seconds, self._encode
        )
        return [_joined([outcome for _, outcome in parts]) for parts in encoded]

    @torch.inference_mode()
    def _encode(self, batch: list[Speech]) -> list[Tensor]:
        encoded, lengths = self.loaded.encode(batch)
        log_probs = self.loaded.model.ctc_log_probs(encoded).cpu()
        return [one[:length] for one, length in zip(log_probs, lengths.tolist(), strict=True)]


def _joined(outcomes: list[Tensor | Exception]) -> Tensor | Exception:
    errors = [one for one in outcomes if isinstance(one, Exception)]
    return errors[0] if errors else torch.cat(outcomes)
