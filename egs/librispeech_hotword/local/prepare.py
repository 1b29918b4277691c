"""The test sets of LibriSpeech, each utterance with a list of rare words: its own, and N distractors."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Reading
from firered.corpora.files import need, rows
from firered.corpora.librispeech import TEST, read_part
from firered.errors import DataError

log = logging.getLogger(__name__)

DISTRACTORS = (100, 500, 1000, 2000)
GET_LISTS = "git clone https://github.com/facebookresearch/fbai-speech"


def read(corpus: Path, lists: Path) -> Iterator[Reading]:
    """Data directories of the test sets with each number of distractors.

    CORPUS is LibriSpeech; LISTS a checkout of facebookresearch/fbai-speech, its is21_deep_bias/, or the ref/ of that.
    """
    for place in (lists / "is21_deep_bias/ref", lists / "ref"):
        if place.is_dir():
            lists = place
            break
    for part in TEST:
        for number in DISTRACTORS:
            name = f"librispeech-{part}-{number}"
            yield Reading(name, partial(read_set, corpus, lists / f"{part}.biasing_{number}.tsv", part, name))


def read_set(corpus: Path, table: Path, part: str, name: str) -> CorpusSet:
    """A test set with the lists of a table: id, text, rare words of the text, all words of the list."""
    need(table, GET_LISTS)
    found = read_part(corpus, part, name)
    others, different = 0, []
    for number, (key, text, own, listed) in enumerate(rows(table, 4), start=1):
        if key not in found.entries:
            others += 1
            continue
        words = _words(table, number, listed)
        if set(_words(table, number, own)) != set(words) & set(text.split()):
            different.append(key)
        if text.lower() != (found.entries[key].text or "").lower():  # the table has small letters, the corpus capitals
            found.miss(key, f"{table} has another transcript: {text!r}")
            del found.entries[key]
        else:
            found.entries[key] = replace(found.entries[key], labels={"hotwords": key} if words else {})
    if others:
        log.warning("%s: %d utterances of %s are not in the corpus", name, others, table)
    if different:
        log.warning(
            "%s: the third column of %s is not what is in list and text, of %d utterances such as %s; scores go by the "
            "latter", name, table, len(different), different[0],
        )  # fmt: skip
    without = [key for key, entry in found.entries.items() if not entry.labels]
    if without:
        log.warning("%s: %d utterances have no list, such as %s", name, len(without), without[0])
    found.files = _lists(table, found)
    return found


def _lists(table: Path, found: CorpusSet) -> Iterator[tuple[str, list[str]]]:
    """A file for each utterance; read once more, since all lists together are large."""
    for number, (key, _, _, listed) in enumerate(rows(table, 4), start=1):
        if key in found.entries:
            yield f"hotwords/{key}.txt", _words(table, number, listed)


def _words(table: Path, number: int, cell: str) -> list[str]:
    try:
        words = json.loads(cell)
    except ValueError:
        words = None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise DataError(f"{table}:{number}: not a list of words in brackets and quotes: {cell[:60]!r}")
    return words


if __name__ == "__main__":
    prepare(read)
