"""What the library's calls take for audio, in all its forms, as frames: `AudioLike` and `as_frames`."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from numbers import Real
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor

from firered.audio.config import AudioConfig
from firered.audio.frames import Frames, of_samples
from firered.audio.framing import SAMPLE_RATE, check_rate
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.audio.load import LONGEST_H, array_blocks, check_samples, read_blocks
from firered.errors import AudioError, OptionError


@dataclass(frozen=True)
class Rxfilename:
    """A Kaldi extended file name, as in wav.scp: a path, a command (`sox a.wav -t wav - |`) or `archive:offset`.

    A class of its own, so that no plain path is ever run as a command.
    """

    name: str

    def __str__(self) -> str:
        return self.name


# One recording:
# - str or Path: a file of any format, whatever its name looks like;
# - Rxfilename: a Kaldi extended file name;
# - bytes, or a binary file, which is read from its current position to its end: a file's content, of any format;
# - array (n,) or (n, channels), as soundfile gives it, of 16 kHz unless it comes with its rate in Hz: (array, rate);
# - tensor (n,) or (channels, n), as torchaudio gives it, on any device: likewise.
# Integer samples count by the width of their type (int8, int16, int32), floats have full scale 1.0.
Samples: TypeAlias = np.ndarray | Tensor
AudioLike: TypeAlias = str | Path | Rxfilename | bytes | BinaryIO | Samples | tuple[Samples, int]

ACCEPTED = (
    "a path (str or Path), Rxfilename('command |'), bytes, a binary file, "
    "an array (n,) or (n, channels), a tensor (n,) or (channels, n), or (array or tensor, sample rate)"
)


def as_frames(
    audio: AudioLike, uttid: str = "", config: AudioConfig | None = None, front_end: FrontEnd = PUBLISHED
) -> Frames:
    """Filterbank frames of a recording in any form; it is opened and read when they are taken.

    Args:
        audio: see `AudioLike`.
        uttid: id of the frames; if not given, a path's name without suffix, else the empty string.
        config: what to do with channels, pipes and truncated files.
        front_end: of the frames.

    Raises:
        AudioError: this is not audio in a form that is accepted.
    """
    config = config or AudioConfig()
    if not isinstance(uttid, str):
        raise OptionError(f"uttid: {uttid!r} is not a string")
    if isinstance(audio, Rxfilename) and isinstance(audio.name, str):
        return of_samples(uttid or Path(audio.name).stem, read_blocks(audio.name, config), front_end)
    if isinstance(audio, str | Path):
        return of_samples(uttid or Path(audio).stem, read_blocks(Path(audio), config), front_end)
    if isinstance(audio, bytes | bytearray | memoryview):
        return of_samples(uttid, read_blocks(BytesIO(bytes(audio)), config), front_end)
    if _is_file(audio):
        return of_samples(uttid, read_blocks(cast(BinaryIO, audio), config), front_end)
    samples, rate = with_rate(audio)
    array = as_array(samples)
    check_samples(array, rate)
    return of_samples(uttid, array_blocks(array, rate, config), front_end)


def path_of(audio: AudioLike) -> str:
    """The path of a recording, as it was given; empty for audio in memory."""
    return str(audio) if isinstance(audio, str | Path | Rxfilename) else ""


def is_one(audio: object) -> bool:
    """Whether this is one recording rather than several."""
    if isinstance(audio, tuple):
        # What stands where the rate should is one mistake, not a second recording.
        return len(audio) == 2 and isinstance(audio[0], np.ndarray | Tensor) and not _is_audio(audio[1])
    kinds = (str, Path, Rxfilename, bytes, bytearray, memoryview, np.ndarray, Tensor)
    return isinstance(audio, kinds) or hasattr(audio, "read")


def _is_audio(value: object) -> bool:
    """Whether a value can be a recording of its own; digits in a string are a rate."""
    if isinstance(value, str):
        return not value.strip().lstrip("+-").replace(".", "", 1).isdigit()
    return isinstance(value, tuple) or is_one(value)


def refuse_numbers(audios: object) -> None:
    """Raise OptionError for a list of numbers, which would be as many recordings."""
    if isinstance(audios, Sequence) and audios and isinstance(audios[0], Real):
        raise OptionError("a list of numbers is no audio; make it an array: np.array(samples, np.float32)")


def frames_of_all(
    audios: Iterable[AudioLike], uttids: Sequence[str] | None = None, front_end: FrontEnd = PUBLISHED
) -> Iterator[Frames]:
    """Frames of each recording, as `as_frames` gives them; where it refuses one, reading that one's raises it."""
    for number, audio in enumerate(audios):
        uttid = uttids[number] if uttids is not None else ""
        try:
            yield as_frames(audio, uttid, front_end=front_end)
        except AudioError as error:
            yield _refused(uttid, error)


