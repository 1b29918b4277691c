"""The test set of AISHELL-1."""

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

EXPECTED = 7176
GET = "get data_aishell.tgz from openslr.org/33 and unpack it, and then every wav/*.tar.gz in the folder wav"


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the test set of AISHELL-1; CORPUS holds data_aishell/, or wav/ and transcript/, or a copy."""
    root = corpus / "data_aishell" if (corpus / "data_aishell").is_dir() else corpus
    if not (root / "wav").is_dir() and (files := copy_of(corpus, "test")):
        found = CorpusSet("aishell1", corpus, EXPECTED, language="zh")
        add_copy(found, corpus, files)
        found.entries = {key: replace(e, speaker=e.speaker or speaker_of(key)) for key, e in found.entries.items()}
        yield found
        return
    folder = need(root / "wav/test", GET)
    transcripts = read_table(need(root / "transcript/aishell_transcript_v0.8.txt", GET))
    found = CorpusSet("aishell1", folder, EXPECTED, language="zh")
    for wav in (path for path in visible(folder, "*/*") if path.suffix.lower() == ".wav"):
        if wav.stem in transcripts:
            found.add(Entry(wav.stem, wav, wav.parent.name, transcripts[wav.stem]))
        else:
            found.miss(wav.stem, "no transcript")
    yield found


def speaker_of(key: str) -> str:
    """The speaker in an utterance's name, BAC009S0764W0121; empty where it is named otherwise."""
    match = re.fullmatch(r"BAC009(S\d{4})W\d{4}", key)
    return match[1] if match else ""


if __name__ == "__main__":
    prepare(read)
