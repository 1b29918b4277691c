"""The test set of AISHELL-1."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need
from firered.data.datadir import read_table

EXPECTED = 7176
GET = "get data_aishell.tgz from openslr.org/33 and unpack it, and then every wav/*.tar.gz in the folder wav"


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the test set of AISHELL-1; CORPUS holds data_aishell/, or wav/ and transcript/, or a copy."""
    root = corpus / "data_aishell" if (corpus / "data_aishell").is_dir() else corpus
    if not (root / "wav").is_dir() and (files := copy_of(corpus, "test")):
        found = CorpusSet("aishell1", corpus, EXPECTED)
        add_copy(found, corpus, files)
        yield found
        return
    folder = need(root / "wav/test", GET)
    transcripts = read_table(need(root / "transcript/aishell_transcript_v0.8.txt", GET))
    found = CorpusSet("aishell1", folder, EXPECTED)
    for wav in (path for path in folder.glob("*/*") if path.suffix.lower() == ".wav"):
        if wav.stem in transcripts:
            found.add(Entry(wav.stem, wav, wav.parent.name, transcripts[wav.stem]))
        else:
            found.miss(wav.stem, "no transcript")
    yield found


if __name__ == "__main__":
    prepare(read)
