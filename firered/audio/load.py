"""The one audio front end: any recording in, 16 kHz mono float32 on the int16 scale out, in blocks."""

import logging
import math
from collections.abc import Iterable, Iterator
from numbers import Integral

import numpy as np
import soxr

from firered.audio.config import AudioConfig
from firered.audio.decode import open_recording
from firered.audio.frontend import FRAME_LENGTH, SAMPLE_RATE
from firered.audio.source import Recording
from firered.errors import AudioError

log = logging.getLogger(__name__)

INT16_SCALE = 32768.0
# Float audio has its full scale at 1.0 and may overshoot a little; far beyond it, it is on another scale.
_FLOAT_LIMIT = 8.0
LOWEST_RATE, HIGHEST_RATE = 1000, 6_000_000  # Hz; a file or array of another rate is damaged or mistaken
_LONGEST_H = 1000  # of audio in memory, all channels together
CANCELLED_DB = 10.0  # so far below what channels that are unrelated would give, their mean has lost the speech
_DITHER = np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE + 1).astype(np.float32)


def read_blocks(
    recording: Recording,
    config: AudioConfig,
    *,
    channel: int | None = None,
    start_s: float = 0.0,
    end_s: float = np.inf,
) -> Iterator[np.ndarray]:
    """Blocks of a recording, or of the stretch of it between two times in seconds.

    Args:
        recording: Kaldi extended file name (str: path, `command |` or `archive:offset`), file (Path), or binary file.
        config: what to do with channels, pipes and truncated files.
        channel: take this channel (from 1) if there are several, whatever `config.channel` says.
        start_s: where to start.
        end_s: where to end.

    Raises:
        AudioError: the recording cannot be read, is too short for one frame, is all zeros, or holds NaN or Inf.
    """
    with open_recording(
        recording, pipes=config.pipes, allow_truncated=config.allow_truncated, start_s=start_s, end_s=end_s
    ) as opened:
        for note in opened.notes:
            log.warning("%s", note)
        check_rate(opened.header.rate)
        wanted = channel if channel is not None else _channel_of(config)
        channels = opened.header.channels
        if wanted is not None and wanted > channels and (channels > 1 or channel is None):
            raise AudioError(f"channel {wanted} requested, the number of channels is {channels}")
        mixed = _Mixed(str(recording), opened.blocks, wanted)
        signal = _checked(_resampled(mixed, opened.header.rate), mixed)
        if opened.header.lossy or opened.header.rate != SAMPLE_RATE:
            signal = _dithered(signal, round(start_s * SAMPLE_RATE))
        yield from signal


def _channel_of(config: AudioConfig) -> int | None:
    """The one channel that the options name, from 1."""
    return int(config.channel) if config.channel.isdigit() else None


class _Mixed:
    """Iterates over blocks (n,) of one channel (from 1) of blocks (n, channels), or of their mean where that is None.

    The mean of channels that have nothing to do with each other has the power of each over the square of their number,
    summed. Much less is there only where one channel is the inverse of another: the speech is gone.
    """

    def __init__(self, name: str, blocks: Iterable[np.ndarray], channel: int | None) -> None:
        self._name, self._blocks, self._channel = name, blocks, channel
        self._power = self._expected = 0.0

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in self._blocks:
            if block.shape[1] == 1:
                yield block[:, 0]
            elif self._channel is not None:
                yield np.ascontiguousarray(block[:, self._channel - 1])
            else:
                mean = block.mean(1)
                self._power += float(np.square(mean, dtype=np.float64).sum())
                self._expected += float(np.square(block, dtype=np.float64).sum()) / block.shape[1] ** 2
                yield mean
        if self.lost_db >= CANCELLED_DB and math.isfinite(self.lost_db):
            log.warning("%s: %s", self._name, self.complaint())

    @property
    def lost_db(self) -> float:
        """How far the mean is below that of channels that have nothing to do with each other."""
        if self._expected == 0.0:
            return 0.0
        return 10 * math.log10(self._expected / self._power) if self._power else math.inf

    def complaint(self) -> str:
        """What has happened to the channels, and what to do."""
        much = f"their mean is {self.lost_db:.0f} dB too low" if math.isfinite(self.lost_db) else "their mean is zero"
        return f"the channels cancel each other ({much}, one is the inverse of another); take one with --channel"


def _resampled(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """The same signal at 16 kHz, on the int16 scale."""
    resampler = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    for block in blocks:
        yield (block if resampler is None else resampler.resample_chunk(block)) * np.float32(INT16_SCALE)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True) * np.float32(INT16_SCALE)


