"""Features of recordings kept on disk while their segments are processed, so that they are computed once."""

import functools
import sys
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from firered.audio.frames import Frames
from firered.audio.frontend import FrontEnd, frame_range
from firered.data.temporary import name_of_place, nameless_file
from firered.data.write import segment_id
from firered.errors import DataError, writing


class Cut(NamedTuple):
    """A stretch of a recording: its id, features (T, bins) and duration in seconds."""

    key: str
    feats: Tensor
    duration_s: float


def span_s(start_s: float, end_s: float) -> float:
    """Seconds from one time to another, without what the binary fractions leave over."""
    return round(end_s - start_s, 7)


class _Store:
    """A recording's frames of one front end in a temporary file."""

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self.written = 0  # frames in the file
        with writing(name_of_place()):
            self.file = nameless_file()  # lives as long as the spool

    def append(self, feats: Tensor) -> None:
        with writing(name_of_place()):
            self.file.write(feats.numpy().tobytes())
        self.written += len(feats)

    def flush(self) -> None:
        """Have all of it on disk."""
        with writing(name_of_place()):
            self.file.flush()

    @functools.cached_property
    def matrix(self) -> Tensor:
        """(T, bins) once all is written, on disk until it is used."""
        shape = (self.written, self.front_end.bins)
        if not self.written:  # which cannot be mapped
            return torch.empty(shape)
        return torch.from_numpy(np.memmap(self.file, np.float32, "c", shape=shape))

    def read(self, first: int, count: int) -> Tensor:
        """(count, bins) frames from `first` on, in memory of their own: a mapping's pages would count until its end."""
        bins = self.front_end.bins
        if count <= 0:  # which cannot be mapped
            return torch.empty(0, bins)
        shape, offset = (count, bins), first * bins * np.dtype(np.float32).itemsize
        return torch.from_numpy(np.array(np.memmap(self.file, np.float32, "r", offset=offset, shape=shape)))


class Spool(Frames):
    """A recording's frames, written to a temporary file while they are iterated over; `close` removes the file.

    Segments can be cut out of it while it grows, as soon as their frames are available. Frames of a live source are
    added with `append`; `finish` marks the end.

    Args:
        source: the frames.
        wav_path: where the recording lies.
        front_ends: that stretches are to be cut in as well. Those whose filterbank is not the source's are computed as
            its samples pass, each once and into a file of its own; without samples, cutting in them is an error.
    """

    def __init__(self, source: Frames, wav_path: str = "", front_ends: Iterable[FrontEnd] = ()) -> None:
        super().__init__(source.key, lambda _: self._kept(), source.front_end)
        self.wav_path = wav_path
        self._source = source
        self._complete = False
        self._own = _Store(self.front_end)
        self._stores = {self.front_end.filterbank: self._own}
        for filterbank in [front_end.filterbank for front_end in front_ends] if source.has_samples else []:
            if filterbank not in self._stores:
                self._stores[filterbank] = _Store(filterbank)
                source.further[filterbank] = self._stores[filterbank].append

    @classmethod
    def growing(cls, key: str) -> "Spool":
        """An empty spool, for a live source."""
        return cls(Frames(key, lambda _: iter(())))

    def append(self, feats: Tensor) -> None:
        """Put in the next frames (T, bins)."""
        self._own.append(feats)

    def finish(self, duration_s: float) -> None:
        """All frames are there, of a recording that lasts so long."""
        self._flush()
        self.duration_s, self._complete = duration_s, True
        self.count = self._own.written

    def _flush(self) -> None:
        for store in self._stores.values():
            store.flush()

    def _kept(self) -> Iterator[Tensor]:
        for block in self._source:
            self.append(block)
            yield block
        self.finish(self._source.duration_s)

    def again(self) -> Frames:
        """The frames once more, from the file."""

        def stored(frames: Frames) -> Iterator[Tensor]:
            frames.duration_s = self.duration_s
            yield self._own.matrix

        return Frames(self.key, stored, self.front_end)

    def cut(self, start_s: float, end_s: float, front_end: FrontEnd | None = None) -> Cut:
        """A stretch of the recording, read into memory.

        Args:
            start_s: where it begins, in seconds.
            end_s: where it ends.
            front_end: of its features; None: that of the frames.

        Raises:
            DataError: the recording is still growing, and frames of the stretch are not there yet; or there are no
                features of this front end.
        """
        key, duration_s = segment_id(self.key, start_s, end_s), span_s(start_s, end_s)
        store = self._store(front_end)
        if self._complete:
            first, count = frame_range(start_s, end_s, store.written, store.front_end)
            return Cut(key, store.read(first, count), duration_s)
        first, count = frame_range(start_s, end_s, sys.maxsize, store.front_end)
        if first + count > store.written:
            raise DataError(f"{key}: ends at frame {first + count}, there are {store.written} so far")
        store.flush()
        return Cut(key, store.read(first, count), duration_s)

    def _store(self, front_end: FrontEnd | None) -> _Store:
        if front_end is None:
            return self._own
        if front_end.filterbank not in self._stores:
            raise DataError(
                f"{self.key}: there are features of {self.front_end} alone; those of {front_end} need the audio itself"
            )
        return self._stores[front_end.filterbank]

    def close(self) -> None:
        """Remove the files."""
        for store in self._stores.values():
            store.file.close()
