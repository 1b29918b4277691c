"""Phrases of a list in texts: where they are, how many are right, and the errors inside and outside of them.

Two ways to count, each as it is published:

- Occurrences, for recall, precision and F1 (as in Shi et al., SeACo-Paraformer, 2023): a phrase of the list that is n
  times in the reference of an utterance and m times in its hypothesis is right min(n, m) times.
- Biased and unbiased error rates (Le et al., Contextualized Streaming End-to-End Speech Recognition, 2021), by the
  alignment of their scorer.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from firered.scoring.metrics.alignment import Tokens, cheapest
from firered.scoring.metrics.error_rate import Counts, percent

_GAP, _SUBSTITUTION = 3, 4  # costs of Le et al.'s scorer


class Occurrence(NamedTuple):
    """A phrase in a text: its name, and the tokens from `start` to before `end`."""

    phrase: str
    start: int
    end: int


class Phrases:
    """Phrases that are sought in tokens.

    Args:
        tokens: of each phrase by its name; of phrases with the same tokens the first is found, those without any never.
    """

    def __init__(self, tokens: Mapping[str, Sequence[str]]) -> None:
        self._names: dict[tuple[str, ...], str] = {}
        self._lengths: dict[str, set[int]] = {}
        for name, of_phrase in tokens.items():
            if of_phrase:
                self._names.setdefault(tuple(of_phrase), name)
                self._lengths.setdefault(of_phrase[0], set()).add(len(of_phrase))

    def find(self, tokens: Tokens) -> list[Occurrence]:
        """All that is in a text, in order; phrases may lie in each other, but those of one do not overlap."""
        found: list[Occurrence] = []
        free: dict[str, int] = {}  # where the next occurrence of a phrase may begin
        for start, first in enumerate(tokens):
            for length in sorted(self._lengths.get(first, ())):
                name = self._names.get(tuple(tokens[start : start + length]))
                if name is not None and free.get(name, 0) <= start and start + length <= len(tokens):
                    found.append(Occurrence(name, start, start + length))
                    free[name] = start + length
        return found


@dataclass(frozen=True, slots=True)
class Hits:
    """How often phrases are in references and hypotheses, and how many of these are right; to be added up."""

    reference: int = 0
    hypothesis: int = 0
    right: int = 0

    def __add__(self, other: "Hits") -> "Hits":
        return Hits(self.reference + other.reference, self.hypothesis + other.hypothesis, self.right + other.right)

    @property
    def recall(self) -> float | None:
        """Of those in references, how many are right, in percent; None where there are none."""
        return percent(self.right, self.reference)

    @property
    def precision(self) -> float | None:
        """Of those in hypotheses, how many are right, in percent; None where there are none."""
        return percent(self.right, self.hypothesis)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of recall and precision in percent; None where there are none on either side."""
        return percent(2 * self.right, self.reference + self.hypothesis)


def hits(reference: Iterable[Occurrence], hypothesis: Iterable[Occurrence]) -> dict[str, Hits]:
    """The hits of each phrase that is in one utterance, by its name."""
    times: dict[str, list[int]] = {}
    for side, occurrences in enumerate((reference, hypothesis)):
        for occurrence in occurrences:
            times.setdefault(occurrence.phrase, [0, 0])[side] += 1
    return {name: Hits(here, there, min(here, there)) for name, (here, there) in times.items()}


def biased_and_not(
    reference: Tokens, hypothesis: Tokens, own: Collection[Occurrence], heard: Collection[Occurrence]
) -> tuple[Counts, Counts]:
    """The errors and tokens of one utterance inside of its own phrases, and all others.

    A token of the reference is biased where it lies in an occurrence of one of the utterance's own phrases. An
    insertion is biased where it lies in such a phrase of the hypothesis, or between two tokens of one of the reference.
    Of phrases of one token that is what the scorer of Le et al. counts; a phrase of the list that the reference lacks
    is an unbiased error, as there.

    Args:
        reference: its tokens.
        hypothesis: likewise.
        own: the utterance's own phrases, in the reference.
        heard: the same phrases, in the hypothesis.
    """
    in_reference = {place for phrase in own for place in range(phrase.start, phrase.end)}
    between = {place for phrase in own for place in range(phrase.start + 1, phrase.end)}
    in_hypothesis = {place for phrase in heard for place in range(phrase.start, phrase.end)}
    counted = {name: [0, 0] for name in ("correct", "substitutions", "deletions", "insertions")}
    for (i, j), (next_i, next_j) in pairwise(cheapest(reference, hypothesis, _GAP, _SUBSTITUTION)):
        if next_i == i:
            counted["insertions"][j in in_hypothesis or i in between] += 1
        elif next_j == j:
            counted["deletions"][i in in_reference] += 1
        else:
            counted["correct" if reference[i] == hypothesis[j] else "substitutions"][i in in_reference] += 1
    unbiased, biased = (Counts(**{name: sides[side] for name, sides in counted.items()}) for side in (0, 1))
    return biased, unbiased