def _checked(blocks: Iterable[np.ndarray], mixed: _Mixed) -> Iterator[np.ndarray]:
    """The same blocks; raises AudioError where no model could analyse them."""
    total, silent = 0, True
    for block in blocks:
        peak = float(np.abs(block).max(initial=0.0))  # NaN and Inf survive abs and max
        if not np.isfinite(peak):
            bad = total + int(np.flatnonzero(~np.isfinite(block))[0])
            raise AudioError(f"holds NaN or infinite samples, the first at {bad / SAMPLE_RATE:.3f} s")
        if peak > _FLOAT_LIMIT * INT16_SCALE:
            raise AudioError(f"float samples reach {peak / INT16_SCALE:.0f} where full scale is 1.0; divide by 32768?")
        total, silent = total + len(block), silent and peak == 0.0
        yield block
    if total == 0:
        raise AudioError("holds no samples")
    if total < FRAME_LENGTH:
        raise AudioError(f"too short: {total / SAMPLE_RATE * 1000:.1f} ms, one frame takes 25 ms")
    if silent and mixed.lost_db >= CANCELLED_DB:
        raise AudioError(mixed.complaint())
    if silent:
        raise AudioError("every sample is zero (digital silence: a muted channel or a failed conversion?)")


def _dithered(blocks: Iterable[np.ndarray], position: int) -> Iterator[np.ndarray]:
    """The same blocks with the noise floor of 16-bit audio: Gaussian noise of one step, as Kaldi's --dither=1.

    Resampling from a low rate and lossy codecs leave bands with nothing in them at all, which no model has seen in
    training; without a floor the published VAD finds segments up to 80 ms late. The noise belongs to the place in the
    recording (`position` samples from its start), so that the same audio always gives the same samples.
    """
    for block in blocks:
        places = np.arange(position, position + len(block)) % len(_DITHER)
        position += len(block)
        yield block + _DITHER[places]


def check_rate(rate: object) -> int:
    """A sample rate in Hz; raises AudioError for what is none, or what nothing was recorded at."""
    if isinstance(rate, bool | np.bool_) or not isinstance(rate, Integral):
        raise AudioError(f"{rate!r} is no sample rate: expected (array or tensor, whole number of Hz)")
    if not LOWEST_RATE <= int(rate) <= HIGHEST_RATE:
        raise AudioError(f"{int(rate)} is no sample rate: expected {LOWEST_RATE} to {HIGHEST_RATE} Hz")
    return int(rate)


def check_samples(samples: np.ndarray, rate: object) -> None:
    """Raise AudioError for an array that cannot be audio, by its type and shape alone: nothing is computed."""
    if samples.ndim not in (1, 2) or not (samples.dtype.kind == "f" or samples.dtype in (np.int8, np.int16, np.int32)):
        raise AudioError(f"expected samples (n,) or (n, channels), got {samples.dtype} of shape {samples.shape}")
    if samples.size == 0:
        raise AudioError("holds no samples")
    hours = samples.size / check_rate(rate) / 3600
    if hours > _LONGEST_H:
        raise AudioError(f"an array of shape {samples.shape} is no recording: {hours:.0f} hours, at most {_LONGEST_H}")


def array_blocks(
    samples: np.ndarray, rate: int = SAMPLE_RATE, config: AudioConfig | None = None
) -> Iterator[np.ndarray]:
    """Blocks of a signal in memory, through the same front end.

    Args:
        samples: (n,) or (n, channels); integers count by the width of their type, floats have full scale 1.0.
        rate: its sample rate in Hz.
        config: what to do with several channels.

    Raises:
        AudioError: as for recordings.
    """
    check_samples(samples, rate)
    samples = np.asarray(samples)
    if samples.dtype.kind == "i":
        samples = (samples / float(2 ** (8 * samples.dtype.itemsize - 1))).astype(np.float32)
    block = samples.astype(np.float32).reshape(len(samples), -1)
    wanted = _channel_of(config) if config else None
    if wanted is not None and wanted > block.shape[1]:
        raise AudioError(f"channel {wanted} requested, the number of channels is {block.shape[1]}")
    mixed = _Mixed("the audio in memory", [block], wanted)
    signal = _checked(_resampled(mixed, rate), mixed)
    yield from signal if rate == SAMPLE_RATE else _dithered(signal, 0)


def read(recording: Recording | np.ndarray, config: AudioConfig | None = None, rate: int = SAMPLE_RATE) -> np.ndarray:
    """(n,) a whole recording (see `read_blocks`) or array (see `array_blocks`), at 16 kHz on the int16 scale."""
    if isinstance(recording, np.ndarray):
        return np.concatenate(list(array_blocks(recording, rate, config)))
    return np.concatenate(list(read_blocks(recording, config or AudioConfig())))
