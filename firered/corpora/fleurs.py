"""FLEURS as its hub has it: a table without heading and an archive of audio for each language."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firered.corpora.files import need, rows
from firered.errors import DataError

_SAMPLE_RATE = 16000
_COLUMNS = 7  # sentence, file, transcript as written, normalised, its characters, samples, gender of the speaker


@dataclass(frozen=True)
class Recording:
    """One recording of the test set; `name` is its file's, without suffix, `text` its transcript as it is written."""

    name: str
    path: Path
    duration_s: float
    text: str = ""


def languages_here(corpus: Path) -> list[str]:
    """The languages (configurations of the data set) that have a test set, sorted.

    Raises:
        DataError: there are none.
    """
    found = sorted(path.parent.name for path in need(corpus / "data").glob("*/test.tsv"))
    if not found:
        raise DataError(f"{corpus}/data: no <language>/test.tsv here; the recipe's README.md shows the corpus' layout")
    return found


def read_language(corpus: Path, language: str) -> Iterator[Recording]:
    """The recordings of the test set of a language, named by their files: the ids of its table are of sentences.

    Raises:
        DataError: the table cannot be read, or its audio is still packed.
    """
    folder = corpus / "data" / language / "audio"
    archive = folder / "test.tar.gz"
    unpack = f"unpack it: tar -xzf {archive} -C {folder}" if archive.is_file() else "the recipe's README.md says more"
    need(folder / "test", unpack)
    table = corpus / "data" / language / "test.tsv"
    for _, file, text, _, _, samples, _ in rows(table, _COLUMNS):
        if not samples.isdecimal():
            raise DataError(f"{table}: {file}: {samples!r} is no number of samples")
        yield Recording(Path(file).stem, folder / "test" / file, int(samples) / _SAMPLE_RATE, text)
