"""Text as a stream of tokens: characters where writing has no spaces, words elsewhere."""

import re

# Han with its extensions and compatibility forms, the iteration mark and zero of Chinese texts, kana of all widths.
_CHARACTER_RANGES = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9d\U00020000-\U0003ffff"
)
TAG = re.compile(r"<[^<>]*>")
CHARACTER = re.compile(f"[{_CHARACTER_RANGES}]")
_TOKEN = re.compile(rf"[{_CHARACTER_RANGES}]|[^\s{_CHARACTER_RANGES}]+")


def mixed(text: str) -> list[str]:
    """Tokens of which every Han or kana character is one, and every other stretch between spaces."""
    return _TOKEN.findall(text)


def characters(text: str) -> list[str]:
    """Every character as a token, white space left out."""
    return list("".join(text.split()))


def is_character(token: str) -> bool:
    """Whether a token is a Han or kana character rather than a word."""
    return len(token) == 1 and CHARACTER.match(token) is not None
