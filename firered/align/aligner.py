"""Forced alignment of given text by the CTC head of a FireRedASR2-AED: `Aligner`."""

from pathlib import Path

import torch
from torch import Tensor

from firered.align.base import CtcAligner, TimedText
from firered.align.config import AlignConfig
from firered.align.ctc import NotAligned, TimestampMode, align
from firered.align.words import GivenWord, given_words, times_of, words_given
from firered.hub.find import find_model
from firered.models.aed import Aed
from firered.results import Alignment
from firered.runtime.loaded import Loaded, need_ctc
from firered.runtime.speech import Speech
from firered.search.ctc import ctc_texts
from firered.text.tokenizer import BLANK_ID

PUBLISHED = "FireRedASR2-AED"


class Aligner(CtcAligner):
    """Finds the start and end time of each word of a known text.

    Examples:
        >>> import firered
        >>> aligner = firered.load("egs/mini/models/FireRedASR2-AED", as_="aligner")
        >>> aligner("egs/mini/test/wav/f3-zh-00003.flac", "你好谁星期三去公园").words[1]
        Word(text='好', start_s=0.267, end_s=0.627)
    """

    def __init__(self, loaded: Loaded[Aed], config: AlignConfig) -> None:
        need_ctc(loaded, "alignment")
        self.loaded, self.config = loaded, config
        self.subsampling = loaded.subsampling

    @classmethod
    def from_pretrained(
        cls, model_dir: str | Path, config: AlignConfig | None = None, device: str = "auto"
    ) -> "Aligner":
        """The aligner of a model directory of the second generation, or of a published name.

        Raises:
            ModelError: the directory is missing, incomplete, of another kind, or has no CTC head.
        """
        config = config or AlignConfig()
        return cls(Loaded.load(Aed, find_model(model_dir, PUBLISHED), config.dtype, device), config)

    @property
    def sources(self) -> list[Path]:
        """All files that decide what it gives."""
        return self.loaded.sources

    def _timed(self, speech: Speech, text: str, log_probs: Tensor) -> TimedText:
        given, found = self._path(text, log_probs)
        lead_s = self.loaded.model.config.ctc_lead_s
        mode: TimestampMode = "reference" if self.config.timestamps == "reference" else "pauses"
        pieces = [piece for word in given for piece in word.pieces]
        tokens = times_of(pieces, found, speech.duration_s, mode, lead_s)
        return TimedText(words_given(given, tokens), tokens, found)

    def _path(self, text: str, log_probs: Tensor) -> tuple[list[GivenWord], Alignment | NotAligned]:
        """The words of a text, and the path of those of their pieces that the dictionary has."""
        given = given_words(text, self.loaded.tokenizer)
        ids = [piece.id for word in given for piece in word.pieces if piece.id is not None]
        if given and not ids and len(log_probs):  # nothing in it is known: all frames are the blank's
            blanks = log_probs[:, BLANK_ID].double()
            return given, Alignment([BLANK_ID] * len(log_probs), [], float(blanks.sum()), BLANK_ID)
        (found,) = align(log_probs[None], [len(log_probs)], [ids])
        return given, found

    def _read(self, log_probs: Tensor) -> str:
        (read,) = ctc_texts(log_probs[None], torch.tensor([len(log_probs)]), self.loaded.tokenizer.text_of)
        return read

    @torch.inference_mode()
    def _encode(self, batch: list[Speech]) -> list[Tensor]:
        encoded, lengths = self.loaded.encode(batch)
        log_probs = self.loaded.model.ctc_log_probs(encoded).cpu()
        return [padded[:length] for padded, length in zip(log_probs, lengths.tolist(), strict=True)]
