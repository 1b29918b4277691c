"""Opens recordings of any container: soundfile where it can (wav, flac, ogg, mp3), ffmpeg for everything else.

What comes out is the recording as it is, in blocks: native rate, all channels, float32 with full scale 1.0.
`firered.audio.load` makes of it what the models take.
"""

import contextlib
import logging
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
import soundfile

from firered.audio.probe import Header, ffprobe, open_soundfile, soundfile_header
from firered.audio.source import Recording, Source, open_source, tail_of
from firered.data.temporary import nameless_file
from firered.errors import AudioError
from firered.processes import group, signal_group

log = logging.getLogger(__name__)

BLOCK_S = 20.0  # seconds read at a time


@dataclass(frozen=True)
class Decoded:
    """An open recording. `blocks` yields (n, channels) float32, full scale 1.0, and raises AudioError.

    Nothing is decoded before the first block is requested.
    """

    header: Header
    blocks: Iterator[np.ndarray]
    notes: tuple[str, ...] = ()  # what is amiss, though it was taken


@contextlib.contextmanager
def open_recording(
    recording: Recording,
    *,
    pipes: bool = True,
    allow_truncated: bool = False,
    start_s: float = 0.0,
    end_s: float = np.inf,
    ffmpeg_seconds: float = 0.0,
) -> Iterator[Decoded]:
    """The recording of a Kaldi extended file name (str), a file (Path) or a binary file, from `start_s` to `end_s`.

    Raises:
        AudioError: nothing there, not audio, cut short (unless allowed), a failing or refused pipe; or ffmpeg takes
            more than so many seconds over it, if they are not 0.
    """
    with (
        open_source(recording, pipes=pipes, allow_truncated=allow_truncated) as source,
        contextlib.ExitStack() as stack,
    ):
        file = open_soundfile(source, stack)
        if file is not None:
            blocks = _soundfile_blocks(file, source, (start_s, end_s), allow_truncated)
            yield Decoded(soundfile_header(file), blocks, source.notes)
        else:
            path = source.on_disk(stack)
            header = ffprobe(path, source.name, ffmpeg_seconds)
            blocks = _ffmpeg_blocks(path, header, (start_s, end_s), source.name, stack, ffmpeg_seconds)
            yield Decoded(header, blocks, source.notes)


def _soundfile_blocks(
    file: soundfile.SoundFile, source: Source, span: tuple[float, float], allow_truncated: bool
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
                raise AudioError(f"{source.name}: {complaint}")
            yield block
            if complaint:
                log.warning("%s: %s", source.name, complaint)
                return
            wanted -= len(block)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{source.name}: damaged ({error.error_string})") from error


def _read(file: soundfile.SoundFile, count: int) -> tuple[np.ndarray, str]:
    """At most `count` samples (n, channels), and the decoder's error message after them, if any."""
    block = np.full((count, file.channels), np.nan, np.float32)  # NaN where libsndfile, when it fails, wrote nothing
    try:
        return file.read(out=block), ""
    except soundfile.LibsndfileError as error:
        return block[: np.isfinite(block).all(1).cumprod().sum()], f"damaged ({error.error_string})"


def _ffmpeg_blocks(
    path: Path,
    header: Header,
    span: tuple[float, float],
    name: str,
    stack: contextlib.ExitStack,
    seconds: float,
) -> Iterator[np.ndarray]:
    # Decoded from its start on and counted in samples: seeking is some milliseconds off in many formats.
    end = f":end_sample={round(span[1] * header.rate)}" if np.isfinite(span[1]) else ""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", f"file:{path}"]
    command += ["-map", "0:a:0", "-af", f"atrim=start_sample={round(span[0] * header.rate)}{end}"]
    command += ["-f", "f32le", "-c:a", "pcm_f32le", "pipe:1"]
    errors = stack.enter_context(nameless_file())
    process = stack.enter_context(group(command, stdout=subprocess.PIPE, stderr=errors))
    output = _Output(process, seconds)
    yield from _samples_of(output, header)
    failed = process.wait() != 0
    errors.seek(0)
    complaint = errors.read()
    if output.late:
        raise AudioError(f"{name}: ffmpeg took more than {seconds:g} s over it (--ffmpeg-seconds)")
    if failed or complaint:
        raise AudioError(f"{name}: ffmpeg could not decode all of it{tail_of(complaint)}")


class _Output:
    """The output of a process that is killed when it has been waited for too long, all reads together.

    Args:
        process: with a pipe as its standard output.
        seconds: that it may take; 0: any. The time that its reader takes does not count.
    """

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self._process, self._left = process, seconds or np.inf
        self.late = False

    def read(self, size: int) -> bytes:
        """So many bytes; fewer at the end."""
        output = cast(IO[bytes], self._process.stdout)
        if np.isinf(self._left):
            return output.read(size)
        began = time.monotonic()
        timer = threading.Timer(self._left, self._stop)
        timer.daemon = True
        timer.start()
        try:
            return output.read(size)
        finally:
            timer.cancel()
            timer.join()  # it may be in the middle of stopping the process, and say so afterwards
            self._left = max(0.0, self._left - (time.monotonic() - began))

    def _stop(self) -> None:
        self.late = signal_group(self._process, signal.SIGKILL) or self.late  # a read after it finds no process


def _samples_of(output: _Output, header: Header) -> Iterator[np.ndarray]:
    frame_bytes = 4 * header.channels
    while data := output.read(int(BLOCK_S * header.rate) * frame_bytes):
        yield np.frombuffer(data[: len(data) // frame_bytes * frame_bytes], "<f4").reshape(-1, header.channels)
