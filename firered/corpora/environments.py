"""Recordings made in noisy places: a data directory, or a folder of audio with tables, where `utt2env` has the places.

A test set each place, as in table 4 of the FunAudio-ASR report.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from firered.audio.config import AudioConfig
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import need
from firered.data.datadir import KNOWN_FILES, read_table
from firered.data.files import visible
from firered.data.utterance import Utterance
from firered.errors import DataError
from firered.runs.inputs import resolve

log = logging.getLogger(__name__)

TABLE = "utt2env"
PUBLISHED = (
    *("canteen", "dinner", "meeting", "office", "outdoor", "park", "shop", "street", "subway", "supermarket"),
    "walkstreet",
)
_LANGUAGE = "zh"
_GET = "give a data directory, or a folder of audio with the tables text and utt2env (`<utterance> <place>`)"


def plain_name(name: str) -> str:
    """The name of a place as it stands in the name of a set: small letters and digits, without what separates words."""
    return re.sub(r"[\W_]+", "", name.lower())


@dataclass
class Transcribed:
    """The utterances of a data directory, or of a folder of audio with tables, and what is known of them.

    Attributes:
        folder: where they are from.
        utterances: with audio, by id.
        texts: transcripts.
        languages: `utt2lang`; without it all is taken for Chinese, as the report's sets seem to be.
        dialects: `utt2dialect`; may be empty.
        labels: other tables by utterance, `utt2NAME` by NAME.
        problems: lines `id reason` of utterances that cannot be used.
    """

    folder: Path
    utterances: dict[str, Utterance] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    languages: Mapping[str, str] = field(default_factory=dict)
    dialects: Mapping[str, str] = field(default_factory=dict)
    labels: dict[str, Mapping[str, str]] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path) -> "Transcribed":
        """All that is there; utterances without transcript, or the other way round, are problems.

        Raises:
            DataError: there is no `text`, no audio, or a table cannot be read.
        """
        texts = read_table(need(folder / "text", _GET), empty_value_ok=True)
        inputs = resolve([str(folder)], AudioConfig(), by_segment=True, durations=False)
        found = cls(folder, {utterance.id: utterance for utterance in inputs.utterances}, texts)
        found.problems = [(problem.key, problem.reason) for problem in inputs.problems]
        known = dict(found.problems)
        for key in sorted((found.utterances.keys() ^ texts.keys()) - known.keys()):
            reason = f"no audio for it in {folder}" if key in texts else f"is not in {folder / 'text'}"
            found.problems.append((key, reason))
        found.utterances = {key: own for key, own in found.utterances.items() if key in texts}
        for path in visible(folder, "utt2*"):
            if path.name == "utt2lang":
                found.languages = read_table(path)
            elif path.name == "utt2dialect":
                found.dialects = read_table(path)
            elif path.name not in KNOWN_FILES:
                found.labels[path.name.removeprefix("utt2")] = read_table(path)
        return found

    def entry(self, key: str, audio: Path) -> Entry:
        """An utterance as one of a test set, with this file as its recording."""
        return Entry(
            key,
            audio,
            self.utterances[key].speaker,
            self.texts[key],
            language=self.languages.get(key) if self.languages else _LANGUAGE,
            dialect=self.dialects.get(key),
            labels={name: table[key] for name, table in self.labels.items() if key in table},
        )


def recorded(folder: Path) -> list[CorpusSet]:
    """The set `noise-PLACE` of each place, sorted. What lacks something is missing from its set, or from the first.

    Raises:
        DataError: there is no text, no utt2env, or no audio.
    """
    table = read_table(need(folder / TABLE, _GET))
    found = Transcribed.read(folder)
    names = {key: f"noise-{plain_name(place)}" for key, place in table.items()}
    sets = {name: CorpusSet(name, folder) for name in sorted(set(names.values()))}
    if unknown := sorted(sets.keys() - {f"noise-{place}" for place in PUBLISHED}):
        log.warning("%s: the report has no %s; it has %s", folder / TABLE, ", ".join(unknown), ", ".join(PUBLISHED))
    first = next(iter(sets.values()), None)
    if first is None:
        raise DataError(f"{folder / TABLE}: it is empty; {_GET}")
    for key, reason in found.problems:
        sets.get(names.get(key, ""), first).miss(key, reason)
    for key, utterance in found.utterances.items():
        if key not in names:
            first.miss(key, f"is not in {folder / TABLE}")
        else:
            _add(sets[names[key]], found, utterance)
    return list(sets.values())


def _add(corpus_set: CorpusSet, found: Transcribed, utterance: Utterance) -> None:
    key, path = utterance.id, Path(utterance.rxfilename)
    if not utterance.is_file and not path.is_file():
        path = found.folder / path
    if utterance.channel or not path.is_file():
        what = "one channel of its file" if utterance.channel else f"{utterance.rxfilename!r}, which is no file"
        corpus_set.miss(key, f"its audio is {what}; give each recording as a file of one channel")
        return
    entry = found.entry(key, path)
    if key != utterance.recording:
        span = utterance.start_s, utterance.end_s
        entry = replace(entry, recording=utterance.recording, span=span)
    corpus_set.add(entry)
