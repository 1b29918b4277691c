"""Live audio as bytes: raw samples, or a WAV whose header comes first and may be cut anywhere; nothing else."""

import struct
from typing import NamedTuple

import numpy as np

from firered.audio.framing import SAMPLE_RATE
from firered.errors import AudioError, OptionError

ADVICE = "decode it first: ... | ffmpeg -loglevel error -i - -f s16le -ac 1 -ar 16000 - | ..."

_HEAD = 12  # bytes by which containers are known; so much is waited for
# At some place of the first bytes: what other containers begin with.
_OTHERS = (
    (0, b"RIFX", "RIFX (big-endian WAV)"),
    (0, b"riff\x2e\x91\xcf\x11", "Wave64"),
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "Ogg"),
    (0, b"ID3", "MP3 with an ID3 tag"),
    (4, b"ftyp", "MP4"),
    (0, b"\x1a\x45\xdf\xa3", "WebM or Matroska"),
    (0, b"FORM", "AIFF"),
    (0, b"caff", "CAF"),
    (0, b".snd", "AU"),
    (0, b"NIST_1A", "NIST SPHERE"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF or WMA"),
    (0, b"#!AMR", "AMR"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"FLV\x01", "FLV"),
    (0, b"#!SILK", "SILK"),
    (1, b"#!SILK", "SILK"),
)
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_CODECS = {2: "MS ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MPEG", 0x55: "MP3"}
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # of sample formats that are codecs by number
_LOWEST_RATE, _HIGHEST_RATE = 1000, 768000  # Hz
_MOST_CHANNELS = 64  # of raw samples
_LONGEST_HEADER = 1 << 24  # bytes before the samples: descriptions, pictures
# From here on a size is what programs write that do not know how much will come: 0x7FFFF000, 0x80000000, 0xFFFFFFFF.
_NOT_KNOWN = 0x7FFF0000
_LONG = 0xFFFFFFFF  # in RF64: the size is in a chunk of its own


class _Format(NamedTuple):
    """How samples are stored."""

    codec: int
    width: int  # bytes a sample
    channels: int
    rate: int


class _Header(NamedTuple):
    format: _Format
    size: int  # bytes of the header
    data: int | None  # bytes of samples, where that is known


class Incoming:
    """Samples of live audio from its bytes, in pieces of any size.

    Without a header they are raw 16-bit little-endian PCM. A header says what they are itself.

    Args:
        rate: of raw samples, in Hz; None: 16 kHz.
        channels: of raw samples; None: one.

    Raises:
        OptionError: audio has no such rate or number of channels.
    """

    def __init__(self, rate: int | None = None, channels: int | None = None) -> None:
        self._told = rate, channels
        if rate is not None and not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
            raise OptionError(f"rate: {rate} Hz is not between {_LOWEST_RATE} and {_HIGHEST_RATE}")
        if channels is not None and not 1 <= channels <= _MOST_CHANNELS:
            raise OptionError(f"channels: {channels} is not between 1 and {_MOST_CHANNELS}")
        self._raw = _Header(_Format(_PCM, 2, channels or 1, rate or SAMPLE_RATE), 0, None)
        self._bytes = b""
        self._header: _Header | None = None
        self._left: int | None = None  # bytes of samples that the header promises beyond those received

    def accept(self, data: bytes) -> tuple[np.ndarray, int] | None:
        """Samples (n, channels) that are complete now, with their rate; None while it is not known what they are.

        Raises:
            AudioError: this is another container, or a WAV that cannot be read, or not of the rate or number of
                channels that it was said to have.
        """
        self._bytes += data
        if self._header is None:
            self._header = _header_of(self._bytes, self._raw)
            if self._header is None:
                return None
            self._check(self._header.format)
            self._bytes, self._left = self._bytes[self._header.size :], self._header.data
        return self._samples(self._header.format)

    def finish(self) -> tuple[tuple[np.ndarray, int] | None, str]:
        """Samples that are left at the end of the input, and what is amiss with it, if anything.

        Raises:
            AudioError: it ends within its header.
        """
        left = None
        if self._header is None and self._bytes:
            if self._bytes.startswith(b"RIFF"):
                raise AudioError("ends within its WAV header")
            self._header = self._raw  # fewer bytes than containers are known by
            left = self._samples(self._raw.format)
        missing = self._left or 0
        return left, f"ended {missing} bytes before the length that its WAV header states" if missing else ""

    def _check(self, stored: _Format) -> None:
        rate, channels = self._told
        for name, told, found in (("rate", rate, stored.rate), ("channels", channels, stored.channels)):
            if told not in (None, found):
                raise AudioError(f"its WAV header says {name} {found}, --{name} {told}: leave the option out for WAV")

    def _samples(self, stored: _Format) -> tuple[np.ndarray, int]:
        data = self._bytes
        if self._left is not None:
            data = data[: self._left]  # what follows are no samples
        frame = stored.width * stored.channels
        whole = len(data) // frame * frame
        self._bytes = self._bytes[whole:]
        if self._left is not None:
            left = self._left - whole
            self._left = left if left >= frame else 0
            self._bytes = self._bytes if self._left else b""
        return _decoded(data[:whole], stored).reshape(-1, stored.channels), stored.rate


