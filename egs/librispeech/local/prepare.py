"""The test sets of LibriSpeech."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.files import need
from firered.data.datadir import read_table
from firered.data.files import visible

EXPECTED = {"test-clean": 2620, "test-other": 2939}
GET = "get {}.tar.gz from openslr.org/12 and unpack it"


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of test-clean and test-other; CORPUS holds LibriSpeech/, or is it, or has parquet files."""
    for part in EXPECTED:
        yield Reading(f"librispeech-{part}", partial(read_part, corpus, part))


def read_part(corpus: Path, part: str) -> CorpusSet:
    """A test set, as it is published or from a copy."""
    root = corpus / "LibriSpeech" if (corpus / "LibriSpeech").is_dir() else corpus
    found = CorpusSet(f"librispeech-{part}", root / part, EXPECTED[part], language="en")
    listings = visible(root / part, "*/*/*.trans.txt")
    if not listings and (files := copy_of(corpus, *part.split("-"))):
        add_copy(found, corpus, files)
        return found
    need(root / part, GET.format(part))
    for listing in listings:
        speaker = listing.name.removesuffix(".trans.txt")  # reader and chapter, as Kaldi's recipe has it
        transcripts = read_table(listing)
        for key, text in transcripts.items():
            found.add(Entry(key, listing.parent / f"{key}.flac", speaker, text))
        for flac in visible(listing.parent, "*.flac"):
            if flac.stem not in transcripts:
                found.miss(flac.stem, f"no transcript in {listing}")
    return found


if __name__ == "__main__":
    prepare(read)
