"""The test set of Opencpop."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need, rows

EXPECTED = 206
COLUMNS = 7  # utterance, lyrics, phones, notes, durations of the notes, of the phones, slurs
GET = "get the corpus on application at wenet.org.cn/opencpop"
SINGER = "opencpop"


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the test set of Opencpop; CORPUS holds segments/, or is that folder."""
    folder = corpus if (corpus / "test.txt").is_file() else corpus / "segments"
    found = CorpusSet("opencpop", folder, EXPECTED, language="zh")
    for key, lyrics, *_ in rows(need(folder / "test.txt", GET), COLUMNS, separator="|"):
        found.add(Entry(key, folder / "wavs" / f"{key}.wav", SINGER, lyrics))
    yield found


if __name__ == "__main__":
    prepare(read)
