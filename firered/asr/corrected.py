"""A recogniser's result with its text corrected: tokens, words and their times follow the text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

from firered.results import AsrResult, Replacement, TokenTime, Word
from firered.text.fun_asr import without_marks
from firered.text.pieces import places_of
from firered.text.replacing import Match, Replacer, replaced
from firered.text.timed_words import Span, word_spans
from firered.text.tokenizer import WORD_START

Timed = TypeVar("Timed", Word, TokenTime)


def corrected(result: AsrResult, replacer: Replacer) -> AsrResult:
    """The result with what the replacer finds replaced; without a find it is the same object."""
    return corrected_by(result, replacer.matches(result.text))


def corrected_by(result: AsrResult, matches: Sequence[Match]) -> AsrResult:
    """The result with stretches of its text replaced, which do not overlap and are in order; none: the same object.

    Tokens and words that are not touched stay as they are. Those in the place of others have their time from the first
    one's start to the last one's end, each its own where there are as many as before. The hypotheses of `nbest` and the
    confidence are what they were.
    """
    if not matches:
        return result
    text = replaced(result.text, matches)
    tokens, confidence = _tokens(result, matches)
    return replace(
        result,
        text=text,
        plain_text=None if result.plain_text is None else without_marks(text),
        tokens=tokens,
        token_confidence=confidence,
        words=None if result.words is None else _words(result.text, result.words, matches),
        token_times=None if result.token_times is None else _token_times(result.text, result.token_times, matches),
        replaced=[
            *result.replaced,
            *(Replacement(m.start, m.end, m.original, m.replacement, m.score) for m in matches),
        ],
    )


@dataclass(frozen=True)
class _Change:
    """Pieces [first, end) of a text that are replaced, and the stretch of the new text that they are replaced by."""

    first: int
    end: int
    text: str
    span: Span


def _tokens(result: AsrResult, matches: Sequence[Match]) -> tuple[list[str], list[float]]:
    """Tokens and their confidence; a token in the place of others has the mean of theirs."""
    tokens, confidence = list(result.tokens), list(result.token_confidence)
    for change in reversed(_changes(result.text, tokens, matches)):
        new = _spelt(change, tokens)
        mean = sum(confidence[change.first : change.end]) / (change.end - change.first)
        tokens[change.first : change.end] = new
        confidence[change.first : change.end] = [mean] * len(new)
    return tokens, confidence


def _token_times(text: str, times: Sequence[TokenTime], matches: Sequence[Match]) -> list[TokenTime]:
    found, tokens = list(times), [timed.token for timed in times]
    for change in reversed(_changes(text, tokens, matches)):
        found[change.first : change.end] = _spread(
            _spelt(change, tokens), found[change.first : change.end], lambda *parts: TokenTime(*parts)
        )
    return found


def _words(text: str, words: Sequence[Word], matches: Sequence[Match]) -> list[Word]:
    found, new_spans = list(words), word_spans(replaced(text, matches))
    for change in reversed(_changes(text, [word.text for word in words], matches, new_spans)):
        new = [change.text[start:end] for start, end in word_spans(change.text)]
        found[change.first : change.end] = _spread(new, found[change.first : change.end], lambda *parts: Word(*parts))
    return found


def _spelt(change: _Change, tokens: Sequence[str]) -> list[str]:
    """What is new as tokens: words, with the sign for a space in front where the tokens have one."""
    sign = " " if any(token.startswith(" ") for token in tokens) else WORD_START
    new = []
    for start, end in word_spans(change.text):
        first = tokens[change.first] if start == 0 else ""
        spaced = first.startswith(sign) or change.text[max(0, start - 1) : start].isspace()
        new.append(sign * spaced + change.text[start:end])
    return new


def _spread(texts: Sequence[str], old: Sequence[Timed], made: Callable[[str, float, float], Timed]) -> list[Timed]:
    """The texts with the times of what they replace: each its own, or all of it shared out by their length."""
    if len(texts) == len(old):
        return [made(text, part.start_s, part.end_s) for text, part in zip(texts, old, strict=True)]
    start_s, length_s = old[0].start_s, old[-1].end_s - old[0].start_s
    total = sum(map(len, texts))
    edges = (
        [round(start_s + length_s * at / total, 3) for at in accumulate(map(len, texts), initial=0)] if texts else []
    )
    return [made(text, edges[number], edges[number + 1]) for number, text in enumerate(texts)]


def _changes(text: str, pieces: Sequence[str], matches: Sequence[Match], words: Sequence[Span] = ()) -> list[_Change]:
    """What is replaced among the pieces that a text is made of.

    Args:
        text: before.
        pieces: its tokens or words.
        matches: what is replaced in it.
        words: of the text after; no change begins or ends inside one.
    """
    places = places_of(pieces, text)
    inside = {at for start, end in words for at in range(start + 1, end)}
    changes: list[_Change] = []
    for first, end in _touched(places, matches):
        while True:
            start, stop = places[first][0], places[end - 1][1]
            span = Span(_moved(start, matches), _moved(stop, matches))
            if span.start in inside and first > 0:
                first -= 1
            elif span.end in inside and end < len(pieces):
                end += 1
            else:
                break
        if changes and first < changes[-1].end:  # it has grown into the one before
            before = changes.pop()
            first, end = min(first, before.first), max(end, before.end)
            span = Span(min(span.start, before.span.start), max(span.end, before.span.end))
        changes.append(_Change(first, end, replaced(text, matches)[span.start : span.end], span))
    return changes


def _touched(places: Sequence[Span], matches: Sequence[Match]) -> Iterator[tuple[int, int]]:
    """The pieces [first, end) that each stretch of what is replaced touches; those that share one are together."""
    pending: tuple[int, int] | None = None
    for match in matches:
        own = [n for n, (start, end) in enumerate(places) if max(start, match.start) < min(end, match.end)]
        if not own:
            continue
        if pending is not None and own[0] < pending[1]:
            pending = pending[0], max(pending[1], own[-1] + 1)
            continue
        if pending is not None:
            yield pending
        pending = own[0], own[-1] + 1
    if pending is not None:
        yield pending


def _moved(place: int, matches: Sequence[Match]) -> int:
    """A place of the text before, outside of what is replaced, in the text after."""
    return place + sum(len(match.replacement) - (match.end - match.start) for match in matches if match.end <= place)
