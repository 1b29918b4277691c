"""Opens recordings of any container: soundfile where it can (wav, flac, ogg, mp3), ffmpeg for everything else.

What comes out is the recording as it is, in blocks: native rate, all channels, float32 with full scale 1.0.
`firered.audio.load` makes of it what the models take.
"""

import contextlib
import logging
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from firered.audio.truncated import missing_bytes
from firered.errors import AudioError

log = logging.getLogger(__name__)

BLOCK_S = 20.0  # seconds read at a time
_EXACT_SUBTYPES = ("PCM", "FLOAT", "DOUBLE", "ULAW", "ALAW", "ALAC")
_EXACT_CODECS = ("pcm_", "flac", "alac", "wavpack", "tta", "ape")
_HEADER_BYTES = 512  # more than the header of an empty wav
_STDERR_TAIL = 300  # characters of another program's complaint that are passed on


@dataclass
class Decoded:
    """An open recording. `blocks` yields (n, channels) float32, full scale 1.0, and raises AudioError."""

    rate: int
    channels: int
    duration_s: float | None  # as the header states it; None where that takes reading
    lossy: bool  # went through a codec that leaves parts of the spectrum out
    blocks: Iterator[np.ndarray]
    notes: list[str] = field(default_factory=list)  # what is amiss, though it was taken


@contextlib.contextmanager
def open_recording(
    rxfilename: str, *, pipes: bool = True, allow_truncated: bool = False, start_s: float = 0.0, end_s: float = np.inf
) -> Iterator[Decoded]:
    """The recording of a Kaldi extended file name (path, `command |`, `archive:offset`) from `start_s` to `end_s`.

    Raises:
        AudioError: nothing there, not audio, cut short (unless allowed), a failing or refused pipe.
    """
    with contextlib.ExitStack() as stack:
        try:
            source = _resolve(rxfilename.strip(), pipes, stack)
            notes = _cut_short(source, allow_truncated)
        except OSError as error:
            raise AudioError(f"{rxfilename}: {error.strerror}") from error
        span = (start_s, end_s)
        recording = _open_soundfile(source, span, allow_truncated, stack) or _open_ffmpeg(source, span, stack)
        yield replace(recording, notes=notes)


def _cut_short(source: Path | BytesIO, allowed: bool) -> list[str]:
    """What is to be said of a file whose end is not there."""
    with _opened(source) as file:
        missing = missing_bytes(file)
    if not missing:
        return []
    complaint = f"{_name(source)}: cut short, {missing} of the bytes that its header promises are not there"
    if not allowed:
        raise AudioError(f"{complaint} (--allow-truncated takes what is there)")
    return [complaint]


def _resolve(rxfilename: str, pipes: bool, stack: contextlib.ExitStack) -> Path | BytesIO:
    if rxfilename.endswith("|"):
        if not pipes:
            raise AudioError(f"the pipe `{rxfilename}` is refused (--no-pipes)")
        return _run_pipe(rxfilename[:-1].strip(), stack)
    path = Path(rxfilename)
    if path.is_file():
        if path.stat().st_size == 0:
            raise AudioError(f"{path}: the file is empty")
        return path
    in_archive = re.fullmatch(r"(.+):(\d+)", rxfilename)
    if in_archive and Path(in_archive[1]).is_file():
        return _from_archive(Path(in_archive[1]), int(in_archive[2]))
    raise AudioError(f"{path}: {'is a folder, not a file' if path.is_dir() else 'no such file'}")


