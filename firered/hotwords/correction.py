"""Correction of finished text: which entries of a list take the place of what sounds like them.

The sound of two spellings may be the same, so it only suggests. Where a CTC head has heard the audio it is asked for
both spellings (`Judge`), and the entry has to fit about as well as what stands there. Where there is none, the sound
has to be all but equal, and what stands there no word of a dictionary. What is an entry already is never replaced.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from firered.errors import OptionError
from firered.hotwords.english import is_known
from firered.hotwords.lists import HotwordList
from firered.hotwords.mandarin import is_word
from firered.hotwords.occurrences import occurrences, plain
from firered.hotwords.retrieval import Candidate
from firered.hotwords.sounds import sounds_of
from firered.hotwords.standing import Standing, standing_of
from firered.text.replacing import Match
from firered.text.timed_words import is_silent
from firered.text.units import HAN, is_character
from firered.text.words import mark_places

_EVEN = 0.5  # a candidate is as likely to have been said as not
_NATS = 0.5  # what a nat of a CTC head counts: heads are surer than they are right
_LETTERS_A_UNIT = 3  # a piece of a word, about as long as a Chinese character in speech

# Log-probabilities of whole texts; None where one cannot be said. The first to be asked for is the recognised one.
Judge = Callable[[Sequence[str]], list[float | None]]
Spot: TypeAlias = tuple[Candidate, int, int]  # a candidate in the place of characters [start, end)


@dataclass(frozen=True)
class Limits:
    """What a correction needs.

    Attributes:
        score: how likely by its sound the entry was said, 0 to 1, for a CTC head to be asked.
        score_alone: the same where none is.
        margin: how much less likely the head may find the entry than a spelling that is no word, in nats for a Chinese
            character or three letters. A word of a dictionary only goes where the entry is at least as likely.
        bonus: what is added to the head's opinion of an entry, in nats for each of its characters or three letters,
            times its weight: names are less likely to the head than they are to whoever made the list.
    """

    score: float = 0.02
    score_alone: float = 0.6
    margin: float = 2.0
    bonus: float = 0.0

    def __post_init__(self) -> None:
        for name in ("score", "score_alone"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name}: {getattr(self, name)} is not between 0 and 1")
        if not self.margin >= 0:
            raise OptionError(f"margin: {self.margin} is not 0 or above")


class Verdict(Enum):
    """What becomes of a candidate, and why."""

    APPLIED = "takes the place of what stands there"
    PRESENT = "stands there already"
    UNLIKE = "does not sound enough like what stands there"
    ENTRY = "another entry stands there"
    CUTS = "would cut a word, or go over a mark"
    UNHEARD = "has signs that are spoken, whose sound is not known"
    WORD = "a word of the dictionary stands there, and no CTC head says otherwise"
    AUDIO = "the audio is more like what stands there"
    BEATEN = "a better candidate takes the place"


class Decision(NamedTuple):
    """A candidate at one place of the text: what it would replace, or has replaced, and why or why not."""

    candidate: Candidate
    match: Match
    verdict: Verdict


def applied(found: Iterable[Decision]) -> list[Match]:
    """What is replaced by the decisions about a text, in order and without overlaps."""
    matches = [decision.match for decision in found if decision.verdict is Verdict.APPLIED]
    return sorted(matches, key=lambda match: match.start)


def decisions(
    text: str,
    candidates: Sequence[Candidate],
    hotwords: HotwordList,
    judge: Judge | None = None,
    limits: Limits | None = None,
) -> list[Decision]:
    """What becomes of each candidate wherever it may stand, the best first.

    Args:
        text: finished.
        candidates: entries that may have been said, at places of this text.
        hotwords: the list.
        judge: log-probabilities of whole texts by a CTC head that heard the audio; see `firered.asr.spelling_judge`.
        limits: what a correction needs.
    """
    if not candidates:
        return []
    court = _Court(text, standing_of(hotwords), judge, limits or Limits())
    found = court.decide(list(dict.fromkeys(_places(text, candidates))))
    found.sort(key=_order)
    settled: list[Decision] = []
    taken: list[Match] = []
    for decision in found:
        if decision.verdict is Verdict.APPLIED and any(_overlap(decision.match, other) for other in taken):
            decision = decision._replace(verdict=Verdict.BEATEN)
        elif decision.verdict is Verdict.APPLIED:
            taken.append(decision.match)
        settled.append(decision)
    return settled


def _order(decision: Decision) -> tuple[float, int, int]:
    """The surest first, then the longest, and the first of the list."""
    match = decision.match
    return -match.score, match.start - match.end, decision.candidate.number


def _overlap(one: Match, other: Match) -> bool:
    return max(one.start, other.start) < min(one.end, other.end)


def _places(text: str, candidates: Sequence[Candidate]) -> Iterator[Spot]:
    """Where each candidate may stand: where it is written so already, or all places of what it sounds like."""
    for candidate in candidates:
        phrase = candidate.phrase.text
        written = occurrences(phrase, text)
        for place in written:
            yield candidate._replace(score=1.0, start=place[0], end=place[1]), *place
        start, end = _trimmed(text, candidate.start, candidate.end, phrase)
        if start < end and not any(max(start, first) < min(end, last) for first, last in written):
            for place in dict.fromkeys([(start, end), *occurrences(text[start:end], text)]):
                yield candidate._replace(start=place[0], end=place[1]), *place


def _trimmed(text: str, start: int, end: int, phrase: str) -> tuple[int, int]:
    """A stretch without marks and spaces around it, and without the 's of an owner that the phrase has not."""
    start, end = max(0, start), min(end, len(text))
    while start < end and is_silent(text[start]):
        start += 1
    while start < end and is_silent(text[end - 1]):
        end -= 1
    if text[start:end].lower().endswith("'s") and not phrase.lower().endswith("'s"):
        end -= 2
    return start, end


