"""FLEURS as its hub has it: a table without heading and an archive of audio for each language, or parquet files."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firered.corpora import parquet
from firered.corpora.copies import copy_of
from firered.corpora.files import files_below, need, not_there, rows
from firered.corpora.packed import Packed
from firered.data.files import visible
from firered.errors import DataError

_SAMPLE_RATE = 16000
_LANGUAGE = re.compile(r"[a-z]{2,3}(_hans|_hant)?_([a-z]{2}|419)")  # as the configurations are named
_COLUMNS = 7  # sentence, file, transcript as written, normalised, its characters, samples, gender of the speaker
_GET = "fetch it: hf download google/fleurs --repo-type dataset --include 'data/*/test.tsv' 'data/*/audio/test.tar.gz'"


@dataclass(frozen=True)
class Recording:
    """One recording of the test set; `name` is its file's, without suffix, `text` its transcript as it is written."""

    name: str
    path: Path | Packed
    duration_s: float
    text: str = ""


def languages_here(corpus: Path) -> list[str]:
    """The languages (configurations of the data set) that have a test set, sorted.

    Raises:
        DataError: there are none.
    """
    tables = {path.parent.name for path in visible(corpus / "data", "*/test.tsv")}
    if not tables:
        of_tests = (path for path in files_below(corpus, parquet.SUFFIX) if "test" in str(path.relative_to(corpus)))
        tables = {name for path in of_tests for name in path.parts if _LANGUAGE.fullmatch(name)}
    if not tables:
        raise not_there(corpus / "data/<language>/test.tsv", _get(corpus))
    return sorted(tables)


def read_language(corpus: Path, language: str) -> Iterator[Recording]:
    """The recordings of the test set of a language, named by their files: the ids of its table are of sentences.

    Raises:
        DataError: the language is not there, its table cannot be read, or its audio is still packed.
    """
    table = corpus / "data" / language / "test.tsv"
    if not table.is_file():
        yield from _of_parquet(corpus, language)
        return
    folder = need(corpus / "data" / language / "audio/test", _get(corpus))
    for _, file, text, _, _, samples, _ in rows(table, _COLUMNS):
        if not samples.isdecimal():
            raise DataError(f"{table}: {file}: {samples!r} is no number of samples")
        yield Recording(Path(file).stem, folder / file, int(samples) / _SAMPLE_RATE, text)


def _get(corpus: Path) -> str:
    return f"{_GET} --local-dir {shlex.quote(str(corpus))}"


def _of_parquet(corpus: Path, language: str) -> Iterator[Recording]:
    files = copy_of(corpus, *language.split("_"), "test")
    if not files:
        raise not_there(corpus / "data" / language / "test.tsv", _get(corpus))
    for path in files:
        for row in parquet.rows(path):
            samples = row.columns.get("num_samples")
            if not row.name or not isinstance(samples, int):
                raise DataError(f"{path}: row {row.number} lacks the path of its audio or num_samples")
            text = row.text_of("raw_transcription", "transcription") or ""
            yield Recording(row.name, Packed(path, str(row.number)), samples / _SAMPLE_RATE, text)
