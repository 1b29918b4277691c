"""Utterances of several corpora of Chinese dialects in one set, under the labels of a recipe's table."""

from collections.abc import Mapping
from dataclasses import replace

from firered.corpora.corpus_set import CorpusSet


def add_labelled(found: CorpusSet, part: CorpusSet, labels: Mapping[str, str]) -> None:
    """Add the utterances of a part, prefixed ids, with the labels of their dialects, else of the part's name."""
    part.count()
    found.missing += [f"{part.name}-{line}" for line in part.missing]
    found.left_out += [f"{part.name}-{line}" for line in part.left_out]
    for key, entry in part.entries.items():
        label = labels.get(entry.dialect or part.name)
        key = f"{part.name}-{key}"
        if label is None:
            found.leave_out(key, f"no label for {entry.dialect or part.name}")
        else:
            recording = entry.recording and f"{part.name}-{entry.recording}"
            found.add(replace(entry, key=key, recording=recording, language=label, dialect=None, text=None, raw=None))
