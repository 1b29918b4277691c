"""The final of a closed segment: `final_of`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from firered.live.stable import Unit, revision, units_of
from firered.punc.text import without_marks
from firered.results import AsrResult, LidResult, Sentence, Word
from firered.results.live import Final
from firered.system.assemble import Segment, sentences_of, words_of
from firered.text.joining import join_texts

T = TypeVar("T", Word, Sentence)


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
    sentences = _until(sentences_of(segment), segment.whole_ms[1])
    recognised = segment.asr if isinstance(segment.asr, AsrResult) else None
    lang = segment.lid.lang if isinstance(segment.lid, LidResult) else recognised.lang if recognised else None
    return Final(
        segment=number,
        start_s=segment.whole_ms[0],
        end_s=segment.whole_ms[1],
        text=join_texts(sentence.text for sentence in sentences),
        words=_until(words_of(segment), segment.whole_ms[1]),
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


def _until(several: Sequence[T], end_s: float) -> list[T]:
    """The same without times after the end of the segment, which may have had silence behind it."""
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
