"""Hotwords in any search: `HotwordScorer` ranks hypotheses by the phrases of a `ContextGraph` that they hold."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from firered.search.context_graph import BEGIN, ROOT, ContextGraph, State
from firered.search.scorers import Stage
from firered.search.vocabulary import Kind, Vocabulary

_DIGITS = 6  # of sums, in which the order of additions shows
_KEPT_NUMBERS, _LEAST_KEPT = 4 << 20, 8  # of terms that are remembered: 16 MB, but so many states


class Written(NamedTuple):
    """What a hypothesis has written: its state in the graph, and whether it ends within a word."""

    state: State
    in_word: bool


NOTHING = Written(BEGIN, False)


class Hotwords:
    """A graph and the tokens that write its phrases; it remembers them, so lists that come again are to be kept.

    Args:
        graph: the phrases.
        vocabulary: the model's tokens.
    """

    def __init__(self, graph: ContextGraph, vocabulary: Vocabulary) -> None:
        self.graph, self.vocabulary = graph, vocabulary
        self._following: dict[tuple[int, Kind], list[int]] = {}
        # What tokens add in which a phrase begins, whatever is before them.
        gains = {
            token: graph.advance(BEGIN, vocabulary.bodies[token]).score
            for kind in Kind
            for token in vocabulary.tables[kind].beginning(graph)
        }
        self._base = torch.zeros(len(vocabulary))
        self._base[list(gains)] = torch.tensor(list(gains.values()))
        self._terms = lru_cache(maxsize=max(_LEAST_KEPT, _KEPT_NUMBERS // max(1, len(vocabulary))))(self._new_terms)

    def after(self, written: Written, token: int) -> Written:
        """What has been written with one more token."""
        symbols, in_word = self.vocabulary.symbols(token, written.in_word)
        return Written(self.graph.advance(written.state, symbols), in_word)

    def bonus(self, written: Written) -> float:
        """What remains if the text ends here."""
        return self._entered(written, Kind.APART).bonus

    def terms(self, written: Written) -> Tensor:
        """(V,) what each next token adds to the score; not to be written to.

        Only differences to the score so far matter, so that states that come again and again, above all that of a text
        in which no phrase has begun, are computed once.
        """
        node, sums, score = written.state
        return self._terms(
            Written(State(node, tuple(round(own - score, _DIGITS) for own in sums), 0.0), written.in_word)
        )

    def _new_terms(self, written: Written) -> Tensor:
        out = self._base.clone()
        ended, same = self.bonus(written), written.state.bonus
        if ended or same:
            out += same
            out[self.vocabulary.apart] += ended - same
        following = self._leading_on(written)
        if following:
            out[list(following)] = torch.tensor(list(following.values()))
        return out

    def _entered(self, written: Written, kind: Kind) -> State:
        return self.graph.advance(written.state, kind.entry(written.in_word))

    def _leading_on(self, written: Written) -> dict[int, float]:
        """The tokens that lead on along a phrase that has begun, and the score with each."""
        found: dict[int, float] = {}
        for kind in Kind:
            entered = self._entered(written, kind)
            for node in self.graph.begun(entered.node):
                for token in self._following_of(node, kind):
                    if token not in found:
                        found[token] = self.graph.advance(entered, self.vocabulary.bodies[token]).score
            if kind is Kind.APART and entered.node != ROOT:
                found.update(dict.fromkeys(self.vocabulary.spaces, entered.score))
        if written.in_word and written.state.node != ROOT:
            for token, symbols in self.vocabulary.mixed.items():
                found[token] = self.graph.advance(written.state, symbols).score
        return found

    def _following_of(self, node: int, kind: Kind) -> list[int]:
        key = (node, kind)
        if key not in self._following:
            self._following[key] = list(self.vocabulary.tables[kind].following(self.graph, node))
        return self._following[key]


class HotwordScorer:
    """The hotwords of a batch's utterances; `beams` rows each.

    Args:
        hotwords: of each utterance; None for one without any.
        beams: hypotheses an utterance.
    """

    stage = Stage.RANK

    def __init__(self, hotwords: Sequence[Hotwords | None], beams: int) -> None:
        self._hotwords, self._beams = list(hotwords), beams
        self._written = [NOTHING] * (len(hotwords) * beams)
        self._size = max((len(one.vocabulary) for one in hotwords if one), default=0)
        self._begun = False  # the first token is none of the text

    def step(self, tokens: Tensor) -> Tensor | None:
        """(N * B, V) what each next token adds."""
        if self._begun:
            self._written = [
                written if (hotwords := self._of(row)) is None else hotwords.after(written, token)
                for row, (written, token) in enumerate(zip(self._written, tokens.tolist(), strict=True))
            ]
        self._begun = True
        if not any(self._hotwords):
            return None
        nothing = torch.zeros(self._size)
        owners = (self._of(row) for row in range(len(tokens)))
        terms = [
            nothing if hotwords is None else hotwords.terms(written)
            for hotwords, written in zip(owners, self._written, strict=True)
        ]
        return torch.stack(terms).to(tokens.device)

    def _of(self, row: int) -> Hotwords | None:
        return self._hotwords[row // self._beams]

    def refund(self, row: int, token: int) -> float:
        """What is taken back if the text ends after one more token."""
        hotwords = self._of(row)
        if hotwords is None:
            return 0.0
        written = hotwords.after(self._written[row], token)
        return hotwords.bonus(written) - written.state.score

    def reorder(self, index: Tensor) -> None:
        """Make row i continue what was row index[i]."""
        self._written = [self._written[row] for row in index.tolist()]

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        self._written = [
            self._written[utterance * self._beams + beam] for utterance in utterances for beam in range(self._beams)
        ]
        self._hotwords = [self._hotwords[utterance] for utterance in utterances]