class _Court:
    """Decides about one text."""

    def __init__(self, text: str, standing: Standing, judge: Judge | None, limits: Limits) -> None:
        self._text, self._judge, self._limits = text, judge, limits
        self._standing = standing.places(text)
        self._marks = mark_places(text)

    def decide(self, spots: Sequence[Spot]) -> list[Decision]:
        """What becomes of each candidate."""
        found = [self._without_audio(*spot) for spot in spots]
        asked = [number for number, settled in enumerate(found) if settled is None]
        for number, gain in zip(asked, self._gains([spots[number] for number in asked]), strict=True):
            found[number] = self._by_audio(*spots[number], gain)
        made = []
        for (candidate, start, end), settled in zip(spots, found, strict=True):
            assert settled is not None
            verdict, score = settled
            match = Match(start, end, self._text[start:end], candidate.phrase.text, score)
            made.append(Decision(candidate, match, verdict))
        return made

    def _without_audio(self, candidate: Candidate, start: int, end: int) -> tuple[Verdict, float] | None:
        """What becomes of it, and how sure that is; None where the audio has to be asked."""
        stretch, phrase, score = self._text[start:end], candidate.phrase.text, candidate.score
        if stretch == phrase:
            return Verdict.PRESENT, 1.0
        if self._is_of_another(start, end, phrase):
            return Verdict.ENTRY, score
        if self._cuts(start, end, phrase):
            return Verdict.CUTS, score
        if _spoken_part(stretch) == _spoken_part(phrase):
            return Verdict.APPLIED, 1.0  # the same in other letters
        return (Verdict.UNLIKE, score) if score < self._limits.score else None

    def _by_audio(self, candidate: Candidate, start: int, end: int, gain: float | None) -> tuple[Verdict, float]:
        """The same by how much likelier a CTC head finds it than what stands there; None: it does not know."""
        stretch, phrase, score = self._text[start:end], candidate.phrase.text, candidate.score
        known = _is_known(stretch)
        if gain is not None:
            gain += self._limits.bonus * candidate.phrase.weight * _units(phrase)
            worst = 0.0 if known else -self._limits.margin * max(_units(stretch), _units(phrase))
            score = _likelier(score, _NATS * gain)
            return (Verdict.APPLIED if gain >= worst and score >= _EVEN else Verdict.AUDIO), score
        if score < self._limits.score_alone:
            return Verdict.UNLIKE, score
        if _is_unheard(phrase):
            return Verdict.UNHEARD, score
        return (Verdict.WORD if known else Verdict.APPLIED), score

    def _is_of_another(self, start: int, end: int, phrase: str) -> bool:
        """Whether the stretch is, holds or cuts another entry, but for one that the phrase is a longer form of."""
        for place in self._standing:
            if max(start, place.start) < min(end, place.end):
                inside = start <= place.start and place.end <= end
                other = self._text[place.start : place.end]
                if (place.start, place.end) == (start, end):
                    if phrase not in place.entries or self._text[start:end] in place.entries:
                        return True
                elif not (inside and occurrences(other, phrase)):
                    return True
        return False

    def _cuts(self, start: int, end: int, phrase: str) -> bool:
        """Whether a word or a mark would be cut, or words would be joined."""
        text = self._text
        before, after = text[start - 1 : start], text[end : end + 1]
        if _in_word(before) and (_in_word(text[start]) or _in_word(phrase[0])):
            return True
        if _in_word(after) and (_in_word(text[end - 1]) or _in_word(phrase[-1])):
            return True
        if before in ("'", "’") and start > 1 and _in_word(text[start - 2]) and _in_word(text[start]):
            return True
        return any(start < place < end - 1 for place in self._marks)

    def _gains(self, spots: Sequence[Spot]) -> list[float | None]:
        """How much likelier each phrase is than what stands there, in nats; None where nobody knows."""
        if self._judge is None or not spots:
            return [None] * len(spots)
        spelt = [self._spelt(start, end, candidate.phrase.text) for candidate, start, end in spots]
        now, *rest = self._judge([self._text, *(text for texts in spelt for text in texts)])
        heard = iter(rest)
        gains: list[float | None] = []
        for texts in spelt:
            known = [log_prob for log_prob in (next(heard) for _ in texts) if log_prob is not None]
            gains.append(None if now is None or not known else max(known) - now)
        return gains

    def _spelt(self, start: int, end: int, phrase: str) -> list[str]:
        """The text with a phrase in it; a head that tells cases apart was taught one of them."""
        spellings = dict.fromkeys((phrase, phrase.lower()))
        return [self._text[:start] + spelling + self._text[end:] for spelling in spellings]


