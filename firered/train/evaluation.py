"""The dev set: loss and figures of a model, over all processes."""

import logging

import torch
from accelerate import Accelerator

from firered.train.data.stream import evaluation, read
from firered.train.error_rate import DevErrors
from firered.train.layout import Whole
from firered.train.meter import Meter
from firered.train.sections import Settings
from firered.train.steps import Steps, checked
from firered.train.sums import Sums
from firered.train.task import Task

log = logging.getLogger(__name__)


class Evaluation:
    """Evaluates the model of a task.

    Args:
        settings: of the training.
        task: with its dev set.
        accelerator: of the processes.
        layout: of the model on them.
        steps: computes losses.
        meter: counts the seconds of phases.
    """

    def __init__(
        self,
        settings: Settings,
        task: Task,
        accelerator: Accelerator,
        layout: Whole,
        steps: Steps,
        meter: Meter,
    ) -> None:
        share = accelerator.process_index, accelerator.num_processes
        requests = evaluation(task.dev, task.batch_size, *share, together=layout.in_shards)
        self._dev = read(task.dev, requests, settings.train.num_workers)
        self._plain, self._layout, self._steps, self._meter = task.objective, layout, steps, meter
        self._errors = None
        if settings.train.error_rate_utterances:
            self._errors = DevErrors(settings, task, accelerator, layout, steps)

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """Loss and figures; parameters are left as the optimiser knows them."""
        self._plain.eval()
        sums = Sums()
        for request, read_now in (checked(*pair) for pair in self._dev):
            batch = self._steps.prepared(request, read_now, self._meter)
            result = self._steps.loss(self._plain, batch)
            if not request.counts:
                continue
            sums.add(weight=batch.weight, loss=result.loss.double(), **result.counts)
            for problem in batch.failed:
                log.warning("%s could not be read and was not evaluated on: %s", problem.key, problem.reason)
        self._layout.settle()
        total = sums.over_processes()
        loss = total["loss"] / (total["weight"] or 1.0)  # where nothing counts, the loss is 0
        return {"loss": loss, **self._plain.report(loss, total), **(self._errors.figures() if self._errors else {})}
