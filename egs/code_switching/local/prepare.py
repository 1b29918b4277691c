"""A random part of the public data set that the report's set A was drawn from."""

import random
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Reading
from firered.corpora.files import not_there, recipe_table
from firered.errors import DataError

PART = Path(__file__).resolve().parents[1] / "tables/part.tsv"
NAME = "code-switch-a"
DATA_SET = "daily_dialogue_mixed_chinese_english_speech_tts"


def read(corpus: Path) -> Iterator[Reading]:
    """Data directory of a random part of CORPUS, parquet files; its size and seed are in tables/part.tsv."""
    yield Reading(NAME, partial(read_part, corpus, *part_of(PART)))


def part_of(path: Path) -> tuple[int | None, int]:
    """Number of utterances, None for all, and seed.

    Raises:
        DataError: either is no number.
    """
    table = recipe_table(path)
    for name in ("utterances", "seed"):
        if not table.get(name, "0").isdecimal():
            raise DataError(f"{path}: {name} is {table[name]!r}, which is no number")
    return int(table["utterances"]) if "utterances" in table else None, int(table.get("seed", "0"))


def read_part(corpus: Path, size: int | None, seed: int) -> CorpusSet:
    """The utterances drawn; the others are left out. Rows that cannot be used are missing, whether drawn or not."""
    files = copy_of(corpus)
    if not files:
        get = f"fetch the data set {DATA_SET}, by yiwu2, as parquet files to {shlex.quote(str(corpus))}"
        raise not_there(corpus / "*.parquet", get)
    found = CorpusSet(NAME, corpus, language="zh")
    add_copy(found, corpus, files)
    keys = sorted(found.entries)
    if size is not None and size < len(keys):
        drawn = set(random.Random(seed).sample(keys, size))
        for key in keys:
            if key not in drawn:
                found.leave_out(key, "not drawn")
                del found.entries[key]
    return found


if __name__ == "__main__":
    prepare(read)
