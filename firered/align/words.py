"""Words and tokens of an utterance with their times: of a given text, and of what a recogniser wrote."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from firered.align.ctc import NotAligned, TimestampMode, merge_words, token_times
from firered.align.pauses import Size
from firered.models.aed import CTC_LEAD_S
from firered.results import Alignment, TokenTime, Word
from firered.text.timed_words import TAG, is_silent, word_spans, words
from firered.text.tokenizer import NO_SPEECH, UNK_ID, WORD_START, Tokenizer

_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ＇", "'"))
_SPOKEN_PART = re.compile(rf"({TAG.pattern})|[\w']+|.", re.DOTALL)
_BYTE = re.compile("<0x[0-9A-F]{2}>")  # as the LLM's tokens spell what is less than a character


@dataclass(frozen=True)
class Piece:
    """A token of a text with its id; a character that the dictionary lacks, or a tag, has none."""

    symbol: str
    id: int | None

    @property
    def size(self) -> Size:
        """What it counts when time is shared out."""
        return Size(max(1, len(self.symbol.strip(WORD_START))), self.id is not None)


@dataclass(frozen=True)
class GivenWord:
    """A word of a given text, spelt as there, and the pieces that it is aligned by: one or more."""

    text: str
    pieces: tuple[Piece, ...]


def given_words(text: str, tokenizer: Tokenizer) -> list[GivenWord]:
    """The words of a text with their pieces, those of the dictionary as the tokenizer has them in the whole text."""
    found: list[GivenWord] = []
    for word in words(text):
        found.append(GivenWord(word, tuple(word_pieces(word, tokenizer, follows=bool(found)))))
    return found


def word_pieces(word: str, tokenizer: Tokenizer, follows: bool) -> list[Piece]:
    """The pieces of a word; what is not spoken, as a hyphen that the dictionary lacks, is none of them."""
    spelt = unicodedata.normalize("NFC", word).translate(_APOSTROPHES)
    pieces = _cut(spelt, tokenizer, follows)
    if all(piece.id is not None for piece in pieces) and not TAG.search(spelt):
        return pieces or [Piece(word, None)]
    # What the dictionary lacks ends the pieces on both sides of it: they are those of words.
    pieces = []
    for part in _SPOKEN_PART.finditer(spelt):
        pieces += [Piece(part[0], None)] if part[1] else _cut(part[0], tokenizer, follows or bool(pieces))
    return [piece for piece in pieces if piece.id is not None or not is_silent(piece.symbol)] or [Piece(word, None)]


def _cut(text: str, tokenizer: Tokenizer, follows: bool) -> list[Piece]:
    """A stretch of text as the dictionary's pieces and, one by one, the characters it lacks."""
    tokens, ids = tokenizer.tokenize(text, follows=follows)
    pieces: list[Piece] = []
    for token, number in zip(tokens, ids, strict=True):
        if number != UNK_ID:
            pieces.append(Piece(token, number))
            continue
        if pieces and pieces[-1].symbol == WORD_START:
            pieces.pop()  # the beginning of nothing that is known
        pieces += [Piece(char, None) for char in token.replace(WORD_START, "")]
    return pieces


def times_of(
    pieces: Sequence[Piece],
    found: Alignment | NotAligned | None,
    duration_s: float,
    mode: TimestampMode = "reference",
    lead_s: float = CTC_LEAD_S,
) -> list[TokenTime]:
    """The times of pieces, from the alignment of those that the dictionary has, or spread evenly without one.

    Args:
        pieces: of an utterance.
        found: their alignment.
        duration_s: the utterance's samples / 16000, not rounded.
        mode: see `token_times`.
        lead_s: how much earlier than its CTC frames a word is spoken: `ctc_lead_s` of the model.
    """
    labels, blank = (found.labels, found.blank) if isinstance(found, Alignment) else (None, 0)
    scores = iter([round(span.log_prob, 4) for span in found.spans] if isinstance(found, Alignment) else [])
    times = token_times(labels, len(pieces), duration_s, mode, blank, lead_s, [piece.size for piece in pieces])
    return [
        TokenTime(piece.symbol, start, end, next(scores, None) if piece.id is not None else None)
        for piece, (start, end) in zip(pieces, times, strict=True)
    ]


