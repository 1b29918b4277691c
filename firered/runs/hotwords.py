"""The hotwords of a run: the list of each utterance, and what became of each entry, OUT/hotwords.tsv."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from firered.asr.hotword_config import WAYS
from firered.data.datadir import write_lines
from firered.data.hotwords import COLUMNS, TABLES, list_path, report_lines
from firered.errors import DataError, FireRedError
from firered.hotwords.chunks import chunks_of
from firered.hotwords.lists import HotwordList, Phrase
from firered.hotwords.reading import read_list
from firered.results import AsrResult
from firered.runs.inputs import Inputs

log = logging.getLogger(__name__)


def lists_of(inputs: Inputs) -> dict[str, HotwordList]:
    """The list of each utterance that utt2hotwords, spk2hotwords or reco2hotwords of its data directory names.

    Raises:
        DataError: there is no such list, or it cannot be read; the message names table, id and file.
    """
    data = inputs.data
    if data is None:
        return {}
    same: dict[Phrase, Phrase] = {}  # thousands of lists often have the same words
    read = cache(lambda names: _read(data.path, names, same))
    tables = {name: data.table(name) or {} for name in TABLES}
    found: dict[str, HotwordList] = {}
    for utterance in inputs.utterances:
        ids = dict(zip(TABLES, (utterance.id, utterance.speaker, utterance.recording), strict=True))
        name = next((name for name in TABLES if ids[name] in tables[name]), None)
        if name is not None:
            try:
                found[utterance.id] = read(tables[name][ids[name]])
            except FireRedError as error:
                raise DataError(f"{data.path / name}: {ids[name]}: {error}") from error
    return found


def _read(directory: Path, names: str, same: dict[Phrase, Phrase]) -> HotwordList:
    """The entries of the lists of these names, equal ones as one object."""
    phrases: list[Phrase] = []
    for name in names.split():
        path = list_path(directory, name)
        if not path.is_file():
            raise DataError(f"there is no list {path}")
        phrases += (same.setdefault(phrase, phrase) for phrase in read_list(path))
    return HotwordList(phrases)


def write_hotwords(
    path: Path,
    lists: Iterable[HotwordList],
    results: Iterable[AsrResult],
    unwritable_of: Callable[[HotwordList], Mapping[str, str]],
) -> None:
    """A line an entry, in the order of the lists; none at all where no utterance has a list.

    `heard`: utterances whose text sounds like it; `graph`, `prompt`: utterances whose search was told of it so;
    `corrected`, `found`: places where it was put into a text, and where it is in one. The note says why it is unused.

    Args:
        path: of the table.
        lists: of the utterances.
        results: of the run.
        unwritable_of: the entries of a list that the search cannot write, and the characters that the model lacks.
    """
    entries = list(dict.fromkeys(text for own in lists for text in own.texts))
    if not entries:
        path.unlink(missing_ok=True)  # of an earlier run
        return
    unwritable = unwritable_of(HotwordList(entries))
    counts: dict[str, Counter[str]] = {name: Counter() for name in COLUMNS[1:-1]}
    for result in results:
        told = {hotword.text: hotword for hotword in result.hotwords}
        for text, hotword in told.items():
            counts["heard"][text] += hotword.score is not None
            for way in WAYS[:2]:
                counts[way][text] += way in hotword.used
        for hotword in result.hotwords:
            counts["found"][hotword.text] += hotword.start is not None
            counts["corrected"][hotword.text] += hotword.original is not None
    rows = [[text, *(str(own[text]) for own in counts.values()), _note(text, counts, unwritable)] for text in entries]
    write_lines(path, report_lines(rows))
    found = sum(1 for text in entries if counts["found"][text])
    log.info("hotwords: %d of %d are in the texts; what became of each is in %s", found, len(entries), path)
    if unwritable:
        text, characters = next(iter(unwritable.items()))
        log.warning(
            "hotwords: %d of %d cannot be written by the search, as %s: the model has no token for %s; correction can",
            *(len(unwritable), len(entries), text, " ".join(characters)),
        )


def _note(text: str, counts: Mapping[str, Counter[str]], unwritable: Mapping[str, str]) -> str:
    """Why an entry was not used, if it was not."""
    if text in unwritable:
        return f"no token for {' '.join(unwritable[text])}: corrected only"
    if not chunks_of(text):
        return "nothing of it can be said"
    if not any(own[text] for own in counts.values()):
        return "no text sounds like it"
    return ""
