"""How many frames a signal has: rates of samples, and the length and shift of the analysis windows.

Apart from the front end, which needs torch, so that counting frames does not.
"""

from numbers import Integral

from firered.errors import AudioError

SAMPLE_RATE = 16000
LOWEST_RATE, HIGHEST_RATE = 1000, 6_000_000  # Hz; a file or array of another rate is damaged or mistaken
FRAME_LENGTH = 400  # samples, 25 ms
FRAME_SHIFT = 160  # samples, 10 ms
FRAME_SHIFT_S = 0.01
FRAME_LENGTH_S = FRAME_LENGTH / SAMPLE_RATE
FRAME_REST_S = (FRAME_LENGTH - FRAME_SHIFT) / SAMPLE_RATE  # what a frame holds beyond its shift, 15 ms


def num_frames(num_samples: int) -> int:
    """Frames of a signal at 16 kHz (Kaldi's snip-edges=true: only whole windows)."""
    return 0 if num_samples < FRAME_LENGTH else (num_samples - FRAME_LENGTH) // FRAME_SHIFT + 1


def check_rate(rate: object) -> int:
    """A sample rate in Hz; raises AudioError for what is none, or what nothing was recorded at."""
    if isinstance(rate, bool) or not isinstance(rate, Integral):
        raise AudioError(f"{rate!r} is no sample rate: expected (array or tensor, whole number of Hz)")
    if not LOWEST_RATE <= int(rate) <= HIGHEST_RATE:
        raise AudioError(f"{int(rate)} is no sample rate: expected {LOWEST_RATE} to {HIGHEST_RATE} Hz")
    return int(rate)
