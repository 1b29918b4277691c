"""The two test sets of WenetSpeech."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import ijson

from firered.cli.corpus import prepare
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.files import need
from firered.errors import DataError

SETS = {"TEST_NET": ("ws-net", 24774), "TEST_MEETING": ("ws-meeting", 8370)}  # subset: name, utterances
GET = "get the corpus as wenet-e2e.github.io/WenetSpeech says, or its shards from a hub (data/cuts_TEST_NET...)"


def read(corpus: Path) -> Iterator[CorpusSet | Reading]:
    """Data directories of the test sets of WenetSpeech; CORPUS holds WenetSpeech.json and audio/, or a copy."""
    listing = corpus / "WenetSpeech.json"
    if not listing.is_file() and any(copy_of(corpus, *words(subset)) for subset in SETS):
        for subset, (name, _) in SETS.items():
            yield Reading(name, partial(read_copy, corpus, subset))
        return
    need(listing, GET)
    found = {subset: new_set(subset, listing) for subset in SETS}
    for subsets, entry in utterances(listing):
        for subset in found.keys() & subsets:
            found[subset].add(entry)
    yield from found.values()


def new_set(subset: str, source: Path) -> CorpusSet:
    """The set of a subset, still empty."""
    name, expected = SETS[subset]
    return CorpusSet(name, source, expected, compressed=True, language="zh")


def words(subset: str) -> list[str]:
    """The words by which the files of a copy's subset are known."""
    return subset.lower().split("_")


def read_copy(corpus: Path, subset: str) -> CorpusSet:
    """A test set of shards of lhotse or parquet files."""
    found = new_set(subset, corpus)
    add_copy(found, corpus, copy_of(corpus, *words(subset)))
    return found


def utterances(listing: Path) -> Iterator[tuple[set[str], Entry]]:
    """The utterances with the subsets they are in; the listing is too long to be loaded as a whole.

    Raises:
        DataError: it is not JSON, or lacks something.
    """
    with listing.open("rb") as stream:
        audio: dict[str, Any] = {}
        try:
            for audio in ijson.items(stream, "audios.item", use_float=True):
                recording, path = audio["aid"], listing.parent / audio["path"]
                for segment in audio["segments"]:
                    span = (segment["begin_time"], segment["end_time"])
                    entry = Entry(segment["sid"], path, recording, segment["text"], recording=recording, span=span)
                    yield set(segment["subsets"]), entry
        except KeyError as error:
            raise DataError(f"{listing}: recording {audio.get('aid')} lacks {error}") from None
        except (ijson.JSONError, ValueError, TypeError) as error:
            raise DataError(f"{listing}: not readable as JSON: {error}") from None


if __name__ == "__main__":
    prepare(read)
