"""The sets of AISHELL-1."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need
from firered.data.datadir import read_table
from firered.data.files import visible

SETS = {"test": ("aishell1", 7176), "dev": ("aishell1-dev", 14326), "train": ("aishell1-train", 120098)}
GET = "get data_aishell.tgz from openslr.org/33 and unpack it, and then every wav/*.tar.gz in the folder wav"


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directories of AISHELL-1; CORPUS holds data_aishell/, or wav/ and transcript/, or a copy of its test set."""
    root = corpus / "data_aishell" if (corpus / "data_aishell").is_dir() else corpus
    if not (root / "wav").is_dir() and (files := copy_of(corpus, "test")):
        found = CorpusSet("aishell1", corpus, SETS["test"][1], language="zh")
        add_copy(found, corpus, files)
        found.entries = {key: replace(e, speaker=e.speaker or speaker_of(key)) for key, e in found.entries.items()}
        yield found
        return
    for part, (name, expected) in SETS.items():
        if part == "test" or (root / "wav" / part).is_dir():
            yield of_folder(root, part, name, expected)


def of_folder(root: Path, part: str, name: str, expected: int) -> CorpusSet:
    """One of the sets as they are published."""
    folder = need(root / "wav" / part, GET)
    transcripts = read_table(need(root / "transcript/aishell_transcript_v0.8.txt", GET))
    found = CorpusSet(name, folder, expected, language="zh")
    for wav in (path for path in visible(folder, "*/*") if path.suffix.lower() == ".wav"):
        if wav.stem in transcripts:
            found.add(Entry(wav.stem, wav, wav.parent.name, transcripts[wav.stem]))
        elif part == "test":
            found.miss(wav.stem, "no transcript")
        else:  # the corpus has recordings without one: 320 of train, 5 of dev
            found.leave_out(wav.stem, "no transcript")
    return found


def speaker_of(key: str) -> str:
    """The speaker in an utterance's name, BAC009S0764W0121; empty where it is named otherwise."""
    match = re.fullmatch(r"BAC009(S\d{4})W\d{4}", key)
    return match[1] if match else ""


if __name__ == "__main__":
    prepare(read)
