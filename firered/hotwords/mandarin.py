"""Readings of Chinese characters, as pinyin split into initial, final and tone."""

from functools import cache
from typing import NamedTuple

_LONGEST = 6  # characters of a word of which the dictionary says how it is read


class Syllable(NamedTuple):
    """An initial, empty where there is none, a final by its full name (`iou`, `uen`, `v`), and a tone, 5 the neutral."""

    initial: str
    final: str
    tone: int


def syllables(text: str) -> list[Syllable | None]:
    """The reading of each character of a text as the words in it are read; None for what is no Chinese character."""
    read: list[Syllable | None] = []
    while len(read) < len(text):
        word = _word_at(text, len(read))
        read += word or [_single(text[len(read)])]
    return read


def alternatives(character: str) -> list[Syllable]:
    """All readings of a character, the commonest first."""
    return list(dict.fromkeys(split(pinyin) for pinyin in _characters().get(ord(character), "").split(",") if pinyin))


@cache
def split(pinyin: str) -> Syllable:
    """A syllable of pinyin, with a mark of its tone (zhōng) or a number (zhong1)."""
    from pypinyin.contrib.tone_convert import to_finals_tone3, to_initials

    initial = to_initials(pinyin, strict=True)
    final = to_finals_tone3(pinyin, strict=True, neutral_tone_with_five=True)
    tone = final[-1:]
    return Syllable(initial, final.rstrip("12345"), int(tone) if tone.isdigit() else 5)


def is_word(text: str) -> bool:
    """Whether the dictionary has a text as a word of two characters or more."""
    return text in _phrases()


def _word_at(text: str, place: int) -> list[Syllable] | None:
    """The reading of the longest word of the dictionary that begins here."""
    for length in range(min(_LONGEST, len(text) - place), 1, -1):
        readings = _phrases().get(text[place : place + length])
        if readings and len(readings) == length:
            return [split(reading[0]) for reading in readings]
    return None


def _single(character: str) -> Syllable | None:
    found = _characters().get(ord(character))
    return split(found.partition(",")[0]) if found else None


@cache
def _characters() -> dict[int, str]:
    from pypinyin.pinyin_dict import pinyin_dict

    return pinyin_dict


@cache
def _phrases() -> dict[str, list[list[str]]]:
    from pypinyin.phrases_dict import phrases_dict

    return phrases_dict
