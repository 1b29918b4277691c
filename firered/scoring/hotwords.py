"""The score of hotwords: which phrases of the lists were recognised, and errors inside and outside of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from firered.errors import DataError
from firered.hotwords.reading import read_list
from firered.scoring.config import HotwordScoreConfig, SampleConfig
from firered.scoring.inputs.hotwords import UtteranceLists, read_lists
from firered.scoring.inputs.languages import languages_of
from firered.scoring.inputs.pair import Side
from firered.scoring.metrics.bootstrap import Interval, interval, ratio
from firered.scoring.metrics.error_rate import Aligned, Counts, total
from firered.scoring.metrics.hotwords import Hits, Occurrence, Phrases, biased_and_not, hits
from firered.scoring.text.normalise import Normalizer

R1_RECALL = 40.0  # percent: what a general recogniser has less of is R1 (Shi et al., 2023, SeACo-Paraformer)


@dataclass(frozen=True)
class UtteranceHotwords:
    """What is found in one utterance; `phrases` are the hits of each phrase that is in either text."""

    reference: tuple[Occurrence, ...]
    hypothesis: tuple[Occurrence, ...]
    phrases: Mapping[str, Hits]
    biased: Counts
    unbiased: Counts

    @property
    def hits(self) -> Hits:
        """Of all its phrases."""
        return sum(self.phrases.values(), Hits())


@dataclass(frozen=True)
class HotwordScore:
    """Hits and errors of each utterance, and what is counted over them.

    Attributes:
        source: the file or folder of the lists.
        utterances: by id.
        topics: of the phrases that have any.
        r1: the R1 phrases, None where it is not known which they are.
        r1_source: by what it is known.
        unspelt: phrases of which nothing is left by the rule of scoring, so that they are never found.
        intervals: of recall, precision, F1, and of the two error rates.
    """

    source: Path
    utterances: Mapping[str, UtteranceHotwords]
    topics: Mapping[str, tuple[str, ...]]
    r1: frozenset[str] | None
    r1_source: str
    unspelt: Sequence[str]
    intervals: Mapping[str, Interval | None]

    @cached_property
    def phrases(self) -> dict[str, Hits]:
        """Of each phrase that is in a text, those that are most often in references first."""
        found = _sums(self.utterances.values())
        return dict(sorted(found.items(), key=lambda item: (-item[1].reference, item[0])))

    @cached_property
    def total(self) -> Hits:
        """Over all utterances and phrases."""
        return sum(self.phrases.values(), Hits())

    @cached_property
    def biased(self) -> Counts:
        """Errors inside of the utterances' own phrases."""
        return total(utterance.biased for utterance in self.utterances.values())

    @cached_property
    def unbiased(self) -> Counts:
        """All other errors."""
        return total(utterance.unbiased for utterance in self.utterances.values())

    @cached_property
    def parts(self) -> dict[str, Hits]:
        """Hits of the R1 phrases, where they are known, and of each topic."""
        names: dict[str, list[Hits]] = {} if self.r1 is None else {"R1": []}
        for topic in sorted({topic for topics in self.topics.values() for topic in topics}):
            names[f"topic {topic}"] = []
        for phrase, found in self.phrases.items():
            if self.r1 is not None and phrase in self.r1:
                names["R1"].append(found)
            for topic in self.topics.get(phrase, ()):
                names[f"topic {topic}"].append(found)
        return {name: sum(found, Hits()) for name, found in names.items()}


class _Index:
    """The phrases of an utterance's lists as the rule cuts them; kept for the utterances that have the same."""

    def __init__(self, lists: UtteranceLists, rule: Normalizer) -> None:
        self.lists = lists
        self.rule = rule
        self._tokens: dict[tuple[str, str], tuple[str, ...]] = {}
        self.topics: dict[str, dict[str, None]] = {}
        self.unspelt: dict[str, None] = {}
        self._phrases = lru_cache(maxsize=16)(self._phrases_of)

    def find(self, key: str, tokens: Sequence[str], language: str) -> list[Occurrence]:
        """What is in a text of an utterance, of the phrases that it was given."""
        return self._phrases(self.lists.of(key).lists, language).find(tokens)

    def _phrases_of(self, names: tuple[str, ...], language: str) -> Phrases:
        tokens: dict[str, tuple[str, ...]] = {}
        for name in names:
            named = self.lists.named(name)
            for phrase in named.phrases.texts:
                tokens[phrase] = self._cut(phrase, language)
                if not tokens[phrase]:
                    self.unspelt[phrase] = None
                if name in self.lists.shared:
                    self.topics.setdefault(phrase, {})[name] = None
                if phrase in named.topics:
                    self.topics.setdefault(phrase, {})[named.topics[phrase]] = None
        return Phrases(tokens)

    def _cut(self, text: str, language: str) -> tuple[str, ...]:
        """A phrase as the rule cuts it, in the language of the utterance."""
        known = self._tokens.get((text, language))
        if known is None:
            known = self._tokens[text, language] = tuple(self.rule(text, language))
        return known


