"""Times from Fun-ASR-Nano's CTC head: of its tokenizer's tokens, as published, and of the words that they make up."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from firered.align.ctc import NotAligned, align, spans_of
from firered.results import Alignment, TokenTime, Word
from firered.search.ctc import ctc_texts
from firered.text.bpe_tokenizer import NO_SPEECH, BpeTokenizer
from firered.text.timed_words import word_spans

ROW_S = 0.06


@dataclass(frozen=True)
class TimedToken:
    """A token of a text, the rows [first, end) that carry it, and its highest probability among them."""

    id: int
    first: int
    end: int
    probability: float


def timed_tokens(log_probs: Tensor, ids: Sequence[int], blank: int) -> list[TimedToken]:
    """The tokens of a text on the likeliest path; none where there is no path.

    Args:
        log_probs: (L, V) log-softmax of the CTC head.
        ids: of the text.
        blank: id of the CTC blank.
    """
    (found,) = align(log_probs[None], [len(log_probs)], [ids], blank)
    return [] if isinstance(found, NotAligned) else tokens_on(found, log_probs)


def tokens_on(path: Alignment, log_probs: Tensor) -> list[TimedToken]:
    """The tokens on a path through the rows of `log_probs` (L, V)."""
    labels = path.labels
    return [
        TimedToken(labels[first], first, end, math.exp(float(log_probs[first:end, labels[first]].max())))
        for first, end in spans_of(labels, path.blank)
    ]


def read_by_ctc(log_probs: Tensor, tokenizer: BpeTokenizer, blank: int) -> str:
    """What the CTC head reads by itself in `log_probs` (L, V)."""
    (read,) = ctc_texts(log_probs[None], torch.tensor([len(log_probs)]), tokenizer.decode, blank)
    return read.replace(NO_SPEECH, "")


def published_items(tokens: Sequence[TimedToken], tokenizer: BpeTokenizer) -> list[dict[str, str | float]]:
    """The items of the published `timestamps`: a token, its start and end in seconds, its highest probability."""
    return [
        {
            "token": tokenizer.decode([token.id]),
            "start_time": token.first * 6 * 10 / 1000,
            "end_time": (token.first + (token.end - token.first)) * 6 * 10 / 1000,
            "score": round(token.probability, 3),
        }
        for token in tokens
    ]


def token_times(tokens: Sequence[TimedToken], tokenizer: BpeTokenizer) -> list[TokenTime]:
    """The tokens in seconds; their score is the logarithm of their highest probability."""
    return [
        TokenTime(
            tokenizer.decode([token.id]),
            round(ROW_S * token.first, 3),
            round(ROW_S * token.end, 3),
            _log(token.probability),
        )
        for token in tokens
    ]


def words_of(text: str, tokens: Sequence[TimedToken], tokenizer: BpeTokenizer, duration_s: float) -> list[Word]:
    """The words of a text, each with the time of the tokens that it is spelt by, whose bytes need not be characters.

    Marks that a word is written with take no time of theirs. Without tokens the words are spread evenly.

    Args:
        text: that the tokens are of.
        tokens: of all the text.
        tokenizer: theirs.
        duration_s: of the audio, which no word leaves.
    """
    spans = word_spans(text)
    places = [0, *accumulate(len(char.encode()) for char in text)]  # of characters, in bytes
    pieces = tokenizer.bytes_of([token.id for token in tokens])
    ends = list(accumulate(map(len, pieces)))  # of tokens, in bytes
    if not tokens or ends[-1] != places[-1]:
        step = duration_s / max(1, len(spans))
        return [Word(text[a:b], round(n * step, 3), round((n + 1) * step, 3)) for n, (a, b) in enumerate(spans)]
    starts = [end - len(piece.lstrip()) for end, piece in zip(ends, pieces, strict=True)]  # a space takes no time
    words: list[Word] = []
    at_s = 0.0
    for start, end in spans:
        first_byte, last_byte = (places[place] for place in _spoken(text, start, end))
        own = [n for n in range(len(tokens)) if max(starts[n], first_byte) < min(ends[n], last_byte)]
        first, last = own[0], own[-1]
        begin_s = _at(tokens[first], max(0, first_byte - starts[first]) / (ends[first] - starts[first]))
        end_s = _at(tokens[last], (min(ends[last], last_byte) - starts[last]) / (ends[last] - starts[last]))
        begin_s = min(max(at_s, begin_s), duration_s)
        at_s = min(max(begin_s, end_s), duration_s)
        score = sum(_log(tokens[n].probability) for n in own) / len(own)
        words.append(Word(text[start:end], round(begin_s, 3), round(at_s, 3), score))
    return words


def _spoken(text: str, start: int, end: int) -> tuple[int, int]:
    """The part of a word [start, end) without the marks around it; all of it where it has nothing else."""
    inner = [place for place in range(start, end) if text[place].isalnum()]
    return (inner[0], inner[-1] + 1) if inner else (start, end)


def _at(token: TimedToken, share: float) -> float:
    """The time in seconds at which so much of a token is said."""
    return ROW_S * (token.first + share * (token.end - token.first))


def _log(probability: float) -> float:
    return math.log(max(probability, 1e-30))
