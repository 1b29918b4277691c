"""How far computing is behind the audio: `Budget`."""

import time
from collections.abc import Callable

Clock = Callable[[], float]


class Budget:
    """Follows a processor that begins to work on audio when it has arrived and what came before is done.

    The audio is taken to arrive at its own pace, whatever pace it is given at; only the time of computing is measured.

    Args:
        limit_s: how far it may be behind; None: any time.
        clock: seconds of any origin.
    """

    def __init__(self, limit_s: float | None, clock: Clock = time.perf_counter) -> None:
        self._limit_s, self._clock = limit_s, clock
        self._free_s = 0.0  # on the stream's axis: when the processor has done what it was given
        self._since = clock()

    def begin(self) -> None:
        """Computing begins now; what passed since the last `spent` was none."""
        self._since = self._clock()

    def spent(self, heard_s: float) -> None:
        """Count the time since the last call as work on what had arrived at `heard_s` of the stream."""
        now = self._clock()
        self._free_s = max(self._free_s, heard_s) + max(0.0, now - self._since)
        self._since = now

    def behind_s(self, heard_s: float) -> float:
        """How long what arrives at `heard_s` of the stream has to wait."""
        return max(0.0, self._free_s - heard_s)

    def exceeded(self, heard_s: float) -> bool:
        """Whether that is more than allowed; the time until now is counted."""
        self.spent(heard_s)
        return self._limit_s is not None and self.behind_s(heard_s) > self._limit_s
