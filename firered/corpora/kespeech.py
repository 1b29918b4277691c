"""KeSpeech: Mandarin and eight of its subdialects, in Kaldi files whose paths are relative to the corpus, or a copy."""

import re
from dataclasses import replace
from pathlib import Path

from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need
from firered.data.datadir import read_table

TEST = "test"
PARTS = (TEST, "dev_phase1", "dev_phase2", "train_phase1", "train_phase2")  # of the recognition task
_EXPECTED = {TEST: 19723}  # utterances; those of the other parts are not known for certain
_GET = "get the corpus as github.com/KeSpeech/KeSpeech says, or a copy in parquet"
_NOISE = "<SPOKEN_NOISE>"
_SUBDIALECTS = (
    *("Mandarin", "Zhongyuan", "Southwestern", "Ji-Lu", "Jiang-Huai", "Lan-Yin", "Jiao-Liao", "Northeastern"),
    "Beijing",
)


def folder_of(corpus: Path, part: str) -> Path:
    """The folder of a part of the recognition task."""
    return corpus / "Tasks/ASR" / part


def read_part(corpus: Path, part: str, name: str) -> CorpusSet:
    """A part of the recognition task; with the subdialect of each utterance.

    Raises:
        DataError: a table is not there or cannot be read.
    """
    folder = folder_of(corpus, part)
    found = CorpusSet(name, folder, _EXPECTED.get(part), measure=part != TEST, language="zh")
    if not folder.is_dir() and (files := copy_of(corpus, *part.split("_"))):
        found.source = corpus
        add_copy(found, corpus, files)
        found.entries = {key: _of_copy(entry) for key, entry in found.entries.items()}
        return found
    audio, texts, speakers, subdialects = (
        read_table(need(folder / table, _GET), empty_value_ok=table == "text")
        for table in ("wav.scp", "text", "utt2spk", "utt2subdialect")
    )
    for key in audio.keys() | texts.keys():
        if key not in audio or key not in texts or key not in speakers:
            found.miss(key, f"is not in all of wav.scp, text and utt2spk of {folder}")
            continue
        raw = texts[key]
        found.add(Entry(key, corpus / audio[key], speakers[key], _speech(raw), raw=raw, dialect=subdialects.get(key)))
    return found


def _speech(raw: str) -> str:
    return " ".join(raw.replace(_NOISE, " ").split())


def _of_copy(entry: Entry) -> Entry:
    """The entry of a copy, which may have no speakers, since ids begin with them, and may spell JiangHuai."""
    raw = entry.text or ""
    names = {re.sub(r"\W", "", name).lower(): name for name in _SUBDIALECTS}
    dialect = entry.language and names.get(re.sub(r"\W|_", "", entry.language).lower(), entry.language)
    speaker = entry.speaker or entry.key.partition("_")[0]
    return replace(entry, speaker=speaker, text=_speech(raw), raw=raw, language=None, dialect=dialect)
