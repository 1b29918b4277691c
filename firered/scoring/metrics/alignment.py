"""Alignments of token sequences with the fewest errors and, of these, with the most correct tokens.

jiwer aligns. Where two substitutions cost as much as a correct token between a deletion and an insertion it takes
either; the second has more correct tokens, is what NIST sclite takes, and is taken here, so that the counts of
substitutions, deletions and insertions depend on the texts alone.
"""

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any, cast

import jiwer
import numpy as np
from rapidfuzz.distance import Levenshtein

Tokens = Sequence[str]
Hunk = tuple[int, int, int, int]  # start and end in the reference, start and end in the hypothesis, of errors of a kind

_MOST_CELLS = 10**9  # of the table for one utterance: beyond it jiwer's alignment stands
_MATCH, _DELETE, _INSERT = range(3)


def align(references: Sequence[Tokens], hypotheses: Sequence[Tokens]) -> list[tuple[Hunk, ...]]:
    """The errors of each pair in order; the tokens between them are equal.

    A hunk with tokens on both sides has the same number on both and stands for substitutions one by one.
    """
    # By its annotations jiwer takes only sentences; tokens pass through a transform that leaves them as they are.
    reference_sentences, hypothesis_sentences = (cast("list[str]", list(side)) for side in (references, hypotheses))
    output = jiwer.process_words(reference_sentences, hypothesis_sentences, _AsItIs(), _AsItIs())
    return [
        _most_correct(reference, hypothesis, tuple(_hunk(chunk) for chunk in chunks if chunk.type != "equal"))
        for reference, hypothesis, chunks in zip(references, hypotheses, output.alignments, strict=True)
    ]


class _AsItIs(jiwer.AbstractTransform):
    def __call__(self, sentences: Any) -> Any:  # noqa: ANN401 - whatever it is
        return sentences


def _hunk(chunk: jiwer.AlignmentChunk) -> Hunk:
    return chunk.ref_start_idx, chunk.ref_end_idx, chunk.hyp_start_idx, chunk.hyp_end_idx


def _most_correct(reference: Tokens, hypothesis: Tokens, hunks: tuple[Hunk, ...]) -> tuple[Hunk, ...]:
    substitutions = sum(end - start for start, end, hyp_start, hyp_end in hunks if hyp_end > hyp_start)
    if substitutions < 2 or len(reference) * len(hypothesis) > _MOST_CELLS:
        return hunks
    error = len(reference) + len(hypothesis)  # more than all substitutions together, so that errors count first
    cost = Levenshtein.distance(reference, hypothesis, weights=(error, error, error + 1))
    return hunks if cost % error == substitutions else _realign(reference, hypothesis, error)


def cheapest(reference: Tokens, hypothesis: Tokens, gap: int, substitution: int) -> list[tuple[int, int]]:
    """The cells (tokens of the reference, of the hypothesis) that the cheapest alignment goes through, from the start.

    Of ways that cost the same it takes, from the end on, the one by a pair of tokens before an insertion, and that
    before a deletion, as the scorer of Le et al. (2021) does.
    """
    kept = 0  # tokens at the end that are the same on both sides: the way goes through them
    while kept < min(len(reference), len(hypothesis)) and reference[-1 - kept] == hypothesis[-1 - kept]:
        kept += 1
    ends = len(reference) - kept, len(hypothesis) - kept
    moves = _moves(reference[: ends[0]], hypothesis[: ends[1]], gap, substitution, insertions_first=True)
    return _way_back(moves) + [(ends[0] + step, ends[1] + step) for step in range(1, kept + 1)]


def _realign(reference: Tokens, hypothesis: Tokens, error: int) -> tuple[Hunk, ...]:
    """The cheapest alignment where an insertion or deletion costs `error` and a substitution one more."""
    return _hunks(reference, hypothesis, _way_back(_moves(reference, hypothesis, error, error + 1)))


def _moves(
    reference: Tokens, hypothesis: Tokens, gap: int, substitution: int, insertions_first: bool = False
) -> np.ndarray:
    """(tokens of the reference, tokens of the hypothesis + 1) the last step of the cheapest way to each cell."""
    numbers = {token: number for number, token in enumerate(dict.fromkeys(hypothesis))}
    codes = np.array([numbers[token] for token in hypothesis], np.int64)
    inserted = gap * np.arange(len(hypothesis) + 1)
    row = inserted
    moves = np.empty((len(reference), len(row)), np.uint8)
    for index, token in enumerate(reference):
        diagonal = row[:-1] + np.where(codes == numbers.get(token, -1), 0, substitution)
        deleted = row + gap
        best = deleted.copy()
        np.minimum(best[1:], diagonal, out=best[1:])
        row = np.minimum.accumulate(best - inserted) + inserted
        moves[index] = np.where(row == deleted, _DELETE, _INSERT)
        if insertions_first:
            moves[index, 1:][row[1:] == row[:-1] + gap] = _INSERT
        moves[index, 1:][row[1:] == diagonal] = _MATCH
    return moves


def _way_back(moves: np.ndarray) -> list[tuple[int, int]]:
    """The cells (tokens of the reference, of the hypothesis) that the best way goes through, from the start."""
    place = len(moves), moves.shape[1] - 1
    way = [place]
    while place != (0, 0):
        i, j = place
        move = moves[i - 1, j] if i else _INSERT
        place = (i - (move != _INSERT), j - (move != _DELETE))
        way.append(place)
    return way[::-1]


def _hunks(reference: Tokens, hypothesis: Tokens, way: list[tuple[int, int]]) -> tuple[Hunk, ...]:
    def kind(step: tuple[tuple[int, int], tuple[int, int]]) -> tuple[int, int, bool]:
        (i, j), (next_i, next_j) = step
        both = next_i > i and next_j > j
        return next_i - i, next_j - j, both and reference[i] == hypothesis[j]

    hunks: list[Hunk] = []
    for (_, _, equal), group in groupby(pairwise(way), kind):
        if not equal:
            steps = list(group)
            (i, j), (next_i, next_j) = steps[0][0], steps[-1][1]
            hunks.append((int(i), int(next_i), int(j), int(next_j)))
    return tuple(hunks)
