"""A model with its loss, as the training loop sees it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from firered.hub.catalogue import CHECKPOINT
from firered.train.data.batch import Batch
from firered.train.meter import Meter
from firered.train.objectives.regularise import set_dropout

Model = TypeVar("Model", bound=nn.Module)
_STACKS = ("layer_stack", "layer", "layers")  # names of a model's layers: here, in BERT, in Qwen2


class BatchLoss(NamedTuple):
    """The loss of a batch, summed over its weight, and counts that `Objective.report` makes figures of."""

    loss: Tensor
    counts: dict[str, Tensor]


class Objective(nn.Module, ABC, Generic[Model]):
    """A model and its loss. The parameters that require gradients are trained.

    Attributes:
        file: name of the checkpoint in the published layout.
        updates: optimiser steps that each batch, once prepared, is used for.
        update: the number of the one that is being computed, from 0; the loop sets it.
        in_phases: `prepare` takes a share of the time that is worth logging.
    """

    model: Model
    file: str = CHECKPOINT
    updates: int = 1
    update: int = 0
    in_phases: bool = False

    def __init__(self, model: Model, dropout: float) -> None:
        super().__init__()
        self.model = model
        self.full_dropout = dropout
        self.strength = math.nan
        self.set_strength(1.0)

    @abstractmethod
    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """The loss of a batch; in evaluation mode without regularisation."""

    def prepare(self, batch: Batch, seed: int, meter: Meter) -> Batch:
        """The batch as `forward` takes it; most are that already.

        Args:
            batch: read from the data.
            seed: of what is drawn for it.
            meter: counts the seconds of phases.
        """
        return batch

    @abstractmethod
    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The content of `file` in the published layout, for the model's state dict on the CPU."""

    def save_beside(self, out: Path, state: dict[str, Tensor]) -> None:
        """Write the files beside `file` that change with it; most models have none."""

    @property
    def width(self) -> int:
        """The width by which the Noam schedule scales learning rates."""
        return 1

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Figures for the log beside the loss, from the mean loss and the counts summed over many batches."""
        return {}

    def set_strength(self, strength: float) -> None:
        """Set regularisation to this share, 0 to 1, of what is configured."""
        if strength != self.strength:
            self.strength = strength
            set_dropout(self.model, strength * self.full_dropout)

    def train(self, mode: bool = True) -> "Objective[Model]":
        """Switch to training mode; parts that are frozen as a whole stay in evaluation mode, without dropout."""
        super().train(mode)
        for child in self.model.children():
            parameters = list(child.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                child.eval()
        return self

    def trained(self) -> dict[str, Tensor]:
        """The model's trained tensors by their names in its state dict, shared ones under every name."""
        state = self.model.state_dict(keep_vars=True)
        return {name: value for name, value in state.items() if value.requires_grad}

    def exported(self) -> dict[str, Tensor]:
        """The tensors of the model that `package` takes."""
        return self.model.state_dict()

    def load_trained(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the tensors that `trained` gave."""
        with torch.no_grad():
            for name, value in self.trained().items():
                value.copy_(tensors[name])

    def checkpoint_layers(self) -> None:
        """Turn on gradient checkpointing: layers keep no activations, the backward pass computes them again."""
        stacks = [
            stack
            for module in self.model.modules()
            for name in _STACKS
            if isinstance(stack := getattr(module, name, None), nn.ModuleList)
        ]
        for layer in (layer for stack in stacks for layer in stack):
            _checkpoint_layer(layer)


def _checkpoint_layer(layer: nn.Module) -> None:
    plain = layer.forward

    def forward(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - the layer's own arguments
        if not torch.is_grad_enabled():
            return plain(*args, **named)
        return checkpoint(plain, *args, use_reentrant=False, **named)

    layer.forward = forward  # hooks and state dict stay those of the layer
