"""The test sets of AISHELL-2."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.files import not_there, recipe_table, substituted, substitutions
from firered.data.datadir import read_table
from firered.data.files import visible

TABLES = Path(__file__).resolve().parents[1] / "tables"
EXPECTED = 5000
TABLES_OF_A_SET = ("wav.scp", "trans.txt")
GET = (
    "get the evaluation data, AISHELL2-2018A-EVAL, which is offered without application at "
    "aishelltech.com/aishell_2018_eval (AISHELL-DEV-TEST-SET with three channels), or the corpus"
)


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of the test set of AISHELL-2, one for each channel that tables/channels.tsv names."""
    for name, channel in recipe_table(TABLES / "channels.tsv").items():
        yield Reading(name, partial(read_channel, corpus, name, channel))


def read_channel(corpus: Path, name: str, channel: str) -> CorpusSet:
    """The test set of a channel."""
    repairs = substitutions(TABLES / "repairs.tsv")
    folder = find_test(corpus, channel)
    audio, transcripts = (read_table(folder / table) for table in TABLES_OF_A_SET)
    found = CorpusSet(name, folder, EXPECTED, language="zh")
    for key in audio.keys() | transcripts.keys():
        if key not in audio or key not in transcripts:
            found.miss(key, f"is not in both wav.scp and trans.txt of {folder}")
            continue
        wav, raw = folder / audio[key], transcripts[key]
        found.add(Entry(key, wav, wav.parent.name, substituted(raw, repairs), raw=raw))
    return found


def find_test(corpus: Path, channel: str) -> Path:
    """The folder of a channel's test set, in the corpus' folder or a folder of it, as releases have it.

    Raises:
        DataError: there is none, with wav.scp and trans.txt in it.
    """
    for drop in (corpus, *visible(corpus, "*")):
        for place in visible(drop, "*"):
            folder = place / "test"
            if place.name.lower() == channel.lower() and all((folder / table).is_file() for table in TABLES_OF_A_SET):
                return folder
    raise not_there(corpus / f"{channel}/test with {' and '.join(TABLES_OF_A_SET)}", GET)


if __name__ == "__main__":
    prepare(read)
