"""What a Chinese character is, for the models' tokens and for scoring, and text as a stream of scoring's tokens."""

import re

# For the models' tokens: what the released tokenizer cuts out as a token of its own. All else is left to SentencePiece,
# kana, compatibility forms and the rarer extensions of Han among it.
_IDEOGRAPH_RANGES = "\u3400-\u4dbf\u4e00-\u9fff"
# For the words of a text: Han, its extensions and compatibility forms, the iteration mark and zero of Chinese texts.
_HAN_RANGES = f"\u3005-\u3007{_IDEOGRAPH_RANGES}\uf900-\ufaff\U00020000-\U0003ffff"
# For scoring, which counts by the character whatever a text without spaces is made of: Han, and kana of all widths.
_KANA_RANGES = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d"
_CHARACTER_RANGES = f"{_HAN_RANGES}{_KANA_RANGES}"
HAN = re.compile(f"[{_HAN_RANGES}]")
KANA = re.compile(f"[{_KANA_RANGES}]")
IDEOGRAPH = re.compile(f"[{_IDEOGRAPH_RANGES}]")
CHARACTER = re.compile(f"[{_CHARACTER_RANGES}]")
TAG = re.compile(r"<[^<>]*>")
_SCORED_TOKEN = re.compile(rf"[{_CHARACTER_RANGES}]|[^\s{_CHARACTER_RANGES}]+")


def is_ideograph(token: str) -> bool:
    """Whether the models' tokenizer takes this as a Chinese character, a token of its own."""
    return IDEOGRAPH.fullmatch(token) is not None


def is_character(token: str) -> bool:
    """Whether a token of scoring is a Han or kana character rather than a word."""
    return CHARACTER.fullmatch(token) is not None


def mixed(text: str) -> list[str]:
    """Tokens of scoring: every Han or kana character is one, and every other stretch between spaces."""
    return _SCORED_TOKEN.findall(text)


def characters(text: str) -> list[str]:
    """Every character as a token, white space left out."""
    return list("".join(text.split()))
