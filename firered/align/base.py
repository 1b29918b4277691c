"""What aligners have in common: audio and texts in, and the words of each text with their times out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from firered.align.config import AlignConfig
from firered.align.ctc import NotAligned
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.audio.like import AudioLike, as_frames, listed
from firered.errors import AudioError, OptionError, Outcome, result_of
from firered.results import Alignment, AlignResult, TokenTime, Word
from firered.runtime.batches import by_parts
from firered.runtime.entry import Progress, listed_texts, need_texts, over_audio
from firered.runtime.speech import Speech
from firered.runtime.windows import window_parts


@dataclass
class Reading:
    """Words of a text in seconds from the utterance's start, and what the CTC head itself reads there."""

    words: list[Word]
    ctc_text: str


@dataclass
class TimedText:
    """Words and tokens of a text in seconds, and the path that they were read from, or why there is none."""

    words: list[Word]
    tokens: list[TokenTime]
    path: Alignment | NotAligned


class CtcAligner(ABC):
    """Finds the start and end time of each word of a known text by a CTC head.

    A kind of model gives the head's log posteriors (`_encode`), times a text by them (`_timed`) and reads them
    (`_read`).
    """

    config: AlignConfig
    front_end: FrontEnd = PUBLISHED
    subsampling: int  # frames of a row of the CTC head

    @property
    @abstractmethod
    def sources(self) -> list[Path]:
        """All files that decide what it gives."""

    def __call__(self, audio: AudioLike, text: str, uttid: str = "") -> AlignResult:
        """The word times of a text in a recording of it, `aligner(audio, text).words`, and how well the two fit.

        Args:
            audio: a recording in any form; see `firered.audio.like.AudioLike`.
            text: its transcript.
            uttid: id in the result; a path's name without suffix if not given.

        Raises:
            AudioError: it cannot be read, or the text cannot be aligned to it.
        """
        (result,) = self.align([Speech.of(as_frames(audio, uttid, front_end=self.front_end))], [text])
        return result_of(result)

    def batch(
        self,
        audios: Iterable[AudioLike],
        texts: Iterable[str],
        uttids: Sequence[str] | None = None,
        *,
        progress: Progress | None = None,
    ) -> list[Outcome[AlignResult]]:
        """The alignment of each text to its recording, in input order; where one failed, its FireRedError.

        Args:
            audios: recordings in any form.
            texts: the transcript of each.
            uttids: ids in the results; a path's name without suffix if not given.
            progress: called with the number of recordings that are done, and of all.

        Raises:
            OptionError: this is no list of recordings, or there are not as many texts or ids.
        """
        recordings, transcripts = listed(audios, uttids), listed_texts(texts)
        if len(transcripts) != len(recordings):
            raise OptionError(f"texts: {len(transcripts)} for {len(recordings)} recordings")

        def pair(number: int, speech: Speech) -> tuple[Speech, str]:
            return speech, transcripts[number]

        seconds = self.config.batch_seconds
        return over_audio(recordings, uttids, self._align_pairs, seconds, progress, pair, self.front_end)

    def _align_pairs(self, pairs: list[tuple[Speech, str]]) -> list[Outcome[AlignResult]]:
        return self.align([speech for speech, _ in pairs], [text for _, text in pairs])

    def align(self, utterances: Sequence[Speech], texts: Sequence[str]) -> list[Outcome[AlignResult]]:
        """The alignment of each text to its utterance, or why there is none."""
        need_texts(texts)
        results: list[Outcome[AlignResult]] = []
        for speech, text, log_probs in zip(utterances, texts, self._log_probs(utterances), strict=True):
            if isinstance(log_probs, Exception):
                results.append(log_probs)
                continue
            timed = self._timed(speech, text, log_probs)
            if isinstance(timed.path, NotAligned):
                results.append(AudioError(f"cannot be aligned: {timed.path.reason}"))
            else:
                results.append(AlignResult(speech.key, timed.words, timed.path, timed.tokens))
        return results

    def word_times(self, utterances: Sequence[Speech], texts: Sequence[str]) -> list[Outcome[Reading]]:
        """Word times of each text, spread evenly where it cannot be aligned, and what the CTC head makes of it."""
        results: list[Outcome[Reading]] = []
        for speech, text, log_probs in zip(utterances, texts, self._log_probs(utterances), strict=True):
            if isinstance(log_probs, Exception):
                results.append(log_probs)
            else:
                results.append(Reading(self._timed(speech, text, log_probs).words, self._read(log_probs)))
        return results

    def _log_probs(self, utterances: Sequence[Speech]) -> list[Outcome[Tensor]]:
        """CTC log posteriors (T, V) of each utterance, long ones joined from their windows."""
        config = self.config
        encoded = by_parts(
            utterances,
            lambda speech: window_parts(speech, config.window_seconds, self.subsampling),
            config.batch_seconds,
            self._encode,
        )
        return [_joined([outcome for _, outcome in parts]) for parts in encoded]

    @abstractmethod
    def _encode(self, batch: list[Speech]) -> list[Tensor]:
        """CTC log posteriors (T, V) of each window, on the processor."""

    @abstractmethod
    def _timed(self, speech: Speech, text: str, log_probs: Tensor) -> TimedText:
        """The words of a text; spread evenly where it cannot be aligned."""

    @abstractmethod
    def _read(self, log_probs: Tensor) -> str:
        """What the CTC head reads by itself in log posteriors (T, V)."""


def _joined(outcomes: list[Outcome[Tensor]]) -> Outcome[Tensor]:
    """What the windows of an utterance gave, one after the other; the first error, where one failed."""
    parts: list[Tensor] = []
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            return outcome
        parts.append(outcome)
    return torch.cat(parts)
