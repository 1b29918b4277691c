"""The test sets of Common Voice in the languages that FireRedLID knows, as one set."""

import csv
from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import present, recipe_table
from firered.errors import DataError

TABLES = Path(__file__).resolve().parents[1] / "tables"
SPEAKER_LENGTH = 12  # of the 128 hexadecimal digits of a client


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the languages of tables/languages.tsv; CORPUS is a release: cv-corpus-<version>-<date>/."""
    codes = recipe_table(TABLES / "languages.tsv")
    folders = {table.parent.name for table in corpus.glob("*/test.tsv")}
    here = present(codes, folders, "languages")
    found = CorpusSet("commonvoice-lid", corpus)
    for language in here:
        for client, clip in clips(corpus / language / "test.tsv"):
            path = corpus / language / "clips" / clip
            found.add(Entry(path.stem, path, client[:SPEAKER_LENGTH], language=codes[language]))
    yield found


def clips(table: Path) -> Iterator[tuple[str, str]]:
    """(client, file name) of each clip; old releases leave out the suffix.

    Raises:
        DataError: the table has no such columns.
    """
    with table.open(encoding="utf-8-sig", newline="") as stream:
        lines = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE, restval="")
        if not {"client_id", "path"} <= set(lines.fieldnames or ()):
            raise DataError(f"{table}: no columns client_id and path; there are {lines.fieldnames}")
        for line in lines:
            yield line["client_id"], line["path"].removesuffix(".mp3") + ".mp3"


if __name__ == "__main__":
    prepare(read)
