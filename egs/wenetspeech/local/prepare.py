"""The two test sets of WenetSpeech."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ijson

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need
from firered.errors import DataError

SETS = {"TEST_NET": ("ws-net", 24774), "TEST_MEETING": ("ws-meeting", 8370)}  # subset: name, utterances


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directories of the test sets of WenetSpeech; CORPUS holds WenetSpeech.json and audio/."""
    listing = need(corpus / "WenetSpeech.json")
    found = {subset: CorpusSet(name, listing, count, compressed=True) for subset, (name, count) in SETS.items()}
    for subsets, entry in utterances(listing):
        for subset in found.keys() & subsets:
            found[subset].add(entry)
    yield from found.values()


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
        except (ijson.JSONError, ValueError) as error:
            raise DataError(f"{listing}: not readable as JSON: {error}") from None


if __name__ == "__main__":
    prepare(read)
