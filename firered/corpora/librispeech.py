"""LibriSpeech: its sets, as they are published or from a copy."""

from pathlib import Path

from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need
from firered.data.datadir import read_table
from firered.data.files import visible

TEST = ("test-clean", "test-other")
EXPECTED = {
    "test-clean": 2620,
    "test-other": 2939,
    "dev-clean": 2703,
    "dev-other": 2864,
    "train-clean-100": 28539,
    "train-clean-360": 104014,
    "train-other-500": 148688,
}  # utterances
_GET = "get {}.tar.gz from openslr.org/12 and unpack it"


def root_of(corpus: Path) -> Path:
    """The folder that holds the parts: LibriSpeech/ of a corpus, or itself."""
    return corpus / "LibriSpeech" if (corpus / "LibriSpeech").is_dir() else corpus


def read_part(corpus: Path, part: str, name: str) -> CorpusSet:
    """A part, such as `test-clean`; the corpus holds LibriSpeech/, or is it, or has parquet files.

    Raises:
        DataError: it is not there.
    """
    folder = root_of(corpus) / part
    found = CorpusSet(name, folder, EXPECTED[part], measure=part not in TEST, language="en")
    listings = visible(folder, "*/*/*.trans.txt")
    if not listings and (files := copy_of(corpus, *part.split("-"))):
        add_copy(found, corpus, files)
        return found
    need(folder, _GET.format(part))
    for listing in listings:
        speaker = listing.name.removesuffix(".trans.txt")  # reader and chapter, as Kaldi's recipe has it
        transcripts = read_table(listing)
        for key, text in transcripts.items():
            found.add(Entry(key, listing.parent / f"{key}.flac", speaker, text))
        for flac in visible(listing.parent, "*.flac"):
            if flac.stem not in transcripts:
                found.miss(flac.stem, f"no transcript in {listing}")
    return found
