"""Stretches of recordings through a module: cut in the front end of its model, in batches, remembered."""

from collections import Counter
from collections.abc import Callable, Hashable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar, cast

from firered.asr.carried import Carried, Place
from firered.asr.recogniser import Recogniser
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.audio.spool import Cut, span_s
from firered.data.write import segment_id
from firered.errors import OptionError, Outcome
from firered.results import AsrResult, LidResult, Result, Seconds
from firered.runtime.batches import plan, plan_in_turns, run_batch
from firered.runtime.context import Context
from firered.runtime.speech import Speech

R = TypeVar("R", bound=Result)

Memo = MutableMapping[tuple[str, str], Result]  # (module, segment) -> its result


class Source(Protocol):
    """What segments are cut out of: a recording's spool, or what was heard of a live stream."""

    @property
    def key(self) -> str:
        """Its id."""

    @property
    def front_end(self) -> FrontEnd:
        """That of its frames."""

    def cut(self, start_s: float, end_s: float, front_end: FrontEnd | None = None) -> Cut:
        """A stretch between two times in seconds, in the front end of its frames or in another one."""


@dataclass(frozen=True)
class Stretch:
    """A segment of a recording, cut out when and in the front end that a model takes it in: memory has no others."""

    spool: Source
    span: Seconds
    context: Context

    @property
    def key(self) -> str:
        """Its id."""
        return segment_id(self.spool.key, *self.span)

    @property
    def duration_s(self) -> float:
        """How long it is, in seconds."""
        return span_s(*self.span)

    def speech(self, front_end: FrontEnd) -> Speech:
        """What a model of this front end takes.

        Raises:
            DataError: that needs the recording's audio, and there are only features.
        """
        own = front_end == self.spool.front_end
        return Speech(*self.spool.cut(*self.span, None if own else front_end), self.context, front_end)


def told(stretch: Stretch, lid: Outcome[LidResult] | None, recogniser: Recogniser) -> Stretch:
    """The segment with its language in its context, where one was identified, none given, and the model can be told."""
    if not isinstance(lid, LidResult) or stretch.context.language:
        return stretch
    context = replace(stretch.context, language=lid.lang)
    try:
        recogniser.check(context)
    except OptionError:
        return stretch
    return replace(stretch, context=context)


def results(
    module: str,
    process: Callable[[list[Speech]], Sequence[Outcome[R]]],
    batch_seconds: float,
    stretches: Sequence[Stretch],
    memo: Memo | None,
    front_end: FrontEnd = PUBLISHED,
) -> list[Outcome[R]]:
    """What a module makes of each segment, in order.

    Batches depend on the segments alone, not on what the memo knows, so that a resumed run computes what it would have.
    """

    def in_its_front_end(batch: list[int]) -> Sequence[Outcome[R]]:
        return process([stretches[number].speech(front_end) for number in batch])

    found: dict[int, Outcome[R]] = {}
    for batch in plan([(number, stretch.duration_s) for number, stretch in enumerate(stretches)], batch_seconds):
        found |= _remembered(module, batch, stretches, memo) or _computed(
            module, batch, stretches, memo, in_its_front_end
        )
    return [found[number] for number in range(len(stretches))]


def texts(
    name: str, recogniser: Recogniser, stretches: Sequence[Stretch], memo: Memo | None, sentences: int
) -> list[Outcome[AsrResult]]:
    """What a recogniser makes of each segment, in order.

    Args:
        name: of the recogniser.
        recogniser: of these segments.
        stretches: the segments, of each recording in order of time.
        memo: results of an earlier run.
        sentences: that were said before a segment, which the recogniser is told of if it takes such.
    """
    module, seconds, front_end = f"asr {name}", recogniser.config.batch_seconds, recogniser.front_end
    if sentences and recogniser.takes_history:
        return _in_turns(module, Carried(recogniser, sentences), seconds, stretches, memo, front_end)
    return results(module, recogniser.recognise, seconds, stretches, memo, front_end)


def _in_turns(
    module: str,
    carried: Carried,
    batch_seconds: float,
    stretches: Sequence[Stretch],
    memo: Memo | None,
    front_end: FrontEnd,
) -> list[Outcome[AsrResult]]:
    """What a recogniser makes of segments whose recordings' earlier ones it is told of.

    What follows a segment that the memo does not have is computed again.
    """
    counts: Counter[Hashable] = Counter()
    places: list[Place] = []
    for stretch in stretches:
        recording = id(stretch.spool)  # two recordings may have the same name
        places.append((recording, counts[recording]))
        counts[recording] += 1

    def in_its_front_end(batch: list[int]) -> Sequence[Outcome[AsrResult]]:
        speech = [stretches[number].speech(front_end) for number in batch]
        return carried.recognise(speech, [places[number] for number in batch])

    found: dict[int, Outcome[AsrResult]] = {}
    computed: set[Hashable] = set()
    items = [(number, stretch.duration_s, places[number][0]) for number, stretch in enumerate(stretches)]
    for batch in plan_in_turns(items, batch_seconds):
        recordings = {places[number][0] for number in batch}
        own: dict[int, Outcome[AsrResult]] = {}
        if not recordings & computed:
            own = _remembered(module, batch, stretches, memo)
        if not own:
            own = _computed(module, batch, stretches, memo, in_its_front_end)
            computed |= recordings
        for number, outcome in own.items():
            carried.note(places[number], outcome)
        found |= own
    return [found[number] for number in range(len(stretches))]


def _remembered(
    module: str, batch: Sequence[int], stretches: Sequence[Stretch], memo: Memo | None
) -> dict[int, Outcome[R]]:
    """The results of a batch, if the memo has them all."""
    keys = {number: (module, stretches[number].key) for number in batch}
    if memo is None or not all(key in memo for key in keys.values()):
        return {}
    return {number: cast(R, memo[key]) for number, key in keys.items()}


def _computed(
    module: str,
    batch: Sequence[int],
    stretches: Sequence[Stretch],
    memo: Memo | None,
    process: Callable[[list[int]], Sequence[Outcome[R]]],
) -> dict[int, Outcome[R]]:
    """The results of a batch, which the memo gets."""
    found = dict(zip(batch, run_batch(batch, process), strict=True))
    for number, outcome in found.items():
        if memo is not None and not isinstance(outcome, Exception):
            memo[module, stretches[number].key] = outcome
    return found
