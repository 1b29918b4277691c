"""The named rules that make texts comparable; every report says by which one it was made.

All but two begin with `visible`: what is not seen is no error. `none` takes texts as they are, and `firered-released`
does what the published tool does; the report says what invisible characters these two have met.

This project's rule and Whisper's go by the language of the utterance: those without spaces between words are cut into
characters, and Chinese characters and numerals are for Chinese alone.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from firered.scoring.config import NormalizerConfig
from firered.scoring.text import released, speechio
from firered.text.invisible import visible
from firered.text.scripts import BY_CHARACTER, CHINESE
from firered.text.units import TAG, characters, mixed

Step = Callable[[str], str]
Tokenize = Callable[[str], list[str]]

_ASCII_MARKS = re.escape('!"#$%&()*+,./:;=?@[\\]^_`{|}~')  # not - and ' of words, nor < and > of tags
# Full-width forms, CJK marks (without the iteration mark, closing mark and zero, which are read), general punctuation.
_OTHER_MARKS = "\u00a1\u00ab\u00b7\u00bb\u00bf\u2010-\u2027\u2030-\u205e\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb"
_WIDE_MARKS = "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufe10-\ufe19\ufe30-\ufe4f"
# Of other scripts, from Greek to Mongolian, all but hyphens, what stands inside of words as an apostrophe does, and the
# four Burmese words that are written as a sign.
_PARTS_OF_WORDS = "\u055a\u05f3\u05f4\u104c-\u104f"
_MARKS_OF_SCRIPTS = "".join(
    chr(code)
    for code in range(0x0370, 0x1C80)
    if unicodedata.category(chr(code)) in ("Po", "Ps", "Pe") and not re.match(f"[{_PARTS_OF_WORDS}]", chr(code))
)
_MARK = re.compile(f"[{_ASCII_MARKS}{_OTHER_MARKS}{_WIDE_MARKS}{_MARKS_OF_SCRIPTS}]")
# Letters that stand alone, between spaces: not part of a word (chào các), a number, or a contraction; Han may be beside
# them. What is before the first is looked at after it: before every character it would take most of the time.
_BESIDE = r"\w'\-\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff"
_SPELLED = re.compile(rf"[A-Za-z](?<![{_BESIDE}].)(?: +[A-Za-z])+(?![{_BESIDE}])", re.ASCII)
_LONGEST_ABBREVIATION = 5  # letters; what is spelled longer stays spelled
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Normalizer:
    """A rule: called with a text, it gives the tokens that are compared.

    `label` is its name with its options, as reports show it, `note` what they say of its figures. `skips_missing`:
    utterances without a hypothesis are left out, as the released tool does, where every other rule counts them as
    deletions. `keeps_invisible`: what is not seen is part of the tokens. `by_language`: the steps of `of_chinese` are
    for Chinese alone, and languages without spaces between words are cut into characters.
    """

    label: str
    steps: tuple[Step, ...]
    tokenize: Tokenize
    skips_missing: bool = False
    keeps_invisible: bool = False
    note: str = ""
    by_language: bool = False
    of_chinese: tuple[Step, ...] = ()

    def __call__(self, text: str, language: str = "") -> list[str]:
        """The tokens of a text; `language` is the code of its utterance, empty where nothing is known of it."""
        for step in self.steps:
            if not (language and step in self.of_chinese and language not in CHINESE):
                text = step(text)
        return characters(text) if self.cuts_characters(language) else self.tokenize(text)

    def cuts_characters(self, language: str) -> bool:
        """Whether every character of a text in this language is a token."""
        return self.tokenize is characters or (self.by_language and language in BY_CHARACTER)


def normalizer(config: NormalizerConfig) -> Normalizer:
    """The rule that the options name.

    Raises:
        OptionError: a package that it needs is not installed.
    """
    name, label, options = config.normalizer, config.normalizer, []
    if config.t2s:
        label += "+t2s"
        options.append(_simplifier())
    if config.number_normalization:
        label += "+numbers"
        options.append(_numerals())
    if name == "none":
        return Normalizer(label, tuple(options), mixed, keeps_invisible=True)
    if name == "firered-released":
        steps = (released.as_read, *options, released.normalise)
        return Normalizer(label, steps, released.tokenize, skips_missing=True, keeps_invisible=True)
    normalise, tokenize = _rule(name)
    steps = (visible, *options, normalise)
    if name == "speechio":
        return Normalizer(label, steps, tokenize, note=speechio.NOTE)
    return Normalizer(label, steps, tokenize, by_language=True, of_chinese=tuple(options))


def _rule(name: str) -> tuple[Step, Tokenize]:
    """What a rule does to a visible text, and how it cuts it into tokens."""
    if name == "speechio":
        return speechio.normalise, characters
    if name == "whisper-en":
        from whisper_normalizer.english import EnglishTextNormalizer

        return EnglishTextNormalizer(), str.split
    if name == "whisper-basic":
        from whisper_normalizer.basic import BasicTextNormalizer

        return BasicTextNormalizer(), mixed
    return _firered, mixed


def _firered(text: str) -> str:
    """Text without tags and marks, up to five single letters in a row joined, in upper case."""
    text = TAG.sub("", _MARK.sub(" ", text.replace("<unk>", "")))
    return _SPELLED.sub(_joined, text).upper()


def _joined(spelled: re.Match[str]) -> str:
    letters = spelled[0].split()
    return "".join(letters) if len(letters) <= _LONGEST_ABBREVIATION else spelled[0]


def _numerals() -> Step:
    """cn2an's reading of every number in a text; it knows numbers of up to 16 digits and leaves others."""
    from cn2an import transform

    return lambda text: transform(text, "an2cn") if _DIGIT.search(text) else text


def _simplifier() -> Step:
    from opencc import OpenCC

    return OpenCC("t2s").convert
