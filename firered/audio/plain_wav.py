"""The header of the plainest of wav files, 16-bit PCM and nothing beside its samples, read in a few system calls.

Corpora hold hundreds of thousands of them, and opening each by libsndfile takes several times as long.
"""

import stat
import struct
from pathlib import Path

from firered.data.files import BLANKS, is_pipe

_HEAD = struct.Struct("<4sI4s4sIHHIIHH4sI")
_PCM, _FMT_SIZE = 1, 16
_BYTES = 2  # of a sample
_RATES, _CHANNELS = range(1, 192_001), range(1, 257)
_LENGTHS = range(1, 0x7FFF0000)  # of the samples in bytes; longer ones may stand for a length that was not known


def plain_wav(recording: object) -> tuple[int, int, float] | None:
    """Rate in Hz, channels and seconds of a complete wav file of 16-bit PCM without other chunks; None of all else.

    Args:
        recording: Kaldi extended file name or the path of a file; others are none.
    """
    if not isinstance(recording, (str, Path)) or is_pipe(recording):
        return None
    path = Path(recording.strip(BLANKS + "\n") if isinstance(recording, str) else recording)
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            return None
        with path.open("rb", buffering=0) as file:
            head = file.read(_HEAD.size)
    except (OSError, ValueError):  # said by who opens it in earnest
        return None
    return _stated(head, state.st_size) if len(head) == _HEAD.size else None


def _stated(head: bytes, size: int) -> tuple[int, int, float] | None:
    riff, _, wave, fmt, fmt_size, code, channels, rate, _, frame, bits, data, length = _HEAD.unpack(head)
    plain = (riff, wave, fmt, fmt_size, code, bits, data) == (
        b"RIFF", b"WAVE", b"fmt ", _FMT_SIZE, _PCM, 8 * _BYTES, b"data",
    )  # fmt: skip
    if not plain or rate not in _RATES or channels not in _CHANNELS or length not in _LENGTHS:
        return None
    if frame != _BYTES * channels or length % frame or size != _HEAD.size + length:
        return None
    return rate, channels, length // frame / rate
