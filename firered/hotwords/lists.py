"""Lists of words and phrases that are likely to come: `Phrase`, `HotwordList`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

THRESHOLD = 0.3  # how likely an entry was said by its sound, at least, to be made use of


@dataclass(frozen=True, slots=True)
class Phrase:
    """An entry of a list.

    Attributes:
        text: as it is to be written.
        weight: its bonus is multiplied by this.
        said: how it is said, pinyin with tones or ARPAbet; empty: as the text is read.
    """

    text: str
    weight: float = 1.0
    said: tuple[str, ...] = ()


class HotwordList:
    """Entries of a list, in their order, each text once; equal lists have equal hashes, so what is made of one is kept.

    Args:
        phrases: entries, or their texts alone; white space around and inside a text is made one space each.
    """

    def __init__(self, phrases: Iterable[Phrase | str] = ()) -> None:
        entries: dict[str, Phrase] = {}
        for given in phrases:
            phrase = Phrase(given) if isinstance(given, str) else given
            text = " ".join(phrase.text.split())
            if text:
                entries.setdefault(text, phrase if text == phrase.text else replace(phrase, text=text))
        self._phrases = tuple(entries.values())
        self._hash = hash(self._phrases)

    def __iter__(self) -> Iterator[Phrase]:
        return iter(self._phrases)

    def __len__(self) -> int:
        return len(self._phrases)

    def __getitem__(self, number: int) -> Phrase:
        return self._phrases[number]

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, HotwordList) and self._phrases == other._phrases)

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"HotwordList({', '.join(self.texts[:3])}{', …' if len(self) > 3 else ''}: {len(self)})"

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """What its entries are to be written as."""
        return tuple(phrase.text for phrase in self)
