"""The lists of hotwords of a test set: one for all utterances, several, or one of each utterance."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

from firered.data.datadir import DataDir
from firered.data.files import visible
from firered.data.hotwords import TABLES
from firered.data.lines import bytes_of, read_lines
from firered.errors import DataError
from firered.hotwords.lists import HotwordList
from firered.hotwords.reading import read_list

_TOPIC = "topic:"
_COLUMNS = 4  # of the lists of Le et al.: id, text, words of the utterance, all words


@dataclass(frozen=True)
class NamedList:
    """A list of hotwords.

    Attributes:
        name: of its file, without the ending.
        phrases: its entries.
        topics: those of its entries that stand under a comment `# topic: NAME`, by their texts.
    """

    name: str
    phrases: HotwordList
    topics: Mapping[str, str] = field(default_factory=dict)


class Given(NamedTuple):
    """The names of an utterance's lists; `own`, where it is known, are those of their phrases that were said."""

    lists: tuple[str, ...]
    own: frozenset[str] | None = None


class UtteranceLists:
    """Which lists each utterance has.

    Args:
        source: the file or folder.
        files: of the lists by their names; read when they are needed.
        given: the lists of each utterance; None: all have all lists.
        rows: lists that are not files of their own, by their names.
    """

    def __init__(
        self,
        source: Path,
        files: Mapping[str, Path],
        given: Mapping[str, Given] | None = None,
        rows: Mapping[str, HotwordList] | None = None,
    ) -> None:
        self.source = source
        self._files = files
        self._given = given
        self._rows = rows or {}
        self._all = Given(tuple(files))
        self._read = lru_cache(maxsize=16)(_read_named)

    def of(self, key: str) -> Given:
        """The lists of an utterance; none where a table does not name it."""
        return self._all if self._given is None else self._given.get(key, Given(()))

    def named(self, name: str) -> NamedList:
        """A list by its name.

        Raises:
            DataError: its file cannot be read, or has bad lines.
        """
        if name in self._rows:
            return NamedList(name, self._rows[name])
        return self._read(self._files[name])

    @cached_property
    def shared(self) -> frozenset[str]:
        """Lists whose names are topics: there are several of them, and no utterance has one for itself."""
        if self._given is None:
            names = self._all.lists
        else:
            seen: dict[str, int] = {}
            for given in self._given.values():
                for name in given.lists:
                    seen[name] = seen.get(name, 0) + 1
            names = tuple(name for name, times in seen.items() if times > 1)
        return frozenset(names) if len(names) > 1 else frozenset()


def read_lists(path: Path, data: DataDir, keys: Iterable[str]) -> UtteranceLists:
    """The lists of the utterances `keys`.

    Args:
        path: a list, which all utterances have; a table with the columns of Le et al. (2021), the first of which is
            the id; or a folder of lists `NAME.txt`: then the table `utt2hotwords` of the references' directory says
            which each utterance has, `spk2hotwords` and `reco2hotwords` those of its speaker and recording, and without
            such a table all utterances have all lists.
        data: the directory of the references.
        keys: ids of the references.

    Raises:
        DataError: there is no list there, a table names one that is not, or no utterance has any.
    """
    if not path.is_dir():
        rows = read_lines(path)
        if _is_biasing_table(rows):
            return _of_table(path, rows, set(keys))
        return UtteranceLists(path, {path.stem: path})
    files = {file.stem: file for file in visible(path, "*.txt") if file.is_file()}
    if not files:
        raise DataError(f"{path}: no lists of hotwords here, files NAME.txt with a phrase a line")
    given = _given(data, set(keys))
    if given is None:
        return UtteranceLists(path, files)
    for key, one in given.items():
        for name in one.lists:
            if name not in files:
                raise DataError(f"{data.path}: the hotwords of {key} are {name!r}, but there is no {path / name}.txt")
    if not given:
        raise DataError(f"{data.path}: none of its tables {', '.join(TABLES)} has an utterance of the references")
    return UtteranceLists(path, files, given)


def _given(data: DataDir, keys: set[str]) -> dict[str, Given] | None:
    """The list of each utterance by the first table that has it; None where there is no table."""
    utterances, speakers, recordings = (data.table(name) for name in TABLES)
    if utterances is None and speakers is None and recordings is None:
        return None
    speaker_of, segments = data.utt2spk or {}, data.segments or {}
    given: dict[str, Given] = {}
    for key in keys:
        recording = segments[key].recording if key in segments else key
        names = (
            (utterances or {}).get(key)
            or (speakers or {}).get(speaker_of.get(key, ""))
            or (recordings or {}).get(recording)
        )
        if names:
            given[key] = Given(tuple(names.split()))
    return given


def _is_biasing_table(rows: list[tuple[int, str]]) -> bool:
    cells = rows[0][1].split("\t") if rows else []
    return len(cells) >= _COLUMNS - 1 and cells[2].startswith("[")


def _of_table(path: Path, rows: list[tuple[int, str]], keys: set[str]) -> UtteranceLists:
    """The lists of Le et al.: the third column are the utterance's own words, the fourth these and distractors."""
    given: dict[str, Given] = {}
    lists: dict[str, HotwordList] = {}
    for number, line in rows:
        key, _, *columns = (*line.split("\t"), "")[: max(_COLUMNS, line.count("\t") + 1)]
        try:
            own, *others = ([str(word) for word in json.loads(column)] for column in columns if column)
        except (ValueError, TypeError):
            raise DataError(
                f"{path}:{number}: not an id, a text and one or two lists in brackets, between tabs"
            ) from None
        if key in keys:
            lists[key] = HotwordList((*own, *(word for words in others for word in words)))
            given[key] = Given((key,), frozenset(lists[key].texts[: len(HotwordList(own))]))
    if not given:
        raise DataError(f"{path}: none of its ids is in the reference")
    return UtteranceLists(path, {}, given, lists)


def _read_named(path: Path) -> NamedList:
    phrases = read_list(path)
    topics: dict[str, str] = {}
    if _TOPIC.encode() not in bytes_of(path).lower():
        return NamedList(path.stem, phrases)
    texts, topic = set(phrases.texts), ""
    for _, line in read_lines(path):
        line = line.strip()
        comment = line.lstrip("#").strip()
        if line.startswith("#") and comment.lower().startswith(_TOPIC):
            topic = comment[len(_TOPIC) :].strip()
        elif topic and not line.startswith("#"):
            phrase = line.split("\t")[0]
            text = " ".join((phrase[1:] if phrase.startswith("\\#") else phrase).split())
            if text in texts:
                topics.setdefault(text, topic)
    return NamedList(path.stem, phrases, topics)
