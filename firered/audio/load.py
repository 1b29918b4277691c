"""The one audio front end: any recording in, 16 kHz mono float32 on the int16 scale out, in blocks."""

import logging
from collections.abc import Iterable, Iterator

import numpy as np
import soxr

from firered.audio.config import AudioConfig
from firered.audio.decode import open_recording
from firered.audio.framing import check_rate
from firered.audio.frontend import FRAME_LENGTH, SAMPLE_RATE
from firered.audio.mix import Mixed
from firered.audio.source import Recording
from firered.errors import AudioError, SilentError

log = logging.getLogger(__name__)

INT16_SCALE = 32768.0
# Float audio has its full scale at 1.0 and may overshoot a little; far beyond it, it is on another scale.
_FLOAT_LIMIT = 8.0
LONGEST_H = 1000  # of audio in memory, all channels together
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
        recording,
        pipes=config.pipes,
        allow_truncated=config.allow_truncated,
        start_s=start_s,
        end_s=end_s,
        ffmpeg_seconds=config.ffmpeg_seconds,
    ) as opened:
        for note in opened.notes:
            log.warning("%s", note)
        wanted = channel if channel is not None else channel_of(config)
        channels = opened.header.channels
        if wanted is not None and wanted > channels and (channels > 1 or channel is None):
            raise AudioError(f"channel {wanted} requested, the number of channels is {channels}")
        mixed = Mixed(str(recording), opened.blocks, wanted)
        signal = _checked(_resampled(mixed, opened.header.rate), mixed)
        if opened.header.lossy or opened.header.rate != SAMPLE_RATE:
            signal = dithered(signal, round(start_s * SAMPLE_RATE))
        yield from signal


def channel_of(config: AudioConfig) -> int | None:
    """The one channel that the options name, from 1."""
    return int(config.channel) if config.channel.isdigit() else None


def _resampled(blocks: Iterable[np.ndarray], rate: int) -> Iterator[np.ndarray]:
    """The same signal at 16 kHz, on the int16 scale."""
    resampler = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")
    for block in blocks:
        yield (block if resampler is None else resampler.resample_chunk(block)) * np.float32(INT16_SCALE)
    if resampler is not None:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True) * np.float32(INT16_SCALE)


def _checked(blocks: Iterable[np.ndarray], mixed: Mixed) -> Iterator[np.ndarray]:
    """The same blocks; raises AudioError where no model could analyse them."""
    total, silent = 0, True
    for block in blocks:
        checked_block(block, total / SAMPLE_RATE)
        total, silent = total + len(block), silent and not block.any()
        yield block
    if total == 0:
        raise AudioError("holds no samples")
    if total < FRAME_LENGTH:
        raise AudioError(f"too short: {total / SAMPLE_RATE * 1000:.1f} ms, one frame takes 25 ms")
    if silent and mixed.cancelled:
        raise AudioError(mixed.complaint())
    if silent:
        raise SilentError("every sample is zero (digital silence: a muted channel or a failed conversion?)")


def checked_block(block: np.ndarray, start_s: float, rate: int = SAMPLE_RATE) -> np.ndarray:
    """The same block (n,), on the int16 scale.

    Raises:
        AudioError: it holds NaN or infinite samples, or is on another scale.
    """
    peak = float(np.abs(block).max(initial=0.0))  # NaN and Inf survive abs and max
    if not np.isfinite(peak):
        bad_s = start_s + int(np.flatnonzero(~np.isfinite(block))[0]) / rate
        raise AudioError(f"holds NaN or infinite samples, the first at {bad_s:.3f} s")
    if peak > _FLOAT_LIMIT * INT16_SCALE:
        raise AudioError(f"float samples reach {peak / INT16_SCALE:.0f} where full scale is 1.0; divide by 32768?")
    return block


def dithered(blocks: Iterable[np.ndarray], position: int) -> Iterator[np.ndarray]:
    """The same blocks with the noise floor of 16-bit audio: Gaussian noise of one step, as Kaldi's --dither=1.

    Resampling from a low rate and lossy codecs leave bands with nothing in them at all, which no model has seen in
    training; without a floor the published VAD finds segments up to 80 ms late. The noise belongs to the place in the
    recording (`position` samples from its start), so that the same audio always gives the same samples.
    """
    for block in blocks:
        places = np.arange(position, position + len(block)) % len(_DITHER)
        position += len(block)
        yield block + _DITHER[places]


def check_samples(samples: np.ndarray, rate: object) -> None:
    """Raise AudioError for an array that cannot be audio, by its type and shape alone: nothing is computed."""
    check_type(samples)
    if samples.size == 0:
        raise AudioError("holds no samples")
    hours = samples.size / check_rate(rate) / 3600
    if hours > LONGEST_H:
        raise AudioError(f"an array of shape {samples.shape} is no recording: {hours:.0f} hours, at most {LONGEST_H}")


def check_type(samples: np.ndarray) -> None:
    """Raise AudioError for an array of another type or number of dimensions than audio has."""
    if samples.ndim not in (1, 2) or not (samples.dtype.kind == "f" or samples.dtype in (np.int8, np.int16, np.int32)):
        raise AudioError(f"expected samples (n,) or (n, channels), got {samples.dtype} of shape {samples.shape}")


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
    check_samples(np.asarray(samples), rate)
    block = scaled(samples)
    wanted = channel_of(config) if config else None
    if wanted is not None and wanted > block.shape[1]:
        raise AudioError(f"channel {wanted} requested, the number of channels is {block.shape[1]}")
    mixed = Mixed("the audio in memory", [block], wanted)
    signal = _checked(_resampled(mixed, rate), mixed)
    yield from signal if rate == SAMPLE_RATE else dithered(signal, 0)


def scaled(samples: np.ndarray, *, may_be_empty: bool = False) -> np.ndarray:
    """(n, channels) float32 with full scale 1.0 of samples (n,) or (n, channels) of the types that audio has.

    Raises:
        AudioError: they have another type or shape, or there are none.
    """
    samples = np.asarray(samples)
    check_type(samples)
    if samples.size == 0:
        if not may_be_empty:
            raise AudioError("holds no samples")
        return np.zeros((0, 1), np.float32)
    if samples.dtype.kind == "i":
        samples = (samples / float(2 ** (8 * samples.dtype.itemsize - 1))).astype(np.float32)
    with np.errstate(over="ignore"):  # what float32 does not hold becomes infinite, and is refused
        return samples.astype(np.float32).reshape(len(samples), -1)


def read(recording: Recording | np.ndarray, config: AudioConfig | None = None, rate: int = SAMPLE_RATE) -> np.ndarray:
    """(n,) a whole recording (see `read_blocks`) or array (see `array_blocks`), at 16 kHz on the int16 scale."""
    if isinstance(recording, np.ndarray):
        return np.concatenate(list(array_blocks(recording, rate, config)))
    return np.concatenate(list(read_blocks(recording, config or AudioConfig())))
