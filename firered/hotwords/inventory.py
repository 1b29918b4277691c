"""The sounds that texts are compared by, and what it costs to take one for another: `NAMES`, `WEIGHTS`, `SUBSTITUTION`.

They are the initials and the finals with their tones of Mandarin, the phonemes of English (ARPAbet without stress), the
Latin letters, and the characters of all other scripts, which share numbers only with those of another script.
"""

import itertools
from collections.abc import Iterator
from importlib import resources

import numpy as np

_INITIALS = ["", *"bpmfdtnlgkhjqx", "zh", "ch", "sh", *"rzcs"]
_FINALS = [
    *("a", "o", "e", "ê", "i", "u", "v", "er", "ai", "ei", "ao", "ou", "an", "en", "ang", "eng", "ong"),
    *("ia", "ie", "iao", "iou", "ian", "in", "iang", "ing", "iong"),
    *("ua", "uo", "uai", "uei", "uan", "uen", "uang", "ueng", "ve", "van", "vn"),
]
_TONES = (1, 2, 3, 4, 5)
_VOWELS = ["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH", "UW"]
_CONSONANTS = [
    *("B", "CH", "D", "DH", "F", "G", "HH", "JH", "K", "L", "M", "N"),
    *("NG", "P", "R", "S", "SH", "T", "TH", "V", "W", "Y", "Z", "ZH"),
]
_OTHERS = 251  # a prime, larger than the range of code points of one script, so that its characters are told apart
NAMES = (
    *(f"{initial}-" for initial in _INITIALS),
    *(f"{final}{tone}" for final in _FINALS for tone in _TONES),
    *_VOWELS,
    *_CONSONANTS,
    *(f"<{letter}>" for letter in "aeiouy"),
    *(f"<{letter}>" for letter in "bcdfghjklmnpqrstvwxz"),
    *(f"<{number}>" for number in range(_OTHERS)),
    "?",
)
IDS = {name: number for number, name in enumerate(NAMES)}
UNKNOWN = IDS["?"]  # stands for what is said there and not known
ARPABET = frozenset([*_VOWELS, *_CONSONANTS])
_COUNTS = (len(_INITIALS), len(_FINALS) * len(_TONES), len(_VOWELS), len(_CONSONANTS), 6, 20, _OTHERS, 1)
# A syllable weighs 1, and so does an English one of two phonemes.
_WEIGHT_OF_KIND = np.array([0.4, 0.6, 0.6, 0.4, 0.4, 0.4, 0.5, 1.0], np.float32)
_COST_WITHIN_KIND = (0.8, 0.6, 0.6, 0.8, 0.6, 0.8, 1.0, 2.0)  # of two that no line of the table names
_OTHER_TONE = 0.1
_NOT_ALIKE = 2.0  # as much as leaving out the one and putting in the other
_ALIKE = 0.2  # sounds that cost no more than this share of their weight are one class


def of_syllable(initial: str, final: str, tone: int) -> tuple[int, ...]:
    """The two sounds of a syllable of Mandarin; none of one that is no such syllable."""
    first, second = IDS.get(f"{initial}-"), IDS.get(f"{final}{tone}")
    return () if first is None or second is None else (first, second)


def of_character(character: str) -> int:
    """The sound that a character of any other script than Han stands for, in lower case."""
    letter = IDS.get(f"<{character}>") if character.isascii() else None
    return IDS[f"<{ord(character) % _OTHERS}>"] if letter is None else letter


def _confusions() -> Iterator[tuple[str, str, float]]:
    table = resources.files("firered.hotwords").joinpath("confusions.tsv").read_text(encoding="utf-8")
    for line in table.splitlines():
        if line and not line.startswith("#"):
            one, other, cost = line.split("\t")
            yield one, other, float(cost)


def _costs() -> np.ndarray:
    """(S, S) the cost of a sound in the place of another, as a share of their weight."""
    costs = np.full((len(NAMES), len(NAMES)), _NOT_ALIKE, np.float32)
    ends = np.cumsum(_COUNTS)
    for cost, end, count in zip(_COST_WITHIN_KIND, ends, _COUNTS, strict=True):
        costs[end - count : end, end - count : end] = cost
    for one, other, cost in (*_confusions(), *((final, final, 0.0) for final in _FINALS)):
        for a, b in itertools.product(_with_tones(one), _with_tones(other)):
            with_tone = cost + _OTHER_TONE * (a[-1:].isdigit() and b[-1:].isdigit() and a[-1] != b[-1])
            costs[IDS[a], IDS[b]] = costs[IDS[b], IDS[a]] = with_tone
    np.fill_diagonal(costs, 0.0)
    return costs


def _with_tones(name: str) -> list[str]:
    return [f"{name}{tone}" for tone in _TONES] if name in _FINALS else [name]


def _classes() -> np.ndarray:
    share = SUBSTITUTION / np.minimum.outer(WEIGHTS, WEIGHTS)
    classes = np.arange(len(NAMES))
    for one, other in zip(*np.nonzero(share <= _ALIKE), strict=True):
        classes[classes == classes[other]] = classes[one]
    return np.unique(classes, return_inverse=True)[1]


WEIGHTS = np.repeat(_WEIGHT_OF_KIND, _COUNTS)  # (S,) cost of leaving a sound out
SUBSTITUTION = _costs() * (WEIGHTS[:, None] + WEIGHTS) / 2  # (S, S)
CLASSES = _classes()  # (S,) sounds that are easily confused have one number, finals of all tones among them
