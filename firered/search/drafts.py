"""Searches that are given a draft of the text: the same result in fewer passes of the model.

Any search of this package asks its model for the logits after a prefix, many times, one token further each time. Here
it asks a table of prefixes instead. Those of the draft are in the table from one pass over all of its tokens. What the
table lacks is answered with a guess, the logits at the like place of the draft, and noted; the search goes on to its
end. Then one pass computes what was noted, and the search is run again, until it asks for nothing that is not in the
table. That last run has seen the model's own logits alone, so its result is that of the search without a draft, for any
size of the beam and with any scorers: guesses decide which prefixes are computed, never what is found.

Each run's search is right up to the first prefix that was guessed, and the pass after it computes that one. So every
pass brings the search on by a step at least, as a pass of the plain search does, and by more where guesses were right.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import torch
from torch import Tensor

from firered.search.beams import Hypothesis
from firered.search.draft_tree import DraftTree
from firered.search.scorers import Scorer, Stepper
from firered.search.trust import Kept, without_bonus


class Search(Protocol):
    """From a model and the utterances that are to be searched to the hypotheses of each; called again and again."""

    def __call__(self, model: Stepper, utterances: list[int], /, *kept: Scorer) -> list[list[Hypothesis]]:
        """Search; `kept` are more scorers."""


_PASSES, _TOKENS_A_PASS = 6, 1.5  # after so many passes with fewer tokens each a draft is given up


class PrefixModel(Protocol):
    """A model that computes the logits after many prefixes of N utterances in one pass, and remembers the prefixes.

    The prefixes of an utterance are numbered in the order in which they were given.
    """

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""

    def extend(self, tokens: Sequence[Sequence[int]], parents: Sequence[Sequence[int]]) -> Tensor:
        """(M, V) logits after new prefixes, the first utterance's first.

        Args:
            tokens: of each utterance: the last token of each new prefix.
            parents: the number of the prefix before that token; -1 of the one token that everything begins with.
        """

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""


@dataclass(frozen=True)
class DraftCounts:
    """What drafts were worth.

    Attributes:
        utterances: that had a draft.
        given_up: of these, whose draft was so bad that they are to be searched without.
        tokens: of the texts found.
        accepted: of these, whose prefix had been computed before the search came to it.
        steps: that the search takes without drafts.
        passes: that were computed.
        rows: prefixes that were computed.
        final: utterances whose draft was taken as it was, without the model; see `firered.search.trust`.
    """

    utterances: int = 0
    given_up: int = 0
    tokens: int = 0
    accepted: int = 0
    steps: int = 0
    passes: int = 0
    rows: int = 0
    final: int = 0

    def __add__(self, other: "DraftCounts") -> "DraftCounts":
        names = [field.name for field in fields(self)]
        return DraftCounts(*(getattr(self, name) + getattr(other, name) for name in names))

    @property
    def share(self) -> float:
        """The accepted part of the tokens, 0 to 1; 1 where there are none."""
        return self.accepted / self.tokens if self.tokens else 1.0

    @property
    def saved(self) -> float:
        """The part of the steps that were saved; below 0 where there were more passes than steps."""
        return 1 - self.passes / self.steps if self.steps else 0.0

    def __str__(self) -> str:
        return (
            f"{self.utterances} utterances, {100 * self.share:.1f}% of {self.tokens} tokens accepted, "
            f"{100 * self.saved:.1f}% of {self.steps} steps saved, {self.given_up} drafts given up"
            + f", {self.final} taken as they were"
            * bool(self.final)
        )


@torch.inference_mode()
def search_with_drafts(
    model: PrefixModel,
    drafts: Sequence[Sequence[int]],
    search: Search,
    *,
    beams: int,
    limits: Sequence[int],
    first: Sequence[int],
    eos: int,
    least: float = 0.0,
) -> tuple[list[list[Hypothesis] | None], DraftCounts]:
    """What a search finds for each utterance, and how good the drafts were; None for one whose draft was given up.

    Args:
        model: that of the search, of which no prefix has been computed.
        drafts: tokens of each utterance; those that the model has not, and what follows an end, are left out.
        search: called with a model and some of the utterances, with new scorers each time.
        beams: hypotheses an utterance, as `search` keeps.
        limits: tokens of each utterance at most, as `search` takes them.
        first: the token that each utterance begins with.
        eos: the token that ends a hypothesis.
        least: 0, or of a greedy search the probability above which the first tokens of a draft are kept; see
            `firered.search.config.Trust`. No draft is given up then.
    """
    trees = [
        DraftTree(one, [token for token in draft if 0 <= token < model.vocabulary], eos, limit)
        for one, draft, limit in zip(first, drafts, limits, strict=True)
    ]
    found: list[list[Hypothesis] | None] = [None] * len(trees)
    table = _Table()
    pending = list(range(len(trees)))
    wanted = [tree.chain() for tree in trees]
    kept_tokens: list[list[int]] = []
    while pending:
        _compute(model, table, [trees[utt] for utt in pending], wanted)
        if least and not kept_tokens:
            kept_tokens = [_likely(table, tree, least) for tree in trees]
        for utt in pending:
            trees[utt].begin()
        begun = [Kept([kept_tokens[utt] for utt in pending], model.vocabulary)] if least else []
        results = search(_TableSteps([trees[utt] for utt in pending], table, beams), pending, *begun)
        kept: list[int] = []
        for place, (utt, hypotheses) in enumerate(zip(pending, results, strict=True)):
            tree = trees[utt]
            if not tree.wanted:
                known = len(kept_tokens[utt]) if least else 0
                found[utt] = [without_bonus(own, known) for own in hypotheses] if known else hypotheses
                tree.count(hypotheses[0].tokens if hypotheses else ())
            elif not tree.settle(_PASSES, 0.0 if least else _TOKENS_A_PASS):
                kept.append(place)
        if kept and len(kept) < len(pending):
            model.select(kept)
        pending = [pending[place] for place in kept]
        wanted = [trees[utt].next_nodes() for utt in pending]
    return found, sum((_counts(tree) for tree in trees), DraftCounts())


def _likely(table: "_Table", tree: DraftTree, least: float) -> list[int]:
    """The first tokens of a draft, its end among them, that the model finds more probable than this."""
    nodes = tree.chain()
    following = torch.tensor(tree.draft[: len(nodes)])
    logits = table.rows([tree.row(node) for node in nodes]).float()
    probabilities = logits.softmax(-1).cpu()[torch.arange(len(nodes)), following]
    count = int((probabilities > least).long().cumprod(0).sum())
    return tree.draft[:count]


def _counts(tree: DraftTree) -> DraftCounts:
    if tree.given_up:  # all of its steps are still to come
        return DraftCounts(1, 1, len(tree.draft), 0, len(tree.draft), len(tree.draft) + tree.passes, len(tree.numbers))
    return DraftCounts(1, 0, tree.text_tokens, tree.accepted, tree.steps, tree.passes, len(tree.numbers))


def _compute(model: PrefixModel, table: "_Table", trees: Sequence[DraftTree], wanted: Sequence[list[int]]) -> None:
    """Put the logits after these prefixes of each tree into the table."""
    given = [tree.number(nodes) for tree, nodes in zip(trees, wanted, strict=True)]
    logits = model.extend([tokens for tokens, _ in given], [parents for _, parents in given])
    row = table.add(logits)
    places = [tree.places_near(node) for tree, nodes in zip(trees, wanted, strict=True) for node in nodes]
    best = iter(_likeliest(logits, places))
    for tree, nodes in zip(trees, wanted, strict=True):
        tree.know(nodes, row, [next(best) for _ in nodes])
        row += len(nodes)


_SURE = 1.0  # by how much another place in the draft has to be likelier


def _likeliest(logits: Tensor, tokens: list[list[int]]) -> list[int]:
    """Which of each row's tokens is the likeliest; the first, unless another is so clearly."""
    of = torch.tensor(tokens, device=logits.device)
    scores = logits.gather(1, of).float()
    scores[:, 0] += _SURE
    return scores.argmax(1).tolist()