def _decoded(data: bytes, stored: _Format) -> np.ndarray:
    """(n,) the samples, of a type whose width is their full scale."""
    if stored.codec == _FLOAT:
        return np.frombuffer(data, f"<f{stored.width}")
    if stored.width == 1:
        return (np.frombuffer(data, np.uint8) ^ 0x80).view(np.int8)
    if stored.width == 3:
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.reshape(-1).view("<i4")
    return np.frombuffer(data, f"<i{stored.width}")


def _header_of(data: bytes, raw: _Header) -> _Header | None:
    """What the first bytes say, `raw` where it is none of the containers; None where more of them are needed."""
    if len(data) < _HEAD:
        return None
    for place, magic, name in _OTHERS:
        if data.startswith(magic, place):
            raise AudioError(f"this is {name}, not WAV or raw 16-bit PCM; {ADVICE}")
    if data[:4] not in (b"RIFF", b"RF64", b"BW64"):
        return raw
    if data[8:12] != b"WAVE":
        raise AudioError(f"this is a RIFF file of the kind {_shown(data[8:12])}, not WAV; {ADVICE}")
    return _wav_header(data)


def _wav_header(data: bytes) -> _Header | None:
    """The header of a WAV; None where it is not complete."""
    stored: _Format | None = None
    long_size: int | None = None  # of a file beyond 4 GiB
    at = _HEAD
    while len(data) >= at + 8:
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"data":
            if stored is None:
                raise AudioError("WAV: the samples come before their format; " + ADVICE)
            known = size if 0 < size < _NOT_KNOWN else None
            return _Header(stored, at, long_size if size == _LONG and long_size else known)
        if at + size > _LONGEST_HEADER:
            raise AudioError(f"WAV: {_shown(name)} of {size} bytes before the samples: damaged? {ADVICE}")
        if len(data) < at + size:
            return None
        if name == b"fmt ":
            stored = _format_of(data[at : at + size])
        elif name == b"ds64" and size >= 16:
            long_size = struct.unpack_from("<Q", data, at + 8)[0] or None
        at += size + size % 2
    return None


def _format_of(chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise AudioError(f"WAV: a format of {len(chunk)} bytes, damaged; {ADVICE}")
    codec, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", chunk)
    if codec == _EXTENSIBLE and len(chunk) >= 40 and chunk[26:40] == _GUID_TAIL:
        codec = struct.unpack_from("<H", chunk, 24)[0]
    if codec not in (_PCM, _FLOAT):
        name = _CODECS.get(codec, f"number 0x{codec:04X}")
        raise AudioError(f"WAV: samples of the codec {name}, not PCM or float; {ADVICE}")
    if not channels or not _LOWEST_RATE <= rate <= _HIGHEST_RATE or frame % channels:
        raise AudioError(f"WAV: {channels} channels, {rate} Hz, {frame} bytes a frame: damaged; {ADVICE}")
    width = frame // channels
    if width not in ((4, 8) if codec == _FLOAT else (1, 2, 3, 4)) or bits > 8 * width:
        kind = "floats" if codec == _FLOAT else "samples"
        raise AudioError(f"WAV: {kind} of {bits} bits in {width} bytes are not read here; {ADVICE}")
    return _Format(codec, width, channels, rate)


def _shown(name: bytes) -> str:
    return repr(name.decode("latin-1"))
