"""The named rules that make texts comparable; every report says by which one it was made."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from firered.scoring.config import NormalizerConfig
from firered.scoring.text import speechio
from firered.text.units import TAG, characters, mixed

Step = Callable[[str], str]

_ASCII_MARKS = re.escape('!"#$%&()*+,./:;=?@[\\]^_`{|}~')  # not - and ' of words, nor < and > of tags
# Full-width forms, CJK marks (without the iteration mark, closing mark and zero, which are read), general punctuation.
_OTHER_MARKS = "\u00a1\u00ab\u00b7\u00bb\u00bf\u2010-\u2027\u2030-\u205e\u3000-\u3004\u3008-\u3020\u3030\u303d\u30fb"
_WIDE_MARKS = "\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufe10-\ufe19\ufe30-\ufe4f"
_MARK = re.compile(f"[{_ASCII_MARKS}{_OTHER_MARKS}{_WIDE_MARKS}]")
_RELEASED_TAG = re.compile(r"<.*>")
# Letters that stand alone, between spaces: not part of a word, a number, or a contraction.
_SPELLED = re.compile(r"(?<![\w'-])[A-Za-z](?: +[A-Za-z])+(?![\w'-])", re.ASCII)
_LONGEST_ABBREVIATION = 5  # letters; what is spelled longer stays spelled
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Normalizer:
    """A rule: called with a text, it gives the tokens that are compared.

    `label` is its name with its options, as reports show it. `skips_missing`: utterances without a hypothesis are left
    out, as the released tool does, where every other rule counts them as deletions.
    """

    label: str
    steps: tuple[Step, ...]
    tokenize: Callable[[str], list[str]]
    skips_missing: bool = False

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
    label, steps = config.normalizer, []
    if config.t2s:
        label += "+t2s"
        steps.append(_simplifier())
    if config.number_normalization:
        label += "+numbers"
        steps.append(_numerals())
    if config.normalizer == "none":
        return Normalizer(label, tuple(steps), mixed)
    if config.normalizer == "speechio":
        return Normalizer(label, (*steps, speechio.normalise), characters)
    released = config.normalizer == "firered-released"
    tag = _RELEASED_TAG if released else TAG
    return Normalizer(label, (*steps, partial(_firered, tag)), mixed, skips_missing=released)


def _firered(tag: re.Pattern[str], text: str) -> str:
    """Text by the published scoring tool's rule; its own pattern for tags eats what stands between two of them."""
    text = _MARK.sub(" ", text.replace("<unk>", ""))
    text = tag.sub("", text) if "<" in text else text
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
