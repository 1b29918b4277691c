"""Stretches of recordings through a module: cut in the front end of its model, in batches, remembered."""

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.audio.spool import Spool
from firered.errors import Outcome
from firered.results import Result, Seconds
from firered.runtime.batches import plan, run_batch
from firered.runtime.context import Context
from firered.runtime.speech import Speech

R = TypeVar("R", bound=Result)

Memo = MutableMapping[tuple[str, str], Result]  # (module, segment) -> its result


@dataclass(frozen=True)
class Stretch:
    """A segment of a recording, which is cut out in the front end of each model that takes it."""

    spool: Spool
    span: Seconds
    own: Speech  # in the front end of the recording's frames

    @classmethod
    def cut(cls, spool: Spool, span: Seconds, context: Context) -> "Stretch":
        """The segment of a recording whose features are all there."""
        return cls(spool, span, Speech(*spool.cut(*span), context, spool.front_end))

    @property
    def key(self) -> str:
        """Its id."""
        return self.own.key

    @property
    def duration_s(self) -> float:
        """How long it is, in seconds."""
        return self.own.duration_s

    def speech(self, front_end: FrontEnd) -> Speech:
        """What a model of this front end takes.

        Raises:
            DataError: that needs the recording's audio, and there are only features.
        """
        if front_end == self.own.front_end:
            return self.own
        return replace(self.own, feats=self.spool.cut(*self.span, front_end).feats, front_end=front_end)


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

    def in_its_front_end(batch: list[Stretch]) -> Sequence[Outcome[R]]:
        return process([stretch.speech(front_end) for stretch in batch])

    found: dict[int, Outcome[R]] = {}
    for batch in plan([(number, stretch.duration_s) for number, stretch in enumerate(stretches)], batch_seconds):
        keys = [(module, stretches[number].key) for number in batch]
        if memo is not None and all(key in memo for key in keys):
            found.update((number, cast(R, memo[key])) for number, key in zip(batch, keys, strict=True))
            continue
        outcomes = run_batch([stretches[number] for number in batch], in_its_front_end)
        for number, key, outcome in zip(batch, keys, outcomes, strict=True):
            found[number] = outcome
            if memo is not None and not isinstance(outcome, Exception):
                memo[key] = outcome
    return [found[number] for number in range(len(stretches))]
