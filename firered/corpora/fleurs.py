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
TEST = "test"
_OF_COPIES = {"dev": "validation"}  # what parquet copies call a part


@dataclass(frozen=True)
class Recording:
    """One recording; `name` is its file's, without suffix, `text` its transcript as it is written."""

    name: str
    path: Path | Packed
    duration_s: float
    text: str = ""


def languages_here(corpus: Path, part: str = TEST) -> list[str]:
    """The languages (configurations of the data set) that have this part (train, dev or test), sorted.

    Raises:
        DataError: there are none.
    """
    tables = {path.parent.name for path in visible(corpus / "data", f"*/{part}.tsv")}
    if not tables:
        word = _OF_COPIES.get(part, part)
        of_part = (path for path in files_below(corpus, parquet.SUFFIX) if word in str(path.relative_to(corpus)))
        tables = {name for path in of_part for name in path.parts if _LANGUAGE.fullmatch(name)}
    if not tables:
        raise not_there(corpus / f"data/<language>/{part}.tsv", _get(corpus, part))
    return sorted(tables)


def read_language(corpus: Path, language: str, part: str = TEST) -> Iterator[Recording]:
    """The recordings of a part (train, dev or test) of a language, named by their files: ids are of sentences.

    Raises:
        DataError: the language is not there, its table cannot be read, or its audio is still packed.
    """
    table = corpus / "data" / language / f"{part}.tsv"
    if not table.is_file():
        yield from _of_parquet(corpus, language, part)
        return
    folder = need(corpus / "data" / language / "audio" / part, _get(corpus, part))
    for _, file, text, _, _, samples, _ in rows(table, _COLUMNS):
        if not samples.isdecimal():
            raise DataError(f"{table}: {file}: {samples!r} is no number of samples")
        yield Recording(Path(file).stem, folder / file, int(samples) / _SAMPLE_RATE, text)


def _get(corpus: Path, part: str) -> str:
    files = f"'data/*/{part}.tsv' 'data/*/audio/{part}.tar.gz'"
    fetch = f"hf download google/fleurs --repo-type dataset --include {files}"
    return f"fetch it: {fetch} --local-dir {shlex.quote(str(corpus))}"


def _of_parquet(corpus: Path, language: str, part: str) -> Iterator[Recording]:
    files = copy_of(corpus, *language.split("_"), _OF_COPIES.get(part, part))
    if not files:
        raise not_there(corpus / "data" / language / f"{part}.tsv", _get(corpus, part))
    for path in files:
        for row in parquet.rows(path):
            samples = row.columns.get("num_samples")
            if not row.name or not isinstance(samples, int):
                raise DataError(f"{path}: row {row.number} lacks the path of its audio or num_samples")
            text = row.text_of("raw_transcription", "transcription") or ""
            yield Recording(row.name, Packed(path, str(row.number)), samples / _SAMPLE_RATE, text)
