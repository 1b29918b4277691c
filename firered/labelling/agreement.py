"""How far systems agree on utterances, and which of their texts are labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from firered.labelling.config import LabelConfig
from firered.scoring.metrics.error_rate import Counts, align_texts, percent
from firered.scoring.text.normalise import Normalizer

Texts = Mapping[str, str]  # by utterance
_HOURS = 3600.0


@dataclass(frozen=True)
class Judged:
    """An utterance: its label, how far each other system is from it, and why it is not kept.

    Attributes:
        label: the first system's text, or the transcript; empty where it has none.
        rates: errors of each other system's text in percent of the label's tokens; None where it has no text.
        agreement: the rate that decides, of the system that disagrees most among those that have to agree.
        reason: why it is not kept; empty: it is.
    """

    label: str
    rates: dict[str, float | None]
    agreement: float | None
    reason: str


def judged(
    keys: Sequence[str],
    label: str,
    texts: Mapping[str, Texts],
    seconds: Mapping[str, float],
    rule: Normalizer,
    config: LabelConfig,
    failed: Mapping[str, Mapping[str, str]] | None = None,
    languages: Mapping[str, str] | None = None,
) -> dict[str, Judged]:
    """What becomes of each utterance.

    Args:
        keys: the utterances.
        label: the system whose texts are the labels.
        texts: of each system.
        seconds: of the utterances, as far as they are known.
        rule: what tokens are compared.
        config: what is kept.
        failed: reasons by system and utterance where there is no text.
        languages: codes of the utterances, for rules that go by them.
    """
    others = [name for name in texts if name != label]
    labels = {key: texts[label][key] for key in keys if key in texts[label]}
    rates = {name: _rates(labels, texts[name], rule, languages) for name in others}
    silent = {key for key in labels if not rule(labels[key], (languages or {}).get(key, ""))}
    found = {}
    for key in keys:
        own = {name: rates[name].get(key) for name in others}
        in_order = sorted(rate for rate in own.values() if rate is not None)
        wanted = config.agree or len(others)
        agreement = in_order[wanted - 1] if len(in_order) >= wanted else None
        reason = ""
        if key not in labels:
            reason = f"no text of {label}{_why(failed, label, key)}"
        elif key in silent:
            reason = f"{label} wrote no words"
        elif seconds.get(key, config.min_seconds) < config.min_seconds:
            reason = f"{seconds[key]:.2f} s are less than min_seconds {config.min_seconds:g}"
        elif agreement is None:
            missing = [f"{name}{_why(failed, name, key)}" for name in others if own[name] is None]
            reason = f"no text of {', '.join(missing)}"
        elif agreement > config.threshold:
            apart = [
                f"{name} {rate:.1f}%" for name, rate in own.items() if rate is not None and rate > config.threshold
            ]
            reason = f"differs: {', '.join(apart)}, above {config.threshold:g}%"
        found[key] = Judged(labels.get(key, ""), own, agreement, reason)
    return found


def _rates(
    labels: dict[str, str], texts: Texts, rule: Normalizer, languages: Mapping[str, str] | None
) -> dict[str, float]:
    """Errors in percent of the label's tokens, of the utterances that both have a text of."""
    both = {key: text for key, text in labels.items() if key in texts}
    rates = {}
    for one in align_texts(both, dict(texts), rule, languages):
        rate = one.counts.rate
        rates[one.key] = rate if rate is not None else (100.0 if one.counts.errors else 0.0)
    return rates


def _why(failed: Mapping[str, Mapping[str, str]] | None, system: str, key: str) -> str:
    reason = (failed or {}).get(system, {}).get(key, "")
    return f" ({reason})" if reason else ""


@dataclass(frozen=True)
class SystemRow:
    """A system over all utterances.

    Attributes:
        name: the system.
        utterances: those that it has a text of.
        hours: of these.
        against: its error rate in percent against each other system's text as the reference; None: no words.
        within: utterances whose label it is within the threshold of, and their hours.
        kept: those of them that are kept, and their hours.
    """

    name: str
    utterances: int
    hours: float
    against: dict[str, float | None] = field(default_factory=dict)
    within: tuple[int, float] = (0, 0.0)
    kept: tuple[int, float] = (0, 0.0)


def system_rows(
    label: str,
    texts: Mapping[str, Texts],
    found: Mapping[str, Judged],
    seconds: Mapping[str, float],
    rule: Normalizer,
    threshold: float,
    languages: Mapping[str, str] | None = None,
) -> list[SystemRow]:
    """A row for each system."""
    rows = []
    for name, own in texts.items():
        there = [key for key in found if key in own]
        within = [key for key in there if name == label or _at_most(found[key].rates[name], threshold)]
        kept = [key for key in within if not found[key].reason]
        against = {
            other: _total_rate({key: texts[other][key] for key in there if key in texts[other]}, own, rule, languages)
            for other in texts
            if other != name
        }
        rows.append(
            SystemRow(
                name,
                len(there),
                hours_of(there, seconds),
                against,
                (len(within), hours_of(within, seconds)),
                (len(kept), hours_of(kept, seconds)),
            )
        )
    return rows


def _at_most(rate: float | None, threshold: float) -> bool:
    return rate is not None and rate <= threshold


def _total_rate(
    references: dict[str, str], texts: Texts, rule: Normalizer, languages: Mapping[str, str] | None
) -> float | None:
    counts = [one.counts for one in align_texts(references, dict(texts), rule, languages)]
    return _rate(counts)


def _rate(counts: Sequence[Counts]) -> float | None:
    return percent(sum(one.errors for one in counts), sum(one.tokens for one in counts))


def hours_of(keys: Sequence[str], seconds: Mapping[str, float]) -> float:
    """Hours of the utterances whose length is known."""
    return sum(seconds.get(key, 0.0) for key in keys) / _HOURS