def listed(audios: Iterable[AudioLike], uttids: Sequence[str] | None = None) -> list[AudioLike]:
    """Several recordings as a list.

    Raises:
        OptionError: it is one recording, or there are not as many ids.
    """
    if is_one(audios) or not isinstance(audios, Iterable):
        raise OptionError(f"batch takes several recordings, this is one {type(audios).__name__}; put it in a list")
    refuse_numbers(audios)
    found = list(audios)
    if isinstance(uttids, str) or not isinstance(uttids, Sequence | None):
        raise OptionError(f"uttids: expected a list of ids, got {type(uttids).__name__}")
    if uttids is not None and len(uttids) != len(found):
        raise OptionError(f"uttids: {len(uttids)} ids for {len(found)} recordings")
    return found


def _refused(uttid: str, error: AudioError) -> Frames:
    def blocks(_: Frames) -> Iterator[Tensor]:
        raise error
        yield  # a generator: the error comes where the others' would

    return Frames(uttid, blocks)


def _is_file(audio: object) -> bool:
    if not hasattr(audio, "read"):
        return False
    if hasattr(audio, "encoding"):
        raise AudioError(f"{type(audio).__name__}: a file opened as text; open it with mode 'rb'")
    if getattr(audio, "closed", False):
        raise AudioError(f"{type(audio).__name__}: the file is closed")
    return True


def with_rate(audio: Any) -> tuple[Any, int]:  # noqa: ANN401 - whatever the caller gave
    """Samples and their rate, of samples alone or with a rate.

    Raises:
        AudioError: a tuple of something else.
    """
    if not isinstance(audio, tuple):
        return audio, SAMPLE_RATE
    if len(audio) != 2:
        raise AudioError(f"a tuple of {len(audio)} is no audio: expected (array or tensor, sample rate)")
    samples, rate = audio
    if isinstance(samples, Real) and isinstance(rate, np.ndarray | Tensor):
        raise AudioError("the sample rate comes second: (array or tensor, sample rate)")
    return samples, check_rate(rate)


def as_array(samples: Any, most_channels: int = 0) -> np.ndarray:  # noqa: ANN401 - whatever the caller gave
    """(n,) or (n, channels) samples of an array or tensor.

    Raises:
        AudioError: it is neither, or has more channels than samples and than `most_channels`.
    """
    if isinstance(samples, Tensor):
        kind = samples.dtype
        if samples.is_nested or samples.layout != torch.strided or samples.is_meta or samples.is_quantized:
            raise AudioError(f"a tensor that is nested, sparse, quantized or without values is no audio; {ACCEPTED}")
        if not (kind.is_floating_point or kind in (torch.int8, torch.int16, torch.int32)) or samples.ndim not in (1, 2):
            raise AudioError(
                f"expected samples (n,) or (channels, n), got {str(kind)[6:]} of shape {tuple(samples.shape)}"
            )
        _check_layout(tuple(samples.shape), "tensor", "(channels, n)", most_channels, samples_first=False)
        hours = samples.numel() / SAMPLE_RATE / 3600
        if hours > 3 * LONGEST_H:  # before it is copied, whatever its rate
            raise AudioError(f"a tensor of shape {tuple(samples.shape)} is no recording: {hours:.0f} hours at 16 kHz")
        rows = samples.detach().cpu()
        rows = rows.float() if kind not in (torch.float32, torch.float64) and kind.is_floating_point else rows
        return rows.numpy() if rows.ndim != 2 else rows.T.numpy()
    if isinstance(samples, np.ndarray):
        _check_layout(samples.shape, "array", "(n, channels)", most_channels, samples_first=True)
        return samples
    raise AudioError(f"{type(samples).__name__} is no audio; accepted are {ACCEPTED}")


def _check_layout(shape: tuple[int, ...], kind: str, layout: str, most_channels: int, *, samples_first: bool) -> None:
    """Refuse what is clearly the other way round: more channels than samples."""
    if len(shape) == 2 and math.prod(shape) > 0:
        samples, channels = shape if samples_first else shape[::-1]
        if channels > max(samples, most_channels):
            raise AudioError(f"{kind} of shape {shape}: expected {layout}, transpose it")
