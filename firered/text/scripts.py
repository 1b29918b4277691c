"""The language of a text by its script, and by the label of an utterance, as far as scoring has to know it."""

import re

from firered.text.languages import code_of
from firered.text.units import CHARACTER, KANA

# Written without spaces between words, so that what stands between spaces is no word: scored by the character.
_SCRIPTS = {
    "th": "\u0e01-\u0e7f",
    "lo": "\u0e80-\u0eff",
    "bo": "\u0f00-\u0fff",
    "my": "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f",
    "km": "\u1780-\u17ff\u19e0-\u19ff",
}
BY_CHARACTER = frozenset(_SCRIPTS)
CHINESE = frozenset({"zh", "yue"})
OTHER = "other"  # a language that scoring need not tell from others: words between spaces

_OF_SCRIPT = {code: re.compile(f"[{ranges}]") for code, ranges in _SCRIPTS.items()}
_ANY_SCRIPT = re.compile(f"[{''.join(_SCRIPTS.values())}]")
_WORD = re.compile(r"[A-Za-z]+")
_LABELS = {
    **dict.fromkeys(("th", "tha", "thai"), "th"),
    **dict.fromkeys(("lo", "lao"), "lo"),
    **dict.fromkeys(("bo", "bod", "tib", "tibetan"), "bo"),
    **dict.fromkeys(("my", "mya", "bur", "burmese", "myanmar"), "my"),
    **dict.fromkeys(("km", "khm", "khmer"), "km"),
    **dict.fromkeys("zho chi wuu nan hak gan hsn cjy cdo lzh".split(), "zh"),  # noqa: SIM905 - a line instead of ten
}
_CODE = re.compile(r"([a-z]{2,3})[-_][a-z]{2,4}([-_][a-z]{2})?", re.IGNORECASE)  # en_us, pt-BR, ckb_iq, sr_cyrl_rs
_KANA_SHARE = 0.1  # of Han and kana: from there on a text is Japanese


def language_of_label(label: str) -> str | None:
    """The code of a label: `zh`, `th` and so on, `other` for the rest; None where it is no language, as of a dialect.

    Args:
        label: a code (`th`, `tha`, `th_th`, `th-TH`), a name (`Thai`), or what language identification writes.
    """
    name = label.strip().lower()
    first = re.split(r"[-_ ]", name, maxsplit=1)[0]
    if code := _LABELS.get(name) or _LABELS.get(first):
        return code
    if code := code_of(label):
        return code if code in CHINESE | {"ja"} else OTHER
    return OTHER if _CODE.fullmatch(name) else None


def language_of_text(text: str) -> str:
    """The code by the script of a text: one of `BY_CHARACTER`, `zh`, `ja`, or `other`; empty of one without letters."""
    if not text.isascii():
        if _ANY_SCRIPT.search(text):
            counts = {code: len(pattern.findall(text)) for code, pattern in _OF_SCRIPT.items()}
            code = max(counts, key=counts.__getitem__)
            if counts[code] > len(CHARACTER.findall(text)) and counts[code] >= len(_WORD.findall(text)):
                return code
        if KANA.search(text):
            return "ja" if len(KANA.findall(text)) > _KANA_SHARE * len(CHARACTER.findall(text)) else "zh"
        if CHARACTER.search(text):
            return "zh"
    return OTHER if any(map(str.isalpha, text)) else ""
