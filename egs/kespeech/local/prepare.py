"""The sets of KeSpeech."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import Reading
from firered.corpora.kespeech import PARTS, TEST, folder_of, read_part


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of the recognition task of KeSpeech; CORPUS holds Audio/ and Tasks/, or a copy."""
    for part in PARTS:
        name = "kespeech" if part == TEST else f"kespeech-{part.replace('_', '-')}"
        yield Reading(name, partial(read_part, corpus, part, name), part == TEST or folder_of(corpus, part).is_dir())


if __name__ == "__main__":
    prepare(read)
