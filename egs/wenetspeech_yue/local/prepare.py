"""The Cantonese test sets of WenetSpeech-Yue (WSYue-ASR-eval)."""

import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.files import need, rows
from firered.data.files import visible
from firered.data.textgrids import read_textgrid
from firered.errors import DataError
from firered.text.joining import join_texts

EXPECTED_SHORT, EXPECTED_LONG = 7060, 370
COLUMNS = 5  # file, age, emotion, gender, text
TIER = "文本"
GET = "fetch it: hf download ASLP-lab/WSYue-ASR-eval --repo-type dataset --local-dir {}"


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of the short and the long test set; CORPUS holds Short/ and Long/."""
    yield Reading("ws-yue-short", partial(read_short, corpus))
    yield Reading("ws-yue-long", partial(read_long, corpus))


def read_short(corpus: Path) -> CorpusSet:
    """The utterances up to 10 s: a table, and a folder of wavs."""
    get = GET.format(shlex.quote(str(corpus)))
    found = CorpusSet("ws-yue-short", corpus / "Short", EXPECTED_SHORT, language="yue")
    wavs = next((folder for name in ("wav_", "wav") if (folder := corpus / "Short" / name).is_dir()), None)
    wavs = wavs or need(corpus / "Short/wav_", get)
    for file, _, _, _, text in rows(need(corpus / "Short/content.txt", get), COLUMNS):
        found.add(Entry(Path(file).stem, wavs / file, text=text))
    return found


def read_long(corpus: Path) -> CorpusSet:
    """The utterances from 10 s on: a TextGrid and a wav each."""
    get = GET.format(shlex.quote(str(corpus)))
    found = CorpusSet("ws-yue-long", corpus / "Long", EXPECTED_LONG, language="yue")
    wavs = need(corpus / "Long/wav", get)
    for grid in visible(need(corpus / "Long/TextGrid", get), "*.TextGrid"):
        try:
            found.add(Entry(grid.stem, wavs / f"{grid.stem}.wav", text=transcript(grid)))
        except DataError as error:
            found.miss(grid.stem, str(error))
    return found


def transcript(path: Path) -> str:
    """The text of a TextGrid's intervals, one after the other.

    Raises:
        DataError: it cannot be read, or lacks the tier of the text.
    """
    return join_texts(label.strip() for _, _, label in read_textgrid(path).tier(TIER).intervals)


if __name__ == "__main__":
    prepare(read)
