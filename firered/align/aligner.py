"""Forced alignment of given text by the CTC head of a recognition model: `Aligner`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from firered.align.config import AlignConfig
from firered.align.ctc import NotAligned, TimestampMode, align
from firered.align.words import GivenWord, given_words, times_of, words_given
from firered.audio.like import AudioLike, as_frames, listed
from firered.errors import AudioError, OptionError, Outcome, result_of
from firered.hub.find import find_model
from firered.models.aed import Aed
from firered.results import Alignment, AlignResult, TokenTime, Word
from firered.runtime.batches import by_parts
from firered.runtime.entry import Progress, listed_texts, need_texts, over_audio
from firered.runtime.loaded import Loaded, need_ctc
from firered.runtime.speech import Speech
from firered.runtime.windows import window_parts
from firered.search.ctc import ctc_texts
from firered.text.tokenizer import BLANK_ID

PUBLISHED = "FireRedASR2-AED"


@dataclass
class Reading:
    """Words of a text in seconds from the utterance's start, and what the CTC head itself reads there."""

    words: list[Word]
    ctc_text: str


class Aligner:
    """Finds the start and end time of each word of a known text.

    Examples:
        >>> import firered
        >>> aligner = firered.load("egs/mini/models/FireRedASR2-AED", as_="aligner")
        >>> aligner("egs/mini/test/wav/f3-zh-00003.flac", "你好谁星期三去公园").words[1]
        Word(text='好', start_s=0.273, end_s=0.633)
    """

    def __init__(self, loaded: Loaded[Aed], config: AlignConfig) -> None:
        need_ctc(loaded, "alignment")
        self.loaded, self.config = loaded, config

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

    def __call__(self, audio: AudioLike, text: str, uttid: str = "") -> AlignResult:
        """The word times of a text in a recording of it, `aligner(audio, text).words`, and how well the two fit.

        Args:
            audio: a recording in any form; see `firered.audio.like.AudioLike`.
            text: its transcript.
            uttid: id in the result; a path's name without suffix if not given.

        Raises:
            AudioError: it cannot be read, or the text cannot be aligned to it.
        """
        (result,) = self.align([Speech.of(as_frames(audio, uttid))], [text])
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

        return over_audio(recordings, uttids, self._align_pairs, self.config.batch_seconds, progress, pair)

    def _align_pairs(self, pairs: list[tuple[Speech, str]]) -> list[Outcome[AlignResult]]:
        return self.align([speech for speech, _ in pairs], [text for _, text in pairs])

    def align(self, utterances: Sequence[Speech], texts: Sequence[str]) -> list[Outcome[AlignResult]]:
        """The alignment of each text to its utterance, or why there is none."""
        need_texts(texts)
        results: list[Outcome[AlignResult]] = []
        for speech, text, log_probs in zip(utterances, texts, self._log_probs(utterances), strict=True):
            if isinstance(log_probs, Exception):
                results.append(log_probs)
            else:
                results.append(self._alignment(speech, text, log_probs))
        return results

    def word_times(self, utterances: Sequence[Speech], texts: Sequence[str]) -> list[Outcome[Reading]]:
        """Word times of each text, spread evenly where it cannot be aligned, and what the CTC head makes of it."""
        results: list[Outcome[Reading]] = []
        for speech, text, log_probs in zip(utterances, texts, self._log_probs(utterances), strict=True):
            if isinstance(log_probs, Exception):
                results.append(log_probs)
                continue
            found_words, _ = self._timed(speech, *self._path(text, log_probs))
            (read,) = ctc_texts(log_probs[None], torch.tensor([len(log_probs)]), self.loaded.tokenizer.text_of)
            results.append(Reading(found_words, read))
        return results

    def _alignment(self, speech: Speech, text: str, log_probs: Tensor) -> Outcome[AlignResult]:
        given, found = self._path(text, log_probs)
        if not isinstance(found, Alignment):
            return AudioError(f"cannot be aligned: {found.reason}")
        found_words, tokens = self._timed(speech, given, found)
        return AlignResult(speech.key, found_words, found, tokens)

    def _path(self, text: str, log_probs: Tensor) -> tuple[list[GivenWord], Alignment | NotAligned]:
        """The words of a text, and the path of those of their pieces that the dictionary has."""
        given = given_words(text, self.loaded.tokenizer)
        ids = [piece.id for word in given for piece in word.pieces if piece.id is not None]
        if given and not ids and len(log_probs):  # nothing in it is known: all frames are the blank's
            blanks = log_probs[:, BLANK_ID].double()
            return given, Alignment([BLANK_ID] * len(log_probs), [], float(blanks.sum()), BLANK_ID)
        (found,) = align(log_probs[None], [len(log_probs)], [ids])
        return given, found

    def _timed(
        self, speech: Speech, given: list[GivenWord], found: Alignment | NotAligned
    ) -> tuple[list[Word], list[TokenTime]]:
        lead_s = self.loaded.model.config.ctc_lead_s
        mode: TimestampMode = "reference" if self.config.timestamps == "reference" else "pauses"
        pieces = [piece for word in given for piece in word.pieces]
        tokens = times_of(pieces, found, speech.duration_s, mode, lead_s)
        return words_given(given, tokens), tokens

    def _log_probs(self, utterances: Sequence[Speech]) -> list[Outcome[Tensor]]:
        """CTC log posteriors (T, V) of each utterance, long ones joined from their windows."""
        config = self.config
        encoded = by_parts(
            utterances,
            lambda speech: window_parts(speech, config.window_seconds, self.loaded.subsampling),
            config.batch_seconds,
            self._encode,
        )
        return [_joined([outcome for _, outcome in parts]) for parts in encoded]

    @torch.inference_mode()
    def _encode(self, batch: list[Speech]) -> list[Tensor]:
        encoded, lengths = self.loaded.encode(batch)
        log_probs = self.loaded.model.ctc_log_probs(encoded).cpu()
        return [padded[:length] for padded, length in zip(log_probs, lengths.tolist(), strict=True)]


def _joined(outcomes: list[Outcome[Tensor]]) -> Outcome[Tensor]:
    """What the windows of an utterance gave, one after the other; the first error, where one failed."""
    parts: list[Tensor] = []
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            return outcome
        parts.append(outcome)
    return torch.cat(parts)
