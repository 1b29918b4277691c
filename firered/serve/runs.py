"""A recording's work as the event loop sees it: `Run`."""

import asyncio
from collections.abc import AsyncIterator

from firered.errors import Outcome
from firered.serve.heard import Heard, Part, part_of
from firered.system.assemble import Segment
from firered.system.recording import Recording


class Run:
    """Listens to a work from the engine's threads and hands on what it hears to the event loop that it was made in."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Recording | Part | Outcome[Heard]] = asyncio.Queue()
        self._recording: Recording | None = None

    def _hand_on(self, item: Recording | Part | Outcome[Heard]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._queue.put_nowait, item)

    def opened(self, recording: Recording) -> None:
        """The recording was read."""
        self._recording = recording
        self._hand_on(recording)

    def recognised(self, number: int, segment: Segment) -> None:
        """Its next segment is done."""
        assert self._recording is not None
        self._hand_on(part_of(segment, self._recording.voice[number]))

    def finished(self, outcome: Outcome[Heard]) -> None:
        """It is done, or has failed."""
        self._hand_on(outcome)

    async def until_read(self) -> None:
        """Wait until it was read; raises what went wrong with that."""
        first = await self._queue.get()
        if isinstance(first, Exception):
            raise first

    async def found(self) -> AsyncIterator[Part | Heard]:
        """Its segments in their order, then all of it; raises what went wrong."""
        while True:
            item = await self._queue.get()
            if isinstance(item, Exception):
                raise item
            if isinstance(item, Part):
                yield item
            elif isinstance(item, Heard):
                yield item
                return
