"""What a task is to the loop: two corpora, and a model with its loss."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from firered.errors import Problem
from firered.train.objectives.regularise import set_dropout

_STACKS = ("layer_stack", "layer", "layers")  # a model's layers: here, in BERT, in Qwen2


@dataclass
class Batch:
    """A padded batch; its loss is summed over `weight` tokens or frames."""

    keys: list[str]
    tensors: dict[str, Tensor]
    weight: float
    failed: list[Problem] = field(default_factory=list)  # of its utterances those that could not be read


class Corpus(Protocol):
    """Examples by number, made when they are asked for, in whatever process asks."""

    keys: list[str]

    def sizes(self, epoch: int | None) -> np.ndarray:
        """(n,) size of each example, in what batches are limited by; `epoch` None stands for evaluation."""

    def item(self, index: int, epoch: int | None) -> Any:  # noqa: ANN401 - what `collate` takes
        """One example, the same whenever and wherever it is asked for in that epoch."""

    def collate(self, items: list[Any]) -> Batch:
        """A padded batch of examples."""


class Outcome(NamedTuple):
    """The loss of a batch, summed over its weight, and counts that `report` makes figures of."""

    loss: Tensor
    counts: dict[str, Tensor]


class Objective(nn.Module, ABC):
    """A model and its loss. What is trained of it is what requires gradients."""

    def __init__(self, model: nn.Module, dropout: float) -> None:
        super().__init__()
        self.model = model
        self.full_dropout = dropout
        self.strength = math.nan
        self.set_strength(1.0)

    @abstractmethod
    def forward(self, tensors: Mapping[str, Tensor]) -> Outcome:
        """The loss of a batch; in evaluation mode without regularisation."""

    @abstractmethod
    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """What to save as model.pth.tar in the published layout, for the model's state dict on the processor."""

    def save_beside(self, out: Path, state: dict[str, Tensor]) -> None:
        """Write what lies beside model.pth.tar and changes with it; most models have nothing."""

    @property
    def width(self) -> int:
        """What the Noam schedule scales by."""
        return 1

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Figures for the log beside the loss, from sums over many batches and the mean loss."""
        return {}

    def set_strength(self, strength: float) -> None:
        """Regularise by this share of what is configured, 0 to 1."""
        if strength != self.strength:
            self.strength = strength
            set_dropout(self.model, strength * self.full_dropout)

    def train(self, mode: bool = True) -> "Objective":
        """Switch to training; what is frozen as a whole stays in evaluation mode, without dropout."""
        super().train(mode)
        for child in self.model.children():
            parameters = list(child.parameters())
            if parameters and not any(one.requires_grad for one in parameters):
                child.eval()
        return self

    def trained(self) -> dict[str, Tensor]:
        """The model's tensors that are trained, by their names in its state dict, shared ones under every name."""
        state = self.model.state_dict(keep_vars=True)
        return {name: value for name, value in state.items() if value.requires_grad}

    def exported(self) -> dict[str, Tensor]:
        """The model's tensors that `package` takes."""
        return self.model.state_dict()

    def load_trained(self, tensors: Mapping[str, Tensor]) -> None:
        """Put such tensors back."""
        with torch.no_grad():
            for name, value in self.trained().items():
                value.copy_(tensors[name])

    def checkpoint_layers(self) -> None:
        """Keep no activations inside layers: they are computed again for the gradients."""
        stacks = [
            stack
            for module in self.model.modules()
            for name in _STACKS
            if isinstance(stack := getattr(module, name, None), nn.ModuleList)
        ]
        for layer in (layer for stack in stacks for layer in stack):
            _checkpointed(layer)


def _checkpointed(layer: nn.Module) -> None:
    plain = layer.forward

    def forward(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - the layer's own arguments
        if not torch.is_grad_enabled():
            return plain(*args, **named)
        return torch.utils.checkpoint.checkpoint(plain, *args, use_reentrant=False, **named)

    layer.forward = forward


@dataclass
class Task:
    """What the loop trains, and on what; the files beside the model are written by then."""

    objective: Objective
    train: Corpus
    dev: Corpus
    batch_size: int  # of the sizes, padding included
    left_out: list[Problem] = field(default_factory=list)


def token_report(loss: float, counts: Mapping[str, float]) -> dict[str, float]:
    """Perplexity, and the share of tokens that were likeliest."""
    figures = {"ppl": math.exp(min(loss, 50.0))}
    if counts.get("tokens"):
        figures["accuracy"] = counts["correct"] / counts["tokens"]
    return figures
