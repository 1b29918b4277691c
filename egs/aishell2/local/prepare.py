"""The sets of AISHELL-2."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.files import not_there, recipe_table, substituted, substitutions
from firered.data.datadir import read_table
from firered.data.files import visible

TABLES = Path(__file__).resolve().parents[1] / "tables"
TEST = "test"
FOLDERS = {TEST: "test", "dev": "dev", "train": "data"}  # of a channel
EXPECTED = {TEST: 5000, "dev": 2500}  # utterances; the corpus says of train that there are about a million
TRAINED_ON = "aishell2"  # the set whose channel is that of dev and train
TABLES_OF_A_SET = ("wav.scp", "trans.txt")
GET = (
    "get the evaluation data, AISHELL2-2018A-EVAL, which is offered without application at "
    "aishelltech.com/aishell_2018_eval (AISHELL-DEV-TEST-SET with three channels), or the corpus"
)
GET_TRAIN = "get the corpus on application to aishelltech.com/aishell_2"


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of AISHELL-2: a test set for each channel of tables/channels.tsv, dev and train of the first."""
    channels = recipe_table(TABLES / "channels.tsv")
    for name, channel in channels.items():
        yield Reading(name, partial(read_part, corpus, name, channel, TEST))
    for part in ("dev", "train"):
        channel, name = channels.get(TRAINED_ON, "iOS"), f"{TRAINED_ON}-{part}"
        yield Reading(name, partial(read_part, corpus, name, channel, part), bool(places(corpus, channel, part)))


def read_part(corpus: Path, name: str, channel: str, part: str) -> CorpusSet:
    """A part of a channel: test, dev or train.

    Raises:
        DataError: it is not there.
    """
    repairs = substitutions(TABLES / "repairs.tsv")
    found_at = places(corpus, channel, part)
    if not found_at:
        missing = corpus / f"{channel}/{FOLDERS[part]} with {' and '.join(TABLES_OF_A_SET)}"
        raise not_there(missing, GET if part != "train" else GET_TRAIN)
    folder = found_at[0]
    audio, transcripts = (read_table(folder / table) for table in TABLES_OF_A_SET)
    found = CorpusSet(name, folder, EXPECTED.get(part), measure=part != TEST, language="zh")
    for key in audio.keys() | transcripts.keys():
        if key not in audio or key not in transcripts:
            found.miss(key, f"is not in both wav.scp and trans.txt of {folder}")
            continue
        wav, raw = folder / audio[key], transcripts[key]
        found.add(Entry(key, wav, wav.parent.name, substituted(raw, repairs), raw=raw))
    return found


def places(corpus: Path, channel: str, part: str) -> list[Path]:
    """The folders of a channel's part with wav.scp and trans.txt, in the corpus' folder or a folder of it."""
    folders = [
        place / FOLDERS[part]
        for drop in (corpus, *visible(corpus, "*"))
        for place in visible(drop, "*")
        if place.name.lower() == channel.lower()
    ]
    return [folder for folder in folders if all((folder / table).is_file() for table in TABLES_OF_A_SET)]


if __name__ == "__main__":
    prepare(read)
