"""One step of training: losses of its batches, their gradients, and whether all of these are numbers."""

import logging

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from firered.errors import FireRedError
from firered.train.data.batch import Batch
from firered.train.data.stream import Request, seed_of
from firered.train.layout import Whole
from firered.train.meter import Meter
from firered.train.nonfinite import trouble_of
from firered.train.objectives.objective import BatchLoss
from firered.train.sections import Settings

log = logging.getLogger(__name__)

Read = tuple[Request, Batch]
Values = dict[str, Tensor]


def checked(request: Request, batch: Batch | FireRedError) -> Read:
    """The pair; raises the error that stands in the place of a batch."""
    if isinstance(batch, FireRedError):
        raise batch
    return request, batch


class Steps:
    """Losses and gradients.

    Args:
        settings: of the training.
        accelerator: of its processes.
        layout: of the model on them.
    """

    def __init__(self, settings: Settings, accelerator: Accelerator, layout: Whole) -> None:
        self._out, self._config, self._accelerator = settings.out, settings.train, accelerator
        self._layout = layout
        self.skipped = 0  # steps whose loss was not a number

    def prepared(self, request: Request, batch: Batch, meter: Meter) -> Batch:
        """The batch as the objective's `forward` takes it; see `Objective.prepare`."""
        seed = seed_of(self._config.seed, -1 if request.epoch is None else request.epoch, request.number)
        with torch.no_grad(), self._arithmetic():
            return self._layout.plain.prepare(batch, seed, meter)

    def backward(self, batches: list[Read]) -> list[Values]:
        """Loss and counts of each of this process' batches; leaves gradients of the mean over all of the step."""
        own = sum(batch.weight for request, batch in batches if request.counts)
        weight = sum(gather_object([own]))
        found = []
        for place, (request, batch) in enumerate(batches, 1):
            assert request.epoch is not None  # which only requests of evaluation lack
            torch.manual_seed(seed_of(self._config.seed, request.epoch, request.number))
            # Gradients are averaged over processes; times their number they are the sum again.
            share = self._accelerator.num_processes / weight if request.counts and weight else 0.0
            if place < len(batches):
                with self._layout.collecting():
                    found.append(self._forward_backward(batch, share))
            else:
                found.append(self._forward_backward(batch, share))
        return found

    def _forward_backward(self, batch: Batch, share: float) -> Values:
        result = self.loss(self._layout.objective, batch)
        self._accelerator.backward(result.loss * share)
        return {"loss": result.loss.detach().double(), **result.counts}

    def loss(self, objective: nn.Module, batch: Batch) -> BatchLoss:
        """The loss of a batch, in the arithmetic of the settings."""
        with self._arithmetic():
            return objective(self._on_device(batch))

    def decoded(self, batch: Batch, by: str) -> list[list[int]]:
        """The tokens that the model writes for each utterance of a batch; see `Objective.decode`."""
        with self._arithmetic(), self._layout.decoding():
            return self._layout.plain.decode(self._on_device(batch), by, self._layout.led)

    def _arithmetic(self) -> torch.autocast:
        enabled = self._config.dtype == "bfloat16"
        return torch.autocast(self._accelerator.device.type, torch.bfloat16, enabled=enabled)

    def _on_device(self, batch: Batch) -> dict[str, Tensor]:
        return {name: tensor.to(self._accelerator.device) for name, tensor in batch.tensors.items()}

    def all_numbers(self, step: int, batches: list[Read], losses: list[Values], norm: float) -> bool:
        """Whether loss and gradient are numbers in all processes; False where the step is to be skipped.

        Raises:
            FireRedError: they are not, and as many steps as `skip_nonfinite` allows were skipped before.
        """
        most, own = self._config.skip_nonfinite, [float(values["loss"]) for values in losses]
        trouble = trouble_of([batch for _, batch in batches], own, norm, together=most > 0)
        if not trouble:
            return True
        if self.skipped < most:
            self.skipped += 1
            counted = f"{self.skipped} of at most {most}"
            log.warning("step %d: %s: skipped, %s (train.skip_nonfinite)", step, trouble, counted)
            return False
        many = f"{most} such steps were skipped before; " if most else ""
        raise FireRedError(
            f"step {step}: {trouble}: look at these, or lower optim.lr; {many}the same command resumes from the "
            f"last state saved in {self._out}"
        )
