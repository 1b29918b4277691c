"""The prefixes of one utterance that a search with a draft has asked for: `DraftTree`."""

from collections.abc import Sequence
from itertools import pairwise

ENDED = -2  # in place of a node: a hypothesis that has ended, of which nothing is asked
_BEYOND = 4  # tokens beyond the draft that are guessed at
_LEAST = 4  # tokens that are guessed in a pass at least
_PLACES = (0, 1, -1)  # where in the draft a text may go on, from where its length says


class DraftTree:
    """A node is a prefix. It is known once its logits have been computed; until then they are guessed.

    A node's place in the draft is where the text goes on after it: where the draft has another token, one more or one
    less, the places of later nodes move. A guess is the logits of the known node of the same place.

    Args:
        first: the token that every prefix begins with.
        draft: tokens, as far as the text's end.
        eos: the token that ends a hypothesis.
        limit: tokens of a hypothesis at most.
    """

    def __init__(self, first: int, draft: Sequence[int], eos: int, limit: int) -> None:
        draft = draft[: draft.index(eos)] if eos in draft else draft
        self.draft = [*draft, eos]
        self._eos, self._limit = eos, limit
        self._pairs: dict[tuple[int, int], list[int]] = {}  # two tokens -> the places after them
        for place, pair in enumerate(pairwise(draft), 2):
            self._pairs.setdefault(pair, []).append(place)
        self._tokens, self._parents, self._depths, self._places = [first], [-1], [0], [0]
        self._rows = [0]  # of the table; 0: not known
        self._guessed = [False]  # whether it was computed before a search had to have it
        self._children: dict[tuple[int, int], int] = {}
        self._like: dict[int, int] = {}  # place in the draft -> row of a node there
        self._last_row = 0
        self.numbers: dict[int, int] = {}  # of the nodes that were given to the model
        self.wanted: dict[int, None] = {}  # nodes that a search asked for, in that order
        self._window = len(self.draft) + _BEYOND  # tokens ahead of the first unknown one that are computed
        self._reached, self._unknown = 0, 0  # depth of the first unknown node: of the last run, of this
        self.steps = self.passes = self.text_tokens = self.accepted = 0
        self.given_up = False

    def chain(self) -> list[int]:
        """The draft's own nodes, the root first."""
        nodes = [0]
        for token in self.draft[:-1][: max(0, self._limit - 1)]:
            nodes.append(self.after(nodes[-1], token))
        return nodes

    def begin(self) -> None:
        """Begin a search from the start."""
        self.wanted.clear()
        self.steps = 0

    def after(self, node: int, token: int) -> int:
        """The node with one more token; the root for the first token."""
        if node == -1:
            return 0
        if node == ENDED or token == self._eos:
            return ENDED
        found = self._children.get((node, token))
        if found is None:
            found = self._children[node, token] = len(self._tokens)
            self._tokens.append(token)
            self._parents.append(node)
            self._depths.append(self._depths[node] + 1)
            self._places.append(self._place_after(node, token))
            self._rows.append(0)
            self._guessed.append(False)
        return found

    def _place_after(self, node: int, token: int) -> int:
        """Where the draft goes on, which has the token next, or after one more, or after the token before it."""
        place, last = self._places[node], len(self.draft) - 1
        for by in (0, 1):
            if place + by < last and token == self.draft[place + by]:
                return place + by + 1
        found = self._pairs.get((self._tokens[node], token))
        return min(found, key=lambda other: abs(other - place)) if found else min(place + 1, last)

    def ask(self, node: int) -> int:
        """The row of a node, or of one like it; what is not known is noted."""
        if node == ENDED:
            return 0
        if self._rows[node]:
            return self._rows[node]
        depth = self._depths[node]
        if not self.wanted:
            self._unknown = depth
        if depth < self._end:
            self.wanted[node] = None
        return self._like.get(self._places[node], self._last_row)

    def next_nodes(self) -> list[int]:
        """What is to be computed next: what the search asked for, and how the draft goes on after what it must have."""
        nodes = dict(self.wanted)
        for node in self.wanted:
            if self._depths[node] > self._unknown:
                break
            after = node
            while (place := self._places[after]) < len(self.draft) - 1 and self._depths[after] + 1 < self._end:
                after = self.after(after, self.draft[place])
                if not self._rows[after]:
                    nodes[after] = None
        return list(nodes)

    @property
    def _end(self) -> int:
        """The depth of the first nodes that are not guessed at."""
        return min(self._unknown + self._window, self._limit)

    def number(self, nodes: Sequence[int]) -> tuple[list[int], list[int]]:
        """Number these nodes for the model; their tokens, and the numbers of their parents."""
        self.passes += 1
        parents = []
        for node in nodes:
            parents.append(self.numbers[self._parents[node]] if node else -1)
            self.numbers[node] = len(self.numbers)
        return [self._tokens[node] for node in nodes], parents

    def places_near(self, node: int) -> list[int]:
        """The draft's tokens at the places where the text may go on after a node, the likeliest first."""
        return [self.draft[place] for place in self._near(node)]

    def _near(self, node: int) -> list[int]:
        last = len(self.draft) - 1
        return [min(max(self._places[node] + by, 0), last) for by in _PLACES]

    def know(self, nodes: Sequence[int], row: int, best: Sequence[int]) -> None:
        """Take up the rows of nodes.

        Args:
            nodes: as given to `number`.
            row: of the first; the others follow.
            best: which of `places_near` goes on with what is likely after each.
        """
        self._last_row = row
        for offset in reversed(range(len(nodes))):  # those that the search ranked first have the last word
            node = nodes[offset]
            self._rows[node] = row + offset
            self._guess_by(self._places[node], row + offset)  # where its length says: the draft's own have them all
            self._places[node] = self._near(node)[best[offset]]
            self._guessed[node] = self._depths[node] > self._unknown
        for offset in reversed(range(len(nodes))):
            self._guess_by(self._places[nodes[offset]], row + offset)

    def _guess_by(self, place: int, row: int) -> None:
        if place < len(self.draft) - 1 or place not in self._like:  # beyond the draft's end anything may have been said
            self._like[place] = row

    def settle(self, passes: int, tokens_a_pass: float) -> bool:
        """Note how far the search was right, and whether the draft is given up: after so many passes, at less."""
        self._window = max(_LEAST, 2 * (self._unknown - self._reached))
        self._reached = self._unknown
        self.given_up = self.passes >= passes and self._reached < tokens_a_pass * self.passes
        return self.given_up

    def count(self, text: Sequence[int]) -> None:
        """Count the accepted tokens of what was found."""
        node, self.text_tokens = 0, len(text)
        for token in text:
            node = self._children.get((node, token), ENDED)
            if node == ENDED:  # the last token of one that was cut off
                self.text_tokens -= 1
                return
            self.accepted += self._guessed[node]
