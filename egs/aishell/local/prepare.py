"""The test set of AISHELL-1."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need
from firered.data.datadir import read_table
from firered.data.files import matching
from firered.errors import DataError

EXPECTED = 7176


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the test set of AISHELL-1; CORPUS holds data_aishell/, or wav/ and transcript/."""
    root = corpus / "data_aishell" if (corpus / "data_aishell").is_dir() else corpus
    folder = need(root / "wav") / "test"
    if not folder.is_dir() and list(folder.parent.glob("*.tar.gz")):
        raise DataError(f"{folder.parent}: still packed; unpack every *.tar.gz in it, in this folder")
    transcripts = read_table(need(root / "transcript/aishell_transcript_v0.8.txt"))
    found = CorpusSet("aishell1", folder, EXPECTED)
    for wav in matching(folder, "*/*.wav"):
        if wav.stem in transcripts:
            found.add(Entry(wav.stem, wav, wav.parent.name, transcripts[wav.stem]))
        else:
            found.miss(wav.stem, "no transcript")
    yield found


if __name__ == "__main__":
    prepare(read)
