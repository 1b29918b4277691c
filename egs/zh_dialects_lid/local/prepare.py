"""Chinese dialects of KeSpeech and of the corpora of MagicHub, as one set."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora import kespeech
from firered.corpora.corpus_set import CorpusSet, Reading
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
            add_all(found, part.read(), labels)
        except DataError as error:
            found.miss(part.name, str(error))
    yield found


def add_all(found: CorpusSet, part: CorpusSet, labels: dict[str, str]) -> None:
    """Add the utterances of a part, prefixed ids, with the labels of their dialects, else of the part's name."""
    part.count()
    found.missing += [f"{part.name}-{line}" for line in part.missing]
    found.left_out += [f"{part.name}-{line}" for line in part.left_out]
    for key, entry in part.entries.items():
        label = labels.get(entry.dialect or part.name)
        key = f"{part.name}-{key}"
        if label is None:
            found.leave_out(key, f"no label for {entry.dialect or part.name}")
        else:
            recording = entry.recording and f"{part.name}-{entry.recording}"
            found.add(replace(entry, key=key, recording=recording, language=label, dialect=None, text=None, raw=None))


if __name__ == "__main__":
    prepare(read)
