"""Error rates as counts that add up."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from itertools import chain, starmap, zip_longest
from operator import attrgetter
from sys import intern

from firered.scoring.metrics.alignment import Hunk, align
from firered.scoring.text.normalise import Normalizer
from firered.text.units import is_character

_BLOCK = 5000  # utterances aligned at once


@dataclass(frozen=True, slots=True)
class Counts:
    """Tokens and utterances, to be added up; rates come only after the adding."""

    correct: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    utterances: int = 0
    wrong: int = 0  # utterances with an error
    missing: int = 0  # utterances without a hypothesis
    empty: int = 0  # utterances whose reference has no tokens

    @property
    def tokens(self) -> int:
        """Tokens of the reference."""
        return self.correct + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float | None:
        """Errors per token of the reference in percent; None where there are no tokens."""
        return percent(self.errors, self.tokens)

    @property
    def sentence_rate(self) -> float | None:
        """Utterances with an error in percent."""
        return percent(self.wrong, self.utterances)

    def __add__(self, other: "Counts") -> "Counts":
        return total((self, other))


_ERRORS = ("substitutions", "deletions", "insertions")
_FIELDS = attrgetter(*(f.name for f in fields(Counts)))


def percent(part: float, whole: float) -> float | None:
    """100 * part / whole; None where the whole is nothing."""
    return 100 * part / whole if whole else None


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of counts."""
    return Counts(*map(sum, zip(*map(_FIELDS, counts), strict=True)))


@dataclass(frozen=True, slots=True)
class Aligned:
    """An utterance's tokens and where they differ; a missing hypothesis has none.

    `by_character`: its tokens are characters, those of words too.
    """

    key: str
    reference: Sequence[str]
    hypothesis: Sequence[str]
    hunks: tuple[Hunk, ...]
    counts: Counts
    by_character: bool = False

    def pairs(self) -> list[tuple[str, str]]:
        """(reference, hypothesis) token by token; an empty string is where one has none."""
        pairs: list[tuple[str, str]] = []
        at = 0
        for start, end, hyp_start, hyp_end in self.hunks:
            equal = self.reference[at:start]
            pairs += zip(equal, equal, strict=True)
            pairs += self._errors_of(start, end, hyp_start, hyp_end)
            at = end
        equal = self.reference[at:]
        pairs += zip(equal, equal, strict=True)
        return pairs

    def errors(self) -> Iterator[tuple[str, str]]:
        """The pairs that are not equal."""
        return chain.from_iterable(starmap(self._errors_of, self.hunks))

    def _errors_of(self, start: int, end: int, hyp_start: int, hyp_end: int) -> Iterator[tuple[str, str]]:
        return zip_longest(self.reference[start:end], self.hypothesis[hyp_start:hyp_end], fillvalue="")


def align_texts(
    references: dict[str, str], hypotheses: dict[str, str], rule: Normalizer, languages: Mapping[str, str] | None = None
) -> list[Aligned]:
    """Every reference aligned with its hypothesis, in order of ids; one that is missing is all deletions.

    Args:
        references: texts by id.
        hypotheses: likewise.
        rule: what the tokens are.
        languages: codes of the utterances, for rules that go by them; the hypothesis is cut as its reference is.
    """
    spoken = languages or {}
    keys = sorted(key for key in references if key in hypotheses or not rule.skips_missing)
    aligned: list[Aligned] = []
    for first in range(0, len(keys), _BLOCK):
        block = keys[first : first + _BLOCK]
        reference_tokens = [_tokens(rule, references[key], spoken.get(key, "")) for key in block]
        hypothesis_tokens = [
            tokens
            if hypotheses.get(key) == references[key]
            else _tokens(rule, hypotheses.get(key, ""), spoken.get(key, ""))
            for key, tokens in zip(block, reference_tokens, strict=True)
        ]
        alignments = align(reference_tokens, hypothesis_tokens)
        for key, reference, hypothesis, hunks in zip(
            block, reference_tokens, hypothesis_tokens, alignments, strict=True
        ):
            counts = _counts(reference, hunks, key not in hypotheses)
            by_character = rule.cuts_characters(spoken.get(key, ""))
            aligned.append(Aligned(key, reference, hypothesis, hunks, counts, by_character))
    return aligned


def _tokens(rule: Normalizer, text: str, language: str) -> list[str]:
    return list(map(intern, rule(text, language)))


def _counts(reference: Sequence[str], hunks: tuple[Hunk, ...], missing: bool) -> Counts:
    substitutions = deletions = insertions = 0
    for start, end, hyp_start, hyp_end in hunks:
        if hyp_end == hyp_start:
            deletions += end - start
        elif end == start:
            insertions += hyp_end - hyp_start
        else:
            substitutions += end - start
    return _of_one(len(reference), substitutions, deletions, insertions, missing)


@lru_cache(maxsize=1 << 16)  # many utterances have the same
def _of_one(tokens: int, substitutions: int, deletions: int, insertions: int, missing: bool) -> Counts:
    """The counts of one utterance."""
    correct, wrong = tokens - substitutions - deletions, missing or substitutions + deletions + insertions > 0
    return Counts(correct, substitutions, deletions, insertions, 1, int(wrong), int(missing), int(not tokens))


def confusions(aligned: Iterable[Aligned]) -> Counter[tuple[str, str]]:
    """How often each pair of unequal tokens stands against each other; "" is the other side of what has none."""
    counted: Counter[tuple[str, str]] = Counter()
    for utterance in aligned:
        counted.update(utterance.errors())
    return counted


def by_kind(aligned: Sequence[Aligned], confused: Counter[tuple[str, str]]) -> dict[str, Counts]:
    """Counts of characters and of words apart; a substitution is of the reference's kind.

    Characters are Han and kana, and all of utterances that are cut into characters.

    Args:
        aligned: the utterances.
        confused: `confusions` of them.
    """
    whole = [utterance for utterance in aligned if utterance.by_character]
    others = aligned if not whole else [utterance for utterance in aligned if not utterance.by_character]
    if whole:
        confused = confused - confusions(whole)
    references: Counter[str] = Counter()
    for utterance in others:
        references.update(utterance.reference)
    sums: dict[str, Counter[str]] = {"characters": Counter(), "words": Counter()}
    for token, times in references.items():
        sums[_kind(token)]["tokens"] += times
    for (reference, hypothesis), times in confused.items():
        sums[_kind(reference or hypothesis)][_error(reference, hypothesis)] += times
    for utterance in whole:
        sums["characters"].update({name: getattr(utterance.counts, name) for name in ("tokens", *_ERRORS)})
    return {
        kind: Counts(
            correct=found["tokens"] - found["substitutions"] - found["deletions"],
            **{name: found[name] for name in _ERRORS},
        )
        for kind, found in sums.items()
    }


def _error(reference: str, hypothesis: str) -> str:
    """What an error is called; an empty string stands for no token."""
    if not reference:
        return "insertions"
    return "substitutions" if hypothesis else "deletions"


def _kind(token: str) -> str:
    return "characters" if is_character(token) else "words"
