"""What the loop knows of training data: numbered examples, and padded batches of them."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from firered.audio.framing import FRAME_SHIFT_S
from firered.errors import Problem
from firered.train.data.sampling import Sampling

NO_TARGET = -100  # target index that losses ignore


@dataclass
class Batch:
    """A padded batch; its loss is summed over `weight` tokens or frames."""

    keys: list[str]
    tensors: dict[str, Tensor]
    weight: float
    failed: list[Problem] = field(default_factory=list)  # its utterances that could not be read
    about: list[Any] = field(default_factory=list)  # what else an objective's `prepare` is to know of each

    @property
    def audio_s(self) -> float:
        """Seconds of audio, by the `lengths` of its features; 0 of batches of text."""
        return float(self.tensors["lengths"].sum()) * FRAME_SHIFT_S if "lengths" in self.tensors else 0.0


class Corpus(Protocol):
    """Examples by number, made on request, in whatever process requests them."""

    keys: list[str]

    @property
    def sampling(self) -> Sampling | None:
        """How examples are drawn in training; None: each once in an epoch."""

    def sizes(self, epoch: int | None) -> np.ndarray:
        """(n,) size of each example in the unit of the batch cap; `epoch` None stands for evaluation."""

    def item(self, index: int, epoch: int | None) -> Any:  # noqa: ANN401 - what `collate` takes
        """One example; it depends on index and epoch alone, not on the process or on earlier calls."""

    def collate(self, items: list[Any]) -> Batch:
        """A padded batch of examples."""
