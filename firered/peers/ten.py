"""TEN VAD, through its package ten-vad: a compiled library with its weights inside."""

from typing import Any, Protocol

import numpy as np

from firered.errors import ModelError, OptionError
from firered.peers import VadAnswer
from firered.peers.posteriors import THRESHOLD, as_int16, held, hops_of, segments_of

HOP = 256  # samples of a posterior at 16 kHz


class Process(Protocol):
    """The package's object: (posterior, decision) of a hop of int16 samples; it remembers what came before."""

    def process(self, audio_data: np.ndarray) -> tuple[float, int]: ...  # noqa: D102


class Ten:
    """Posteriors as the library gives them, held over our frames; segments are the hops at the threshold or above.

    The library has no rules for segments. Its state cannot be reset, so every recording has an object of its own.
    """

    def __init__(self, make: Any) -> None:  # noqa: ANN401 - the class TenVad
        self._make = make

    def __call__(self, samples: np.ndarray) -> VadAnswer:
        """The answer for one recording (n,)."""
        detector: Process = self._make(HOP, THRESHOLD)
        posteriors = np.array([detector.process(hop)[0] for hop in hops_of(as_int16(samples), HOP)], np.float32)
        segments = segments_of(posteriors >= THRESHOLD, HOP, len(samples))
        return VadAnswer(held(posteriors, HOP, len(samples)), segments)


def load(model: str | None, device: str) -> Ten:
    """The adapter.

    Raises:
        OptionError: other weights are asked for.
        ModelError: the library cannot be loaded.
    """
    if model is not None:
        raise OptionError("model: ten-vad has the weights of its package only; install another version of it")
    from ten_vad import TenVad

    class Quiet(TenVad):
        def __del__(self) -> None:
            if hasattr(self, "vad_handler"):  # not of one whose library could not be loaded
                super().__del__()

    try:
        Quiet(HOP, THRESHOLD)
    except (OSError, NotImplementedError) as error:
        hint = "; libc++ is missing: apt-get install libc++1, or your system's package of it"
        raise ModelError(
            f"ten-vad: its library cannot be loaded: {error}{hint if 'libc++' in str(error) else ''}"
        ) from error
    return Ten(Quiet)
