"""A model's tokens as symbols of text, so that phrases are found in them however they are cut: `Vocabulary`."""

import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from functools import cached_property

import torch
from torch import Tensor

from firered.search.context_graph import ROOT, ContextGraph
from firered.text.spelling import END, START, spell

NO_TEXT = "\0"  # in the place of a token without text: no phrase goes over it


class Kind(IntEnum):
    """How a token meets the text before it."""

    APART = 0  # it ends the word that is there
    JOINED = 1  # it goes on with that word, or else begins one
    INSIDE = 2  # it begins within a character

    def entry(self, in_word: bool) -> str:
        """The mark that comes before a token of this kind."""
        if in_word:
            return END if self is Kind.APART else ""
        return START if self is Kind.JOINED else ""


class Vocabulary:
    """The spellings of all tokens of a model; see `firered.text.spelling`.

    Args:
        tokens: the text of each token by its id, or its bytes; None for tokens without text.
    """

    def __init__(self, tokens: Sequence[str | bytes | None]) -> None:
        self.kinds: list[Kind] = []
        self.bodies: list[str] = []  # the symbols after the entry
        self.mixed: dict[int, str] = {}  # of tokens that begin within a character, and after a word end that, too
        self._ends: list[tuple[bool, bool]] = []  # whether it ends within a word, after a text that did not, and did
        self.characters = _characters(tokens)
        for token in tokens:
            text = token.decode("utf-8", "surrogateescape") if isinstance(token, bytes) else token or ""
            (alone, alone_ends), (after, after_ends) = spell(text), spell(text, in_word=True)
            if not text:
                kind, body, after_ends = Kind.APART, NO_TEXT, False
            elif after.startswith(END):
                kind, body, after_ends = Kind.APART, alone, alone_ends
            elif alone.startswith(START):
                kind, body = Kind.JOINED, after
            else:
                kind, body = Kind.INSIDE, alone
                if after != alone:
                    self.mixed[len(self.kinds)] = after
            self.kinds.append(kind)
            self.bodies.append(body)
            self._ends.append((alone_ends, after_ends))

    def __len__(self) -> int:
        return len(self.bodies)

    def lacks(self, phrase: str) -> str:
        """The characters of a phrase that no token writes."""
        if self.characters is None:
            return ""
        plain = unicodedata.normalize("NFKC", phrase).lower()
        return "".join(dict.fromkeys(own for own in plain if not own.isspace() and own not in self.characters))

    def symbols(self, token: int, in_word: bool) -> tuple[str, bool]:
        """What a token adds to a text that ends within a word or does not, and whether it then does."""
        body = self.bodies[token] if not in_word else self.mixed.get(token, self.bodies[token])
        return self.kinds[token].entry(in_word) + body, self._ends[token][in_word]

    def spelt(self, ids: Iterable[int]) -> str:
        """The symbols of a whole text of these tokens."""
        text, in_word = "", False
        for token in ids:
            symbols, in_word = self.symbols(token, in_word)
            text += symbols
        return text + END if in_word else text

    @cached_property
    def apart(self) -> Tensor:
        """(V,) whether a token ends a word."""
        return torch.tensor([kind is Kind.APART for kind in self.kinds])

    @cached_property
    def spaces(self) -> list[int]:
        """The tokens that are nothing but the end of a word."""
        return [n for n, kind in enumerate(self.kinds) if kind is Kind.APART and not self.bodies[n]]

    @cached_property
    def tables(self) -> dict[Kind, "Table"]:
        """The tokens of each kind."""
        bodies: dict[Kind, dict[str, list[int]]] = {kind: defaultdict(list) for kind in Kind}
        for token, (kind, body) in enumerate(zip(self.kinds, self.bodies, strict=True)):
            if body:
                bodies[kind][body].append(token)
        return {kind: Table(of_kind) for kind, of_kind in bodies.items()}


def _characters(tokens: Sequence[str | bytes | None]) -> frozenset[str] | None:
    """The characters that tokens of text can write, in lower case; None: tokens of bytes, which write anything."""
    if any(isinstance(token, bytes) for token in tokens):
        return None
    return frozenset("".join(token.lower() for token in tokens if isinstance(token, str)))


class Table:
    """Tokens by their symbols, to be looked up by the beginning, the end, or a part of them."""

    def __init__(self, tokens: dict[str, list[int]]) -> None:
        self._tokens = tokens
        self._sorted = sorted(tokens)
        self._reversed = sorted(symbols[::-1] for symbols in tokens)
        self._text = "\n".join(["", *self._sorted, ""])

    def following(self, graph: ContextGraph, node: int) -> Iterator[int]:
        """Tokens that lead on along a phrase from a node."""
        found: set[str] = set()
        for path, complete in graph.remainders(node):
            found.update(_starting(self._sorted, path) if complete else [path])
        yield from self._all(found)

    def beginning(self, graph: ContextGraph) -> Iterator[int]:
        """Tokens in which a phrase begins."""
        found: set[str] = set()
        for path, complete in graph.remainders(ROOT):
            found.update(symbols[::-1] for symbols in _starting(self._reversed, path[::-1]))
            if complete:
                found.update(self._with(path))
        yield from self._all(found)

    def _all(self, spellings: Iterable[str]) -> Iterator[int]:
        for symbols in spellings:
            yield from self._tokens.get(symbols, ())

    def _with(self, part: str) -> Iterator[str]:
        """The spellings that hold a string."""
        place = self._text.find(part)
        while place >= 0:
            start, end = self._text.rfind("\n", 0, place), self._text.find("\n", place)
            yield self._text[start + 1 : end]
            place = self._text.find(part, end)


def _starting(ordered: Sequence[str], start: str) -> Iterator[str]:
    """The strings of a sorted list that begin with this one."""
    for place in range(bisect_left(ordered, start), len(ordered)):
        if not ordered[place].startswith(start):
            return
        yield ordered[place]
