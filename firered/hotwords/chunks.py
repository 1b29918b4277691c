"""A text cut into what is said as one: characters, words, numbers, symbols: `chunks_of`."""

import re
import unicodedata
from typing import Literal, NamedTuple, TypeAlias

from firered.text.units import HAN

Kind: TypeAlias = Literal["han", "latin", "money", "percent", "number", "symbol", "other"]

# Scripts without spaces between words, and Korean, whose words end in particles: every character is a chunk.
_SINGLE = (
    "\u0e00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u19e0-\u19ff\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u31f0-\u31ff\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7a3"
)
_LATIN = "A-Za-zªºÀ-ÖØ-öø-ɏɐ-ʯḀ-ỿ\u0300-\u036f"
_INDIC = "\u0900-\u0dff"
_CHUNK = re.compile(
    rf"(?P<han>{HAN.pattern})"
    rf"|(?P<latin>[{_LATIN}]+(?:['’][{_LATIN}]+)*)"
    r"|(?P<money>[$€£¥]\s?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)"
    r"|(?P<percent>[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?\s?%)"
    r"|(?P<number>[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?)"
    r"|(?P<symbol>[+#&@%=°*/\\<>^|~$€£¥])"
    rf"|(?P<other>[{_SINGLE}]|(?:(?![{_SINGLE}{_LATIN}]|{HAN.pattern})(?:[^\W0-9_]|[{_INDIC}]))+)"
)

_IDEOGRAPHS = re.compile("[\u4e00-\u9fff]+")


class Chunk(NamedTuple):
    """What is said as one, in full width as in half, and the characters of the text that it stands for."""

    kind: Kind
    text: str
    start: int
    end: int


def chunks_of(text: str) -> list[Chunk]:
    """A text's chunks; what is not said, such as spaces and punctuation, belongs to none."""
    if _IDEOGRAPHS.fullmatch(text):  # as most entries of long lists are
        return [Chunk("han", character, place, place + 1) for place, character in enumerate(text)]
    plain, places = _plain(text)
    found = []
    for match in _CHUNK.finditer(plain):
        start, end = match.span()
        kind: Kind = match.lastgroup  # type: ignore[assignment]
        found.append(
            Chunk(kind, match[0], places[start][0], places[end - 1][1]) if places else Chunk(kind, match[0], start, end)
        )
    return found


def written(chunk: Chunk) -> str:
    """A chunk as it is compared with others: in lower case, one kind of apostrophe."""
    return chunk.text if chunk.kind == "han" else chunk.text.lower().replace("’", "'")


def _plain(text: str) -> tuple[str, list[tuple[int, int]]]:
    """A text in normal form (NFKC), and the characters that each of its characters comes from; none: the same ones."""
    if text.isascii() or (len(text) == len(plain := unicodedata.normalize("NFKC", text)) and not _joined(text)):
        return text if text.isascii() else plain, []
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    start = 0
    for end in range(1, len(text) + 1):
        if end < len(text) and unicodedata.combining(text[end]):
            continue
        parts.append(unicodedata.normalize("NFKC", text[start:end]))
        places += [(start, end)] * len(parts[-1])
        start = end
    return "".join(parts), places


def _joined(text: str) -> bool:
    """Whether a text may change its length in some places and keep it by others."""
    return any(unicodedata.combining(character) for character in text)
