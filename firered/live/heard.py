"""What was heard of a live stream and is needed yet: `Heard`."""

import functools
from collections import deque
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from firered.audio.framing import SAMPLE_RATE
from firered.audio.frontend import PUBLISHED, FrontEnd, bank_of, frame_range
from firered.audio.load import dithered
from firered.audio.spool import Cut, span_s
from firered.data.write import segment_id
from firered.errors import DataError

_BLOCK = 64  # frames that are computed together: what matrix products give depends, in the last bit, on their shapes


class _Rows:
    """Frames (T, bins) of one filterbank in memory, of which the first are let go."""

    def __init__(self, bins: int) -> None:
        self._bins = bins
        self._blocks: deque[Tensor] = deque()
        self._first = 0  # number in the stream of the first frame that is there
        self.end = 0  # the number after the last one

    def append(self, feats: Tensor) -> None:
        """Put in the next frames."""
        if len(feats):
            self._blocks.append(feats)
            self.end += len(feats)

    def drop(self, before: int) -> None:
        """Let go of frames before this one."""
        while self._blocks and self._first + len(self._blocks[0]) <= before:
            self._first += len(self._blocks.popleft())
        if self._blocks and len(self._blocks[0]) > _BLOCK and self._first < before:
            self._blocks[0] = self._blocks[0][before - self._first :].clone()
            self._first = before

    @property
    def kept(self) -> int:
        """Frames that are there."""
        return self.end - self._first

    def read(self, first: int, count: int) -> Tensor:
        """(count, bins) frames in memory of their own.

        Raises:
            DataError: some of them are not there.
        """
        if count <= 0:
            return torch.empty(0, self._bins)
        if first < self._first or first + count > self.end:
            there = f"{self._first} to {self.end}"
            raise DataError(f"frames {first} to {first + count} of a live stream are wanted, there are {there}")
        self._blocks = deque([torch.cat(list(self._blocks))])
        return self._blocks[0][first - self._first :][:count].clone()


class _Computed:
    """Frames of a further filterbank, computed of the samples in blocks of one size, wherever pieces are cut."""

    def __init__(self, front_end: FrontEnd) -> None:
        self.front_end = front_end
        self.rows = _Rows(front_end.bins)
        self._signal = np.zeros(0, np.float32)  # from the first sample of the first frame that is not computed
        self._span = (_BLOCK - 1) * front_end.frame_shift + front_end.frame_length

    def append(self, samples: np.ndarray) -> None:
        """Take in the next samples."""
        self._signal = np.concatenate([self._signal, samples])
        while len(self._signal) >= self._span:
            self.rows.append(self._block())
            self._signal = self._signal[_BLOCK * self.front_end.frame_shift :]

    def read(self, first: int, count: int) -> Tensor:
        """(count, bins) frames; those of the block that is not full yet are computed with silence after them."""
        rest = first + count - self.rows.end
        if rest <= 0:
            return self.rows.read(first, count)
        known = min(max(self.rows.end - first, 0), count)
        return torch.cat([self.rows.read(first, known), self._block()[rest - (count - known) : rest]])

    def _block(self) -> Tensor:
        signal = np.zeros(self._span, np.float32)
        piece = self._signal[: self._span]
        signal[: len(piece)] = piece
        return bank_of(self.front_end).accept(signal)