def score_hotwords(
    aligned: Sequence[Aligned],
    reference: Side,
    rule: Normalizer,
    config: HotwordScoreConfig,
    sample: SampleConfig,
    baseline: Side | None = None,
) -> HotwordScore:
    """The score of the hotwords that the options name.

    Args:
        aligned: the utterances; their alignment is not looked at, for error rates of hotwords have their own.
        reference: with the tables of lists beside it.
        rule: what the tokens are, of phrases as of texts.
        config: the lists, and perhaps that of the R1 phrases.
        sample: number of resamplings and seed.
        baseline: hypotheses of a general recogniser, by whose recall the R1 phrases are known.

    Raises:
        DataError: lists or baseline cannot be read, or are not of these utterances.
    """
    languages = languages_of(reference)
    lists = read_lists(Path(config.hotwords or ""), reference.data, reference.table)
    index = _Index(lists, rule)
    found: dict[str, UtteranceHotwords] = {}
    for utterance in aligned:
        language = languages.get(utterance.key, "")
        said = index.find(utterance.key, utterance.reference, language)
        heard = index.find(utterance.key, utterance.hypothesis, language)
        found[utterance.key] = _score(utterance, said, heard, lists.of(utterance.key).own)
    r1, r1_source = None, ""
    if config.hotword_r1 is not None:
        r1, r1_source = frozenset(read_list(Path(config.hotword_r1)).texts), config.hotword_r1
    elif baseline is not None:
        r1, r1_source = _hard_for(baseline, found, index, languages), f"recall below {R1_RECALL:g}% in {baseline.path}"
    return HotwordScore(
        lists.source,
        found,
        {phrase: tuple(topics) for phrase, topics in index.topics.items()},
        r1,
        r1_source,
        list(index.unspelt),
        _intervals(found.values(), sample),
    )


def _score(
    utterance: Aligned, said: Sequence[Occurrence], heard: Sequence[Occurrence], own: frozenset[str] | None
) -> UtteranceHotwords:
    names = {occurrence.phrase for occurrence in said}
    if own is not None:
        names &= own
    sides = ([occurrence for occurrence in side if occurrence.phrase in names] for side in (said, heard))
    counts = biased_and_not(utterance.reference, utterance.hypothesis, *sides)
    return UtteranceHotwords(tuple(said), tuple(heard), hits(said, heard), *counts)


def _sums(utterances: Iterable[UtteranceHotwords]) -> dict[str, Hits]:
    sums: dict[str, Hits] = {}
    for utterance in utterances:
        for phrase, found in utterance.phrases.items():
            sums[phrase] = sums.get(phrase, Hits()) + found
    return sums


def _hard_for(
    baseline: Side, found: Mapping[str, UtteranceHotwords], index: _Index, languages: Mapping[str, str]
) -> frozenset[str]:
    """The R1 phrases: those that are in references, and of which the baseline has less than 40%."""
    if absent := sorted(found.keys() - baseline.table.keys()):
        first = f"{absent[0]} {'is' if len(absent) == 1 else f'and {len(absent) - 1} others are'} not in the baseline"
        raise DataError(f"{baseline.path}: {first}, so it is not known which phrases it has")
    sums: dict[str, Hits] = {}
    for key, utterance in found.items():
        heard = index.find(key, index.rule(baseline.table[key], languages.get(key, "")), languages.get(key, ""))
        for phrase, of_phrase in hits(utterance.reference, heard).items():
            sums[phrase] = sums.get(phrase, Hits()) + of_phrase
    return frozenset(name for name, hit in sums.items() if hit.recall is not None and hit.recall < R1_RECALL)


def _intervals(utterances: Iterable[UtteranceHotwords], sample: SampleConfig) -> dict[str, Interval | None]:
    rows = [(one.hits, one.biased, one.unbiased) for one in utterances]
    columns = {
        "recall": [(found.right, found.reference) for found, _, _ in rows],
        "precision": [(found.right, found.hypothesis) for found, _, _ in rows],
        "f1": [(2 * found.right, found.reference + found.hypothesis) for found, _, _ in rows],
        "biased": [(biased.errors, biased.tokens) for _, biased, _ in rows],
        "unbiased": [(unbiased.errors, unbiased.tokens) for _, _, unbiased in rows],
    }
    arrays = {name: np.array(counts, np.int64).reshape(-1, 2) for name, counts in columns.items()}
    return {name: interval(counts, ratio, sample) for name, counts in arrays.items()}
