"""What the two sides have that is not seen, for rules that compare it all the same."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from firered.scoring.inputs.pair import Side
from firered.text.invisible import invisible_in, is_composed

_MOST_NAMED = 5


@dataclass(frozen=True)
class Unseen:
    """Characters of a side that are not seen, by number and name; utterances with any, and utterances not in NFC."""

    characters: Counter[str]
    utterances: int
    decomposed: int

    def __str__(self) -> str:
        """In words, with the most frequent characters by name."""
        found = []
        if self.utterances:
            named = [f"{name} ({times})" for name, times in self.characters.most_common(_MOST_NAMED)]
            more = len(self.characters) - len(named)
            others = f" and {more} others" if more else ""
            found.append(f"invisible characters in {self.utterances} utterances: {', '.join(named)}{others}")
        if self.decomposed:
            found.append(f"letters apart from their accents or otherwise not in NFC in {self.decomposed} utterances")
        return "; ".join(found)

    def to_json(self) -> dict[str, object]:
        """For score.json."""
        return {
            "characters": dict(self.characters.most_common()),
            "utterances": self.utterances,
            "not_nfc": self.decomposed,
        }


def unseen_of(reference: Side, hypothesis: Side) -> dict[str, Unseen]:
    """What each side has; a side with nothing of the kind is left out."""
    sides = {"reference": reference, "hypothesis": hypothesis}
    found = {name: _unseen(side.table.values()) for name, side in sides.items()}
    return {name: unseen for name, unseen in found.items() if unseen.utterances or unseen.decomposed}


def _unseen(texts: Iterable[str]) -> Unseen:
    characters: Counter[str] = Counter()
    utterances = decomposed = 0
    for text in texts:
        if text.isascii() and text.isprintable():
            continue
        of_text = invisible_in(text)
        characters.update(of_text)
        utterances += bool(of_text)
        decomposed += not is_composed(text)
    return Unseen(characters, utterances, decomposed)