class Heard:
    """Frames of a stream from the start of what is open to what was heard last, as models take them.

    Each is computed once: the published filterbank by the detector, others here. Stretches are cut out as out of a
    recording's `Spool`; their features do not depend on the pieces that the stream came in.

    Args:
        key: id of the stream.
        front_ends: that stretches are to be cut in.
    """

    front_end = PUBLISHED

    def __init__(self, key: str, front_ends: Iterable[FrontEnd] = ()) -> None:
        self.key = key
        self.samples = 0  # received, at 16 kHz
        self._own = _Rows(PUBLISHED.bins)
        further = {front_end.filterbank for front_end in front_ends} - {PUBLISHED.filterbank}
        self._further = {filterbank: _Computed(filterbank) for filterbank in further}

    @property
    def duration_s(self) -> float:
        """Seconds received."""
        return self.samples / SAMPLE_RATE

    @property
    def kept_s(self) -> float:
        """Seconds whose frames are in memory."""
        return self._own.kept * PUBLISHED.frame_shift_s

    def append(self, feats: Tensor, samples: np.ndarray) -> None:
        """Take in a piece: frames (T, 80) that it completes, and its samples (n,) of 16 kHz on the int16 scale."""
        self._own.append(feats)
        self.samples += len(samples)
        for computed in self._further.values():
            computed.append(samples)

    def drop(self, before_s: float) -> None:
        """Let go of what lies before a time in seconds."""
        self._own.drop(round(before_s / PUBLISHED.frame_shift_s))
        for filterbank, computed in self._further.items():
            computed.rows.drop(round(before_s / filterbank.frame_shift_s))

    def quietest(self, first: int, end: int, width: int) -> int:
        """The middle of the `width` frames between two frames of the published filterbank that are quietest together.

        The earliest of equals.
        """
        loudness = PUBLISHED.loudness(self._own.read(first, end - first)).double()
        width = min(width, len(loudness))
        sums = torch.cat([torch.zeros(1, dtype=torch.float64), loudness.cumsum(0)])
        return first + int((sums[width:] - sums[:-width]).argmin()) + width // 2

    def frames(self, first: int, end: int) -> Tensor:
        """(T, 80) frames of the published filterbank from one number to another.

        Raises:
            DataError: they are not all there any more, or not yet.
        """
        return self._own.read(first, end - first)

    def cut(self, start_s: float, end_s: float, front_end: FrontEnd | None = None) -> Cut:
        """A stretch of the stream.

        Args:
            start_s: where it begins, in seconds.
            end_s: where it ends.
            front_end: of its features; None: the published one.

        Raises:
            DataError: it is not all there any more, or not yet; or there are no features of this front end.
        """
        key, filterbank = segment_id(self.key, start_s, end_s), (front_end or PUBLISHED).filterbank
        first, count = frame_range(start_s, end_s, filterbank.num_frames(self.samples), filterbank)
        if filterbank == PUBLISHED.filterbank:
            return Cut(key, self._own.read(first, count), span_s(start_s, end_s))
        if filterbank not in self._further:
            raise DataError(f"{key}: of live audio there are no features of {filterbank}")
        return Cut(key, self._further[filterbank].read(first, count), span_s(start_s, end_s))

    def before_silence(self, seconds: float) -> "BeforeSilence":
        """The same, of which each stretch has silence behind it."""
        return BeforeSilence(self, seconds)


class BeforeSilence:
    """What was heard, of which each stretch has silence behind it: noise of one step of 16-bit audio, as dithering has.

    Args:
        heard: what was heard.
        seconds: of silence.
    """

    front_end = PUBLISHED

    def __init__(self, heard: Heard, seconds: float) -> None:
        self.key, self._heard, self._seconds = heard.key, heard, seconds

    def cut(self, start_s: float, end_s: float, front_end: FrontEnd | None = None) -> Cut:
        """As `Heard.cut`; the id is that of the stretch without the silence."""
        key, feats, duration_s = self._heard.cut(start_s, end_s, front_end)
        silence = _silence((front_end or PUBLISHED).filterbank, self._seconds)
        return Cut(key, torch.cat([feats, silence]), duration_s + self._seconds)


@functools.cache
def _silence(filterbank: FrontEnd, seconds: float) -> Tensor:
    """(T, bins) frames of so many seconds of silence."""
    rest = filterbank.frame_length - filterbank.frame_shift
    (noise,) = dithered([np.zeros(round(seconds * SAMPLE_RATE) + rest, np.float32)], 0)
    return bank_of(filterbank).accept(noise)
