"""agreement.tsv, a line an utterance, and systems.tsv, a line a system."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from firered.data.datadir import write_lines
from firered.labelling.agreement import Judged, SystemRow


def write_agreement(path: Path, found: Mapping[str, Judged], seconds: Mapping[str, float]) -> None:
    """Seconds, agreement, errors of each other system in percent, whether it is kept, and the label.

    A dash stands for a system without a text.
    """
    names = list(next(iter(found.values())).rates)
    lines = ["\t".join(["utterance", "seconds", "agreement", *names, "kept", "label"])]
    for key, one in found.items():
        rates = [_rate(one.rates[name]) for name in names]
        kept = "no" if one.reason else "yes"
        lines.append("\t".join([key, f"{seconds[key]:.3f}", _rate(one.agreement), *rates, kept, one.label]))
    write_lines(path, lines)


def write_systems(path: Path, rows: Sequence[SystemRow], threshold: float) -> None:
    """Utterances and hours of each system, its error rate against each other's text, and what is kept of it."""
    names = [row.name for row in rows]
    head = ["system", "utterances", "hours", *(f"against {name} %" for name in names)]
    head += [f"within {threshold:g}% of the label", "hours", "kept", "hours", "kept %"]
    lines = ["\t".join(head)]
    for row in rows:
        against = ["" if name == row.name else _rate(row.against[name]) for name in names]
        share = 100 * row.kept[0] / row.utterances if row.utterances else 0.0
        counts = [str(row.within[0]), f"{row.within[1]:.4f}", str(row.kept[0]), f"{row.kept[1]:.4f}", f"{share:.1f}"]
        lines.append("\t".join([row.name, str(row.utterances), f"{row.hours:.4f}", *against, *counts]))
    write_lines(path, lines)


def _rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.2f}"
