"""The sets of WenetSpeech."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ijson

from firered.cli.corpus import prepare
from firered.corpora.copies import add_copy, copy_of
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.cut import Stretch
from firered.corpora.files import need
from firered.corpora.long_set import LongSet, Recorded
from firered.errors import DataError, OptionError
from firered.options import Options, option

SETS = {"TEST_NET": ("ws-net", 24774), "TEST_MEETING": ("ws-meeting", 8370)}  # subset: name, utterances
DEV = ("DEV", "ws-dev")
TRAIN = {"S": ("ws-s", 100), "M": ("ws-m", 1000), "L": ("ws-l", 10005)}  # subset: name, hours
OLD = "old"
GET = "get the corpus as wenet-e2e.github.io/WenetSpeech says, or its shards from a hub (data/cuts_TEST_NET...)"


@dataclass(frozen=True)
class WenetSpeechOptions(Options):
    """Which transcripts the sets have."""

    labels: str = option(
        OLD,
        "transcripts of the training sets and of dev: those of WenetSpeech.json (old), or a table of corrected ones, "
        "`utterance text` a line; what is not in it is left out",
    )

    def table(self) -> Path | None:
        """The table of corrected transcripts; None: those of the corpus.

        Raises:
            OptionError: it is not there.
        """
        if self.labels == OLD:
            return None
        if not Path(self.labels).is_file():
            raise OptionError(f"labels: {self.labels} is not there; give {OLD}, or a table `utterance text`")
        return Path(self.labels)


OLD_LABELS = WenetSpeechOptions()


def read(corpus: Path, options: WenetSpeechOptions = OLD_LABELS) -> Iterator[CorpusSet | LongSet | Reading]:
    """Data directories of WenetSpeech; CORPUS holds WenetSpeech.json and audio/, or a copy of its test sets."""
    listing = corpus / "WenetSpeech.json"
    if not listing.is_file() and any(copy_of(corpus, *words(subset)) for subset in SETS):
        for subset, (name, _) in SETS.items():
            yield Reading(name, partial(read_copy, corpus, subset))
        return
    need(listing, GET)
    labels = options.table()
    found = {subset: new_set(subset, listing) for subset in SETS}
    for own, subsets_of in recordings(listing, found.keys()):
        for stretch, subsets in zip(own.stretches, subsets_of, strict=True):
            for subset in found.keys() & subsets:
                span, speaker = (stretch.start_s, stretch.end_s), own.recording
                found[subset].add(Entry(stretch.key, own.audio, speaker, stretch.text, recording=speaker, span=span))
    yield from found.values()
    for subset, name, hours in [(*DEV, None), *((subset, *of) for subset, of in TRAIN.items())]:
        yield LongSet(name, listing, partial(recorded, listing, subset), "zh", hours, labels)


def new_set(subset: str, source: Path) -> CorpusSet:
    """The set of a subset, still empty."""
    name, expected = SETS[subset]
    return CorpusSet(name, source, expected, compressed=True, language="zh")


def words(subset: str) -> list[str]:
    """The words by which the files of a copy's subset are known."""
    return subset.lower().split("_")


def read_copy(corpus: Path, subset: str) -> CorpusSet:
    """A test set of shards of lhotse or parquet files."""
    found = new_set(subset, corpus)
    add_copy(found, corpus, copy_of(corpus, *words(subset)))
    return found


def recorded(listing: Path, subset: str) -> Iterator[Recorded]:
    """The recordings that have utterances of a subset, with these."""
    return (own for own, _ in recordings(listing, {subset}))


def recordings(listing: Path, wanted: Iterable[str]) -> Iterator[tuple[Recorded, list[set[str]]]]:
    """The recordings with utterances of one of the subsets, and the subsets that each of these is in.

    The listing is too long to be loaded as a whole; what it says of one recording is.

    Raises:
        DataError: it is not JSON, or lacks something.
    """
    known = set(wanted)
    with listing.open("rb") as stream:
        audio: dict[str, Any] = {}
        try:
            for audio in ijson.items(stream, "audios.item", use_float=True):
                own = Recorded(audio["aid"], listing.parent / audio["path"], [])
                subsets_of = []
                for one in audio["segments"]:
                    stretch = Stretch(one["sid"], one["text"], one["begin_time"], one["end_time"])
                    if known & (subsets := set(one["subsets"])):
                        own.stretches.append(stretch)
                        subsets_of.append(subsets)
                if subsets_of:
                    yield own, subsets_of
        except KeyError as error:
            raise DataError(f"{listing}: recording {audio.get('aid')} lacks {error}") from None
        except (ijson.JSONError, ValueError, TypeError) as error:
            raise DataError(f"{listing}: not readable as JSON: {error}") from None


if __name__ == "__main__":
    prepare(read)
