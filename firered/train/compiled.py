"""Layers compiled by torch.compile, for training steps alone; what cannot be compiled runs as it is."""

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch._dynamo.exc import TorchDynamoException

from firered.train.objectives.objective import Objective

log = logging.getLogger(__name__)

Forward = Callable[..., Any]
_WORDS = 20  # of a compiler's message


def compile_layers(objective: Objective) -> None:
    """Compile the forward pass of every layer, for batches of any size; to be called before layers are checkpointed."""
    compiler = _Compiler()
    for layer in objective.layers():
        layer.forward = compiler.compiled(layer.forward)


class _Compiler:
    """Compiles at the first call; after the first failure nothing is compiled any more."""

    def __init__(self) -> None:
        self.failed = False

    def compiled(self, plain: Forward) -> Forward:
        fast = torch.compile(plain, dynamic=True)

        def forward(*args: Any, **named: Any) -> Any:  # noqa: ANN401 - the layer's own arguments
            if self.failed or not torch.is_grad_enabled():
                return plain(*args, **named)
            try:
                return fast(*args, **named)
            except TorchDynamoException as error:  # of the compiler, whichever part of it
                self.failed = True
                reason = " ".join(str(error).split()[:_WORDS]) or type(error).__name__
                log.warning("train.compile: %s; training goes on without it", reason)
                return plain(*args, **named)

        return forward
