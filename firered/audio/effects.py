"""What rooms, lines and codecs do to speech, for training: signals keep their length and their place in time.

Signals are (n,) float32 at 16 kHz on the int16 scale.
"""

from io import BytesIO

import numpy as np
import soundfile
import soxr

from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import INT16_SCALE

_SEAM = SAMPLE_RATE // 20  # samples over which the end of a repeated recording is faded into its beginning
_NARROW = SAMPLE_RATE // 2  # Hz, of telephone lines
_MU, _STEPS = 255.0, 127  # of G.711, beside a bit for the sign
_MOST = 0.99  # level of compression; libsndfile has no mp3 at 1
# How libsndfile calls the container and the format of lossy codecs.
_CODED = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS")}


def looped(samples: np.ndarray, size: int) -> np.ndarray:
    """(size,) the signal repeated as often as it takes, each end faded into the next beginning at constant power."""
    if len(samples) >= size:
        return samples[:size]
    fade = min(_SEAM, len(samples) // 2)
    rise = np.sin(np.pi / 2 * (np.arange(fade) + 0.5) / max(fade, 1)).astype(samples.dtype)
    out = np.zeros(size, samples.dtype)
    for start in range(0, size, len(samples) - fade):
        piece = samples.copy()
        piece[len(piece) - fade :] *= rise[::-1]
        if start:
            piece[:fade] *= rise
        out[start : start + len(piece)] += piece[: size - start]
    return out


def reverberated(samples: np.ndarray, response: np.ndarray) -> np.ndarray:
    """(n,) the signal in a room, at its own power.

    The largest sample of the impulse response (m,) counts as the direct sound, which stays where it was: labels and
    word times hold. What rings on after the end is cut.
    """
    direct = int(np.abs(response).argmax())
    total = len(samples) + len(response) - 1
    size = 1 << (total - 1).bit_length()
    spectrum = np.fft.rfft(samples.astype(np.float64), size) * np.fft.rfft(response.astype(np.float64), size)
    wet = np.fft.irfft(spectrum, size)[direct : direct + len(samples)]
    power, before = float(np.mean(wet**2)), float(np.mean(np.square(samples, dtype=np.float64)))
    return (wet * np.sqrt(before / power) if power > 0 else wet).astype(np.float32)


def coded(samples: np.ndarray, codec: str, level: float = 0.0) -> np.ndarray:
    """(n,) the signal after a codec.

    Args:
        samples: the signal.
        codec: mp3 and opus; mulaw, 8 bits a sample; 8k, the band of a telephone.
        level: of compression, from 0 (best) to 1 (smallest), where the codec has a choice.
    """
    if codec == "mulaw":
        return _mu_law(samples)
    if codec == "8k":
        narrow = soxr.resample(samples.astype(np.float32), SAMPLE_RATE, _NARROW)
        return _fitted(soxr.resample(narrow, _NARROW, SAMPLE_RATE), len(samples))
    return _compressed(samples, codec, level)


def can_code(codec: str) -> bool:
    """Whether a codec is there: mp3 and opus depend on how libsndfile was built."""
    if codec not in _CODED:
        return True
    container, subtype = _CODED[codec]
    return container in soundfile.available_formats() and subtype in soundfile.available_subtypes(container)


def _mu_law(samples: np.ndarray) -> np.ndarray:
    scaled = np.clip(samples / np.float32(INT16_SCALE), -1, 1)
    steps = np.round(np.log1p(_MU * np.abs(scaled)) / np.log1p(_MU) * _STEPS) / _STEPS
    return (np.sign(scaled) * np.expm1(steps * np.log1p(_MU)) / _MU * INT16_SCALE).astype(np.float32)


def _compressed(samples: np.ndarray, codec: str, level: float) -> np.ndarray:
    container, subtype = _CODED[codec]
    full = max(float(np.abs(samples).max(initial=0.0)), float(INT16_SCALE))  # nothing is clipped
    file = BytesIO()
    soundfile.write(file, samples / full, SAMPLE_RATE, subtype, format=container, compression_level=min(level, _MOST))
    file.seek(0)
    decoded = soundfile.read(file, dtype="float32")[0]
    return _fitted(decoded * np.float32(full), len(samples))


def _fitted(samples: np.ndarray, size: int) -> np.ndarray:
    """(size,) the signal, cut, or with zeros at its end."""
    return np.pad(samples[:size], (0, max(0, size - len(samples))))
