"""The test sets of FLEURS in the languages that FireRedLID knows, as one set."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import present, recipe_table
from firered.corpora.fleurs import languages_here, read_language
from firered.errors import DataError

TABLES = Path(__file__).resolve().parents[1] / "tables"


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the languages of FLEURS that tables/languages.tsv names; CORPUS: its hub's folder."""
    codes = recipe_table(TABLES / "languages.tsv")
    here = present(codes, languages_here(corpus), "languages")
    found = CorpusSet("fleurs-lid", corpus / "data")
    for language in here:
        try:
            for recording in read_language(corpus, language):
                key = f"{language}-{recording.name}"
                found.add(Entry(key, recording.path, language=codes[language], duration_s=recording.duration_s))
        except DataError as error:
            found.miss(language, str(error))
    yield found


if __name__ == "__main__":
    prepare(read)
