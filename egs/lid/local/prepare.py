"""Languages of FLEURS, and Chinese dialects of KeSpeech and MagicHub, as sets of two-level labels: `en`, `zh yue`."""

import logging
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from firered.cli.corpus import write_sets
from firered.cli.flags import run
from firered.corpora import kespeech
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.dialects import add_labelled
from firered.corpora.files import present, recipe_table
from firered.corpora.fleurs import languages_here, read_language
from firered.corpora.magichub import read_here
from firered.corpora.splits import DEV, TEST, TRAIN, held_out
from firered.errors import DataError
from firered.options import Options, option

log = logging.getLogger("prepare")

EGS = Path(__file__).resolve().parents[2]
PARTS = (TRAIN, DEV, TEST)
_OF_KESPEECH = {TRAIN: ("train_phase1", "train_phase2"), DEV: ("dev_phase1", "dev_phase2"), TEST: (kespeech.TEST,)}


@dataclass(frozen=True)
class LidCorpusConfig(Options):
    """How much of it is used."""

    most: int = option(20_000, "utterances of each label in training", low=1)
    most_dev: int = option(200, "utterances of each label in dev", low=1)


def languages(corpus: Path, part: str) -> CorpusSet:
    """The languages of FLEURS that FireRedLID knows, Mandarin and Cantonese with their dialect."""
    codes = recipe_table(EGS / "fleurs_lid/tables/languages.tsv")
    codes |= recipe_table(EGS / "lid/tables/fleurs_dialects.tsv")
    found = CorpusSet("fleurs", corpus / "data")
    for language in present(codes, languages_here(corpus, part), "languages"):
        try:
            for recording in read_language(corpus, language, part):
                key = f"{language}-{recording.name}"
                found.add(Entry(key, recording.path, language=codes[language], duration_s=recording.duration_s))
        except DataError as error:
            found.miss(language, str(error))
    return found


def dialects(corpus: Path, part: str, labels: dict[str, str]) -> CorpusSet:
    """The part of KeSpeech's recognition task; for training as many of its two phases as are there.

    Raises:
        DataError: none of it can be read.
    """
    found = CorpusSet("kespeech", corpus)
    problems = []
    for name in _OF_KESPEECH[part]:
        try:
            add_labelled(found, kespeech.read_part(corpus, name, "kespeech"), labels)
        except DataError as error:
            problems.append(str(error))
    if len(problems) == len(_OF_KESPEECH[part]):
        raise DataError("\n".join(problems))
    for problem in problems:
        log.warning("left out: %s", problem)
    return found


def more_dialects(corpus: Path, labels: dict[str, str]) -> dict[str, CorpusSet]:
    """The corpora of MagicHub by part; of each a tenth is dev, a tenth test, by speakers and recordings."""
    sets = {part: CorpusSet("magichub", corpus) for part in PARTS}
    for reading in read_here(corpus, EGS / "magichub/tables"):
        try:
            whole = reading.read()
        except DataError as error:
            sets[TRAIN].miss(reading.name, str(error))
            continue
        groups = connected(whole.entries.values())
        parts = held_out(groups.values())
        for part in PARTS:
            own = {key: entry for key, entry in whole.entries.items() if parts[groups[key]] == part}
            once = part == TRAIN  # what is missing or left out is listed once
            part_of_it = replace(
                whole, entries=own, missing=whole.missing if once else [], left_out=whole.left_out if once else []
            )
            add_labelled(sets[part], part_of_it, labels)
    return sets


def connected(entries: Iterable[Entry]) -> dict[str, str]:
    """For each utterance the name of its group: no two groups share a speaker or a recording."""
    group: dict[str, str] = {}

    def top(name: str) -> str:
        while group.setdefault(name, name) != name:
            name = group[name]
        return name

    own = {}
    for entry in entries:
        own[entry.key] = f"speaker {entry.speaker or entry.key}"
        first, second = top(own[entry.key]), top(f"recording {entry.recording or entry.key}")
        group[max(first, second)] = min(first, second)
    return {key: top(name) for key, name in own.items()}


def capped(found: CorpusSet, most: int) -> CorpusSet:
    """So many utterances of each label, by the order of a hash of their ids."""
    counts: Counter[str | None] = Counter()
    entries = {}
    for key in sorted(found.entries, key=lambda key: zlib.crc32(key.encode())):
        label = found.entries[key].language
        counts[label] += 1
        if counts[label] <= most:
            entries[key] = found.entries[key]
    return replace(found, entries=entries)


def read(fleurs: Path, corpus: Path, magichub: Path | None, config: LidCorpusConfig) -> Iterator[CorpusSet]:
    """lid-train and lid-dev; the test sets fleurs-lid, lid-dialects, and both as lid-test.

    Raises:
        DataError: a corpus is not there.
    """
    labels = recipe_table(EGS / "zh_dialects_lid/tables/labels.tsv")
    labels = {name: label.replace("-", " ") for name, label in labels.items()}
    more = more_dialects(magichub, labels) if magichub else {}
    for part, most in ((TRAIN, config.most), (DEV, config.most_dev), (TEST, 0)):
        spoken = languages(fleurs, part)
        chinese = joined("lid-dialects", [dialects(corpus, part, labels), *([more[part]] if more else [])])
        if part == TEST:
            yield replace(spoken, name="fleurs-lid")
            yield chinese
            yield joined("lid-test", [spoken, chinese])
        else:
            yield capped(joined(f"lid-{part}", [spoken, chinese]), most)


def joined(name: str, sets: Iterable[CorpusSet]) -> CorpusSet:
    """Sets whose ids differ as one, in which every utterance has a length; not all of these corpora tell it."""
    found = CorpusSet(name, Path(), measure=True)
    for part in sets:
        found.source = part.source
        found.entries |= {key: _timed(entry) for key, entry in part.entries.items()}
        found.missing += part.missing
        found.left_out += part.left_out
    return found


def _timed(entry: Entry) -> Entry:
    """A stretch of a recording with its length."""
    return replace(entry, duration_s=entry.span[1] - entry.span[0]) if entry.span else entry


def main(
    fleurs: Annotated[Path, typer.Argument(help="FLEURS")],
    corpus: Annotated[Path, typer.Argument(metavar="KESPEECH", help="KeSpeech")],
    out: Annotated[Path, typer.Argument(help="folder for the data directories")],
    options: LidCorpusConfig,
    magichub: Annotated[Path | None, typer.Option(help="corpora of MagicHub, as for egs/magichub")] = None,
    allow_missing: Annotated[bool, typer.Option(help="leave out utterances that lack audio")] = False,
) -> None:
    """Write lid-train, lid-dev, fleurs-lid, lid-dialects and lid-test, each to OUT/<set>/data."""
    write_sets(read(fleurs, corpus, magichub, options), out, [], allow_missing=allow_missing)


if __name__ == "__main__":
    run(main)
