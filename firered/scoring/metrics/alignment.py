"""Alignments of token sequences with the fewest errors and, of these, with the most correct tokens.

rapidfuzz aligns. Where two substitutions cost as much as a correct token between a deletion and an insertion it takes
either; the second has more correct tokens, is what NIST sclite takes, and is taken here, so that the counts of
substitutions, deletions and insertions depend on the texts alone.
"""

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import cast

import numpy as np
from rapidfuzz.distance import Levenshtein

Tokens = Sequence[str]
Hunk = tuple[int, int, int, int]  # start and end in the reference, start and end in the hypothesis, of errors of a kind

_MOST_CELLS = 10**9  # of the table for one utterance: beyond it the first alignment stands
_MOST_CHARACTERS = 500_000  # after which tokens are given characters anew: there are 1,114,112
_MATCH, _DELETE, _INSERT = range(3)


def align(references: Sequence[Tokens], hypotheses: Sequence[Tokens]) -> list[tuple[Hunk, ...]]:
    """The errors of each pair in order; the tokens between them are equal.

    A hunk with tokens on both sides has the same number on both and stands for substitutions one by one.
    """
    written, found = _Written(), []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        if len(written) > _MOST_CHARACTERS:
            written = _Written()
        found.append(_fewest_errors(written.of(reference), written.of(hypothesis)))
    return found


class _Written(dict[str, str]):
    """A character for each token: strings of one character a token are what rapidfuzz is quickest with."""

    def __missing__(self, token: str) -> str:
        self[token] = character = chr(len(self))
        return character

    def of(self, tokens: Tokens) -> str:
        """The tokens, a character each."""
        return "".join(map(self.__getitem__, tokens))


def _fewest_errors(reference: str, hypothesis: str) -> tuple[Hunk, ...]:
    if reference == hypothesis:
        return ()
    steps = cast("list[tuple[str, int, int, int, int]]", Levenshtein.opcodes(reference, hypothesis).as_list())
    hunks = tuple((a, b, c, d) for kind, a, b, c, d in steps if kind != "equal")
    return _most_correct(reference, hypothesis, hunks)


def _most_correct(reference: str, hypothesis: str, hunks: tuple[Hunk, ...]) -> tuple[Hunk, ...]:
    substitutions = sum(end - start for start, end, hyp_start, hyp_end in hunks if hyp_end > hyp_start)
    if substitutions < 2 or len(reference) * len(hypothesis) > _MOST_CELLS:
        return hunks
    error = len(reference) + len(hypothesis)  # more than all substitutions together, so that errors count first
    cost = Levenshtein.distance(reference, hypothesis, weights=(error, error, error + 1))
    return hunks if cost % error == substitutions else _realign(reference, hypothesis, error)


def cheapest(
    reference: Tokens, hypothesis: Tokens, gap: int, substitution: int, insertions_first: bool = True
) -> list[tuple[int, int]]:
    """The cells (tokens of the reference, of the hypothesis) that the cheapest alignment goes through, from the start.

    Of ways that cost the same it takes, from the end on, the one by a pair of tokens before an insertion, and that
    before a deletion, as the scorer of Le et al. (2021) does; without `insertions_first` a deletion comes before an
    insertion.
    """
    kept = 0  # tokens at the end that are the same on both sides: the way goes through them
    while kept < min(len(reference), len(hypothesis)) and reference[-1 - kept] == hypothesis[-1 - kept]:
        kept += 1
    ends = len(reference) - kept, len(hypothesis) - kept
    moves = _moves(reference[: ends[0]], hypothesis[: ends[1]], gap, substitution, insertions_first)
    return _way_back(moves) + [(ends[0] + step, ends[1] + step) for step in range(1, kept + 1)]


def _realign(reference: Tokens, hypothesis: Tokens, error: int) -> tuple[Hunk, ...]:
    """The cheapest alignment where an insertion or deletion costs `error` and a substitution one more."""
    return _hunks(reference, hypothesis, cheapest(reference, hypothesis, error, error + 1, insertions_first=False))


def _moves(reference: Tokens, hypothesis: Tokens, gap: int, substitution: int, insertions_first: bool) -> np.ndarray:
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
