"""Impulse responses of simulated rooms, by pyroomacoustics (the extra `rooms`)."""

import numpy as np

from firered.audio.framing import SAMPLE_RATE

# The small and the medium rooms of SLR28 (Ko et al., ICASSP 2017): sides in metres, absorption of the walls.
_SIDES = ((1.0, 10.0), (10.0, 30.0))
_HEIGHT = (2.0, 5.0)
_ABSORPTION = (0.2, 0.8)
_WALL = 0.3  # metres that nobody comes nearer to a wall
_REFLECTIONS = 12  # orders of image sources


def simulated_response(seed: int, number: int) -> np.ndarray:
    """(m,) float32 the response between two places of room `number`; rooms take turns in being small and medium."""
    import pyroomacoustics

    rng = np.random.default_rng([seed, number])
    low, high = _SIDES[number % len(_SIDES)]
    size = np.array([*rng.uniform(low, high, 2), rng.uniform(*_HEIGHT)])
    walls = pyroomacoustics.Material(float(rng.uniform(*_ABSORPTION)))
    room = pyroomacoustics.ShoeBox(size, fs=SAMPLE_RATE, materials=walls, max_order=_REFLECTIONS)
    room.add_source(rng.uniform(_WALL, size - _WALL))
    room.add_microphone(rng.uniform(_WALL, size - _WALL))
    room.compute_rir()
    return np.asarray(room.rir[0][0], np.float32)
