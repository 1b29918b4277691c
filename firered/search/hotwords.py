"""Hotwords in any search: `HotwordScorer` ranks hypotheses by the phrases of a `ContextGraph` that they hold."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from firered.search.context_graph import BEGIN, ROOT, ContextGraph, State
from firered.search.scorers import Stage
from firered.search.vocabulary import Kind, Vocabulary


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
        self._beginning = torch.tensor(list(gains), dtype=torch.long)
        self._gains = torch.tensor(list(gains.values()), dtype=torch.float32)

    def after(self, written: Written, token: int) -> Written:
        """What has been written with one more token."""
        symbols, in_word = self.vocabulary.symbols(token, written.in_word)
        return Written(self.graph.advance(written.state, symbols), in_word)

    def bonus(self, written: Written) -> float:
        """What remains if the text ends here."""
        return self._entered(written, Kind.APART).bonus

    def terms(self, written: Written, out: Tensor) -> None:
        """Write to `out` (V,) what each next token adds to the score."""
        score = written.state.score
        ended, same = self.bonus(written) - score, written.state.bonus - score
        if ended or same:
            out.fill_(same)
            out[self.vocabulary.apart.to(out.device)] = ended
        out.index_add_(0, self._beginning.to(out.device), self._gains.to(out.device))
        following = self._leading_on(written)
        if following:
            tokens = torch.tensor(list(following), device=out.device)
            out[tokens] = torch.tensor(list(following.values()), device=out.device) - score

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
        terms = torch.zeros((len(tokens), self._size), device=tokens.device)
        for row, written in enumerate(self._written):
            hotwords = self._of(row)
            if hotwords is not None:
                hotwords.terms(written, terms[row])
        return terms

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
