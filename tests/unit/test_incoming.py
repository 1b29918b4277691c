"""Bytes of live audio: raw samples, WAV headers of all makes cut anywhere, and containers that are refused by name."""

import io
import struct

import numpy as np
import pytest
import soundfile

from firered.audio.incoming import Incoming
from firered.audio.pieces import Pieces
from firered.errors import AudioError

RANDOM = np.random.default_rng(0)
SIGNAL = (RANDOM.standard_normal(600) * 3000).astype(np.int16)
STEREO = SIGNAL.reshape(-1, 2)


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def fmt(codec: int = 1, channels: int = 1, rate: int = 16000, bits: int = 16, width: int = 0) -> bytes:
    frame = channels * (width or bits // 8)
    return chunk(b"fmt ", struct.pack("<HHIIHH", codec, channels, rate, rate * frame, frame, bits))


def extensible(codec: int, channels: int, rate: int, bits: int, valid: int) -> bytes:
    frame = channels * bits // 8
    head = struct.pack("<HHIIHH", 0xFFFE, channels, rate, rate * frame, frame, bits)
    tail = struct.pack("<HHIH", 22, valid, 3, codec) + bytes.fromhex("000000001000800000aa00389b71")
    return chunk(b"fmt ", head + tail)


def wav(*chunks: bytes, kind: bytes = b"RIFF", size: int = 0) -> bytes:
    return kind + struct.pack("<I", size) + b"WAVE" + b"".join(chunks)


def written(samples: np.ndarray, rate: int, subtype: str, form: str = "WAV") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format=form)
    return file.getvalue()


def received(data: bytes, sizes: int | None = None) -> tuple[np.ndarray, int, str]:
    """All samples (n, channels) as floats of full scale 1.0, their rate, and what was amiss."""
    incoming = Incoming()
    step = sizes or len(data)
    pieces = [incoming.accept(data[at : at + step]) for at in range(0, len(data), step)]
    rest, complaint = incoming.finish()
    found = [piece for piece in [*pieces, rest] if piece is not None]
    blocks = [block / float(2 ** (8 * block.itemsize - 1)) if block.dtype.kind == "i" else block for block, _ in found]
    (rate,) = {rate for _, rate in found}
    return np.concatenate(blocks), rate, complaint


