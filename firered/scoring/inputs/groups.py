"""Utterances in groups: by speaker, language, dialect, length, duration and confidence."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from firered.scoring.inputs.pair import Side
from firered.scoring.metrics.error_rate import Aligned, Counts, total

# group -> the tables of the reference's data directory that give it; the first that is there counts
_LABELS = {"speaker": ("utt2spk",), "language": ("utt2lang",), "dialect": ("utt2dialect", "utt2subdialect")}
_LENGTHS = (0, 1, 6, 11, 21, 51)  # tokens of the reference: first of each group
_DURATIONS_S = (0, 2, 5, 10, 20, 30, 60)
_CONFIDENCES = tuple(tenth / 10 for tenth in range(10))
UNKNOWN = "-"

Groups = dict[str, Counts]


def groups(aligned: Sequence[Aligned], reference: Side, confidences: Mapping[str, float]) -> dict[str, Groups]:
    """The sums of each group, by what is grouped; what nothing is known about is left out.

    Args:
        aligned: the utterances.
        reference: with the tables of speakers, languages, dialects and durations beside it.
        confidences: of the hypotheses.
    """
    found = {name: _by_label(aligned, labels) for name, labels in labels_of(reference).items()}
    lengths = {utterance.key: utterance.counts.tokens for utterance in aligned}
    found["length"] = _by_range(aligned, lengths, _LENGTHS, whole=True)
    durations = reference.data.durations() if reference.data.path.is_dir() else {}
    for name, values, starts in (("duration", durations, _DURATIONS_S), ("confidence", confidences, _CONFIDENCES)):
        if any(utterance.key in values for utterance in aligned):
            found[name] = _by_range(aligned, values, starts)
    return found


def labels_of(side: Side) -> dict[str, Mapping[str, str]]:
    """Speaker, language and dialect of the utterances, as far as they are known."""
    found: dict[str, Mapping[str, str]] = {}
    for name, tables in _LABELS.items():
        labels = next(filter(None, map(side.data.table, tables)), None)
        # Where every utterance is its own speaker, nothing is known about speakers.
        if labels and any(labels.get(key, key) != key for key in side.table):
            found[name] = labels
    return found


def _by_label(aligned: Iterable[Aligned], labels: Mapping[str, str]) -> Groups:
    members: dict[str, list[Counts]] = {}
    for utterance in aligned:
        members.setdefault(labels.get(utterance.key, UNKNOWN), []).append(utterance.counts)
    return {label: total(members[label]) for label in sorted(members)}


def _by_range(
    aligned: Iterable[Aligned], values: Mapping[str, float], starts: Sequence[float], whole: bool = False
) -> Groups:
    names = [_range_name(start, after, whole) for start, after in pairwise(starts)] + [f"{starts[-1]:g} or more"]
    members: dict[str, list[Counts]] = {}
    for utterance in aligned:
        value = values.get(utterance.key)
        name = UNKNOWN if value is None else names[max(0, sum(start <= value for start in starts) - 1)]
        members.setdefault(name, []).append(utterance.counts)
    return {name: total(members[name]) for name in (*names, UNKNOWN) if name in members}


def _range_name(start: float, after: float, whole: bool) -> str:
    if not whole:
        return f"{start:g} to {after:g}"
    return f"{start:g}" if after - start == 1 else f"{start:g} to {after - 1:g}"
