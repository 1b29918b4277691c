"""Chinese dialects of KeSpeech and of the corpora of MagicHub, as one set."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora import kespeech
from firered.corpora.corpus_set import CorpusSet, Reading
from firered.corpora.dialects import add_labelled
from firered.corpora.files import recipe_table
from firered.corpora.magichub import read_here
from firered.errors import DataError

EGS = Path(__file__).resolve().parents[2]


def read(corpus: Path, magichub: Path) -> Iterator[CorpusSet]:
    """Data directory of what tables/labels.tsv gives a label; CORPUS is KeSpeech, MAGICHUB as for egs/magichub."""
    labels = recipe_table(EGS / "zh_dialects_lid/tables/labels.tsv")
    found = CorpusSet("zh-dialects-lid", corpus)
    parts = (
        Reading("kespeech", partial(kespeech.read_part, corpus, kespeech.TEST, "kespeech")),
        *read_here(magichub, EGS / "magichub/tables"),
    )
    for part in parts:
        try:
            add_labelled(found, part.read(), labels)
        except DataError as error:
            found.miss(part.name, str(error))
    yield found


if __name__ == "__main__":
    prepare(read)
