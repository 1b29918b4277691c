"""The final of a closed segment: `final_of`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from firered.live.stable import Unit, revision, units_of
from firered.punc.text import without_marks
from firered.results import AsrResult, LidResult, Sentence, Trouble, Word
from firered.results.live import Event, Final, LiveResult, Partial
from firered.system.assemble import Segment, sentences_of, words_of
from firered.text.joining import join_texts

T = TypeVar("T", Word, Sentence, Trouble)


def final_of(
    segment: Segment, number: int, stable: Sequence[Unit], said: AsrResult | None, known_s: float, cut: bool
) -> Final:
    """The final of a segment.

    Where recognition failed, the text of the last pass over it stands, as nothing better is known; the troubles say so.

    Args:
        segment: with what all modules made of it.
        number: of it in the stream.
        stable: the words that were given as stable.
        said: by the last pass before its end.
        known_s: seconds of the stream at which its end was known.
        cut: whether the speech goes on.
    """
    troubles = segment.troubles()
    if isinstance(segment.asr, Exception) and said is not None:
        segment.asr = _before(said, segment.span[1] - segment.span[0])
    sentences = sentences_of(segment)
    recognised = segment.asr if isinstance(segment.asr, AsrResult) else None
    lang = segment.lid.lang if isinstance(segment.lid, LidResult) else recognised.lang if recognised else None
    return Final(
        segment=number,
        start_s=segment.whole_ms[0],
        end_s=segment.whole_ms[1],
        text=join_texts(sentence.text for sentence in sentences),
        words=words_of(segment),
        sentences=sentences,
        lang=lang,
        confidence=recognised.confidence if recognised else 0.0,
        hotwords=segment.hotwords,
        revised=revision(stable, units_of(recognised) if recognised and segment.text else [], _plain),
        known_s=known_s,
        heard_s=0.0,
        cut=cut,
        troubles=troubles,
    )


def within(result: LiveResult, end_s: float) -> LiveResult:
    """A result without times after the end of the audio, which silence was put behind."""
    result = replace(result, known_s=min(result.known_s, end_s))
    if isinstance(result, Event):
        return replace(result, time_s=min(result.time_s, end_s))
    if isinstance(result, Partial):
        return result
    return replace(
        result,
        end_s=min(result.end_s, end_s),
        words=_until(result.words, end_s),
        sentences=_until(result.sentences, end_s),
        troubles=_until(result.troubles, end_s),
    )


def _until(several: Sequence[T], end_s: float) -> list[T]:
    return [replace(one, start_s=min(one.start_s, end_s), end_s=min(one.end_s, end_s)) for one in several]


def _before(said: AsrResult, end_s: float) -> AsrResult:
    """A result without the words that lie after a time, where they have times."""
    units = [unit for unit in units_of(said) if not unit.timed or unit.middle_s < end_s]
    text = "".join(unit.gap + unit.text for unit in units).strip()
    words = None if said.words is None else said.words[: len(units)]
    return replace(said, text=text, words=words, hotwords=())


def _plain(word: str) -> str:
    """What words are compared as: without marks and letter case."""
    return without_marks(word).casefold()
