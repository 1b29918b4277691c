"""The named-entity subsets of AISHELL-1 with their lists of hotwords."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.aishell import GET, root_of, speaker_of
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.files import need, numbered_lines
from firered.data.datadir import read_table

log = logging.getLogger(__name__)

# set: part of the corpus; utterances, hotwords, and R1 hotwords of them
SETS = {"test-aishell1-ne": ("test", 808, 400, 226), "dev-aishell1-ne": ("dev", 1334, 600, 371)}
GET_LISTS = "git clone https://github.com/R1ckShi/SeACo-Paraformer"


def read(corpus: Path, lists: Path) -> Iterator[Reading]:
    """Data directories of the subsets.

    CORPUS is AISHELL-1; LISTS a checkout of R1ckShi/SeACo-Paraformer, or its data/.
    """
    folder = lists / "data" if (lists / "data").is_dir() else lists
    for name, (part, *_) in SETS.items():
        yield Reading(name, partial(read_set, corpus, folder / part, name))


def read_set(corpus: Path, folder: Path, name: str) -> CorpusSet:
    """One of the subsets; its utterances are those of `uttid`, or of `text` where that file is not there."""
    part, utterances, *_ = SETS[name]
    texts = read_table(need(folder / "text", GET_LISTS))
    keys = [line.split()[0] for _, line in numbered_lines(folder / "uttid")] if (folder / "uttid").is_file() else texts
    found = CorpusSet(name, folder, utterances, language="zh")
    audio = _of_corpus(corpus, part)
    for key in keys:
        if key not in texts:
            found.miss(key, f"no transcript in {folder / 'text'}")
        elif key not in audio:
            found.miss(key, f"no audio of it in {corpus}")
        else:
            found.add(replace(audio[key], text=texts[key], labels={"hotwords": name}))
    _compare(name, {key: audio[key].text or "" for key in found.entries}, texts)
    found.files = _lists(folder, name)
    return found


def _of_corpus(corpus: Path, part: str) -> dict[str, Entry]:
    """The utterances of a set of AISHELL-1 by their ids, from its folders or a copy."""
    root = root_of(corpus)
    if not (root / "wav").is_dir() and (files := copy_of(corpus, part)):
        copied = CorpusSet(part, corpus)
        add_copy(copied, corpus, files)
        return {key: replace(entry, speaker=entry.speaker or speaker_of(key)) for key, entry in copied.entries.items()}
    transcripts = read_table(need(root / "transcript/aishell_transcript_v0.8.txt", GET))
    need(root / "wav" / part, GET)
    return {
        key: Entry(key, root / "wav" / part / speaker_of(key) / f"{key}.wav", speaker_of(key), text)
        for key, text in transcripts.items()
    }


def _compare(name: str, of_corpus: dict[str, str], texts: dict[str, str]) -> None:
    """Warn of utterances whose transcript in the corpus is another one, but for blanks."""
    others = [key for key, text in of_corpus.items() if "".join(text.split()) != "".join(texts[key].split())]
    if others:
        log.warning("%s: the corpus has another transcript of %d utterances, such as %s", name, len(others), others[0])


def _lists(folder: Path, name: str) -> Iterator[tuple[str, list[str]]]:
    """The list of the subset, and its R1 hotwords; a warning where there are not as many as expected."""
    _, _, hotwords, hard = SETS[name]
    files = ((f"hotwords/{name}.txt", "hotword.txt", hotwords), ("hotwords_r1.txt", "r1-hotword.txt", hard))
    for out, file, expected in files:
        phrases = [line.strip() for _, line in numbered_lines(need(folder / file, GET_LISTS))]
        if len(phrases) != expected:
            log.warning("%s: expected %d hotwords in %s, found %d", name, expected, folder / file, len(phrases))
        yield out, phrases


if __name__ == "__main__":
    prepare(read)
