"""The Sichuanese test sets of WenetSpeech-Chuan (WSC-Eval-ASR)."""

import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.files import Substitution, need, numbered_lines, substituted, substitutions
from firered.data.datadir import read_table

TABLES = Path(__file__).resolve().parents[1] / "tables"
SETS = {"ws-chuan-easy": ("Easy", 6981), "ws-chuan-hard": ("Hard", 1392)}  # name: folder, utterances
GET = "fetch it: hf download ASLP-lab/WSC-Eval --repo-type dataset --local-dir {}"


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of the easy and the hard test set; CORPUS holds WSC-Eval-ASR/, or Easy/ and Hard/."""
    for name in SETS:
        yield Reading(name, partial(read_set, corpus, name))


def read_set(corpus: Path, name: str) -> CorpusSet:
    """One of the test sets."""
    subset, expected = SETS[name]
    root = corpus / "WSC-Eval-ASR" if (corpus / "WSC-Eval-ASR").is_dir() else corpus
    found = CorpusSet(name, root / subset, expected, language="zh")
    get = GET.format(shlex.quote(str(corpus)))
    for table in ("wav.scp", "text", "key.txt", "wav"):
        need(root / subset / table, get)
    add_all(found, root / subset, substitutions(TABLES / "annotation.tsv"))
    return found


def add_all(found: CorpusSet, folder: Path, marks: list[Substitution]) -> None:
    """Add the utterances that any of the folder's tables names."""
    audio, texts = read_table(folder / "wav.scp"), read_table(folder / "text", empty_value_ok=True)
    listed = {line.split()[0] for _, line in numbered_lines(folder / "key.txt")}
    for key in {*audio, *texts, *listed}:
        if key not in audio or key not in texts or key not in listed:
            found.miss(key, f"is not in all of wav.scp, text and key.txt of {folder}")
        else:
            raw = texts[key]
            found.add(Entry(key, wav_of(folder, audio[key]), text=substituted(raw, marks), raw=raw))


def wav_of(folder: Path, listed: str) -> Path:
    """The wav that a line of wav.scp means: its path is from the corpus' folder on, may have begun with eval/ once."""
    path = folder.parent / listed.removeprefix("eval/")
    return path if path.is_file() else folder / "wav" / Path(listed).name


if __name__ == "__main__":
    prepare(read)
