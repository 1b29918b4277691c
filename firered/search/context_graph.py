"""Phrases that are likely to come, as an automaton over the symbols of text: `ContextGraph`.

The bonus of a text is that of the best choice of phrases in it that do not overlap; each phrase earns its weight for
every unit of its length. While a text grows, a phrase that has begun earns as it goes on and loses all of it where it
breaks off, so the sum at the end is exactly the bonus of the phrases that are there: in any order of the list, with any
weights and common beginnings.

The automaton is that of Aho and Corasick (1975), as in the context graphs of WeNet and icefall; the sum is kept by a
dynamic programme instead of scores at the arcs.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from firered.text.spelling import END, START

ROOT = 0
_LETTERS_A_UNIT = 3.0  # a piece of a word is some three letters; a Chinese character is three bytes


class Phrase(NamedTuple):
    """The symbols of a phrase (see `firered.text.spelling`), and its bonus for a unit of three bytes."""

    symbols: str
    weight: float


class State(NamedTuple):
    """How far a text has come: the node of its longest beginning of a phrase, and sums.

    `sums[k]` is the best bonus of the text without its last k symbols, for every k up to the node's depth.
    """

    node: int
    sums: tuple[float, ...]
    score: float  # with what phrases that have begun have earned

    @property
    def bonus(self) -> float:
        """What remains if the text ends here."""
        return self.sums[0]


BEGIN = State(ROOT, (0.0,), 0.0)


@dataclass
class _Node:
    """A beginning that phrases share: what may follow it, and what it and the phrase that it is have earned."""

    depth: int
    next: dict[str, int]
    fail: int = ROOT  # the longest other beginning that it ends with
    earned: float = 0.0  # as a beginning, by the phrase of the greatest weight
    bonus: float | None = None  # as a whole phrase
    ends: tuple[tuple[int, float], ...] = ()  # (depth, bonus) of the phrases that it ends with, itself among them
    open: tuple[tuple[int, float], ...] = ()  # (depth, earned) of the beginnings that it ends with


class ContextGraph:
    """The phrases of one utterance.

    Args:
        phrases: in any order; of one that is there twice the greater weight counts.
        growth: 0 gives each unit the same, g gives the place u of a phrase the weight times 1 + g * ln(u), u in units.
    """

    def __init__(self, phrases: Iterable[Phrase], growth: float = 0.0) -> None:
        self._nodes = [_Node(0, {})]
        self._growth = growth
        self.phrases = {phrase.symbols: phrase for phrase in sorted(phrases, key=lambda phrase: phrase.weight)}
        for phrase in self.phrases.values():
            if phrase.symbols:
                self._add(phrase)
        self._link()

    def __len__(self) -> int:
        """Number of nodes, the root among them."""
        return len(self._nodes)

    def _add(self, phrase: Phrase) -> None:
        place, units = ROOT, 0.0
        for symbol in phrase.symbols:
            node = self._nodes[place]
            if symbol not in node.next:
                node.next[symbol] = len(self._nodes)
                self._nodes.append(_Node(node.depth + 1, {}))
            place, units = node.next[symbol], units + (symbol not in (START, END)) / _LETTERS_A_UNIT
            node = self._nodes[place]
            node.earned = max(node.earned, phrase.weight * self._units(units))
        self._nodes[place].bonus = phrase.weight * self._units(units)

    def _units(self, units: float) -> float:
        """The units of a beginning, with those that come later counted for more."""
        return units if units <= 1 or not self._growth else units + self._growth * (units * math.log(units) - units + 1)

    def _link(self) -> None:
        """Set `fail`, `ends` and `open` of all nodes, from the root on."""
        layer = [ROOT]
        while layer:
            for place in layer:
                node = self._nodes[place]
                if place != ROOT:
                    other = self._nodes[node.fail]
                    node.ends = (*(((node.depth, node.bonus),) if node.bonus is not None else ()), *other.ends)
                    node.open = ((node.depth, node.earned), *other.open)
                for symbol, following in node.next.items():
                    self._nodes[following].fail = ROOT if place == ROOT else self._go(node.fail, symbol)
            layer = [following for place in layer for following in self._nodes[place].next.values()]

    def _go(self, place: int, symbol: str) -> int:
        while symbol not in self._nodes[place].next:
            if place == ROOT:
                return ROOT
            place = self._nodes[place].fail
        return self._nodes[place].next[symbol]

    def advance(self, state: State, symbols: str) -> State:
        """The state of a text with more symbols."""
        place, sums, score = state
        for symbol in symbols:
            place = self._go(place, symbol)
            node = self._nodes[place]
            best = sums[0]
            for depth, bonus in node.ends:
                best = max(best, sums[depth - 1] + bonus)
            score = best
            for depth, earned in node.open:
                score = max(score, sums[depth - 1] + earned)
            sums = (best, *sums[: node.depth])
        return State(place, sums, score)

    def bonus(self, symbols: str) -> float:
        """The bonus of a whole text."""
        return self.advance(BEGIN, symbols).bonus

    def remainders(self, node: int) -> Iterator[tuple[str, bool]]:
        """The symbols that lead on from a node along phrases, and whether a phrase is complete with them."""
        stack = [("", node)]
        while stack:
            path, place = stack.pop()
            for symbol, following in self._nodes[place].next.items():
                longer = path + symbol
                yield longer, self._nodes[following].bonus is not None
                stack.append((longer, following))

    def begun(self, node: int) -> Iterator[int]:
        """The nodes of all beginnings that a text at this node ends with, the longest first."""
        while node != ROOT:
            yield node
            node = self._nodes[node].fail
