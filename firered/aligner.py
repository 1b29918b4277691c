"""Forced alignment of given text by the CTC head of a recognition model: `Aligner`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from firered.aed_runtime import LoadedAed
from firered.align import Alignment, Word, align, word_times
from firered.config import AlignConfig
from firered.errors import AudioError
from firered.feats import FRAME_SHIFT_S
from firered.utterance_job import Speech, halving, part_of, plan, windows


@dataclass
class AlignResult:
    """Words in seconds from the utterance's start, and how well the text fits: mean log-probability a frame."""

    uttid: str
    words: list[Word]
    alignment: Alignment

    def to_record(self) -> dict[str, Any]:
        """Everything that the output files are written from."""
        words = [[word.text, word.start_s, word.end_s] for word in self.words]
        return {"words": words, "score": self.alignment.mean_log_prob, "labels": self.alignment.to_kaldi()}


class Aligner:
    """Finds when each word of a known text was said."""

    def __init__(self, loaded: LoadedAed, config: AlignConfig) -> None:
        loaded.need_ctc("alignment")
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
        return cls(LoadedAed.load(Path(model_dir), config.dtype, device), config)

    def align(self, utterances: Sequence[Speech], texts: Sequence[str]) -> list[AlignResult | Exception]:
        """The alignment of each text to its utterance, or why there is none."""
        results: list[AlignResult | Exception] = []
        for one, text, log_probs in zip(utterances, texts, self._log_probs(utterances), strict=True):
            results.append(log_probs if isinstance(log_probs, Exception) else self._align_one(one, text, log_probs))
        return results

    def _align_one(self, one: Speech, text: str, log_probs: Tensor) -> AlignResult | Exception:
        tokens, ids = self.loaded.tokenizer.tokenize(text)
        (found,) = align(log_probs[None], [len(log_probs)], [ids])
        if not isinstance(found, Alignment):
            return AudioError(f"cannot be aligned: {found.reason}")
        return AlignResult(one.key, word_times(tokens, found, one.duration_s, self.config.timestamps), found)

    def _log_probs(self, utterances: Sequence[Speech]) -> list[Tensor | Exception]:
        """CTC log posteriors (T, V) of each utterance, long ones joined from their windows."""
        parts = [
            (n, part_of(one, w)) for n, one in enumerate(utterances) for w in windows(one, self.config.window_seconds)
        ]
        lengths = [(index, len(part.feats) * FRAME_SHIFT_S) for index, (_, part) in enumerate(parts)]
        found: dict[int, Tensor | Exception] = {}
        for batch in plan(lengths, self.config.batch_seconds):
            found.update(zip(batch, halving([parts[index][1] for index in batch], self._encode), strict=True))
        joined: list[Tensor | Exception] = []
        for number in range(len(utterances)):
            own = [found[index] for index, (owner, _) in enumerate(parts) if owner == number]
            errors = [one for one in own if isinstance(one, Exception)]
            joined.append(errors[0] if errors else torch.cat(own))
        return joined

    @torch.inference_mode()
    def _encode(self, batch: list[Speech]) -> list[Tensor]:
        encoded, lengths = self.loaded.encode(batch)
        log_probs = self.loaded.model.ctc_log_probs(encoded).cpu()
        return [one[:length] for one, length in zip(log_probs, lengths.tolist(), strict=True)]