RAW = SIGNAL.astype("<i2").tobytes()
LIST = chunk(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0")  # odd, so that it is padded
HEADERS = {
    "soundfile 16": (written(SIGNAL, 16000, "PCM_16"), SIGNAL, 16000),
    "soundfile 8": (written(SIGNAL, 8000, "PCM_U8"), SIGNAL, 8000),
    "soundfile 24": (written(STEREO, 44100, "PCM_24"), STEREO, 44100),
    "soundfile 32": (written(SIGNAL, 48000, "PCM_32"), SIGNAL, 48000),
    "soundfile float": (written(STEREO / 32768, 16000, "FLOAT"), STEREO, 16000),
    "soundfile double": (written(SIGNAL / 32768, 16000, "DOUBLE"), SIGNAL, 16000),
    "soundfile extensible": (written(STEREO, 22050, "PCM_16", "WAVEX"), STEREO, 22050),
    "soundfile extensible 24": (written(SIGNAL, 16000, "PCM_24", "WAVEX"), SIGNAL, 16000),
    "soundfile RF64": (written(SIGNAL, 16000, "PCM_16", "RF64"), SIGNAL, 16000),
    "size 0": (wav(fmt(), chunk(b"data", RAW, 0)), SIGNAL, 16000),
    "size of ffmpeg": (wav(fmt(), LIST, chunk(b"data", RAW, 0xFFFFFFFF), size=0xFFFFFFFF), SIGNAL, 16000),
    "size of sox": (wav(fmt(), chunk(b"data", RAW, 0x7FFFF000), size=0x7FFFF024), SIGNAL, 16000),
    "size of arecord": (wav(fmt(), chunk(b"data", RAW, 0x80000000)), SIGNAL, 16000),
    "RF64 without a size": (
        wav(chunk(b"ds64", bytes(28)), fmt(), chunk(b"data", RAW, 0xFFFFFFFF), kind=b"RF64"),
        SIGNAL,
        16000,
    ),
    "chunks around": (
        wav(LIST, fmt(), chunk(b"fact", bytes(4)), LIST, chunk(b"data", RAW), LIST, b"more"),
        SIGNAL,
        16000,
    ),
    "extensible": (wav(extensible(1, 2, 8000, 16, 16), chunk(b"data", RAW)), STEREO, 8000),
    "extensible, 24 in 32": (
        wav(extensible(1, 1, 8000, 32, 24), chunk(b"data", (SIGNAL.astype("<i4") << 16).tobytes())),
        SIGNAL,
        8000,
    ),
    "extensible float": (
        wav(extensible(3, 1, 8000, 32, 32), chunk(b"data", (SIGNAL / 32768).astype("<f4").tobytes())),
        SIGNAL,
        8000,
    ),
    "raw": (RAW, SIGNAL, 16000),
    "raw and half a sample": (RAW + b"x", SIGNAL, 16000),
    "a few raw samples": (RAW[:6], SIGNAL[:3], 16000),
}


@pytest.mark.parametrize("what", HEADERS)
def test_samples_and_rate_are_those_of_the_header_however_it_is_cut(what):
    data, samples, rate = HEADERS[what]
    expected = samples.reshape(len(samples), -1) / 32768
    for sizes in (None, 1, 7, 44, 1000):
        found, found_rate, complaint = received(data, sizes)
        assert (found_rate, complaint) == (rate, "")
        assert found == pytest.approx(expected, abs=1 / 128 if "8" in what.split() else 1e-9)


def test_audio_that_ends_early_is_taken_and_said():
    found, _, complaint = received(wav(fmt(), chunk(b"data", RAW, len(RAW) + 100)), 999)
    assert len(found) == len(SIGNAL)
    assert complaint == "ended 100 bytes before the length that its WAV header states"


OTHERS = {
    "RIFX": b"RIFX\0\0\0\0WAVEfmt ",
    "FLAC": written(SIGNAL, 16000, "PCM_16", "FLAC"),
    "Ogg": written(SIGNAL, 16000, "VORBIS", "OGG"),
    "MP3 with an ID3 tag": b"ID3\x04\0\0\0\0\0\x23TSSE\0\0\0\x0f",
    "MP4": b"\0\0\0\x1cftypM4A \0\0\2\0",
    "WebM or Matroska": bytes.fromhex("1a45dfa39f4286810142f7810142f281"),
    "AIFF": written(SIGNAL, 16000, "PCM_16", "AIFF"),
    "CAF": written(SIGNAL, 16000, "PCM_16", "CAF"),
    "AU": written(SIGNAL, 16000, "PCM_16", "AU"),
    "NIST SPHERE": written(SIGNAL, 16000, "PCM_16", "NIST"),
    "Wave64": written(SIGNAL, 16000, "PCM_16", "W64"),
    "AMR": b"#!AMR\n" + bytes(20),
    "a RIFF file of the kind 'AVI '": b"RIFF\0\0\0\0AVI LIST",
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("sizes", [None, 1])
def test_other_containers_are_refused_by_name(name, sizes):
    with pytest.raises(AudioError) as refused:
        received(OTHERS[name], sizes)
    assert name in str(refused.value)
    assert "ffmpeg -loglevel error -i - -f s16le -ac 1 -ar 16000 -" in str(refused.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (wav(fmt(codec=7, bits=8), chunk(b"data", RAW)), "codec mu-law, not PCM or float"),
        (wav(fmt(codec=0x11), chunk(b"data", RAW)), "codec IMA ADPCM"),
        (wav(fmt(codec=0x1234), chunk(b"data", RAW)), "codec number 0x1234"),
        (wav(chunk(b"data", RAW)), "samples come before their format"),
        (wav(fmt(channels=0), chunk(b"data", RAW)), "0 channels, 16000 Hz"),
        (wav(fmt(rate=0), chunk(b"data", RAW)), "1 channels, 0 Hz"),
        (wav(fmt(rate=4294967295 // 2), chunk(b"data", RAW)), "2147483647 Hz"),
        (wav(fmt(bits=64), chunk(b"data", RAW)), "samples of 64 bits in 8 bytes"),
        (wav(fmt(codec=3, bits=16), chunk(b"data", RAW)), "floats of 16 bits"),
        (wav(fmt(bits=24, width=2), chunk(b"data", RAW)), "samples of 24 bits in 2 bytes"),
        (wav(chunk(b"fmt ", b"\1\0"), chunk(b"data", RAW)), "a format of 2 bytes"),
        (wav(chunk(b"JUNK", b"", 0xFFFFFFF0), fmt()), "'JUNK' of 4294967280 bytes before the samples"),
        (wav(fmt()), "ends within its WAV header"),
        (b"RIFF", "ends within its WAV header"),
    ],
)
def test_headers_that_cannot_be_read(data, message):
    for sizes in (None, 3):
        with pytest.raises(AudioError, match=message):
            received(data, sizes)


@pytest.mark.parametrize("seed", range(30))
def test_damaged_headers_give_samples_or_an_error(seed):
    random = np.random.default_rng(seed)
    data = bytearray(HEADERS["chunks around"][0])
    for place in random.integers(0, 90, 3):
        data[place] = random.integers(256)
    pieces = Pieces()
    try:
        samples, rate, _ = received(bytes(data), 100)
        pieces.accept((samples.astype(np.float32), rate))
    except AudioError:
        return
    assert samples.ndim == 2


def test_no_bytes_are_no_samples():
    assert Incoming().finish() == (None, "")