def _run_pipe(command: str, stack: contextlib.ExitStack) -> Path:
    # Output goes to disk, not memory: readers must be able to seek, and recordings may be hours long.
    out = stack.enter_context(tempfile.NamedTemporaryFile(prefix="firered-pipe-"))  # noqa: SIM115 - on the stack
    shell = ["bash", "-o", "pipefail", "-c", command]
    done = subprocess.run(shell, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise AudioError(f"the pipe `{command}` failed with status {done.returncode}{_tail(done.stderr)}")
    if out.tell() == 0 and Path(out.name).stat().st_size == 0:
        raise AudioError(f"the pipe `{command}` gave no output{_tail(done.stderr)}")
    return Path(out.name)


def _from_archive(path: Path, offset: int) -> BytesIO:
    """The bytes of one wav inside a Kaldi archive, by the size its RIFF header states."""
    with path.open("rb") as file:
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8 or head[:4] != b"RIFF":
            raise AudioError(f"{path}:{offset}: no wav at this place of the archive")
        return BytesIO(head + file.read(struct.unpack("<I", head[4:])[0]))


def _open_soundfile(
    source: Path | BytesIO, span: tuple[float, float], allow_truncated: bool, stack: contextlib.ExitStack
) -> Decoded | None:
    """The recording by soundfile; None if that does not know the format."""
    try:
        file = stack.enter_context(soundfile.SoundFile(source))
    except (soundfile.LibsndfileError, TypeError, RuntimeError):
        return None
    if file.format == "MP3" and not _states_length(source):
        return None  # libsndfile would guess it from the first frame, and lose or promise audio
    if (
        file.frames == 0
        and isinstance(source, Path)
        and source.stat().st_size > _HEADER_BYTES
        and shutil.which("ffmpeg")
    ):
        return None  # a recorder that was killed left a length of 0; ffmpeg reads what follows
    duration_s = file.frames / file.samplerate
    lossy = not file.subtype.startswith(_EXACT_SUBTYPES)
    blocks = _soundfile_blocks(file, source, span, allow_truncated)
    return Decoded(file.samplerate, file.channels, duration_s, lossy, blocks)


def _soundfile_blocks(
    file: soundfile.SoundFile, source: Path | BytesIO, span: tuple[float, float], allow_truncated: bool
) -> Iterator[np.ndarray]:
    start, end = (min(round(t * file.samplerate), file.frames) if np.isfinite(t) else file.frames for t in span)
    wanted, size = end - start, int(BLOCK_S * file.samplerate)
    at = 0 if file.format in ("MP3", "OGG") else start  # after a seek their first samples are not those of the whole
    try:
        file.seek(at)
        file.seekable = lambda: False  # else soundfile seeks, to where it is already, after every read
        while at < start and (passed := len(file.read(min(size, start - at), dtype="float32"))):
            at += passed
        while wanted > 0:
            block, complaint = _read(file, min(size, wanted))
            if not len(block) and not complaint:
                complaint = f"ends {wanted} samples before the length that its header states"
            if complaint and not allow_truncated:
                raise AudioError(f"{_name(source)}: {complaint}")
            yield block
            if complaint:
                log.warning("%s: %s", _name(source), complaint)
                return
            wanted -= len(block)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{_name(source)}: damaged ({error.error_string})") from error


def _read(file: soundfile.SoundFile, count: int) -> tuple[np.ndarray, str]:
    """At most `count` samples (n, channels), and what was wrong after them."""
    block = np.full((count, file.channels), np.nan, np.float32)  # NaN where libsndfile, when it fails, wrote nothing
    try:
        return file.read(out=block), ""
    except soundfile.LibsndfileError as error:
        return block[: np.isfinite(block).all(1).cumprod().sum()], f"damaged ({error.error_string})"


def _states_length(source: Path | BytesIO) -> bool:
    """Whether an MP3 holds its number of frames (a Xing, Info or VBRI header in its first frame)."""
    with _opened(source) as file:
        head = file.read(1 << 16)
    if head[:3] == b"ID3" and len(head) >= 10:
        size = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        with _opened(source) as file:
            file.seek(size + 10)
            head = file.read(1 << 12)
    return any(name in head[: 1 << 12] for name in (b"Xing", b"Info", b"VBRI"))


@contextlib.contextmanager
def _opened(source: Path | BytesIO) -> Iterator[BinaryIO]:
    """A file for reading from its start on; one in memory is at its start again afterwards."""
    if isinstance(source, Path):
        with source.open("rb") as file:
            yield file
    else:
        source.seek(0)
        yield source
        source.seek(0)


def _open_ffmpeg(source: Path | BytesIO, span: tuple[float, float], stack: contextlib.ExitStack) -> Decoded:
    if isinstance(source, BytesIO):
        raise AudioError("the archive entry is not a wav that can be read")
    if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        raise AudioError(f"{source}: not wav, flac, ogg or mp3; install ffmpeg to read other formats")
    codec, rate, channels = _probe(source)
    command = ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", f"file:{source}"]
    # Decoded from its start on and counted in samples: seeking is some milliseconds off in many formats.
    end = f":end_sample={round(span[1] * rate)}" if np.isfinite(span[1]) else ""
    command += ["-map", "0:a:0", "-af", f"atrim=start_sample={round(span[0] * rate)}{end}"]
    command += ["-f", "f32le", "-c:a", "pcm_f32le", "pipe:1"]
    errors = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - on the stack
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors))
    stack.callback(process.kill)
    return Decoded(
        rate,
        channels,
        None,
        not codec.startswith(_EXACT_CODECS),
        _ffmpeg_blocks(process, source, rate, channels, errors),
    )


def _probe(path: Path) -> tuple[str, int, int]:
    """Codec, sample rate and channels of the first audio stream of a file."""
    command = ["ffprobe", "-v", "error", "-protocol_whitelist", "file,pipe", "-select_streams", "a:0"]
    command += ["-show_entries", "stream=codec_name,sample_rate,channels", "-of", "csv=p=0", f"file:{path}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    fields = done.stdout.decode().strip().split("\n")[0].split(",")
    if done.returncode != 0:
        raise AudioError(f"{path}: not audio that soundfile or ffmpeg can read{_tail(done.stderr)}")
    if len(fields) < 3 or not all(f.isdigit() and int(f) > 0 for f in fields[1:3]):
        raise AudioError(f"{path}: holds no audio stream")
    return fields[0], int(fields[1]), int(fields[2])


def _ffmpeg_blocks(
    process: subprocess.Popen, source: Path, rate: int, channels: int, errors: "tempfile._TemporaryFileWrapper"
) -> Iterator[np.ndarray]:
    size = int(BLOCK_S * rate) * channels * 4
    while data := process.stdout.read(size):
        yield np.frombuffer(data[: len(data) // (4 * channels) * 4 * channels], "<f4").reshape(-1, channels)
    errors_seen = process.wait() != 0
    errors.seek(0)
    complaint = errors.read()
    if errors_seen or complaint:
        raise AudioError(f"{source}: ffmpeg could not decode all of it{_tail(complaint)}")


def _name(source: Path | BytesIO) -> str:
    return str(source) if isinstance(source, Path) else "archive entry"


def _tail(stderr: bytes) -> str:
    text = " ".join(stderr.decode(errors="replace").split())
    return f": {text[-_STDERR_TAIL:]}" if text else ""
