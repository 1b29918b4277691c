"""KeSpeech: Mandarin and eight of its subdialects, in Kaldi files whose paths are relative to the corpus, or a copy."""

import re
from dataclasses import replace
from pathlib import Path

from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need
from firered.data.datadir import read_table

EXPECTED = 19723  # utterances of the test set
_GET = "get the corpus as github.com/KeSpeech/KeSpeech says, or a copy in parquet"
_NOISE = "<SPOKEN_NOISE>"
_SUBDIALECTS = (
    *("Mandarin", "Zhongyuan", "Southwestern", "Ji-Lu", "Jiang-Huai", "Lan-Yin", "Jiao-Liao", "Northeastern"),
    "Beijing",
)


def read_test(corpus: Path, name: str) -> CorpusSet:
    """The test set of the recognition task; with the subdialect of each utterance.

    Raises:
        DataError: a table is not there or cannot be read.
    """
    folder = corpus / "Tasks/ASR/test"
    if not folder.is_dir() and (files := copy_of(corpus, "test")):
        found = CorpusSet(name, corpus, EXPECTED, language="zh")
        add_copy(found, corpus, files)
        found.entries = {key: _of_copy(entry) for key, entry in found.entries.items()}
        return found
    audio, texts, speakers, subdialects = (
        read_table(need(folder / table, _GET), empty_value_ok=table == "text")
        for table in ("wav.scp", "text", "utt2spk", "utt2subdialect")
    )
    found = CorpusSet(name, folder, EXPECTED, language="zh")
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