def words_given(given: Sequence[GivenWord], tokens: Sequence[TokenTime]) -> list[Word]:
    """The words of a given text with the times of their pieces, which `tokens` has one after the other."""
    rest = iter(tokens)
    return [_word(word.text, [next(rest) for _ in word.pieces]) for word in given]


def _word(text: str, tokens: Sequence[TokenTime]) -> Word:
    own = [token for token in tokens if token.token.strip()] or tokens  # a space is none of the word's
    return Word(text, own[0].start_s, own[-1].end_s, _mean_score(own))


def _mean_score(tokens: Sequence[TokenTime]) -> float | None:
    scores = [token.score for token in tokens if token.score is not None]
    return round(float(np.mean(scores)), 4) if scores else None


def words_recognised(text: str, tokens: Sequence[TokenTime], mode: TimestampMode) -> list[Word]:
    """The words of a recognised text with the times of its tokens; as published in the mode `reference`.

    Args:
        text: as `Tokenizer.text_of` has it of the tokens.
        tokens: their times.
        mode: how the times were made.
    """
    if mode == "reference":
        return merge_words([token.token for token in tokens], [(token.start_s, token.end_s) for token in tokens])
    symbols = ["" if token.token in NO_SPEECH else token.token.replace(WORD_START, " ") for token in tokens]
    ends = list(accumulate(map(len, symbols)))
    starts = [end - len(symbol.lstrip()) for end, symbol in zip(ends, symbols, strict=True)]
    found: list[Word] = []
    for spelt, (start, end) in zip(words(text), word_spans("".join(symbols)), strict=True):
        own = [n for n in range(len(tokens)) if max(starts[n], start) < min(ends[n], end)]
        first, last = own[0], own[-1]
        begin_s = _within(tokens[first], max(0, start - starts[first]) / (ends[first] - starts[first]))
        if first and tokens[first - 1].token == WORD_START:
            begin_s = tokens[first - 1].start_s
        end_s = _within(tokens[last], (min(ends[last], end) - starts[last]) / (ends[last] - starts[last]))
        found.append(Word(spelt, begin_s, end_s, _mean_score([tokens[n] for n in own])))
    return found


def _within(timed: TokenTime | Word, share: float) -> float:
    """The time in seconds at which so much of a token or word is said."""
    return round((1 - share) * timed.start_s + share * timed.end_s, 3)


def tokens_in_words(symbols: Sequence[str], found: Sequence[Word]) -> list[TokenTime]:
    """The times of the tokens that a text was made of, from those of its words, in which letters are evenly spread.

    Args:
        symbols: the tokens as `LlmTokenizer.tokens_of` gives them.
        found: the words; where there are none, no token has a time.
    """
    # In bytes: a token may be less than a letter.
    edges = np.cumsum([0, *(len(word.text.encode()) for word in found)])
    ends = np.cumsum([len(_BYTE.sub("x", symbol.replace(WORD_START, "")).encode()) for symbol in symbols])
    if not found or not len(symbols):
        return []
    ends = ends * (edges[-1] / max(1, ends[-1]))  # not 1 where special tokens are left out of the text
    timed: list[TokenTime] = []
    for symbol, start, end in zip(symbols, [0.0, *ends[:-1]], ends, strict=True):
        first = min(int(np.searchsorted(edges, start, "right")) - 1, len(found) - 1)
        last = max(first, int(np.searchsorted(edges, end, "left")) - 1)
        begin_s, end_s = (
            _within(found[n], float((place - edges[n]) / (edges[n + 1] - edges[n])))
            for n, place in ((first, start), (last, end))
        )
        timed.append(TokenTime(symbol, begin_s, max(begin_s, end_s)))
    return timed
