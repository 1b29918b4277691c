"""What a CTC head heard in one window: how well spellings fit it, and which entries of a list it may have heard."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from firered.align.ctc import align
from firered.asr.spelling_judge import Spelling, spelling_judge
from firered.hotwords.correction import Decision, Judge
from firered.hotwords.lists import HotwordList
from firered.hotwords.retrieval import Candidate
from firered.hotwords.spotting import Spotted, Spotter
from firered.results import Alignment
from firered.text.pieces import places_of
from firered.text.timed_words import word_spans
from firered.text.tokenizer import BLANK_ID

_LEAST = -5.0  # nats a token below the likeliest path
_PRIOR = 0.5  # of an entry that was spotted; the judge's opinion is added
_LARGEST_SHARE = 0.6  # of a text that a spotted entry may take the place of: in noise it would take all of it
_SLACK = 1  # frames by which a token may lie outside of what was spotted


@dataclass(frozen=True)
class Head:
    """The tokens of a CTC head.

    Attributes:
        spelling: the ids of a text; None where it has none.
        pieces: what ids are written as, as `firered.text.pieces.places_of` takes them.
        blank: id of the blank.
    """

    spelling: Spelling
    pieces: Callable[[Sequence[int]], Sequence[str]]
    blank: int = BLANK_ID

    def spotter(self, hotwords: HotwordList) -> Spotter:
        """What finds the entries of a list in this head's probabilities."""
        return Spotter(hotwords, self.spelling, self.blank)


@dataclass(frozen=True)
class Decided:
    """What becomes of the candidates of a list for a text of a window."""

    hotwords: HotwordList
    text: str
    candidates: Sequence[Candidate]
    decisions: Sequence[Decision]


class Listening:
    """One window through a head; `log_probs` (T, V) is its log-softmax.

    Attributes:
        decided: about the text that was asked about last.
    """

    def __init__(self, head: Head, log_probs: Tensor) -> None:
        self._head, self._log_probs = head, log_probs
        self.decided: Decided | None = None
        self._spotted: tuple[Spotter, list[Spotted]] | None = None  # of the list that was asked about last

    @cached_property
    def judge(self) -> Judge:
        """Gives the log-probabilities of whole texts."""
        return spelling_judge(self._log_probs, self._head.spelling, self._head.blank)

    def candidates(self, spotter: Spotter, hotwords: HotwordList, text: str, limit: int) -> list[Candidate]:
        """The entries that the head may have heard, each with the stretches of a text whose place it may take.

        Args:
            spotter: of the list.
            hotwords: the list.
            text: of the window.
            limit: entries at most.
        """
        spotted = self._of(spotter, limit)
        ids = self._head.spelling(text) if spotted else None
        if not ids:
            return []
        (path,) = align(self._log_probs[None], [len(self._log_probs)], [ids], self._head.blank)
        if not isinstance(path, Alignment):
            return []
        places = places_of(self._head.pieces(ids), text)
        middles = [(span.first_frame + span.end_frame) / 2 for span in path.spans]
        found: dict[Candidate, None] = {}
        for entry in spotted:
            inside = [n for n, at in enumerate(middles) if entry.start - _SLACK <= at <= entry.end + _SLACK]
            for first, last in _around(inside, len(ids)):
                start, end = _whole_words(text, places[first].start, places[last].end)
                if end - start > _LARGEST_SHARE * len(text):
                    continue
                found[Candidate(entry.number, hotwords[entry.number], _PRIOR, start, end)] = None
        return list(found)

    def _of(self, spotter: Spotter, limit: int) -> list[Spotted]:
        """The same whatever the text is, which is another one before and after the search."""
        if self._spotted is None or self._spotted[0] is not spotter:
            frames = self._log_probs.float().cpu().numpy()
            self._spotted = spotter, spotter.spotted(frames, limit, _LEAST)
        return self._spotted[1]


def _around(inside: Sequence[int], count: int) -> list[tuple[int, int]]:
    """The first and last token of a stretch, and of those with a neighbour more."""
    if not inside:
        return []
    first, last = inside[0], inside[-1]
    firsts, lasts = {max(0, first - 1), first}, {last, min(count - 1, last + 1)}
    return [(one, other) for one in sorted(firsts, reverse=True) for other in sorted(lasts)]


def _whole_words(text: str, start: int, end: int) -> tuple[int, int]:
    """A stretch with all of the words that it cuts."""
    cut = [span for span in word_spans(text) if max(start, span.start) < min(end, span.end)]
    return (cut[0].start, cut[-1].end) if cut else (start, end)
