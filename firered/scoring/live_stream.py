"""What one stream of live recognition gave out, measured without a reference; and when each token was given out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from firered.scoring.endpoints import ends_of_segments
from firered.scoring.inputs.live import Event, Given, LiveSegment, Stream, Text
from firered.scoring.inputs.timed import token_times
from firered.scoring.metrics.live import Update, erased, follow
from firered.scoring.metrics.timed_alignment import Timed, common_prefix
from firered.scoring.text.normalise import Normalizer
from firered.text.scripts import BY_CHARACTER
from firered.text.units import is_character


@dataclass(frozen=True)
class Emission:
    """When something was given out: seconds of the stream heard, and on the clock (None: not to be had)."""

    heard_s: float
    clock_s: float | None


@dataclass(frozen=True)
class Emitted:
    """A token of the finals and when it was given out.

    Attributes:
        token: by the rule.
        segment: number of its segment.
        middle_s: the middle of its time in the stream.
        first: when it was first shown in its place.
        settled: since when it has stood there.
        declared: when it was first in the stable part, or in the final.
        final: when the final came.
        wait_s: what the final waited for the endpoint: from the end of speech by the reference until it was given out.
    """

    token: str
    segment: int
    middle_s: float
    first: Emission
    settled: Emission
    declared: Emission
    final: Emission
    wait_s: float


@dataclass(frozen=True)
class Violation:
    """A stable part that did not stay as it was: of which segment and line, and what became of it."""

    segment: int
    line: int
    before: str
    after: str


@dataclass
class StreamScore:
    """What is counted of a stream.

    Attributes:
        emitted: the tokens of its finals, in order of time.
        erased: tokens taken back over all updates, those by finals included.
        erased_by_finals: of these, those that finals took back.
        corrected: tokens of stable parts that finals took back.
        violations: of stable parts.
        after_endpoint: of each segment with an end of speech, from that to its final.
        without_endpoint: finals whose segment ended otherwise.
        open: segments without a final.
        in_real_time: whether the clock was never before what had been heard; None where not every line has a clock.
        last: when the last of it was given out, by the clock as it was; None of an empty stream.
        lags_s: the clock less what was heard, of all that was given out in real time.
    """

    emitted: list[Emitted] = field(default_factory=list)
    erased: int = 0
    erased_by_finals: int = 0
    corrected: int = 0
    violations: list[Violation] = field(default_factory=list)
    after_endpoint: list[Emission] = field(default_factory=list)
    without_endpoint: int = 0
    open: list[int] = field(default_factory=list)
    in_real_time: bool | None = None
    last: Emission | None = None
    lags_s: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class _Said:
    """A segment's partials with when they came, its final likewise, and the end of speech that closed it."""

    number: int
    updates: list[Update]
    when: list[Emission]
    final: Timed | None
    final_when: Emission | None
    end: Event | None

    @property
    def is_cut(self) -> bool:
        """Whether it was closed in the middle of speech: what was shown of it may be in the next segment's final."""
        return self.final is not None and self.end is None

    def begins(self, when: Emission | None) -> Sequence[str]:
        """The tokens of its first text if that came together with something else: when as much had been heard."""
        given = [*zip(self.when, (update.shown for update in self.updates), strict=True)]
        if self.final is not None and self.final_when is not None:
            given.append((self.final_when, self.final))
        return given[0][1].tokens if given and when and given[0][0].heard_s == when.heard_s else ()


def score_stream(stream: Stream, rule: Normalizer, language: str, waits_s: Mapping[int, float]) -> StreamScore:
    """What is counted of a stream.

    Args:
        stream: in the order in which it was given out.
        rule: what its tokens are.
        language: code of its language, for rules that go by it.
        waits_s: how long ends of speech took, by their lines; of those that are not there nothing was waited for.
    """
    score = StreamScore(in_real_time=stream.in_real_time())
    if stream.given:
        score.last = Emission(stream.given[-1].heard_s, stream.given[-1].clock_s)
    if score.in_real_time:
        score.lags_s = [given.clock_s - given.heard_s for given in stream.given if given.clock_s is not None]
    ends = ends_of_segments(stream)
    all_said: list[_Said | None] = [None]
    for number, segment in sorted(stream.segments.items(), key=lambda item: _order(item[1])):
        score.violations += violations(number, segment.partials, language)
        when = [_emission(partial, score) for partial in segment.partials]
        updates = [_update(partial, rule, language) for partial in segment.partials]
        final = _timed(segment.final, rule, language) if segment.final else None
        final_when = _emission(segment.final, score) if segment.final else None
        all_said.append(_Said(number, updates, when, final, final_when, ends.get(number)))
    for before, said, after in zip(all_said, all_said[1:], [*all_said[2:], None], strict=False):
        if said is not None:
            _count_taken_back(score, said, after)
            waited_s = waits_s.get(said.end.number, 0.0) if said.end else 0.0
            _add_final(score, said, before if before and before.is_cut else None, waited_s)
    return score


