"""How fast a training goes, and how long it waits for its data."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch

from firered.train.data.batch import Batch

Values = dict[str, float]


class Meter:
    """What the steps since the last line of the log took; evaluation and saving are not counted."""

    def __init__(self) -> None:
        self._values = dict.fromkeys(("utterances", "audio_s", "busy_s", "waited_s", "processes"), 0.0)
        self._phases: defaultdict[str, float] = defaultdict(float)  # seconds

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

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """The block of one phase of a step; on a GPU its work is waited for."""
        begun = time.monotonic()
        yield
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self._phases[name] += time.monotonic() - begun

    def add(self, batches: Iterable[Batch]) -> None:
        """Count the utterances of batches that were trained on."""
        for batch in batches:
            self._values["utterances"] += len(batch.keys)
            self._values["audio_s"] += batch.audio_s

    def figures(self, over_processes: Callable[[Values], Values]) -> Values:
        """Utterances and hours of audio a second of all processes, and the share of time spent waiting; starts anew.

        Of steps that have phases also the mean seconds of each phase in a process, those of what lies between them
        (`switching_s`), and seconds of work for one of audio (`real_time_factor`).

        Args:
            over_processes: the sums of such values over all processes.
        """
        self._values["processes"] = 1.0
        sums = over_processes({**self._values, **{f"{name}_s": seconds for name, seconds in self._phases.items()}})
        phases = [f"{name}_s" for name in self._phases]
        self._values, self._phases = dict.fromkeys(self._values, 0.0), defaultdict(float)
        busy_s = max(sums["busy_s"] / sums["processes"], 1e-9)
        figures = {
            "utterances_per_s": sums["utterances"] / busy_s,
            "audio_hours_per_s": sums["audio_s"] / 3600 / busy_s,
            "waiting": sums["waited_s"] / max(sums["busy_s"], 1e-9),
        }
        if phases:
            figures |= {name: sums[name] / sums["processes"] for name in phases}
            between = sums["busy_s"] - sums["waited_s"] - sum(sums[name] for name in phases)
            figures["switching_s"] = max(between, 0.0) / sums["processes"]
            figures["real_time_factor"] = busy_s / max(sums["audio_s"], 1e-9)
        return figures
