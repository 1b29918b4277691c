"""What the loop knows of training data: numbered examples, and padded batches of them."""

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from torch import Tensor

from firered.errors import Problem

NO_TARGET = -100  # target index that losses ignore


@dataclass
class Batch:
    """A padded batch; its loss is summed over `weight` tokens or frames."""

    keys: list[str]
    tensors: dict[str, Tensor]
    weight: float
    failed: list[Problem] = field(default_factory=list)  # its utterances that could not be read


class Corpus(Protocol):
    """Examples by number, made on request, in whatever process requests them."""

    keys: list[str]

    def sizes(self, epoch: int | None) -> np.ndarray:
        """(n,) size of each example in the unit of the batch cap; `epoch` None stands for evaluation."""

    def item(self, index: int, epoch: int | None) -> Any:  # noqa: ANN401 - what `collate` takes
        """One example; it depends on index and epoch alone, not on the process or on earlier calls."""

    def collate(self, items: list[Any]) -> Batch:
        """A padded batch of examples."""
