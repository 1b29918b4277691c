"""Where live audio comes from: a recording at a pace, standard input, an address on the network."""

import io
import logging
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from typing import IO, cast

import numpy as np

from firered.audio.arriving import PIECE_S, Arriving
from firered.audio.framing import SAMPLE_RATE
from firered.audio.incoming import Incoming
from firered.audio.load import INT16_SCALE
from firered.data.temporary import nameless_file
from firered.errors import AudioError, OptionError
from firered.processes import group

log = logging.getLogger(__name__)

SCHEMES = ("rtsp", "rtsps", "http", "https")
_ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")
_PASSWORD = re.compile(r"(://[^/@\s]*?):[^/@\s]*@")
# What a stream at an address may be made of: no files of this machine, whatever a playlist names.
_PROTOCOLS = "http,https,httpproxy,tcp,tls,crypto,rtsp,rtsps,rtp,udp"
_READ_BYTES = 16000  # at most so much at a time; whatever has arrived is handed on immediately
_LOOK_S = 0.2  # between two looks whether the audio is still wanted
_TAIL_BYTES = 2000  # of what ffmpeg has to say
_END_S = 5.0  # that ffmpeg may take to end after its output has


class Recorded:
    """A recording that comes as if it were spoken now, or faster.

    Args:
        name: for messages.
        blocks: its samples (n,), 16 kHz on the int16 scale.
        pace: seconds of audio a second; 0: as fast as it is taken.
    """

    def __init__(self, name: str, blocks: Iterable[np.ndarray], pace: float) -> None:
        self.name, self._blocks, self._pace = name, blocks, pace

    def read(self, into: Arriving) -> None:
        """Put in each piece at the time at which its last sample would have been spoken."""
        size, given, begun = round(PIECE_S * SAMPLE_RATE), 0, time.monotonic()
        for block in self._blocks:
            for first in range(0, len(block), size):
                piece = block[first : first + size] / np.float32(INT16_SCALE)
                given += len(piece)
                while self._pace and (early := begun + given / SAMPLE_RATE / self._pace - time.monotonic()) > 0:
                    if into.stopped.wait(early):
                        return
                if not into.put(piece, SAMPLE_RATE):
                    return


class StandardInput:
    """Raw 16-bit little-endian samples, or a WAV.

    Args:
        rate: of raw samples, in Hz; None: 16 kHz.
        channels: of raw samples; None: one.

    Raises:
        OptionError: audio has no such rate or number of channels.
    """

    name = "standard input"

    def __init__(self, rate: int | None = None, channels: int | None = None) -> None:
        self._incoming = Incoming(rate, channels)

    def read(self, into: Arriving) -> None:
        """Put in what comes."""
        _read_samples(cast(io.BufferedReader, sys.stdin.buffer), self._incoming, into, self.name)


class Address:
    """A stream at an address, which ffmpeg reads.

    Args:
        url: of one of the schemes of `SCHEMES`.
        timeout_s: seconds after which nothing having arrived is a failure.

    Raises:
        OptionError: it has another scheme.
        AudioError: there is no ffmpeg.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self.name = without_password(url)
        scheme = scheme_of(url)
        if scheme not in SCHEMES:
            raise OptionError(f"{self.name}: {scheme}:// is not read here; {', '.join(f'{s}://' for s in SCHEMES)} are")
        if shutil.which("ffmpeg") is None:
            raise AudioError(f"{self.name}: ffmpeg reads addresses, and it is not installed")
        self._url, self._timeout_s = url, timeout_s

    def read(self, into: Arriving) -> None:
        """Put in what comes."""
        transport = ["-rtsp_transport", "tcp"] if scheme_of(self._url).startswith("rtsp") else []
        command = ["ffmpeg", "-nostdin", "-v", "error", "-protocol_whitelist", _PROTOCOLS, *transport, "-i", self._url]
        command += ["-map", "0:a:0", "-c:a", "pcm_s16le", "-flush_packets", "1", "-f", "wav", "pipe:1"]
        with (
            nameless_file() as errors,
            group(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as process,
        ):
            try:
                came = _read_samples(cast(IO[bytes], process.stdout), Incoming(), into, self.name, self._timeout_s)
            except TimeoutError:
                why = _last_line(errors)
                raise AudioError(f"{self.name}: nothing has arrived for {self._timeout_s:g} s{why}") from None
            if into.stopped.is_set():
                return
            try:
                failed = process.wait(_END_S) != 0
            except subprocess.TimeoutExpired:
                failed = True
            if failed or not came:
                raise AudioError(f"{self.name}: ffmpeg cannot read it{_last_line(errors)}")
            if complaint := _last_line(errors):
                log.warning("%s: ffmpeg said%s", self.name, complaint)


def scheme_of(name: str) -> str:
    """The scheme of an address, in lower case; empty for what is none."""
    found = _ADDRESS.match(name)
    return found[1].lower() if found else ""


def without_password(text: str) -> str:
    """A text in which no address has its password."""
    return _PASSWORD.sub(r"\1:***@", text)


def _last_line(errors: IO[bytes]) -> str:
    """The last line that a program has written, to be put after a message."""
    size = errors.seek(0, io.SEEK_END)
    errors.seek(max(0, size - _TAIL_BYTES))
    lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    return f": {without_password(lines[-1])}" if lines else ""


def _read_samples(
    file: IO[bytes], incoming: Incoming, into: Arriving, name: str, timeout_s: float | None = None
) -> bool:
    """Whether any samples came; they are handed on until they end or no more are wanted.

    Raises:
        AudioError: this is no audio that is read here.
        TimeoutError: nothing has come for `timeout_s`.
    """
    came = False
    for data in _bytes_of(file, into, timeout_s):
        piece = incoming.accept(data)
        if piece is not None and len(piece[0]):
            came = True
            if not into.put(*piece):
                return came
    if into.stopped.is_set():
        return came
    rest, complaint = incoming.finish()
    if complaint:
        log.warning("%s: %s", name, complaint)
    if rest is not None and len(rest[0]):
        came = True
        into.put(*rest)
    return came


def _bytes_of(file: IO[bytes], into: Arriving, timeout_s: float | None) -> Iterator[bytes]:
    """What can be read, as it comes; never waited for so long that a stop goes unnoticed."""
    waited = time.monotonic()
    buffered = cast(io.BufferedReader, file)
    while not into.stopped.is_set():
        if _has_bytes(file):
            data = buffered.read1(_READ_BYTES)
            if not data:
                return
            yield data
            waited = time.monotonic()
        elif timeout_s is not None and time.monotonic() - waited > timeout_s:
            raise TimeoutError


def _has_bytes(file: IO[bytes]) -> bool:
    """Whether something is there within a moment; always of what is not a file of the system."""
    try:
        number = file.fileno()
    except (OSError, ValueError):
        return True
    return bool(select.select([number], [], [], _LOOK_S)[0])
