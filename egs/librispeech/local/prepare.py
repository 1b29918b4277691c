"""The test sets of LibriSpeech."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.data.datadir import read_table
from firered.data.files import matching

EXPECTED = {"test-clean": 2620, "test-other": 2939}


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directories of test-clean and test-other; CORPUS holds LibriSpeech/, or is that folder."""
    root = corpus / "LibriSpeech" if (corpus / "LibriSpeech").is_dir() else corpus
    for part, expected in EXPECTED.items():
        found = CorpusSet(f"librispeech-{part}", root / part, expected)
        for listing in matching(root / part, "*/*/*.trans.txt"):
            speaker = listing.name.removesuffix(".trans.txt")  # reader and chapter, as Kaldi's recipe has it
            transcripts = read_table(listing)
            for key, text in transcripts.items():
                found.add(Entry(key, listing.parent / f"{key}.flac", speaker, text))
            for flac in matching(listing.parent, "*.flac"):
                if flac.stem not in transcripts:
                    found.miss(flac.stem, f"no transcript in {listing}")
        yield found


if __name__ == "__main__":
    prepare(read)
