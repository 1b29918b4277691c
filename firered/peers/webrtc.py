"""WebRTC's detector, through the package webrtcvad-wheels."""

from typing import Any

import numpy as np

from firered.audio.framing import FRAME_SHIFT, SAMPLE_RATE
from firered.errors import OptionError
from firered.peers import PEERS, VadAnswer
from firered.peers.posteriors import as_int16, hops_of, segments_of


class WebRtc:
    """Decisions on 10 ms, without posteriors; segments are the runs of them.

    The detector adapts to what it hears, so every recording has an object of its own.
    """

    def __init__(self, make: Any, mode: int) -> None:  # noqa: ANN401 - the class Vad
        self._make, self._mode = make, mode

    def __call__(self, samples: np.ndarray) -> VadAnswer:
        """The answer for one recording (n,)."""
        detector = self._make(self._mode)
        hops = hops_of(as_int16(samples), FRAME_SHIFT)
        decisions = np.array([detector.is_speech(hop.tobytes(), SAMPLE_RATE) for hop in hops], bool)
        return VadAnswer(None, segments_of(decisions, FRAME_SHIFT, len(samples)))


def load(model: str | None, device: str) -> WebRtc:
    """The adapter; `model` is the mode, from 0, which finds most speech, to 3, which raises fewest false alarms.

    Raises:
        OptionError: there is no such mode.
    """
    mode = PEERS["webrtcvad"].setting if model is None else model
    if mode not in ("0", "1", "2", "3"):
        raise OptionError(f"model: {mode!r} is no mode of webrtcvad: 0 (finds most speech) to 3 (fewest false alarms)")
    from webrtcvad import Vad

    return WebRtc(Vad, int(mode))
