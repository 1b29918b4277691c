"""The Cantonese test sets of WenetSpeech-Yue (WSYue-ASR-eval)."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import rows
from firered.data.files import matching
from firered.data.textgrids import read_textgrid
from firered.text.joining import join_texts

EXPECTED_SHORT, EXPECTED_LONG = 7060, 370
COLUMNS = 5  # file, age, emotion, gender, text
TIER = "文本"


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directories of the short and the long test set; CORPUS holds Short/ and Long/."""
    short = CorpusSet("ws-yue-short", corpus / "Short", EXPECTED_SHORT)
    table = corpus / "Short/content.txt"
    for file, _, _, _, text in rows(table, COLUMNS) if table.is_file() else ():
        short.add(Entry(Path(file).stem, corpus / "Short/wav_" / file, text=text))
    yield short
    long = CorpusSet("ws-yue-long", corpus / "Long", EXPECTED_LONG)
    for grid in matching(corpus / "Long/TextGrid", "*.TextGrid"):
        long.add(Entry(grid.stem, corpus / "Long/wav" / f"{grid.stem}.wav", text=transcript(grid)))
    yield long


def transcript(path: Path) -> str:
    """The text of a TextGrid's intervals, one after the other.

    Raises:
        DataError: it cannot be read, or lacks the tier of the text.
    """
    return join_texts(label.strip() for _, _, label in read_textgrid(path).tier(TIER).intervals)


if __name__ == "__main__":
    prepare(read)
