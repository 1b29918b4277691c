"""KeSpeech: Mandarin and eight of its subdialects, in Kaldi files whose paths are relative to the corpus."""

from pathlib import Path

from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need
from firered.data.datadir import read_table

EXPECTED = 19723  # utterances of the test set
_NOISE = "<SPOKEN_NOISE>"


def read_test(corpus: Path, name: str) -> CorpusSet:
    """The test set of the recognition task; the subdialect of each utterance is its language.

    Raises:
        DataError: a table is not there or cannot be read.
    """
    folder = need(corpus / "Tasks/ASR/test")
    audio, texts, speakers, subdialects = (
        read_table(need(folder / table), empty_value_ok=table == "text")
        for table in ("wav.scp", "text", "utt2spk", "utt2subdialect")
    )
    found = CorpusSet(name, folder, EXPECTED)
    for key in audio.keys() | texts.keys():
        if key not in audio or key not in texts or key not in speakers:
            found.miss(key, f"is not in all of wav.scp, text and utt2spk of {folder}")
            continue
        raw = texts[key]
        text = " ".join(raw.replace(_NOISE, " ").split())
        found.add(Entry(key, corpus / audio[key], speakers[key], text, raw=raw, language=subdialects.get(key)))
    return found
