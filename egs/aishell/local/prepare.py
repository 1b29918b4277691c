"""The sets of AISHELL-1."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.aishell import of_folder, root_of, speaker_of
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet

SETS = {"test": ("aishell1", 7176), "dev": ("aishell1-dev", 14326), "train": ("aishell1-train", 120098)}


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directories of AISHELL-1; CORPUS holds data_aishell/, or wav/ and transcript/, or a copy of its test set."""
    root = root_of(corpus)
    if not (root / "wav").is_dir() and (files := copy_of(corpus, "test")):
        found = CorpusSet("aishell1", corpus, SETS["test"][1], language="zh")
        add_copy(found, corpus, files)
        found.entries = {key: replace(e, speaker=e.speaker or speaker_of(key)) for key, e in found.entries.items()}
        yield found
        return
    for part, (name, expected) in SETS.items():
        if part == "test" or (root / "wav" / part).is_dir():
            yield of_folder(root, part, name, expected)


if __name__ == "__main__":
    prepare(read)
