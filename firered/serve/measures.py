"""What a server counts, in the text format that Prometheus reads: `Measures` (Prometheus exposition format 0.0.4)."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_SEGMENTS = (1, 2, 4, 8, 16, 32, 64)

Labels = tuple[tuple[str, str], ...]


def _labelled(name: str, labels: Sequence[tuple[str, str]]) -> str:
    shown = ",".join(f'{key}="{_escaped(value)}"' for key, value in labels)
    return f"{name}{{{shown}}}" if shown else name


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Counter:
    """A number that only grows, for each combination of labels."""

    kind = "counter"

    def __init__(self, name: str, help: str) -> None:
        self.name, self.help = name, help
        self._lock = threading.Lock()
        self._values: dict[Labels, float] = {}

    def add(self, amount: float = 1.0, **labels: str) -> None:
        """Count."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + amount

    def lines(self) -> list[str]:
        """Its samples."""
        with self._lock:
            values = dict(self._values) or {(): 0.0}
        return [f"{_labelled(self.name, key)} {value:.10g}" for key, value in sorted(values.items())]


class Histogram:
    """How many values were at most so large, for each combination of labels."""

    kind = "histogram"

    def __init__(self, name: str, help: str, bounds: Sequence[float]) -> None:
        self.name, self.help, self._bounds = name, help, tuple(bounds)
        self._lock = threading.Lock()
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}

    def add(self, value: float, **labels: str) -> None:
        """Count a value."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            counts = self._counts.setdefault(key, [0] * (len(self._bounds) + 1))
            counts[bisect_left(self._bounds, value)] += 1
            self._sums[key] = self._sums.get(key, 0.0) + value

    def lines(self) -> list[str]:
        """Its samples."""
        found = []
        with self._lock:
            for key, counts in sorted(self._counts.items()):
                total = 0
                for bound, count in zip([*(f"{bound:g}" for bound in self._bounds), "+Inf"], counts, strict=True):
                    total += count
                    found.append(f"{_labelled(f'{self.name}_bucket', [*key, ('le', bound)])} {total}")
                found.append(f"{_labelled(f'{self.name}_sum', key)} {self._sums[key]:.10g}")
                found.append(f"{_labelled(f'{self.name}_count', key)} {total}")
        return found


class Gauge:
    """Numbers that are asked for when they are shown, by the value of one label, or one without a label."""

    kind = "gauge"

    def __init__(self, name: str, help: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        self.name, self.help, self._label, self._read = name, help, label, read

    def lines(self) -> list[str]:
        """Its samples."""
        return [
            f"{_labelled(self.name, [(self._label, key)] if self._label else [])} {value:.10g}"
            for key, value in sorted(self._read().items())
        ]


class Measures:
    """All that a server counts."""

    def __init__(self) -> None:
        self.requests = Counter("firered_requests_total", "answers, by route and status")
        self.seconds = Histogram("firered_request_seconds", "time from a request to the end of its answer", _SECONDS)
        self.audio_s = Counter("firered_audio_seconds_total", "audio of recordings that were recognised")
        self.speech_s = Counter("firered_speech_seconds_total", "speech that was recognised")
        self.computed_s = Counter("firered_computing_seconds_total", "time that recognising took, of all threads")
        self.segments = Histogram("firered_batch_segments", "segments that were recognised together", _SEGMENTS)
        self.cancelled = Counter("firered_cancelled_total", "recordings that nobody waited for any more")
        self.skipped = Counter("firered_skipped_total", "partial texts that were left out as computing was behind")
        self._all: list[Counter | Histogram | Gauge] = [
            *(self.requests, self.seconds, self.audio_s, self.speech_s, self.computed_s, self.segments, self.cancelled),
            self.skipped,
        ]
        self.watch("process_resident_memory_bytes", "memory of the process", _memory)
        self.watch("process_open_fds", "open files of the process", _open_files)
        self.watch("process_threads", "threads of the process", threading.active_count)

    def watch(self, name: str, help: str, read: Callable[[], float]) -> None:
        """Also show a number that is asked for."""
        self._all.append(Gauge(name, help, "", lambda: {"": read()}))

    def watch_each(self, name: str, help: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """Also show numbers that are asked for, by a label."""
        self._all.append(Gauge(name, help, label, read))

    def batch(self, segments: int, speech_s: float, took_s: float) -> None:
        """Count segments that were recognised together."""
        self.segments.add(segments)
        self.speech_s.add(speech_s)
        self.computed_s.add(took_s)

    def text(self) -> str:
        """All of it."""
        found = []
        for measure in self._all:
            found += [f"# HELP {measure.name} {measure.help}", f"# TYPE {measure.name} {measure.kind}"]
            found += measure.lines()
        return "\n".join(found) + "\n"


def _memory() -> float:
    """Bytes; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0.0
    import resource

    return float(pages * resource.getpagesize())


def _open_files() -> float:
    try:
        return float(sum(1 for _ in Path("/proc/self/fd").iterdir()))
    except OSError:
        return 0.0
