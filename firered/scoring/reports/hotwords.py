"""What a score of hotwords adds to the report of a recogniser's errors."""

from collections.abc import Iterator

from firered.scoring.hotwords import HotwordScore
from firered.scoring.metrics.error_rate import Counts
from firered.scoring.metrics.hotwords import Hits
from firered.scoring.reports.lines import boxed, listed, shown, shown_interval, tsv
from firered.scoring.reports.report import Figure

TABLE = "hotwords.tsv"
COUNTED = (
    *("hotwords_right", "hotwords_reference", "hotwords_hypothesis"),
    *("biased_errors", "biased_tokens", "unbiased_errors", "unbiased_tokens"),
)
_ALL = "all"


def metrics(score: HotwordScore, rate_name: str) -> dict[str, Figure]:
    """The figures that firered-table takes; `rate_name` is CER, WER or MER."""
    found = {
        "hotword recall%": Figure(score.total.recall, score.intervals["recall"]),
        "hotword precision%": Figure(score.total.precision, score.intervals["precision"]),
        "hotword F1%": Figure(score.total.f1, score.intervals["f1"]),
        f"B-{rate_name}%": Figure(score.biased.rate, score.intervals["biased"]),
        f"U-{rate_name}%": Figure(score.unbiased.rate, score.intervals["unbiased"]),
    }
    for name, hits in score.parts.items():
        figures = {"recall": hits.recall, "precision": hits.precision, "F1": hits.f1}
        found |= {f"hotword {figure} ({name})%": Figure(value) for figure, value in figures.items()}
    return found


def counts(score: HotwordScore) -> dict[str, tuple[int, ...]]:
    """What is counted of each utterance, by the names of COUNTED."""
    found: dict[str, tuple[int, ...]] = {}
    for key, utterance in score.utterances.items():
        hits, inside, outside = utterance.hits, utterance.biased, utterance.unbiased
        errors = (inside.errors, inside.tokens, outside.errors, outside.tokens)
        found[key] = (hits.right, hits.reference, hits.hypothesis, *errors)
    return found


def fields(score: HotwordScore) -> dict[str, object]:
    """For score.json."""
    return {
        "lists": str(score.source),
        **_of_hits(score.total),
        "biased": _of_counts(score.biased),
        "unbiased": _of_counts(score.unbiased),
        "parts": {name: _of_hits(hits) for name, hits in score.parts.items()},
        "r1_phrases": None if score.r1 is None else sorted(score.r1),
        "r1_source": score.r1_source or None,
        "unspelt": list(score.unspelt),
    }


def _of_hits(hits: Hits) -> dict[str, int | float | None]:
    integers = {"reference": hits.reference, "hypothesis": hits.hypothesis, "right": hits.right}
    return {**integers, "recall": hits.recall, "precision": hits.precision, "f1": hits.f1}


def _of_counts(counts: Counts) -> dict[str, int | float | None]:
    names = ("tokens", "errors", "correct", "substitutions", "deletions", "insertions", "rate")
    return {name: getattr(counts, name) for name in names}


def table(score: HotwordScore) -> Iterator[str]:
    """The lines of hotwords.tsv: each phrase that is in a text."""
    columns = ("phrase", "topics", "r1", "reference", "hypothesis", "right", "recall", "precision", "f1")
    rows = (
        (
            *(phrase, ", ".join(score.topics.get(phrase, ())), _yes_or_no(score, phrase)),
            *(hits.reference, hits.hypothesis, hits.right, hits.recall, hits.precision, hits.f1),
        )
        for phrase, hits in score.phrases.items()
    )
    return tsv(columns, rows)


def _yes_or_no(score: HotwordScore, phrase: str) -> str:
    if score.r1 is None:
        return "-"
    return "yes" if phrase in score.r1 else "no"


def lines(score: HotwordScore, rate_name: str) -> Iterator[str]:
    """What score.txt says."""
    yield ""
    yield f"hotwords of {score.source}; each phrase is in {TABLE}"
    rows = [_row(name, hits) for name, hits in score.parts.items()]
    heading = ("hotwords", "# Ref", "# Hyp", "Right", "Recall", "Prec", "F1")
    yield from boxed(heading, [*rows, _row(_ALL, score.total)])
    if score.r1 is not None:
        yield f"R1: {len(score.r1)} phrases, by {score.r1_source}"
    if score.unspelt:
        unspelt = listed(score.unspelt)
        yield f"nothing is left of {len(score.unspelt)} phrases by this rule, they are never found: {unspelt}"
    yield ""
    intervals = score.intervals
    for name, counts, key in (("B", score.biased, "biased"), ("U", score.unbiased, "unbiased")):
        yield (
            f"{name}-{rate_name} {shown(counts.rate)} %   95% interval {shown_interval(intervals[key])}   "
            f"{counts.errors} errors in {counts.tokens} tokens: {counts.substitutions} substitutions, "
            f"{counts.deletions} deletions, {counts.insertions} insertions"
        )
    whole = score.biased + score.unbiased
    yield f"      together {whole.errors} errors in {whole.tokens} tokens, by an alignment of their own (costs 3, 3, 4)"


def _row(name: str, hits: Hits) -> tuple[str, ...]:
    counted = (str(number) for number in (hits.reference, hits.hypothesis, hits.right))
    return name, *counted, shown(hits.recall), shown(hits.precision), shown(hits.f1)
