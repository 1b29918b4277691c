"""The sets of LibriSpeech."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import Reading
from firered.corpora.librispeech import EXPECTED, TEST, read_part, root_of


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of the parts of LibriSpeech; CORPUS holds LibriSpeech/, or is it, or has parquet files."""
    for part in EXPECTED:
        name = f"librispeech-{part}"
        yield Reading(name, partial(read_part, corpus, part, name), part in TEST or (root_of(corpus) / part).is_dir())


if __name__ == "__main__":
    prepare(read)
