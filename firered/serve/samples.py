"""Samples of the audio that live clients send: 16-bit and float PCM, and G.711 (ITU-T, 1988)."""

import numpy as np

PCM16, FLOAT, ULAW, ALAW = "s16le", "f32le", "ulaw", "alaw"
ENCODINGS = (PCM16, FLOAT, ULAW, ALAW)


def _ulaw_values() -> np.ndarray:
    """(256,) int16: what each byte of mu-law stands for; its bits are sent inverted."""
    codes = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (codes >> 4 & 7).astype(np.int32), (codes & 15).astype(np.int32)
    size = (((mantissa << 3) + 132) << exponent) - 132
    return np.where(codes & 128, -size, size).astype(np.int16)


def _alaw_values() -> np.ndarray:
    """(256,) int16: what each byte of A-law stands for; every other bit is sent inverted."""
    codes = np.arange(256, dtype=np.uint8) ^ np.uint8(0x55)
    exponent, mantissa = (codes >> 4 & 7).astype(np.int32), (codes & 15).astype(np.int32)
    size = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 264) << np.maximum(exponent - 1, 0))
    return np.where(codes & 128, size, -size).astype(np.int16)


_TABLES = {ULAW: _ulaw_values(), ALAW: _alaw_values()}
_WIDTHS = {PCM16: 2, FLOAT: 4, ULAW: 1, ALAW: 1}


def sample_bytes(encoding: str) -> int:
    """Bytes of a sample."""
    return _WIDTHS[encoding]


def samples_of(data: bytes, encoding: str) -> np.ndarray:
    """(n,) int16, or float32 of full scale 1: the samples of whole bytes of an encoding."""
    if encoding in _TABLES:
        return _TABLES[encoding][np.frombuffer(data, np.uint8)]
    return np.frombuffer(data, "<i2" if encoding == PCM16 else "<f4")
