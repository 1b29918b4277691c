"""The test sets of AISHELL-2."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import recipe_table, substituted, substitutions
from firered.data.datadir import read_table
from firered.errors import DataError

TABLES = Path(__file__).resolve().parents[1] / "tables"
EXPECTED = 5000
DROPS = ("", "AISHELL-2", "AISHELL-DEV-TEST-SET")  # where releases have the folders of the channels


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directories of the test set of AISHELL-2, one for each channel that tables/channels.tsv names."""
    repairs = substitutions(TABLES / "repairs.tsv")
    for name, channel in recipe_table(TABLES / "channels.tsv").items():
        folder = find_test(corpus, channel)
        audio, transcripts = read_table(folder / "wav.scp"), read_table(folder / "trans.txt")
        found = CorpusSet(name, folder, EXPECTED)
        for key in audio.keys() | transcripts.keys():
            if key not in audio or key not in transcripts:
                found.miss(key, f"is not in both wav.scp and trans.txt of {folder}")
                continue
            wav, raw = folder / audio[key], transcripts[key]
            found.add(Entry(key, wav, wav.parent.name, substituted(raw, repairs), raw=raw))
        yield found


def find_test(corpus: Path, channel: str) -> Path:
    """The folder of a channel's test set, wherever a release has it.

    Raises:
        DataError: there is none, with wav.scp and trans.txt in it.
    """
    for drop in DROPS:
        folder = corpus / drop / channel / "test"
        if (folder / "wav.scp").is_file() and (folder / "trans.txt").is_file():
            return folder
    raise DataError(f"{corpus}: no {channel}/test with wav.scp and trans.txt here, nor in {' or '.join(DROPS[1:])}")


if __name__ == "__main__":
    prepare(read)
