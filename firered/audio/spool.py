"""Features of recordings kept on disk while their segments are worked on, so that they are computed once."""

import functools
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from firered.audio.frames import Frames
from firered.audio.frontend import NUM_BINS, frame_range
from firered.data.write import segment_id


class Cut(NamedTuple):
    """A stretch of a recording: its id, features (T, 80) and duration in seconds."""

    key: str
    feats: Tensor
    duration_s: float


class Spool(Frames):
    """A recording's frames, which are written to a temporary file while they pass; the file goes with `close`."""

    def __init__(self, source: Frames, wav_path: str = "") -> None:
        super().__init__(source.key, lambda _: self._kept())
        self.wav_path = wav_path
        self._source = source
        self._file = tempfile.TemporaryFile(prefix="firered-")  # noqa: SIM115 - lives as long as the spool

    def _kept(self) -> Iterator[Tensor]:
        for block in self._source:
            self._file.write(block.numpy().tobytes())
            yield block
        self._file.flush()
        self.duration_s = self._source.duration_s

    @functools.cached_property
    def _matrix(self) -> Tensor:
        """(T, 80) once all is written, on disk until it is used; one mapping, so that no page counts twice."""
        return torch.from_numpy(np.memmap(self._file, np.float32, "c", shape=(self.count, NUM_BINS)))

    def again(self) -> Frames:
        """The frames once more, from the file."""

        def stored(frames: Frames) -> Iterator[Tensor]:
            frames.duration_s = self.duration_s
            yield self._matrix

        return Frames(self.key, stored)

    def cut(self, start_s: float, end_s: float) -> Cut:
        """A stretch of the recording; its features stay on disk until they are used."""
        first, count = frame_range(start_s, end_s, self.count)
        key = segment_id(self.key, start_s, end_s)
        return Cut(key, self._matrix[first : first + count], round(end_s - start_s, 7))

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
