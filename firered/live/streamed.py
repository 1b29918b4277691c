"""The open segment through a recogniser that truly streams: `Streamed`."""

from torch import Tensor

from firered.asr.streaming import RecognitionStream, StreamingRecogniser
from firered.errors import Outcome
from firered.results import AsrResult
from firered.runtime.batches import run_batch


class Streamed:
    """One segment's stream of recognition. Frames are counted over the stream of audio.

    Args:
        number: of the segment.
        recogniser: that recognises it.
        stream: of the recogniser.
        start: the segment's first frame.
    """

    def __init__(self, number: int, recogniser: StreamingRecogniser, stream: RecognitionStream, start: int) -> None:
        self.number, self.recogniser, self._stream = number, recogniser, stream
        self.fed = start  # the first frame that it was not given

    def due(self, now: int) -> bool:
        """Whether frames up to `now` complete a chunk."""
        return now - self.fed >= self._stream.wanted

    def result(self, feats: Tensor) -> Outcome[AsrResult]:
        """The text so far with the next frames (T, bins)."""

        def recognised(pieces: list[Tensor]) -> list[AsrResult]:
            for piece in pieces:
                self._stream.accept(piece)
                self.fed += len(piece)
            return [self._stream.result()]

        (found,) = run_batch([feats], recognised)
        return found
