"""Recognition that goes on while speech comes: the interface of recognisers that truly stream."""

from typing import Protocol, runtime_checkable

from torch import Tensor

from firered.results import AsrResult
from firered.runtime.context import Context


class RecognitionStream(Protocol):
    """An utterance that has not ended. Nothing that was decoded is decoded again."""

    @property
    def frames(self) -> int:
        """Encoder frames that were decoded so far; they come in chunks."""

    @property
    def wanted(self) -> int:
        """Feature frames that complete the next chunk."""

    def accept(self, feats: Tensor) -> None:
        """Take in the next features (T, bins), not normalised, in pieces of any size.

        Raises:
            NoNumbersError: there is NaN in them.
        """

    def result(self) -> AsrResult:
        """The text so far, of the first pass."""

    def finish(self, duration_s: float | None = None) -> AsrResult:
        """The final result; nothing can follow.

        Args:
            duration_s: of the utterance, where that is known better than by its features.

        Raises:
            FireRedError: the utterance has no result.
        """


@runtime_checkable
class StreamingRecogniser(Protocol):
    """A recogniser of a kind that streams, if its checkpoint was made for it."""

    @property
    def streams(self) -> bool:
        """Whether the checkpoint was."""

    def stream(
        self, context: Context | None = None, *, chunk_s: float | None = None, key: str = ""
    ) -> RecognitionStream:
        """A new stream.

        Args:
            context: what is known of the utterance beforehand.
            chunk_s: seconds of a chunk; None: as the options of the recogniser have it.
            key: id of the utterance.

        Raises:
            OptionError: the checkpoint was not made for streams, or cannot do what the context asks for.
        """


def streaming(recogniser: object) -> StreamingRecogniser | None:
    """The recogniser, if it can recognise speech while it comes."""
    return recogniser if isinstance(recogniser, StreamingRecogniser) and recogniser.streams else None
