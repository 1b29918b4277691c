"""What was said before in a recording as the context of its next segment: `Carried`."""

import logging
import re
from collections.abc import Hashable, Sequence
from dataclasses import replace
from statistics import median
from typing import TypeAlias

from firered.asr.recogniser import Recogniser
from firered.errors import Outcome
from firered.results import AsrResult
from firered.runtime.speech import Speech
from firered.text.joining import join_texts
from firered.text.width import spoken_length

Place: TypeAlias = tuple[Hashable, int]  # a recording, and the number of the segment in it, in order of time

KIND = "carried"
_SENTENCE = re.compile(r"(?<=[。！？…])|(?<=[.!?])\s+")
_WITHOUT_DOUBT = ("carried", "prompt_echo", "silent")  # what stands there was recognised without any context
_EARLIER = 20  # segments that say how fast a recording is spoken
_SLOW, _OF_CTC = 0.4, 0.5  # shares of the recording's rate, and of what the CTC head reads: less is too little
_SHORT_S = 1.0  # in less, nobody's rate tells anything
_FEW = 2.0  # characters that a CTC head may read in excess
_MORE = 1.5  # times as much text has to be found without the context
log = logging.getLogger(__name__)


def carries(recogniser: Recogniser, sentences: int) -> bool:
    """Whether sentences are to be carried on; a recogniser that has no use for them is warned about."""
    if sentences and not recogniser.takes_history:
        log.warning("context_carry: this kind of recogniser makes no use of what was said before")
    return bool(sentences) and recogniser.takes_history


class Carried:
    """Recognises segments whose recordings' earlier ones are known, with the last sentences of these as context.

    A model that is told what was said before may stop early, or write nothing. Where a segment's text is empty, or far
    shorter than its recording's rate or the CTC head lets one expect, the segment is recognised without it as well, and
    where that gives more, that is its result, flagged `carried`. Texts in doubt are not carried on.

    Args:
        recogniser: makes use of `Context.history`.
        sentences: that are carried; of a text without marks the whole segment is one.
    """

    def __init__(self, recogniser: Recogniser, sentences: int) -> None:
        self._recogniser, self._sentences = recogniser, sentences
        self._known: dict[Hashable, dict[int, AsrResult]] = {}

    def note(self, place: Place, result: Outcome[AsrResult] | None) -> None:
        """Note what a segment's result is; an error, or None, is none."""
        recording, number = place
        known = self._known.setdefault(recording, {})
        known.pop(number, None)
        if isinstance(result, AsrResult):
            known[number] = result

    def recognise(self, batch: Sequence[Speech], places: Sequence[Place]) -> list[Outcome[AsrResult]]:
        """An outcome for each segment, of each recording one at most, whose earlier ones have been noted."""
        told = [self._told(*pair) for pair in zip(batch, places, strict=True)]
        results = self._recogniser.recognise(told)
        lacking = [
            (number, reason)
            for number, (result, place) in enumerate(zip(results, places, strict=True))
            if isinstance(result, AsrResult) and (reason := self._lack(result, place))
        ]
        if not lacking:
            return results
        plain = self._recogniser.recognise([batch[number] for number, _ in lacking])
        for (number, reason), other in zip(lacking, plain, strict=True):
            result = results[number]
            if isinstance(result, AsrResult) and isinstance(other, AsrResult) and _says_more(other, result):
                flag = f"{KIND}: with what was said before {reason}; decoded again without it"
                log.warning("%s: %s", other.uttid, flag)
                results[number] = replace(other, flags=[*other.flags, flag])
        return results

    def _told(self, speech: Speech, place: Place) -> Speech:
        """The segment with the sentences before it, where its context has none of its own."""
        if speech.context.history:
            return speech
        return replace(speech, context=replace(speech.context, history=self._history(place)))

    def _history(self, place: Place) -> str:
        found: list[str] = []
        for result in self._before(place):
            found = [*_sentences(result.text), *found]
            if len(found) >= self._sentences:
                break
        return join_texts(found[-self._sentences :])

    def _before(self, place: Place) -> list[AsrResult]:
        """The results before a segment that are not in doubt, the last one first."""
        recording, number = place
        known = self._known.get(recording, {})
        return [known[before] for before in sorted(known, reverse=True) if before < number and _trusted(known[before])]

    def _lack(self, result: AsrResult, place: Place) -> str:
        """Why a segment seems to have too little text for its speech; empty: it has not."""
        if "history" not in result.context_used:
            return ""
        said = _length(result.text)
        if not said:
            return "there was no text"
        earlier = [one for one in self._before(place) if one.text and one.dur_s >= _SHORT_S][:_EARLIER]
        rate, usual = said / max(result.dur_s, 1e-3), median(map(_rate, earlier)) if earlier else 0.0
        if result.dur_s >= _SHORT_S and rate < _SLOW * usual:
            return f"it had {rate:.1f} characters a second, where {usual:.1f} are usual in the recording"
        read = _length(result.ctc_text or "")
        if said < _OF_CTC * read and read - said > _FEW:
            return f"it had {said:g} characters, where the CTC head reads {read:g}"
        return ""


def _says_more(other: AsrResult, result: AsrResult) -> bool:
    return not other.flags and _length(other.text) > _MORE * _length(result.text)


def _trusted(result: AsrResult) -> bool:
    return all(flag.partition(":")[0] in _WITHOUT_DOUBT for flag in result.flags)


def _sentences(text: str) -> list[str]:
    return [sentence.strip() for sentence in _SENTENCE.split(text) if sentence and sentence.strip()]


def _length(text: str) -> float:
    return spoken_length("".join(text.split()))


def _rate(result: AsrResult) -> float:
    return _length(result.text) / result.dur_s
