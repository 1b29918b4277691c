"""Text as a sequence of sounds with costs between them: `sounds_of`, `substitution`, `WEIGHTS`."""

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import NamedTuple

import numpy as np

from firered.hotwords.english import is_known, phonemes, spelt_out
from firered.hotwords.mandarin import Syllable, syllables
from firered.text.units import HAN

_INITIALS = ("", *"b p m f d t n l g k h j q x zh ch sh r z c s".split())
_FINALS = tuple(
    "a o e ê i u v er ai ei ao ou an en ang eng ong ia ie iao iou ian in iang ing iong ua uo uai uei uan uen uang ueng "
    "ve van vn".split()
)
_TONES = (1, 2, 3, 4, 5)
_VOWELS = "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW".split()
_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH".split()
NAMES = (
    *(f"{initial}-" for initial in _INITIALS),
    *(f"{final}{tone}" for final in _FINALS for tone in _TONES),
    *_VOWELS,
    *_CONSONANTS,
)
IDS = {name: number for number, name in enumerate(NAMES)}
_INITIAL, _FINAL, _VOWEL, _CONSONANT = 0.4, 0.6, 0.6, 0.4  # so a syllable weighs 1, and so does an English one of two
_OTHER_TONE, _OTHER_VOWEL, _OTHER_CONSONANT = 0.1, 0.6, 0.8
_NOT_ALIKE = 2.0  # as much as leaving out the one and putting in the other

# Stretches of a text that have a sound: a Chinese character, letters, a number.
_SAID = re.compile(rf"(?P<han>{HAN.pattern})|(?P<letters>[^\W\d_]+(?:'[^\W\d_]+)*)|(?P<digits>\d+)")


class Sounded(NamedTuple):
    """The sounds of a text: ids (L,) of `NAMES`, and the stretch of the text that each belongs to (L,), (L,)."""

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    @property
    def weight(self) -> float:
        """The cost of leaving them all out."""
        return float(WEIGHTS[self.ids].sum())


def sounds_of(text: str) -> Sounded:
    """The sounds of a text as it is read; what has no sound is passed over."""
    ids: list[int] = []
    starts: list[int] = []
    ends: list[int] = []
    read = syllables(text)
    for found in _SAID.finditer(text):
        start, end = found.span()
        said = _of_syllable(read[start]) if found["han"] else _of_word(found[0])
        ids += said
        starts += [start] * len(said)
        ends += [end] * len(said)
    return Sounded(np.array(ids, np.int16), np.array(starts, np.int32), np.array(ends, np.int32))


def _of_syllable(syllable: Syllable | None) -> tuple[int, ...]:
    if syllable is None or syllable.final not in _FINALS:
        return ()
    return IDS[f"{syllable.initial}-"], IDS[f"{syllable.final}{syllable.tone}"]


@cache
def _of_word(word: str) -> tuple[int, ...]:
    """The sounds of letters or digits; capitals that are no word are an abbreviation."""
    lower = word.lower()
    if word.isdigit():
        names = tuple(name for digit in word for name in phonemes(_DIGITS[int(digit)]))
    elif word.isupper() and len(word) <= _ABBREVIATION and not is_known(lower):
        names = spelt_out(lower)
    else:
        names = phonemes(lower)
    return tuple(IDS[name] for name in names if name in IDS)


_ABBREVIATION = 5  # letters at most
_DIGITS = "zero one two three four five six seven eight nine".split()


def _confusions() -> Iterator[tuple[str, str, float]]:
    table = resources.files("firered.hotwords").joinpath("confusions.tsv").read_text(encoding="utf-8")
    for line in table.splitlines():
        if line and not line.startswith("#"):
            one, other, cost = line.split("\t")
            yield one, other, float(cost)


def _kinds() -> tuple[np.ndarray, np.ndarray]:
    """The weight of each sound, and which of the four kinds it is."""
    counts = (len(_INITIALS), len(_FINALS) * len(_TONES), len(_VOWELS), len(_CONSONANTS))
    weights = np.repeat(np.array([_INITIAL, _FINAL, _VOWEL, _CONSONANT], np.float32), counts)
    return weights, np.repeat(np.arange(4), counts)


def _costs() -> np.ndarray:
    """(S, S) the cost of a sound in the place of another, as a share of their weight."""
    kinds = _kinds()[1]
    costs = np.full((len(NAMES), len(NAMES)), _NOT_ALIKE, np.float32)
    for kind, other in enumerate((_OTHER_CONSONANT, _OTHER_VOWEL, _OTHER_VOWEL, _OTHER_CONSONANT)):
        costs[np.ix_(kinds == kind, kinds == kind)] = other
    for one, other, cost in (*_confusions(), *((final, final, 0.0) for final in _FINALS)):
        for a in _with_tones(one):
            for b in _with_tones(other):
                with_tone = cost + _OTHER_TONE * (a[-1:].isdigit() and b[-1:].isdigit() and a[-1] != b[-1])
                costs[IDS[a], IDS[b]] = costs[IDS[b], IDS[a]] = with_tone
    np.fill_diagonal(costs, 0.0)
    return costs


def _with_tones(name: str) -> list[str]:
    return [f"{name}{tone}" for tone in _TONES] if name in _FINALS else [name]


WEIGHTS = _kinds()[0]
SUBSTITUTION = _costs() * (WEIGHTS[:, None] + WEIGHTS) / 2
