"""Features of recordings kept on disk while their segments are processed, so that they are computed once."""

import functools
import sys
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from firered.audio.frames import Frames
from firered.audio.frontend import frame_range
from firered.data.write import segment_id
from firered.errors import DataError


class Cut(NamedTuple):
    """A stretch of a recording: its id, features (T, bins) and duration in seconds."""

    key: str
    feats: Tensor
    duration_s: float


class Spool(Frames):
    """A recording's frames, written to a temporary file while they are iterated over; `close` removes the file.

    Segments can be cut out of it while it grows, as soon as their frames are available. Frames of a live source are
    added with `append`; `finish` marks the end.
    """

    def __init__(self, source: Frames, wav_path: str = "") -> None:
        super().__init__(source.key, lambda _: self._kept(), source.front_end)
        self.wav_path = wav_path
        self._source = source
        self._written = 0  # frames in the file
        self._complete = False
        self._file = tempfile.TemporaryFile(prefix="firered-")  # noqa: SIM115 - lives as long as the spool

    @classmethod
    def growing(cls, key: str) -> "Spool":
        """An empty spool, for a live source."""
        return cls(Frames(key, lambda _: iter(())))

    def append(self, feats: Tensor) -> None:
        """Put in the next frames (T, bins)."""
        self._file.write(feats.numpy().tobytes())
        self._written += len(feats)

    def finish(self, duration_s: float) -> None:
        """All frames are there, of a recording that lasts so long."""
        self._file.flush()
        self.duration_s, self._complete = duration_s, True
        self.count = self._written

    def _kept(self) -> Iterator[Tensor]:
        for block in self._source:
            self.append(block)
            yield block
        self.finish(self._source.duration_s)

    @functools.cached_property
    def _matrix(self) -> Tensor:
        """(T, bins) once all is written, on disk until it is used; one mapping, so that no page counts twice."""
        return self._mapped(0, self._written)

    def _mapped(self, first: int, count: int) -> Tensor:
        """(count, bins) frames from `first` on, on disk until they are used."""
        bins = self.front_end.bins
        shape, offset = (count, bins), first * bins * np.dtype(np.float32).itemsize
        return torch.from_numpy(np.memmap(self._file, np.float32, "c", offset=offset, shape=shape))

    def again(self) -> Frames:
        """The frames once more, from the file."""

        def stored(frames: Frames) -> Iterator[Tensor]:
            frames.duration_s = self.duration_s
            yield self._matrix

        return Frames(self.key, stored, self.front_end)

    def cut(self, start_s: float, end_s: float) -> Cut:
        """A stretch of the recording; its features stay on disk until they are used.

        Raises:
            DataError: the recording is still growing, and frames of the stretch are not there yet.
        """
        key, duration_s = segment_id(self.key, start_s, end_s), round(end_s - start_s, 7)
        if self._complete:
            first, count = frame_range(start_s, end_s, self._written)
            return Cut(key, self._matrix[first : first + count], duration_s)
        first, count = frame_range(start_s, end_s, sys.maxsize)
        if first + count > self._written:
            raise DataError(f"{key}: ends at frame {first + count}, there are {self._written} so far")
        self._file.flush()
        return Cut(key, self._mapped(first, count), duration_s)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
