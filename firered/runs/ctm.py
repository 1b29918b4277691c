"""Words with times from a CTM file, each given to the utterance it belongs to."""

import math
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from firered.data.datadir import DataDir
from firered.errors import DataError, Problem
from firered.punc.text import bare
from firered.results import Word

_TOLERANCE_S = 0.01  # times and segments are rounded independently


@dataclass
class _Slot:
    """An utterance's stretch of its recording, and the rest of its text after the words found so far."""

    utterance: str
    rest: str | None  # None: its text is not known
    start_s: float = -math.inf
    end_s: float = math.inf
    words: list[Word] = field(default_factory=list)
    fault: str = ""  # the first word that the text does not continue with

    def covers(self, word: Word) -> bool:
        middle_s = (word.start_s + word.end_s) / 2
        return self.start_s - _TOLERANCE_S <= middle_s <= self.end_s + _TOLERANCE_S

    def continues_with(self, word: Word) -> bool:
        return self.rest is not None and self.rest.startswith(bare(word.text)) and self.covers(word)


@dataclass
class TimedTexts:
    """The words of each utterance on its recording's time axis, and why an utterance has none that can be used."""

    words: dict[str, list[Word]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def utterance_words(path: Path, texts: Mapping[str, str], data: DataDir | None, problems: list[Problem]) -> TimedTexts:
    """The words of a CTM, which have to be those of the texts, marks and letter case aside.

    Its lines name recordings (`data` has their segments, or every recording is an utterance) or utterances, whose times
    then count from their start; a file and channel stand for the recording that `reco2file_and_channel` gives them. Of
    segments that overlap, a word belongs to the one whose text continues with it.

    Args:
        path: of the CTM.
        texts: of each utterance.
        data: the data directory that the utterances are of, if any.
        problems: gets the lines that cannot be read.

    Raises:
        DataError: there is no such file.
    """
    lines = DataDir(path.parent, problems).lines(path.name)
    if lines is None:
        raise DataError(f"{path}: no such file")
    slots = _slots(texts, data)
    own_slot = {slot.utterance: slot for slots_of_recording in slots.values() for slot in slots_of_recording}
    channels = (data and data.table("reco2file_and_channel")) or {}
    recording_of = {tuple(value.split()): key for key, value in channels.items()}
    timed: dict[str, list[Word]] = defaultdict(list)
    for line in (line for lines_of_id in lines.values() for line in lines_of_id):
        file, channel, start, duration, text = line.split()[:5]
        owner = recording_of.get((file, channel), file)
        if owner not in slots and owner not in own_slot:
            continue  # of an utterance that is not among the texts
        try:
            start_s = float(start) + (0.0 if owner in slots else own_slot[owner].start_s)
            timed[owner].append(Word(text, round(start_s, 3), round(start_s + float(duration), 3)))
        except ValueError:
            problems.append(Problem(owner, f"{path}: no time in {line!r}"))
    for owner, words in timed.items():
        _assign(words, slots[owner] if owner in slots else [own_slot[owner]])
    found = TimedTexts()
    for key in texts:
        if reason := _fault(own_slot[key]):
            found.reasons[key] = f"{path}: {reason}"
        else:
            found.words[key] = own_slot[key].words
    return found


def _slots(texts: Mapping[str, str], data: DataDir | None) -> dict[str, list[_Slot]]:
    """The utterances of each recording in order of time."""
    slots: dict[str, list[_Slot]] = defaultdict(list)
    segments = (data and data.segments) or {}
    for key, part in segments.items():
        rest = bare(texts[key]) if key in texts else None
        slots[part.recording].append(_Slot(key, rest, part.start_s, part.end_s))
    for key in texts.keys() - segments.keys():
        slots[key].append(_Slot(key, bare(texts[key])))
    return {recording: sorted(own, key=lambda slot: slot.start_s) for recording, own in slots.items()}


def _assign(words: list[Word], slots: list[_Slot]) -> None:
    """Assign words to the utterances they lie in; words with the same start are taken in the order of the text."""
    later, near = deque(slots), []
    words = sorted(words, key=lambda word: word.start_s)
    for start_s, same_start in groupby(words, key=lambda word: word.start_s):
        waiting = list(same_start)
        while later and later[0].start_s - _TOLERANCE_S <= max(word.end_s for word in waiting):
            near.append(later.popleft())
        near = [slot for slot in near if slot.end_s + _TOLERANCE_S >= start_s]
        while waiting:
            waiting.remove(_assign_next(waiting, near))


def _assign_next(waiting: list[Word], slots: list[_Slot]) -> Word:
    """The word that was assigned to an utterance, or that fits none."""
    fitting = ((word, slot) for word in waiting for slot in slots if slot.continues_with(word))
    word, slot = next(fitting, (waiting[0], None))
    if slot is not None and slot.rest is not None:
        slot.words.append(word)
        slot.rest = slot.rest.removeprefix(bare(word.text))
        return word
    covering = [slot for slot in slots if slot.covers(word)]
    if covering and all(slot.rest is not None for slot in covering):
        first = covering[0]
        where = f"the text continues with {first.rest[:20]!r}" if first.rest else "the text has ended"
        first.fault = first.fault or f"the word {word.text!r} where {where}"
    return word


def _fault(slot: _Slot) -> str:
    """Why the words of an utterance cannot be used; empty if they can."""
    if slot.rest and not slot.fault:
        return f"the words end before {slot.rest[:20]!r}" if slot.words else "no words of this utterance"
    return slot.fault
