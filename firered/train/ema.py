"""A moving average of the trained weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor

from firered.train.objectives.objective import Objective


class Ema:
    """After every step each average is moved a little towards its weight.

    The share that stays is min(decay, (1 + step) / (10 + step)), so that the first weights are soon forgotten. Running
    statistics that a model keeps are no weights: they are taken as they are, here and in averages of checkpoints.

    Attributes:
        tensors: the averages by the names of `Objective.trained`, laid out as the weights are.
    """

    def __init__(self, decay: float, plain: Objective) -> None:
        self._decay, self._plain, self._weights = decay, plain, plain.trained()
        self.tensors = {name: weight.detach().clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take up the weights after a step, which are counted from 1."""
        stays = min(self._decay, (1 + step) / (10 + step))
        for name, weight in self._weights.items():
            self.tensors[name].lerp_(weight.detach(), 1 - stays)

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from saved averages."""
        for name, tensor in tensors.items():
            self.tensors[name].copy_(tensor)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The block in which the model has the averages in the places of its weights."""
        own = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._plain.load_trained(self.tensors)
        try:
            yield
        finally:
            self._plain.load_trained(own)