class _Table:
    """Logits by row; row 0 is of no prefix."""

    def __init__(self) -> None:
        self._rows: Tensor | None = None
        self._used = 1

    def add(self, logits: Tensor) -> int:
        """Append rows (M, V); the number of the first."""
        first, self._used = self._used, self._used + len(logits)
        if self._rows is None:
            self._rows = torch.cat([torch.zeros_like(logits[:1]), logits])
        elif self._used > len(self._rows):
            longer = self._rows.new_empty(max(self._used, 2 * len(self._rows)), logits.shape[1])
            longer[:first] = self._rows[:first]
            self._rows = longer
        self._rows[first : self._used] = logits
        return first

    def rows(self, numbers: list[int]) -> Tensor:
        """(len(numbers), V) a copy of these rows."""
        assert self._rows is not None
        return self._rows[torch.tensor(numbers, device=self._rows.device)]


class _TableSteps:
    """The steps of a search that are looked up: a `Stepper` that computes nothing."""

    def __init__(self, trees: Iterable[DraftTree], table: _Table, beams: int) -> None:
        self._trees, self._table, self._beams = list(trees), table, beams
        self._nodes = [-1] * (len(self._trees) * beams)

    def step(self, tokens: Tensor) -> Tensor:
        """(N * B, V) logits, the model's or a guess."""
        given = tokens.tolist()
        rows: list[int] = []
        for place, tree in enumerate(self._trees):
            tree.steps += 1
            for row in range(place * self._beams, (place + 1) * self._beams):
                self._nodes[row] = tree.after(self._nodes[row], given[row])
                rows.append(tree.ask(self._nodes[row]))
        return self._table.rows(rows)

    def reorder(self, index: Tensor) -> None:
        """Make row i continue what was row index[i]."""
        self._nodes = [self._nodes[row] for row in index.tolist()]

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        self._nodes = [self._nodes[utt * self._beams + beam] for utt in utterances for beam in range(self._beams)]
        self._trees = [self._trees[utt] for utt in utterances]