def _likelier(probability: float, by: float) -> float:
    """A probability with so many nats added to its log-odds."""
    sure = 1e-6
    probability = min(max(probability, sure), 1 - sure)
    odds = math.log(probability / (1 - probability)) + by
    return 1 / (1 + math.exp(-max(-50.0, min(odds, 50.0))))


def _in_word(character: str) -> bool:
    """Whether a character is part of words with spaces between them."""
    return character.isalnum() and not is_character(character)


def _spoken_part(text: str) -> str:
    """What of a text is spoken, in lower case and half width."""
    return "".join(part for part in plain(text).replace("’", "'") if part == "'" or not is_silent(part))


def _units(text: str) -> float:
    """The length of a text in Chinese characters, or three letters each; one at least."""
    spoken = [part for part in text if not is_silent(part)]
    return max(1.0, sum(1.0 if is_character(part) else 1 / _LETTERS_A_UNIT for part in spoken))


def _is_known(stretch: str) -> bool:
    """Whether a text is one word of a dictionary, or one Chinese character."""
    if HAN.fullmatch(stretch) or (HAN.search(stretch) and is_word(stretch)):
        return True
    return is_known(stretch.lower().replace("’", "'"))


def _is_unheard(phrase: str) -> bool:
    """Whether a phrase has signs that are spoken but have no sound here, such as the ones of C++."""
    heard = {at for start, end in zip(*sounds_of(phrase)[1:], strict=True) for at in range(start, end)}
    return any(at not in heard and not is_silent(part) for at, part in enumerate(phrase))