def _order(segment: LiveSegment) -> tuple[float, int]:
    text = segment.final or segment.partials[0]
    return text.start_s, text.number


def _count_taken_back(score: StreamScore, said: _Said, after: _Said | None) -> None:
    """Count the tokens that the updates of a segment take back.

    What a cut segment's final lacks at its end is not taken back if the next segment begins with it at once.
    """
    shown = [update.shown.tokens for update in said.updates]
    score.erased += erased(shown)
    if said.final is None or not shown:
        return
    goes_on = after.begins(said.final_when) if after and said.is_cut else ()
    tokens = [*said.final.tokens, *goes_on]
    by_final = erased([shown[-1], tokens])
    score.erased += by_final
    score.erased_by_finals += by_final
    stable = shown[-1][: said.updates[-1].stable]
    score.corrected += len(stable) - common_prefix(stable, tokens)


def _add_final(score: StreamScore, said: _Said, cut: _Said | None, wait_s: float) -> None:
    """Note when the tokens of a final were given out; some may have been shown before, in the segment that was cut."""
    if said.final is None or said.final_when is None:
        score.open.append(said.number)
        return
    if said.end is None:
        score.without_endpoint += 1
    else:
        ended = _emission(said.end, score)
        clocks = said.final_when.clock_s, ended.clock_s
        clock_s = None if clocks[0] is None or clocks[1] is None else clocks[0] - clocks[1]
        score.after_endpoint.append(Emission(said.final_when.heard_s - ended.heard_s, clock_s))
    before = cut.final if cut and cut.final else Timed([], said.final.middles_s[:0])
    updates = [*(cut.updates if cut else ())]
    updates += [Update(_joined(before, own.shown), len(before.tokens) + own.stable) for own in said.updates]
    when = [*(cut.when if cut else ()), *said.when, said.final_when]
    known = follow(updates, _joined(before, said.final))
    for at, token in enumerate(said.final.tokens):
        place = len(before.tokens) + at
        first, settled, declared = (when[numbers[place]] for numbers in (known.first, known.settled, known.declared))
        middle_s = float(said.final.middles_s[at])
        score.emitted.append(Emitted(token, said.number, middle_s, first, settled, declared, said.final_when, wait_s))


def _joined(before: Timed, own: Timed) -> Timed:
    return Timed([*before.tokens, *own.tokens], np.concatenate([before.middles_s, own.middles_s]))


def _emission(given: Given, score: StreamScore) -> Emission:
    return Emission(given.heard_s, given.clock_s if score.in_real_time else None)


def _timed(text: Text, rule: Normalizer, language: str) -> Timed:
    tokens = rule(text.text, language)
    return Timed(tokens, token_times(tokens, text.timed, rule, language).mean(axis=1))


def _update(partial: Text, rule: Normalizer, language: str) -> Update:
    shown = _timed(partial, rule, language)
    return Update(shown, common_prefix(rule(partial.stable, language), shown.tokens))


def violations(segment: int, partials: Sequence[Text], language: str) -> Iterator[Violation]:
    """The stable parts that do not begin with the one before, or go on inside of its last word.

    White space at the ends, and how much of it there is, does not count.
    """
    for before, after in pairwise(partials):
        old, new = (" ".join(text.stable.split()) for text in (before, after))
        if not new.startswith(old) or _goes_on_in_word(old, new, language):
            yield Violation(segment, after.number, old, new)


def _goes_on_in_word(old: str, new: str, language: str) -> bool:
    """Whether the text that follows the old one belongs to its last word."""
    if not old or len(new) == len(old) or language in BY_CHARACTER:
        return False
    return all(char.isalnum() and not is_character(char) for char in (old[-1], new[len(old)]))
