"""Utterances in groups: by every table utt2NAME of the reference's directory, by length, duration and confidence."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from firered.data.files import visible
from firered.errors import DataError
from firered.scoring.inputs.pair import Side
from firered.scoring.metrics.error_rate import Aligned, Counts, total

_TABLE = re.compile(r"utt2(\w+)")
_NAMES = {"spk": "speaker", "lang": "language", "subdialect": "dialect"}  # of groups, where that is not NAME
_NO_LABELS = {
    "dur",
    "num_frames",
    "uniq",
    "score",
    "prompt",
    "conf",
    "lang_conf",
}  # NAME of known tables of other things
_LENGTHS = (0, 1, 6, 11, 21, 51)  # tokens of the reference: first of each group
_DURATIONS_S = (0, 2, 5, 10, 20, 30, 60)
_CONFIDENCES = tuple(tenth / 10 for tenth in range(10))
_FEW = 20  # utterances may each have a label of their own, and these be groups all the same
UNKNOWN = "-"

Groups = dict[str, Counts]


def groups(
    aligned: Sequence[Aligned], reference: Side, confidences: Mapping[str, float], by: Sequence[str] = ()
) -> dict[str, Groups]:
    """The sums of each group, by what is grouped; what nothing is known about is left out.

    Args:
        aligned: the utterances.
        reference: with the tables of labels and durations beside it.
        confidences: of the hypotheses.
        by: names of the tables that are wanted; none: all that are there.

    Raises:
        DataError: a table that is wanted is not there.
    """
    found = {name: _by_label(aligned, labels) for name, labels in labels_of(reference, by).items()}
    lengths = {utterance.key: utterance.counts.tokens for utterance in aligned}
    found["length"] = _by_range(aligned, lengths, _LENGTHS, whole=True)
    durations = reference.data.durations() if reference.data.path.is_dir() else {}
    for name, values, starts in (("duration", durations, _DURATIONS_S), ("confidence", confidences, _CONFIDENCES)):
        if any(utterance.key in values for utterance in aligned):
            found[name] = _by_range(aligned, values, starts)
    return found


def labels_of(side: Side, by: Sequence[str] = ()) -> dict[str, Mapping[str, str]]:
    """The labels of the utterances by the name of the group: speaker, language, dialect, or NAME of utt2NAME.

    Where all tables are taken, those that tell no groups are left out: of numbers, and where each utterance has a label
    of its own.

    Args:
        side: with the tables beside it.
        by: `NAME` or `utt2NAME` or the group's name, of those that are wanted; none: all.

    Raises:
        DataError: one that is wanted is not there.
    """
    there = _tables(side)
    if not by:
        return {group: labels for group, labels in there.items() if _tells_groups(labels, side)}
    wanted = {name: _NAMES.get(name.removeprefix("utt2"), name.removeprefix("utt2")) for name in by}
    for name, group in wanted.items():
        if group not in there:
            others = f"there are {', '.join(there)}" if there else "there is no such table"
            raise DataError(f"{side.data.path}: no utt2{name.removeprefix('utt2')} to group by; {others}")
    return {group: there[group] for group in wanted.values()}


def _tables(side: Side) -> dict[str, Mapping[str, str]]:
    """All tables of labels beside a side, in order: speaker, language, dialect, the others."""
    found: dict[str, Mapping[str, str]] = {}
    names = {file.name for file in visible(side.data.path, "utt2*") if file.is_file()}
    first = [name for name in ("utt2spk", "utt2lang", "utt2dialect", "utt2subdialect") if name in names]
    for file in (*first, *sorted(names - set(first))):
        matched = _TABLE.fullmatch(file)
        if matched and matched[1] not in _NO_LABELS and (labels := side.data.table(file)):
            found.setdefault(_NAMES.get(matched[1], matched[1]), labels)
    return found


def _tells_groups(labels: Mapping[str, str], side: Side) -> bool:
    known = [(key, labels[key]) for key in side.table if key in labels]
    if not known or all(label == key for key, label in known):  # each utterance its own speaker: nothing is known
        return False
    own = len({label for _, label in known}) == len(known) > _FEW
    return not own and not all(map(_is_number, (label for _, label in known)))


def _is_number(label: str) -> bool:
    try:
        float(label)
    except ValueError:
        return False
    return True


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
        name = UNKNOWN if value is None else names[max(0, bisect_right(starts, value) - 1)]
        members.setdefault(name, []).append(utterance.counts)
    return {name: total(members[name]) for name in (*names, UNKNOWN) if name in members}


def _range_name(start: float, after: float, whole: bool) -> str:
    if not whole:
        return f"{start:g} to {after:g}"
    return f"{start:g}" if after - start == 1 else f"{start:g} to {after - 1:g}"
