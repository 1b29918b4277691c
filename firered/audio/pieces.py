"""Live audio in pieces, with the checks of whole recordings: `Pieces`."""

import numpy as np
import soxr
from torch import Tensor

from firered.audio.config import AudioConfig
from firered.audio.framing import SAMPLE_RATE
from firered.audio.like import Samples, as_array, with_rate
from firered.audio.load import INT16_SCALE, channel_of, checked_block, dithered, scaled
from firered.audio.mix import mono
from firered.errors import AudioError, OptionError

ACCEPTED = "an array (n,) or (n, channels), a tensor (n,) or (channels, n), or (array or tensor, sample rate)"
_MOST_CHANNELS = 8  # of a piece with fewer samples than channels; beyond it the two are the wrong way round


class Pieces:
    """Takes pieces of one signal and gives them as the models take them: 16 kHz, mono, float32 on the int16 scale.

    Args:
        config: which of several channels is taken.

    Raises:
        OptionError: every channel is to be a recording of its own, which a stream cannot be.
    """

    def __init__(self, config: AudioConfig | None = None) -> None:
        config = config or AudioConfig()
        if config.channel == "each":
            raise OptionError("channel: 'each' is for recordings; of live audio take 'mix' or a number")
        self._channel = channel_of(config)
        self._rate = 0
        self._received = 0  # samples, at their own rate
        self._resampler: soxr.ResampleStream | None = None
        self._given = 0

    def accept(self, piece: Samples | tuple[Samples, int]) -> np.ndarray:
        """(n,) the samples that become known with a piece, an empty one included.

        Raises:
            AudioError: this is no piece of audio, of another rate than those before, on another scale, without the
                channel that is asked for, or holds NaN or infinite samples. Nothing of it is taken then.
        """
        if not isinstance(piece, np.ndarray | Tensor | tuple):
            raise AudioError(_refusal(piece))
        samples, rate = with_rate(piece)
        if self._rate not in (0, rate):
            raise AudioError(f"the pieces before have {self._rate} Hz, this one has {rate}")
        block = scaled(as_array(samples, _MOST_CHANNELS), may_be_empty=True)
        if self._channel is not None and self._channel > block.shape[1] and len(block):
            raise AudioError(f"channel {self._channel} requested, the number of channels is {block.shape[1]}")
        with np.errstate(over="ignore"):  # what becomes infinite is refused
            signal = mono(block, self._channel) * np.float32(INT16_SCALE)
        checked_block(signal, self._received / rate, rate)
        if self._rate == 0 and rate != SAMPLE_RATE:
            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
        self._rate = rate
        self._received += len(signal)
        return signal if self._resampler is None else self._resampled(signal)

    def finish(self) -> np.ndarray:
        """(n,) the samples that resampling has held back."""
        return np.zeros(0, np.float32) if self._resampler is None else self._resampled(np.zeros(0, np.float32), True)

    def _resampled(self, signal: np.ndarray, last: bool = False) -> np.ndarray:
        assert self._resampler is not None
        block = self._resampler.resample_chunk(signal, last=last)
        self._given += len(block)
        (noisy,) = dithered([block], self._given - len(block))
        return noisy


def _refusal(piece: object) -> str:
    kind = type(piece).__name__
    advice = ""
    if isinstance(piece, bytes | bytearray | memoryview):
        advice = "; np.frombuffer(data, '<i2') makes samples of 16-bit PCM"
    elif isinstance(piece, list):
        advice = "; np.array(samples, np.float32) makes one of floats with full scale 1.0"
    return f"{kind} is no piece of live audio; accepted are {ACCEPTED}{advice}"
