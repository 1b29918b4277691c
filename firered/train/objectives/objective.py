"""A model with its loss, as the training loop sees it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from firered.errors import OptionError
from firered.hub.catalogue import CHECKPOINT
from firered.search.scorers import Stepper
from firered.train.data.batch import Batch
from firered.train.meter import Meter
from firered.train.objectives.regularise import set_dropout

Model = TypeVar("Model", bound=nn.Module)
_STACKS = ("layer_stack", "layer", "layers")  # names of a model's layers: here, in BERT, in Qwen2


Led = Callable[[Stepper], Stepper]


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
    takes_layers_apart = False  # `decode` computes with parts of layers and not by their forward pass alone

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

    def decode(self, tensors: Mapping[str, Tensor], by: str, led: Led) -> list[list[int]]:
        """The tokens that the model writes for each utterance of a batch, found greedily.

        Args:
            tensors: of the batch; no transcript is looked at.
            by: the part that writes them, `attention` or `ctc`, where a model has both.
            led: makes of what computes the next token what all processes follow together.

        Raises:
            OptionError: it has no such part, or writes no text.
        """
        raise OptionError("train.error_rate_utterances: models of this task write no text")

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
        for child in self.parts():
            parameters = list(child.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                child.eval()
        return self

    def parts(self) -> Iterable[nn.Module]:
        """The parts of the model that may be frozen as a whole."""
        return self.model.children()

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

    def layers(self) -> list[nn.Module]:
        """The layers of all stacks of the model, those that hold others before these."""
        stacks = [
            stack
            for module in self.model.modules()
            for name in _STACKS
            if isinstance(stack := getattr(module, name, None), nn.ModuleList)
        ]
        return [layer for stack in stacks for layer in stack]

    def checkpoint_layers(self) -> None:
        """Turn on gradient checkpointing: layers keep no activations, the backward pass computes them again."""
        for layer in self.layers():
            _checkpoint_layer(layer)


def _checkpoint_layer(layer: nn.Module) -> None:
    plain = layer.forward
    averaging = [part for part in layer.modules() if isinstance(part, _BatchNorm) and part.track_running_stats]

    def passes() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _not_averaging(averaging)

    def forward(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - the layer's own arguments
        if not torch.is_grad_enabled():
            return plain(*args, **named)
        contexts: dict[str, Any] = (
            {"context_fn": lambda: (nullcontext(), _not_averaging(averaging))} if averaging else {}
        )
        return checkpoint(plain, *args, use_reentrant=False, **contexts, **named)

    layer.forward = forward  # hooks and state dict stay those of the layer


@contextmanager
def _not_averaging(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """The block of the second pass: running averages were taken in the first (pytorch issue 62471)."""
    before = [(norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked = norm.num_batches_tracked.clone()
    try:
        yield
    finally:
        for norm, (momentum, batches) in zip(norms, before, strict=True):
            norm.momentum, norm.num_batches_tracked = momentum, batches
