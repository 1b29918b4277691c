"""AISHELL-1: its three sets as they are published."""

import re
from pathlib import Path

from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need
from firered.data.datadir import read_table
from firered.data.files import visible

GET = "get data_aishell.tgz from openslr.org/33 and unpack it, and then every wav/*.tar.gz in the folder wav"


def root_of(corpus: Path) -> Path:
    """The folder that holds wav/ and transcript/: data_aishell/ of a corpus, or itself."""
    return corpus / "data_aishell" if (corpus / "data_aishell").is_dir() else corpus


def of_folder(root: Path, part: str, name: str, expected: int) -> CorpusSet:
    """The set `train`, `dev` or `test`.

    Raises:
        DataError: its folder or the transcript is not there.
    """
    folder = need(root / "wav" / part, GET)
    transcripts = read_table(need(root / "transcript/aishell_transcript_v0.8.txt", GET))
    found = CorpusSet(name, folder, expected, measure=part != "test", language="zh")
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
