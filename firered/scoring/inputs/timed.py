"""The times of tokens: of the reference from its ctm, of a hypothesis from the times of its words."""

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain

import numpy as np
from rapidfuzz.distance import Levenshtein

from firered.data.datadir import DataDir
from firered.errors import DataError
from firered.results import Word
from firered.scoring.text.normalise import Normalizer


def reference_words(data: DataDir) -> dict[str, list[Word]]:
    """The words of each recording by a directory's ctm, in order of time and in seconds of the recording; none without.

    Its lines name recordings, or utterances of `segments`, whose times then count from their start; a file and channel
    stand for the recording that `reco2file_and_channel` gives them.

    Raises:
        DataError: a line cannot be read.
    """
    segments = data.segments or {}
    recordings = {segment.recording for segment in segments.values()}
    channels = data.table("reco2file_and_channel") or {}
    recording_of = {tuple(value.split()): key for key, value in channels.items()}
    found: dict[str, list[Word]] = defaultdict(list)
    for line in chain.from_iterable((data.lines("ctm") or {}).values()):
        file, channel, start, duration, text = line.split()[:5]
        owner = recording_of.get((file, channel), file)
        try:
            start_s, duration_s = float(start), float(duration)
        except ValueError:
            start_s = duration_s = math.nan
        if not (math.isfinite(start_s) and 0 <= duration_s < math.inf):
            raise DataError(f"{data.path / 'ctm'}: no time in {line!r}")
        if owner in segments and owner not in recordings:
            owner, start_s = segments[owner].recording, start_s + segments[owner].start_s
        found[owner].append(Word(text, start_s, start_s + duration_s))
    return {owner: sorted(words, key=lambda word: (word.start_s, word.end_s)) for owner, words in found.items()}


def token_times(tokens: Sequence[str], words: Sequence[Word], rule: Normalizer, language: str) -> np.ndarray:
    """(N, 2) start and end in seconds of the tokens of a text.

    A word of several tokens or letters is divided evenly among its letters. What the rule makes of the whole text may
    differ from what it makes of its words: letters that are in no word take their time from those beside them.

    Args:
        tokens: of the whole text, by the rule.
        words: of the text, with times, one after the other.
        rule: what the tokens are.
        language: code of the utterance, for rules that go by it.
    """
    letters, times = _letters(words, rule, language)
    wanted = "".join(tokens)
    starts, ends = (np.full(len(wanted), np.nan) for _ in range(2))
    for kind, start, end, own_start, own_end in Levenshtein.opcodes(letters, wanted).as_list():
        if kind in ("equal", "replace"):
            starts[own_start:own_end], ends[own_start:own_end] = times[start:end].T
    known = np.flatnonzero(~np.isnan(starts))
    edges = np.cumsum([0, *map(len, tokens)])
    if not len(known):
        at = words[0].start_s if words else 0.0
        return np.full((len(tokens), 2), at)
    places = np.arange(len(wanted))
    starts, ends = (np.interp(places, known, values[known]) for values in (starts, ends))
    return np.stack([starts[edges[:-1]], ends[edges[1:] - 1]], axis=1).reshape(-1, 2)


def _letters(words: Sequence[Word], rule: Normalizer, language: str) -> tuple[str, np.ndarray]:
    """What the rule leaves of words, and (letters, 2) start and end of each letter."""
    found: list[str] = []
    times = [np.zeros((0, 2))]
    for word in words:
        letters = "".join(rule(word.text, language))
        edges = np.linspace(word.start_s, word.end_s, len(letters) + 1)
        found.append(letters)
        times.append(np.stack([edges[:-1], edges[1:]], axis=1))
    return "".join(found), np.concatenate(times)
