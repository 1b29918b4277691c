"""Names and terms that the training of egs/mini never saw, and sentences in which they are said."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from grammar import Grammar
from make_corpus import planned, scaled

from firered.errors import DataError

GRAMMARS = Path(__file__).resolve().parents[1] / "grammar"
_MINI = Path(__file__).resolve().parents[2] / "mini/grammar"
_TRIES = 1000
# How many there are of each grammar and topic
TARGETS = {
    "zh": {"person": 12, "place": 10, "product": 8},
    "en": {"person": 6, "place": 6, "product": 6},
    "cs": {"person": 4, "place": 4, "product": 4},
}


@dataclass(frozen=True)
class Target:
    """A name or term: its text as a list has it, the grammar that made it, and what it names."""

    text: str
    grammar: str
    topic: str


def compact(text: str) -> str:
    """A text without spaces and capitals: `Drink Water` and `drinkwater` are heard alike."""
    return "".join(text.lower().split())


def training_texts() -> set[str]:
    """What the bundled models were trained on, of all languages, spoken and text alone, as `compact` gives it."""
    sets, texts = planned(seed=1)
    said = (line.text for name, tasks in sets.items() if "test" not in name for task in tasks for line in task.lines)
    read = (text for name, rows in texts.items() if "test" not in name for text in rows.values())
    return {compact(text) for texts_of in (said, read) for text in texts_of}


def read_targets(path: Path) -> list[Target]:
    """The targets that make_set.py wrote."""
    return [Target(*line.split("\t")) for line in path.read_text(encoding="utf-8").splitlines()]


class Names:
    """Draws names and terms, and sentences for them.

    Args:
        rng: source of all random numbers.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._grammars = {name: Grammar(_MINI / f"{name}.txt", GRAMMARS / f"{name}.txt") for name in TARGETS}

    def name(self, grammar: str, topic: str) -> str:
        """A name or term."""
        return self._grammars[grammar].sentence(self._rng, topic)

    def sentence(self, grammar: str, target: Target) -> str:
        """A sentence of the grammar with the target in it."""
        return self._grammars[grammar].sentence(self._rng, f"said_{target.topic}").replace("@", target.text)

    def targets(self, seen: Iterable[str], scale: float = 1.0) -> list[Target]:
        """The targets: none is in a text of `seen`, and none in another target.

        Args:
            seen: texts as `compact` gives them.
            scale: their number, against `TARGETS`; one at least of each kind.

        Raises:
            DataError: the grammars have too few.
        """
        known = "\n".join(seen)
        targets: list[Target] = []
        for grammar, topics in TARGETS.items():
            for topic, count in topics.items():
                for _ in range(scaled(count, scale)):
                    targets.append(Target(self._unknown(grammar, topic, known, targets), grammar, topic))
        return targets

    def _unknown(self, grammar: str, topic: str, known: str, targets: Iterable[Target]) -> str:
        others = [compact(target.text) for target in targets]
        for _ in range(_TRIES):
            name = self.name(grammar, topic)
            own = compact(name)
            if own not in known and not any(own in other or other in own for other in others):
                return name
        raise DataError(f"{GRAMMARS / grammar}.txt: no more names of the kind {topic} that were not heard before")
