"""Utterances as a stream gives them: some chunks from their beginning, and the text of all chunks but the last.

Recognition of a stream decodes the audio so far from its start, with the text of the pass before it, but for its last
tokens, as the beginning of the answer.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from firered.audio.framing import FRAME_SHIFT_S
from firered.results import Word
from firered.text.units import HAN
from firered.train.data.ask_config import GrowingConfig

_STREAM = 23  # random numbers apart from those of other draws
_CACHED = 8  # passes whose draws are kept


class Heard(NamedTuple):
    """Frames that are heard, and frames that the text so far is of."""

    frames: int
    before: int


class Growing:
    """Draws which utterances of an epoch are cut, and where.

    Args:
        config: section `streaming`.
        seed: of the training.
        count: of utterances.
    """

    def __init__(self, config: GrowingConfig, seed: int, count: int) -> None:
        self.config, self._seed, self._count = config, seed, count
        self._drawn = lru_cache(_CACHED)(self._draw)

    def heard(self, index: int, epoch: int, frames: int) -> Heard | None:
        """What is heard of an utterance of so many frames in an epoch; None: all of it, as a whole."""
        cut, chunks, places = self._drawn(epoch)
        if not cut[index]:
            return None
        chunk = chunks[index]
        number = int(places[index] * math.ceil(frames / chunk))
        return Heard(min(round((number + 1) * chunk), frames), min(round(number * chunk), frames))

    def frames(self, epoch: int, frames: np.ndarray) -> np.ndarray:
        """(n,) frames that are heard of utterances of so many."""
        cut, chunks, places = self._drawn(epoch)
        ends = np.round((np.floor(places * np.ceil(frames / chunks)) + 1) * chunks).astype(np.int64)
        return np.where(cut, np.minimum(ends, frames), frames)

    def _draw(self, epoch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n,) whether an utterance is cut, the frames of its chunks, and which of them is the last, from 0 to 1."""
        rng = np.random.default_rng([self._seed, epoch, _STREAM])
        few, many = self.config.few_and_many
        cut = rng.random(self._count) < self.config.share
        return cut, rng.uniform(few, many, self._count) / FRAME_SHIFT_S, rng.random(self._count)


def cut_text(text: str, share: float, ends: Sequence[tuple[int, float]], time_s: float) -> str:
    """The text that is said up to a time, from its first character on, whole words alone.

    Args:
        text: of the utterance.
        share: of the utterance that the time is at, by which the text is cut where no times are known.
        ends: place in the text after each word, and when the word ends.
        time_s: the time, on the same clock.
    """
    if share >= 1:
        return text
    if ends:
        return text[: max((place for place, end_s in ends if end_s <= time_s), default=0)]
    place = int(len(text) * share)
    while 0 < place < len(text) and _inside(text, place):
        place -= 1
    return text[:place].rstrip()


def _inside(text: str, place: int) -> bool:
    """Whether a place is within a word."""
    return all(sign.isalnum() and not HAN.match(sign) for sign in text[place - 1 : place + 1])


def word_ends(text: str, words: Sequence[Word], bare: Callable[[str], str]) -> tuple[tuple[int, float], ...]:
    """The place in a text after each word, and when the word ends in seconds.

    Args:
        text: as it is written.
        words: all of it, without marks, in order.
        bare: what words and text have in common.
    """
    places = [place for place, sign in enumerate(text, 1) for _ in bare(sign)]
    found, count = [], 0
    for word in words:
        count += len(bare(word.text))
        if 0 < count <= len(places):
            found.append((places[count - 1], word.end_s))
    return tuple(found)


def beginning_of(
    text: str, ids_of: Callable[[str], list[int]], decode: Callable[[Sequence[int]], str], kept_back: int
) -> str:
    """The text of all but the last tokens of a text, as recognition gives the text so far; whole characters alone."""
    ids = ids_of(text)
    found = decode(ids[: max(len(ids) - kept_back, 0)]).replace("\ufffd", "")
    return found if text.startswith(found) else ""
