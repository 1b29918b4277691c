"""Readings of Chinese characters, as pinyin split into initial, final and tone. pypinyin brings the data along."""

import unicodedata
from collections import Counter
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

_LONGEST = 6  # characters of a word of which the dictionary says how it is read
_MOST = 3  # readings of one character
_WITHOUT_VOWEL = frozenset({"m", "n", "ng", "hm", "hng"})  # 嗯, 呣: taken for en


class Syllable(NamedTuple):
    """An initial, empty where there is none, a final by its full name (`iou`, `uen`, `v`), and a tone, 5 no tone."""

    initial: str
    final: str
    tone: int


def readings(text: str) -> list[tuple[Syllable, ...]]:
    """The readings of each character of a text, the likeliest first; none of what is no Chinese character.

    A character in a word of the dictionary is read as the word is. Any other may be read in several ways; those that
    differ by their tone alone are one.
    """
    phrases, characters = _phrases(), _characters()
    read: list[tuple[Syllable, ...]] = []
    place, size = 0, len(text)
    while place < size:
        if ord(text[place]) not in characters:
            read.append(())
            place += 1
            continue
        for length in range(min(_LONGEST, size - place), 1, -1):
            word = phrases.get(text[place : place + length])
            if word and len(word) == length:
                read += [tuple(split(reading) for reading in character[:1]) for character in word]
                break
        else:
            read.append(alternatives(text[place]))
            length = 1
        place += length
    return read


@cache
def alternatives(character: str) -> tuple[Syllable, ...]:
    """The readings of a character that are in use and differ by more than their tone, the commonest first.

    In use is the first of the table of characters, what the dictionary's words are read by, and what surnames are.
    """
    listed = _characters().get(ord(character), "").split(",")
    used = _used().get(character, frozenset())
    found: dict[tuple[str, str], Syllable] = {}
    for place, pinyin in enumerate(listed):
        if pinyin and (place == 0 or pinyin in used):
            syllable = split(pinyin)
            found.setdefault(syllable[:2], syllable)
    for pinyin in _SURNAMES.get(character, "").split():
        found.setdefault(split(pinyin)[:2], split(pinyin))
    return tuple(found.values())[:_MOST]


# Characters that are read otherwise where they are a surname.
_SURNAMES = {
    "单": "shan4", "仇": "qiu2", "区": "ou1", "查": "zha1", "解": "xie4", "曾": "zeng1", "盖": "ge3", "翟": "zhai2",
    "朴": "piao2", "尉": "yu4", "乐": "yue4", "覃": "qin2", "缪": "miao4", "冼": "xian3", "种": "chong2", "员": "yun4",
    "召": "shao4", "折": "she2", "黑": "he4", "秘": "bi4", "繁": "po2", "宓": "mi4", "能": "nai4", "谌": "chen2",
}  # fmt: skip


@cache
def _used() -> dict[str, frozenset[str]]:
    """The readings that each character has in at least two words of the dictionary."""
    counts: Counter[tuple[str, str]] = Counter()
    for word, read in _phrases().items():
        if len(word) == len(read):
            counts.update((character, said[0]) for character, said in zip(word, read, strict=True))
    used: dict[str, set[str]] = {}
    for (character, pinyin), count in counts.items():
        if count > 1:
            used.setdefault(character, set()).add(pinyin)
    return {character: frozenset(found) for character, found in used.items()}


@cache
def split(pinyin: str) -> Syllable:
    """A syllable of pinyin, with a mark of its tone (zhōng) or a number (zhong1)."""
    from pypinyin.contrib.tone_convert import to_finals_tone3, to_initials

    if _toneless(pinyin) in _WITHOUT_VOWEL:
        return Syllable("", "en", 5)
    initial = to_initials(pinyin, strict=True)
    final = to_finals_tone3(pinyin, strict=True, neutral_tone_with_five=True)
    tone = final[-1:]
    return Syllable(initial, final.rstrip("12345"), int(tone) if tone.isdigit() else 5)


def parse(written: str) -> Syllable | None:
    """A syllable as a user writes it (`bei3`, `běi`, `lv4`, `lü4`, `nu:3`, `de`); None where there is none such."""
    plain = unicodedata.normalize("NFC", written.lower()).replace("u:", "ü").replace("v", "ü")
    if plain[-1:] in tuple("012345"):
        plain = plain[:-1] + plain[-1].replace("0", "").replace("5", "")
    if any(character.isdigit() for character in plain[:-1]) or not _toneless(plain).isalpha():
        return None
    syllable = split(plain)
    return syllable if syllable[:2] in _known() and _toneless(plain) in _spellings() else None


def is_word(text: str) -> bool:
    """Whether a dictionary (jieba's, 350,000 words) has a text as a word."""
    return text in _words()


@cache
def _words() -> frozenset[str]:
    found = find_spec("jieba")  # not imported, which takes long and warns: its dictionary alone is read
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'jieba'", name="jieba")
    lines = Path(found.origin).with_name("dict.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line.partition(" ")[0] for line in lines)


@cache
def _known() -> frozenset[tuple[str, str]]:
    return frozenset(split(pinyin)[:2] for pinyin in _all())


@cache
def _spellings() -> frozenset[str]:
    return frozenset(_toneless(pinyin) for pinyin in _all())


def _all() -> set[str]:
    return {pinyin for line in _characters().values() for pinyin in line.split(",") if pinyin}


def _toneless(pinyin: str) -> str:
    """Pinyin without tone; ü is v."""
    apart = unicodedata.normalize("NFD", pinyin.rstrip("1234"))
    kept = apart.replace("u\u0308", "v").translate({ord(mark): None for mark in "\u0300\u0301\u0304\u030c"})
    kept = kept.replace("u\u0308", "v")  # ǘ comes apart as u, the dots, the accent; so do the others
    return unicodedata.normalize("NFC", kept)


@cache
def _characters() -> dict[int, str]:
    from pypinyin.pinyin_dict import pinyin_dict

    return pinyin_dict


@cache
def _phrases() -> dict[str, list[list[str]]]:
    from pypinyin.phrases_dict import phrases_dict

    return phrases_dict
