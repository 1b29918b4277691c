"""Log mel filterbank and global mean/variance normalisation, as Kaldi's compute-fbank-feats and apply-cmvn."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from firered.audio.framing import FRAME_LENGTH, FRAME_SHIFT, SAMPLE_RATE
from firered.data.archives import read_matrix, write_matrix
from firered.errors import DataError, ModelError
from firered.text.files import check_file

NUM_BINS = 80


@dataclass(frozen=True)
class FrontEnd:
    """The features that a model is made for: a log mel filterbank, and what is done to its frames before the model.

    The filterbank is computed once a recording and is what `Speech` holds. The model itself puts frames side by side
    (`stacked`) and normalises them.

    Attributes:
        window: `povey` (Hann to the power of 0.85), `hamming`, or `none`: a frame is the samples of its shift as they
            are, and the model computes features of its own (`SAMPLES`).
        bins: mel bins, or samples of a frame.
        frame_length_ms: of a window.
        frame_shift_ms: from one window to the next.
        stack: frames side by side in a row ("low frame rate"); 1: as they are.
        skip: frames from one row to the next.
        cmvn: whether the model comes with mean and variance statistics for its rows.
        shrinks: a signal that is shorter than a window is one frame of its own length; else it has no frame.
    """

    window: str = "povey"
    bins: int = NUM_BINS
    frame_length_ms: float = 1000 * FRAME_LENGTH / SAMPLE_RATE
    frame_shift_ms: float = 1000 * FRAME_SHIFT / SAMPLE_RATE
    stack: int = 1
    skip: int = 1
    cmvn: bool = True
    shrinks: bool = False

    @property
    def filterbank(self) -> "FrontEnd":
        """The part that is computed of samples: one for all that differ only in what a model does to frames."""
        return replace(self, stack=1, skip=1, cmvn=True)

    @property
    def plain(self) -> bool:
        """Whether frames are the samples themselves."""
        return self.window == _NO_WINDOW

    @property
    def frame_length(self) -> int:
        """Samples of a window."""
        return round(self.frame_length_ms * SAMPLE_RATE / 1000)

    @property
    def frame_shift(self) -> int:
        """Samples from one window to the next."""
        return round(self.frame_shift_ms * SAMPLE_RATE / 1000)

    @property
    def frame_shift_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.frame_shift_ms / 1000

    def num_frames(self, num_samples: int) -> int:
        """Frames of a signal at 16 kHz (Kaldi's snip-edges=true: only whole windows; of plain samples all)."""
        if self.plain:
            return -(-num_samples // self.frame_shift)
        if num_samples < self.frame_length:
            return int(self.shrinks and num_samples >= _LEAST_SAMPLES)
        return (num_samples - self.frame_length) // self.frame_shift + 1

    def duration_s(self, frames: int) -> float:
        """Seconds of the shortest signal that has so many frames."""
        return ((frames - 1) * self.frame_shift + self.frame_length) / SAMPLE_RATE if frames else 0.0

    def loudness(self, feats: Tensor) -> Tensor:
        """(T,) how loud frames (T, bins) are: the mean of their log energies, or the log energy of their samples."""
        return feats.square().mean(1).clamp_(min=1.0).log_() if self.plain else feats.mean(1)

    def rows(self, frames: int) -> int:
        """Rows that a model is given of so many frames."""
        return -(-frames // self.skip)

    def stacked(self, feats: Tensor) -> Tensor:
        """(rows, stack * bins) of frames (T, bins): in row i, `stack` of them side by side around frame i * skip.

        Beyond either end the first or last frame is repeated.
        """
        if self.stack == self.skip == 1:
            return feats
        first = torch.arange(self.rows(len(feats)))[:, None] * self.skip - (self.stack - 1) // 2
        return feats[(first + torch.arange(self.stack)).clamp(0, len(feats) - 1)].flatten(1)


PUBLISHED = FrontEnd()  # of every model of FireRedASR2S
_NO_WINDOW = "none"
SAMPLES = FrontEnd(_NO_WINDOW, bins=FRAME_SHIFT, frame_length_ms=1000 * FRAME_SHIFT / SAMPLE_RATE)

_PREEMPHASIS = 0.97
_LOW_FREQ, _HIGH_FREQ = 20.0, SAMPLE_RATE / 2
_VARIANCE_FLOOR = 1e-20
_LEAST_SAMPLES = 2  # of one there is no symmetric window
_LARGEST_STATISTICS = 1 << 20  # bytes
# Of log energies, which lie between -16 and 40 or so.
_LARGEST_MEAN, _SMALLEST_VARIANCE, _LARGEST_VARIANCE = 1e3, 1e-8, 1e6


def frame_range(start_s: float, end_s: float, total: int, front_end: FrontEnd = PUBLISHED) -> tuple[int, int]:
    """First frame and number of frames, of a recording's `total`, of a stretch that is cut out on its own.

    Analysis windows are independent: for a start that is a whole number of frames these are the same frames.
    From any other start they are those of a stretch that begins up to half a frame shift away.
    """
    first = round(start_s / front_end.frame_shift_s)
    return first, min(front_end.num_frames(round((end_s - start_s) * SAMPLE_RATE)), total - first)


@functools.cache
def _window(name: str, length: int) -> Tensor:
    """(length,) symmetric window: Kaldi's `povey` is a Hann window to the power of 0.85."""
    if name == "hamming":
        return torch.hamming_window(length, periodic=False, dtype=torch.float64).float()
    if name == "povey":
        return torch.hann_window(length, periodic=False, dtype=torch.float64).pow(0.85).float()
    raise ModelError(f"window: {name!r} is not povey or hamming")


@functools.cache
def _mel_bank(num_bins: int, fft_length: int) -> Tensor:
    """(F/2 + 1, bins) triangular filters, equally spaced and overlapping by half on the mel scale; no Nyquist bin."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    low, high = mel(torch.tensor([_LOW_FREQ, _HIGH_FREQ], dtype=torch.float64))
    corners = torch.linspace(low, high, num_bins + 2, dtype=torch.float64)
    left, center, right = corners[:-2], corners[1:-1], corners[2:]
    bins = torch.arange(fft_length // 2 + 1, dtype=torch.float64)
    freq = mel(bins * SAMPLE_RATE / fft_length)[:, None]
    bank = torch.minimum((freq - left) / (center - left), (right - freq) / (right - center)).clamp_(min=0)
    bank[-1] = 0.0
    return bank.float()


class Fbank:
    """Log mel filterbank of a 16 kHz signal on the int16 scale, in one pass over pieces of any size.

    Of the published models: Kaldi's defaults but for 80 bins and no dither, that is, a 25 ms povey window every 10 ms,
    DC removed, pre-emphasis 0.97, 512-point power spectrum, 20 Hz to 8 kHz, natural log floored at the float epsilon.

    Args:
        front_end: window, bins, frame length and shift.
    """

    # Frames computed at a time: few enough that the spectra of a block stay in the processor's cache.
    _BLOCK = 512
    _FLOOR = torch.finfo(torch.float32).eps

    def __init__(self, front_end: FrontEnd = PUBLISHED) -> None:
        self.front_end = front_end
        self._tables(front_end.frame_length)
        self._rest = np.zeros(0, np.float32)
        self._frames = 0

    def _tables(self, frame_length: int) -> None:
        self._length = frame_length
        self._fft_length = 1 << (frame_length - 1).bit_length()
        self._window = _window(self.front_end.window, frame_length)
        self._mel = _mel_bank(self.front_end.bins, self._fft_length)

    def accept(self, samples: np.ndarray) -> Tensor:
        """(T, bins) frames that this piece completes; what is left of it is kept for the next."""
        signal = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        frames = self.front_end.num_frames(len(signal)) if len(signal) >= self.front_end.frame_length else 0
        self._frames += frames
        self._rest = np.array(signal[frames * self.front_end.frame_shift :], dtype=np.float32)
        return self._compute(torch.from_numpy(np.ascontiguousarray(signal, dtype=np.float32)), frames)

    def finish(self) -> Tensor:
        """(0 or 1, bins) at the signal's end: a signal shorter than a window, where the front end shrinks that."""
        if self._frames or not self.front_end.num_frames(len(self._rest)):
            return torch.empty(0, self.front_end.bins)
        self._tables(len(self._rest))
        return self._compute(torch.from_numpy(self._rest), 1)

    @torch.inference_mode()
    def _compute(self, signal: Tensor, frames: int) -> Tensor:
        length, shift = self._length, self.front_end.frame_shift
        out = torch.empty(frames, self.front_end.bins)
        block = min(frames, self._BLOCK)
        # The transform is done in double: a bin may lie 100 dB below the strongest one of its frame, where the rounding
        # of a float32 transform shows in the log and, through it, in the posteriors.
        padded = torch.zeros(block, self._fft_length, dtype=torch.float64)
        squares = torch.empty(block, self._fft_length // 2 + 1, dtype=torch.float64)
        for start in range(0, frames, self._BLOCK):
            count = min(self._BLOCK, frames - start)
            piece = signal[start * shift : (start + count - 1) * shift + length]
            padded[:count, :length] = self._windowed(piece.unfold(0, length, shift))
            spectrum = torch.view_as_real(torch.fft.rfft(padded[:count]))  # (T, F/2 + 1, 2)
            real, imaginary = spectrum.unbind(-1)
            power = torch.mul(real, real, out=squares[:count]).addcmul_(imaginary, imaginary)
            torch.mm(power.float(), self._mel, out=out[start : start + count])
        return out.clamp_(min=self._FLOOR).log_()

    def _windowed(self, frames: Tensor) -> Tensor:
        """Frames (T, length) with DC removed, pre-emphasised and windowed."""
        centered = frames - frames.mean(1, keepdim=True)
        out = torch.empty_like(centered)
        torch.sub(centered[:, 1:], centered[:, :-1], alpha=_PREEMPHASIS, out=out[:, 1:])
        torch.mul(
            centered[:, 0], 1.0 - _PREEMPHASIS, out=out[:, 0]
        )  # the first sample takes the place of the one before it
        return out.mul_(self._window)


class Samples:
    """The samples of a signal themselves in frames (T, 160) of 10 ms, in the place of a filterbank.

    The last frame is filled up with zeros; the duration tells how many.
    """

    def __init__(self, front_end: FrontEnd = SAMPLES) -> None:
        self._width = front_end.frame_shift
        self._rest = np.zeros(0, np.float32)

    def accept(self, samples: np.ndarray) -> Tensor:
        """(T, 160) frames that this piece completes; what is left of it is kept for the next."""
        signal = np.concatenate([self._rest, samples]).astype(np.float32)
        whole = len(signal) // self._width * self._width
        self._rest = signal[whole:]
        return torch.from_numpy(signal[:whole].reshape(-1, self._width))

    def finish(self) -> Tensor:
        """(0 or 1, 160) at the signal's end."""
        missing = -len(self._rest) % self._width
        return torch.from_numpy(np.pad(self._rest, (0, missing)).reshape(-1, self._width))


def bank_of(front_end: FrontEnd) -> Fbank | Samples:
    """What makes the frames of a front end of a signal that comes in pieces."""
    return Samples(front_end) if front_end.plain else Fbank(front_end)


def fbank(samples: np.ndarray, front_end: FrontEnd = PUBLISHED) -> Tensor:
    """(T, bins) frames of a whole signal: float or int16 samples on the int16 scale, 16 kHz."""
    bank = bank_of(front_end)
    return torch.cat([bank.accept(samples), bank.finish()])


def fbank_blocks(samples: Iterable[np.ndarray], front_end: FrontEnd = PUBLISHED) -> Iterator[Tensor]:
    """Frames of a signal that comes in pieces; the blocks together are the frames of the whole."""
    bank = bank_of(front_end)
    for piece in samples:
        yield bank.accept(piece)
    last = bank.finish()
    if len(last):
        yield last


class Cmvn:
    """Global mean and variance normalisation from Kaldi statistics (2 x D+1: sums and count, sums of squares)."""

    def __init__(self, stats: np.ndarray) -> None:
        count = stats[0, -1]
        mean = stats[0, :-1] / count
        variance = np.maximum(stats[1, :-1] / count - mean**2, _VARIANCE_FLOOR)
        self._mean = torch.from_numpy(mean)
        self._scale = torch.from_numpy(1.0 / np.sqrt(variance))

    @classmethod
    def read(cls, path: Path, bins: int = NUM_BINS) -> "Cmvn":
        """Statistics of a `cmvn.ark`.

        Raises:
            ModelError: it is missing or does not hold global statistics of so many bins of log energies.
        """
        check_file(path)
        if path.stat().st_size > _LARGEST_STATISTICS:
            raise ModelError(f"{path}: {path.stat().st_size} bytes, more than CMVN statistics have; it is another file")
        try:
            stats = read_matrix(str(path)).astype(np.float64)
        except DataError as error:
            raise ModelError(str(error)) from error
        if stats.shape != (2, bins + 1) or not np.isfinite(stats).all() or stats[0, -1] <= 0:
            raise ModelError(f"{path}: not global CMVN statistics of {bins} bins (shape {stats.shape})")
        with np.errstate(all="ignore"):
            means, squares = stats[:, :-1] / stats[0, -1]
            variances = squares - means**2
        good = (abs(means) <= _LARGEST_MEAN) & (variances >= _SMALLEST_VARIANCE) & (variances <= _LARGEST_VARIANCE)
        for wrong in np.flatnonzero(~good)[:1]:
            what = f"bin {wrong} has mean {means[wrong]:.4g} and variance {variances[wrong]:.4g}"
            raise ModelError(f"{path}: no statistics of speech, {what}")
        return cls(stats)

    def __call__(self, feats: Tensor) -> Tensor:
        """Normalised (T, D) float32; the arithmetic is done in double, as in the published models' front end."""
        return feats.double().sub_(self._mean).mul_(self._scale).float()


class CmvnStats:
    """Sums up global statistics over utterances, of so many bins."""

    def __init__(self, bins: int = NUM_BINS) -> None:
        self.stats = np.zeros((2, bins + 1))

    def add(self, block: np.ndarray) -> None:
        """Count in a block of frames (T, 80)."""
        block = block.astype(np.float64)
        self.stats[0, :-1] += block.sum(0)
        self.stats[1, :-1] += np.square(block).sum(0)
        self.stats[0, -1] += len(block)

    def write(self, path: Path) -> None:
        """Write the statistics as Kaldi's `compute-cmvn-stats` does: what the models carry as cmvn.ark."""
        write_matrix(path, self.stats)
