"""Posteriors of detectors that have another step than 10 ms, as posteriors of our frames; and decisions as segments."""

import numpy as np

from firered.audio.framing import FRAME_SHIFT, SAMPLE_RATE, num_frames

THRESHOLD = 0.5  # the papers': of neural detectors, without smoothing
INT16_SCALE = 32768


def hops_of(samples: np.ndarray, hop: int) -> np.ndarray:
    """(N, hop) the samples in pieces of `hop`; the last one is filled with zeros, so that all samples are in one."""
    pieces = -(-len(samples) // hop)
    padded = np.zeros(pieces * hop, samples.dtype)
    padded[: len(samples)] = samples
    return padded.reshape(pieces, hop)


def held(posteriors: np.ndarray, hop: int, num_samples: int) -> np.ndarray:
    """(T,) float32: each of the posteriors (N,) held over the frames whose centre its window covers.

    Posterior i is of the samples from i * hop on, hop of them. Frame t is the 10 ms from 0.01 t on, as in segments and
    labels, its centre the sample 160 t + 80; T is the number of 25 ms windows in the recording (FireRedASR2S, 7.2).

    Raises:
        ValueError: the posteriors end before the last frame's centre.
    """
    centres = np.arange(num_frames(num_samples)) * FRAME_SHIFT + FRAME_SHIFT // 2
    if len(centres) and centres[-1] >= len(posteriors) * hop:
        raise ValueError(f"{len(posteriors)} posteriors of {hop} samples are too few for {num_samples} samples")
    return np.asarray(posteriors, np.float32)[centres // hop]


def segments_of(decisions: np.ndarray, hop: int, num_samples: int) -> list[tuple[float, float]]:
    """(start, end) in seconds of the runs of true in the decisions (N,), each about `hop` samples."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(decisions, bool), [False]])))
    places = np.minimum(edges * hop, num_samples) / SAMPLE_RATE
    return [(float(start), float(end)) for start, end in places.reshape(-1, 2)]


def as_int16(samples: np.ndarray) -> np.ndarray:
    """The samples (n,) of full scale 1.0 as 16-bit integers, cut where they are louder."""
    return np.clip(np.round(samples * INT16_SCALE), -INT16_SCALE, INT16_SCALE - 1).astype(np.int16)
