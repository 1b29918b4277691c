"""Log mel filterbank and global mean/variance normalisation, as Kaldi's compute-fbank-feats and apply-cmvn."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from firered.data.archives import read_matrix, write_matrix
from firered.errors import DataError, ModelError

SAMPLE_RATE = 16000
FRAME_LENGTH = 400  # samples, 25 ms
FRAME_SHIFT = 160  # samples, 10 ms
FRAME_SHIFT_S = 0.01
FRAME_LENGTH_S = FRAME_LENGTH / SAMPLE_RATE
FRAME_REST_S = (FRAME_LENGTH - FRAME_SHIFT) / SAMPLE_RATE  # what a frame holds beyond its shift, 15 ms
NUM_BINS = 80

_FFT_LENGTH = 512
_PREEMPHASIS = 0.97
_LOW_FREQ, _HIGH_FREQ = 20.0, SAMPLE_RATE / 2
_VARIANCE_FLOOR = 1e-20


def num_frames(num_samples: int) -> int:
    """Frames of a signal at 16 kHz (Kaldi's snip-edges=true: only whole windows)."""
    return 0 if num_samples < FRAME_LENGTH else (num_samples - FRAME_LENGTH) // FRAME_SHIFT + 1


def frame_range(start_s: float, end_s: float, total: int) -> tuple[int, int]:
    """First frame and number of frames, of a recording's `total`, that a stretch has when it is cut out by itself.

    A window knows nothing of its neighbours: for a start that is a whole number of frames these are the same frames.
    """
    first = round(start_s / FRAME_SHIFT_S)
    return first, min(num_frames(round((end_s - start_s) * SAMPLE_RATE)), total - first)


def _povey_window() -> Tensor:
    """(400,) Hann window to the power of 0.85."""
    return torch.hann_window(FRAME_LENGTH, periodic=False, dtype=torch.float64).pow(0.85).float()


def _mel_bank() -> Tensor:
    """(257, 80) triangular filters, equally spaced and overlapping by half on the mel scale; no Nyquist bin."""

    def mel(hertz: Tensor) -> Tensor:
        return 1127.0 * torch.log1p(hertz / 700.0)

    low, high = mel(torch.tensor([_LOW_FREQ, _HIGH_FREQ], dtype=torch.float64))
    corners = torch.linspace(low, high, NUM_BINS + 2, dtype=torch.float64)
    left, center, right = corners[:-2], corners[1:-1], corners[2:]
    bins = torch.arange(_FFT_LENGTH // 2 + 1, dtype=torch.float64)
    freq = mel(bins * SAMPLE_RATE / _FFT_LENGTH)[:, None]
    bank = torch.minimum((freq - left) / (center - left), (right - freq) / (right - center)).clamp_(min=0)
    bank[-1] = 0.0
    return bank.float()


class Fbank:
    """80-bin log mel filterbank of a 16 kHz signal on the int16 scale, in one pass over pieces of any size.

    Kaldi's defaults but for 80 bins and no dither: 25 ms povey window every 10 ms, DC removed, pre-emphasis 0.97,
    512-point power spectrum, 20 Hz to 8 kHz, natural log floored at the float epsilon.
    """

    # Frames computed at a time: few enough that the spectra of a block stay in the processor's cache.
    _BLOCK = 512
    _WINDOW = _povey_window()
    _MEL = _mel_bank()
    _FLOOR = torch.finfo(torch.float32).eps

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def accept(self, samples: np.ndarray) -> Tensor:
        """(T, 80) frames that this piece completes; what is left of it is kept for the next."""
        signal = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        frames = num_frames(len(signal))
        self._rest = np.array(signal[frames * FRAME_SHIFT :], dtype=np.float32)
        return self._compute(torch.from_numpy(np.ascontiguousarray(signal, dtype=np.float32)), frames)

    @torch.inference_mode()
    def _compute(self, signal: Tensor, frames: int) -> Tensor:
        out = torch.empty(frames, NUM_BINS)
        block = min(frames, self._BLOCK)
        # The transform is done in double: a bin may lie 100 dB below the strongest one of its frame, where the rounding
        # of a float32 transform shows in the log and, through it, in the posteriors.
        padded = torch.zeros(block, _FFT_LENGTH, dtype=torch.float64)
        squares = torch.empty(block, _FFT_LENGTH // 2 + 1, dtype=torch.float64)
        for start in range(0, frames, self._BLOCK):
            count = min(self._BLOCK, frames - start)
            piece = signal[start * FRAME_SHIFT : (start + count - 1) * FRAME_SHIFT + FRAME_LENGTH]
            padded[:count, :FRAME_LENGTH] = self._windowed(piece.unfold(0, FRAME_LENGTH, FRAME_SHIFT))
            spectrum = torch.view_as_real(torch.fft.rfft(padded[:count]))  # (T, 257, 2)
            real, imaginary = spectrum.unbind(-1)
            power = torch.mul(real, real, out=squares[:count]).addcmul_(imaginary, imaginary)
            torch.mm(power.float(), self._MEL, out=out[start : start + count])
        return out.clamp_(min=self._FLOOR).log_()

    def _windowed(self, frames: Tensor) -> Tensor:
        """Frames (T, 400) with DC removed, pre-emphasised and windowed."""
        centered = frames - frames.mean(1, keepdim=True)
        out = torch.empty_like(centered)
        torch.sub(centered[:, 1:], centered[:, :-1], alpha=_PREEMPHASIS, out=out[:, 1:])
        torch.mul(centered[:, 0], 1.0 - _PREEMPHASIS, out=out[:, 0])  # the first sample stands for the one before it
        return out.mul_(self._WINDOW)


def fbank(samples: np.ndarray) -> Tensor:
    """(T, 80) filterbank of a whole signal: float or int16 samples on the int16 scale, 16 kHz."""
    return Fbank().accept(samples)


def fbank_blocks(samples: Iterable[np.ndarray]) -> Iterator[Tensor]:
    """Filterbank of a signal that comes in pieces; the blocks together are the frames of the whole."""
    front_end = Fbank()
    for piece in samples:
        yield front_end.accept(piece)


class Cmvn:
    """Global mean and variance normalisation from Kaldi statistics (2 x D+1: sums and count, sums of squares)."""

    def __init__(self, stats: np.ndarray) -> None:
        count = stats[0, -1]
        mean = stats[0, :-1] / count
        variance = np.maximum(stats[1, :-1] / count - mean**2, _VARIANCE_FLOOR)
        self._mean = torch.from_numpy(mean)
        self._scale = torch.from_numpy(1.0 / np.sqrt(variance))

    @classmethod
    def read(cls, path: Path) -> "Cmvn":
        """Statistics of a `cmvn.ark`.

        Raises:
            ModelError: it is missing or does not hold 80-dimensional global statistics.
        """
        try:
            stats = read_matrix(str(path))
        except DataError as error:
            raise ModelError(str(error)) from error
        if stats.shape != (2, NUM_BINS + 1) or not np.isfinite(stats).all() or stats[0, -1] <= 0:
            raise ModelError(f"{path}: not global CMVN statistics of {NUM_BINS} bins (shape {stats.shape})")
        return cls(stats.astype(np.float64))

    def __call__(self, feats: Tensor) -> Tensor:
        """Normalised (T, D) float32; the arithmetic is done in double, as in the published models' front end."""
        return feats.double().sub_(self._mean).mul_(self._scale).float()


class CmvnStats:
    """Sums up global statistics over utterances."""

    def __init__(self) -> None:
        self.stats = np.zeros((2, NUM_BINS + 1))

    def add(self, block: np.ndarray) -> None:
        """Count in a block of frames (T, 80)."""
        block = block.astype(np.float64)
        self.stats[0, :-1] += block.sum(0)
        self.stats[1, :-1] += np.square(block).sum(0)
        self.stats[0, -1] += len(block)

    def write(self, path: Path) -> None:
        """Write the statistics as Kaldi's `compute-cmvn-stats` does: what the models carry as cmvn.ark."""
        write_matrix(path, self.stats)
