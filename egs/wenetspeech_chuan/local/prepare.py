"""The Sichuanese test sets of WenetSpeech-Chuan (WSC-Eval-ASR)."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import substituted, substitutions
from firered.data.datadir import read_table

TABLES = Path(__file__).resolve().parents[1] / "tables"
SETS = {"ws-chuan-easy": "Easy", "ws-chuan-hard": "Hard"}


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directories of the easy and the hard test set; CORPUS holds WSC-Eval-ASR/, or Easy/ and Hard/."""
    root = corpus / "WSC-Eval-ASR" if (corpus / "WSC-Eval-ASR").is_dir() else corpus
    marks = substitutions(TABLES / "annotation.tsv")
    for name, subset in SETS.items():
        folder = root / subset
        found = CorpusSet(name, folder)
        if folder.is_dir():
            add_all(found, folder, marks)
        yield found


def add_all(found: CorpusSet, folder: Path, marks: list) -> None:
    """Add the utterances that any of the folder's tables names."""
    audio, texts = read_table(folder / "wav.scp"), read_table(folder / "text", empty_value_ok=True)
    listed = (folder / "key.txt").read_text(encoding="utf-8").split()
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
