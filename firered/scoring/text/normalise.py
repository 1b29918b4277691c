"""The named rules that make texts comparable; every report says by which one it was made.

All but two begin with `visible`: what is not seen is no error. `none` takes texts as they are, and `firered-released`
does what the published tool does; the report says what invisible characters these two have met.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from firered.scoring.config import NormalizerConfig
from firered.scoring.text import released, speechio
from firered.text.invisible import visible
from firered.text.units import TAG, characters, mixed

Step = Callable[[str], str]
Tokenize = Callable[[str], list[str]]

_ASCII_MARKS = re.escape('!"#$%&()*+,./:;=?@[\\]^_`{|}~')  # not - and ' of words, nor < and > of tags
# Full-width forms, CJK marks (without the iteration mark, closing mark and zero, which are read), general punctuation.
_OTHER_MARKS = "\u00a1\u00ab\u00b7\u00bb\u00bf\u2010-\u2027\u2030-\u205e\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb"
_WIDE_MARKS = "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufe10-\ufe19\ufe30-\ufe4f"
_MARK = re.compile(f"[{_ASCII_MARKS}{_OTHER_MARKS}{_WIDE_MARKS}]")
# Letters that stand alone, between spaces: not part of a word, a number, or a contraction.
_SPELLED = re.compile(r"(?<![\w'-])[A-Za-z](?: +[A-Za-z])+(?![\w'-])", re.ASCII)
_LONGEST_ABBREVIATION = 5  # letters; what is spelled longer stays spelled
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Normalizer:
    """A rule: called with a text, it gives the tokens that are compared.

    `label` is its name with its options, as reports show it, `note` what they say of its figures. `skips_missing`:
    utterances without a hypothesis are left out, as the released tool does, where every other rule counts them as
    deletions. `keeps_invisible`: what is not seen is part of the tokens.
    """

    label: str
    steps: tuple[Step, ...]
    tokenize: Tokenize
    skips_missing: bool = False
    keeps_invisible: bool = False
    note: str = ""

    def __call__(self, text: str) -> list[str]:
        """The tokens of a text."""
        for step in self.steps:
            text = step(text)
        return self.tokenize(text)


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
    note = speechio.NOTE if name == "speechio" else ""
    return Normalizer(label, (visible, *options, normalise), tokenize, note=note)


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
