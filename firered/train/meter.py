"""How fast a training goes, and how long it waits for its data."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from firered.train.data.batch import Batch

Values = dict[str, float]


class Meter:
    """What the steps since the last line of the log took; evaluation and saving are not counted."""

    def __init__(self) -> None:
        self._values = dict.fromkeys(("utterances", "audio_s", "busy_s", "waited_s", "processes"), 0.0)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The block in which data is waited for."""
        begun = time.monotonic()
        yield
        self._values["waited_s"] += time.monotonic() - begun

    @contextmanager
    def working(self) -> Iterator[None]:
        """The block of a step, waiting included."""
        begun = time.monotonic()
        yield
        self._values["busy_s"] += time.monotonic() - begun

    def add(self, batches: Iterable[Batch]) -> None:
        """Count the utterances of batches that were trained on."""
        for batch in batches:
            self._values["utterances"] += len(batch.keys)
            self._values["audio_s"] += batch.audio_s

    def figures(self, over_processes: Callable[[Values], Values]) -> Values:
        """Utterances and hours of audio a second of all processes, and the share of time spent waiting; starts anew.

        Args:
            over_processes: the sums of such values over all processes.
        """
        self._values["processes"] = 1.0
        sums = over_processes(self._values)
        self._values = dict.fromkeys(self._values, 0.0)
        busy_s = max(sums["busy_s"] / sums["processes"], 1e-9)
        return {
            "utterances_per_s": sums["utterances"] / busy_s,
            "audio_hours_per_s": sums["audio_s"] / 3600 / busy_s,
            "waiting": sums["waited_s"] / max(sums["busy_s"], 1e-9),
        }
