"""Which part of a partial text does not change any more: `Stable`.

Local agreement (Macháček et al., 2023, section 3): what two passes, each with more audio, agree on is confirmed. Words
are held against each other by their times, so that of words said twice, or of one that begins like another, it is known
which are meant. The other way, published for Fun-ASR's streaming, is to hold the last words back.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from firered.live.config import HOLD, LiveConfig
from firered.results import AsrResult
from firered.text.joining import join_texts
from firered.text.timed_words import word_spans


@dataclass(frozen=True)
class Unit:
    """A word, or Chinese character, in seconds from its segment's start; `gap` is the white space before it.

    Without times (`timed`), a word's number stands for its time.
    """

    text: str
    start_s: float
    end_s: float
    gap: str = ""
    timed: bool = True

    @property
    def middle_s(self) -> float:
        """Its middle."""
        return (self.start_s + self.end_s) / 2


def units_of(result: AsrResult) -> list[Unit]:
    """The words of a recognised text."""
    spans = word_spans(result.text)
    times = [(word.start_s, word.end_s) for word in result.words or ()]
    timed = len(times) == len(spans)
    if not timed:
        times = [(float(number), number + 1.0) for number in range(len(spans))]
    ends = [0, *(span.end for span in spans)]
    return [
        Unit(result.text[span.start : span.end], *time, result.text[end : span.start], timed)
        for end, span, time in zip(ends, spans, times, strict=False)
    ]


def after(units: Sequence[Unit], last: Unit | None) -> int:
    """The number of the first unit that is said after `last`: one that begins later than its middle."""
    if last is None:
        return 0
    return next((number for number, unit in enumerate(units) if unit.start_s >= last.middle_s), len(units))


def same(one: Unit, other: Unit) -> bool:
    """Whether two passes have the same word at the same time: closer than half of its length."""
    longest = max(one.end_s - one.start_s, other.end_s - other.start_s)
    return one.text == other.text and abs(one.middle_s - other.middle_s) < max(longest / 2, 1e-6)


class Stable:
    """The stable text of one segment, which only grows.

    Args:
        config: how it is found.
    """

    def __init__(self, config: LiveConfig) -> None:
        self._config = config
        self._before: list[Unit] = []  # what the pass before had
        self.units: list[Unit] = []
        self.text = ""

    def take(self, result: AsrResult) -> str:
        """The unstable text after the stable one, which has grown by what this pass makes certain.

        A text that ends at the limit of its length makes nothing certain: it may go round in circles, which the next
        pass would have to go on with.
        """
        units = units_of(result)
        tail = units[after(units, self.last) :]
        if result.truncated:
            certain = 0
        elif self._config.stable == HOLD:
            certain = max(len(tail) - self._config.hold_tokens, 0)
        else:
            certain = _agreed(tail, self._before[after(self._before, self.last) :])
        self._before = [] if result.truncated else units
        for unit in tail[:certain]:
            self.text = _followed_by(self.text, self._natural(unit, units))
            self.units.append(unit)
        shown = self.text
        for number, unit in enumerate(tail[certain:]):
            shown = _followed_by(shown, unit.gap + unit.text if number else self._natural(unit, units))
        return shown[len(self.text) :]

    def split(self, at_s: float, words: int) -> "Stable":
        """The stable text of what follows this segment, which keeps the rest.

        Args:
            at_s: the place of the cut, in seconds from the segment's start.
            words: those of the segment's final text, which say where the cut is where words have no times.
        """
        number = next((n for n, unit in enumerate(self.units) if unit.timed and unit.middle_s >= at_s), len(self.units))
        if self.units and not self.units[0].timed:
            number, at_s = min(words, len(self.units)), float(words)
        rest = Stable(self._config)
        for unit in self.units[number:]:
            rest.units.append(replace(unit, start_s=unit.start_s - at_s, end_s=unit.end_s - at_s))
            rest.text = _followed_by(rest.text, unit.gap + unit.text)
        del self.units[number:]
        return rest

    @property
    def last(self) -> Unit | None:
        """The last stable word."""
        return self.units[-1] if self.units else None

    def _natural(self, unit: Unit, units: Sequence[Unit]) -> str:
        """A word with the space before it: its own where it follows the word that it is put after."""
        number = units.index(unit)
        if self.last is None or (number and units[number - 1].text == self.last.text):
            return unit.gap + unit.text
        return join_texts([self.text, unit.text])[len(self.text) :]


def _agreed(tail: Sequence[Unit], before: Sequence[Unit]) -> int:
    """How many of the first words two passes have in common."""
    pairs = zip(tail, before, strict=False)
    return next((number for number, pair in enumerate(pairs) if not same(*pair)), min(len(tail), len(before)))


def _followed_by(text: str, more: str) -> str:
    return text + more if text else more.lstrip()


def revision(stable: Sequence[Unit], final: Sequence[Unit], plain: Callable[[str], str]) -> tuple[str, str] | None:
    """What of the stable words the final text has otherwise, and what it has there; None: nothing.

    Args:
        stable: the stable words.
        final: those of the final text.
        plain: what words are compared as.
    """
    if not stable:
        return None
    there = final[: after(final, stable[-1])]
    old, new = [plain(unit.text) for unit in stable], [plain(unit.text) for unit in there]
    if old == new:
        return None
    first = next(
        (n for n, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), min(len(old), len(new))
    )
    last = 0
    while last < min(len(old), len(new)) - first and old[-1 - last] == new[-1 - last]:
        last += 1
    return _text(stable[first : len(old) - last]), _text(there[first : len(new) - last])


def _text(units: Sequence[Unit]) -> str:
    return "".join(unit.gap + unit.text for unit in units).strip()
