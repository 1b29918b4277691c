"""The score of a recogniser's text: everything that the reports are written from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from firered.scoring.config import SampleConfig
from firered.scoring.hotwords import HotwordScore
from firered.scoring.inputs.groups import Groups, groups
from firered.scoring.inputs.languages import languages_of
from firered.scoring.inputs.pair import Side, confidences, missing_and_extra
from firered.scoring.inputs.unseen import Unseen, unseen_of
from firered.scoring.metrics.bootstrap import Interval, interval, ratio
from firered.scoring.metrics.calibration import Calibration, calibrate
from firered.scoring.metrics.error_rate import Aligned, Counts, align_texts, by_kind, confusions, total
from firered.scoring.text.normalise import Normalizer

_FEW = 0.1  # of the tokens


@dataclass
class AsrScore:
    """References and hypotheses, aligned, and what is counted over them.

    `missing` are ids without a hypothesis, `extra` ids without a reference; `left_out` says whether the rule leaves the
    missing ones out, as the released tool does, instead of counting them as deletions. `note` is what the rule says of
    its figures. `unseen` is what each side has that is not seen, where the rule does not do away with it. `hotwords` is
    the score of those that are asked for.
    """

    aligned: list[Aligned]
    normalizer: str
    missing: list[str]
    extra: list[str]
    left_out: bool
    interval: Interval | None
    groups: dict[str, Groups]
    calibration: Calibration | None
    note: str = ""
    unseen: Mapping[str, Unseen] = field(default_factory=dict)
    confidences: Mapping[str, float] = field(default_factory=dict)
    hotwords: HotwordScore | None = None

    @cached_property
    def total(self) -> Counts:
        """The sum over all utterances."""
        return total(utterance.counts for utterance in self.aligned)

    @cached_property
    def confusions(self) -> Counter[tuple[str, str]]:
        """How often which tokens stand against each other."""
        return confusions(self.aligned)

    @cached_property
    def kinds(self) -> dict[str, Counts]:
        """Characters and words apart."""
        return by_kind(self.aligned, self.confusions)

    def notes(self) -> list[str]:
        """What has to be said of the figures: the rule's note, and warnings."""
        return [*filter(None, [self.note]), *self.warnings()]

    def warnings(self) -> list[str]:
        """What may count as an error though nobody sees it."""
        fate = f"{self.normalizer} compares them as they are, firered leaves such differences out"
        return [f"{side}: {unseen}; {fate}" for side, unseen in self.unseen.items()]

    @cached_property
    def most_common(self) -> list[tuple[tuple[str, str], int]]:
        """Confusions, the most frequent first, equally frequent ones in order of the tokens."""
        return sorted(self.confusions.items(), key=lambda item: (-item[1], item[0]))

    @property
    def _share(self) -> float:
        """Of the references' tokens, how many are characters; 0 where there are none."""
        tokens = self.total.tokens
        return self.kinds["characters"].tokens / tokens if tokens else 0.0

    @property
    def rate_name(self) -> str:
        """CER of characters, WER of words, MER of both.

        A few of the other kind change no name: Chinese test sets have English words, and their rate is called CER.
        """
        if _FEW < self._share < 1 - _FEW:
            return "MER"
        return "WER" if self._share <= _FEW else "CER"

    @property
    def unit(self) -> str:
        """What the tokens are, in words."""
        if self._share in (0, 1):
            return "characters" if self._share else "words"
        return f"characters ({100 * self._share:.1f}%) and words, in one stream"


def score_texts(
    reference: Side, hypothesis: Side, rule: Normalizer, config: SampleConfig, by: Sequence[str] = ()
) -> AsrScore:
    """The score of one side's texts against another's; `by` names the tables that group them, none: all.

    Raises:
        DataError: such a table is not there.
    """
    aligned = align_texts(reference.table, hypothesis.table, rule, languages_of(reference))
    missing, extra = missing_and_extra(reference, hypothesis)
    probabilities = confidences(hypothesis.data, "utt2conf")
    errors = [(utterance.counts.errors, utterance.counts.tokens) for utterance in aligned]
    return AsrScore(
        aligned,
        rule.label,
        missing,
        extra,
        rule.skips_missing,
        interval(np.array(errors, np.int64).reshape(-1, 2), ratio, config),
        groups(aligned, reference, probabilities, by),
        _calibration(aligned, probabilities),
        rule.note,
        unseen_of(reference, hypothesis) if rule.keeps_invisible else {},
        probabilities,
    )


def _calibration(aligned: list[Aligned], probabilities: Mapping[str, float]) -> Calibration | None:
    """Confidence of an utterance against the share of the hypothesis's tokens that are right."""
    known = [utterance for utterance in aligned if utterance.key in probabilities]
    return calibrate(
        np.array([probabilities[utterance.key] for utterance in known], float),
        np.array([utterance.counts.correct for utterance in known], float),
        np.array([len(utterance.hypothesis) for utterance in known], float),
    )
