"""How many frames a signal has: the rate of the samples, and the length and shift of the analysis windows.

Apart from the front end, which needs torch, so that counting frames does not.
"""

SAMPLE_RATE = 16000
FRAME_LENGTH = 400  # samples, 25 ms
FRAME_SHIFT = 160  # samples, 10 ms
FRAME_SHIFT_S = 0.01
FRAME_LENGTH_S = FRAME_LENGTH / SAMPLE_RATE
FRAME_REST_S = (FRAME_LENGTH - FRAME_SHIFT) / SAMPLE_RATE  # what a frame holds beyond its shift, 15 ms


def num_frames(num_samples: int) -> int:
    """Frames of a signal at 16 kHz (Kaldi's snip-edges=true: only whole windows)."""
    return 0 if num_samples < FRAME_LENGTH else (num_samples - FRAME_LENGTH) // FRAME_SHIFT + 1
