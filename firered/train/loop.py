"""The one training loop."""

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from firered.errors import FireRedError
from firered.hub.catalogue import CHECKPOINT
from firered.train import checkpoints
from firered.train.checkpoints import Keeper, state_path
from firered.train.data.batch import Batch
from firered.train.data.stream import Request, Stream, evaluation, read, seed_of
from firered.train.logs import Log
from firered.train.objectives.objective import BatchLoss
from firered.train.objectives.regularise import Progress
from firered.train.objectives.schedule import learning_rate
from firered.train.sections import Settings
from firered.train.state import read_state
from firered.train.task import Task

log = logging.getLogger(__name__)

Read = tuple[Request, Batch]


@dataclass
class Sums:
    """Loss, weight and counts of many batches; they stay on the device until they are read."""

    values: dict[str, Tensor | float] = field(default_factory=dict)

    def add(self, **values: Tensor | float) -> None:
        """Add to the values of these names."""
        for name, value in values.items():
            self.values[name] = self.values.get(name, 0.0) + value

    def over_processes(self) -> dict[str, float]:
        """Their sums over all processes."""
        parts = gather_object([{name: float(value) for name, value in self.values.items()}])
        names = sorted({name for part in parts for name in part})
        return {name: sum(part.get(name, 0.0) for part in parts) for name in names}


class Trainer:
    """Trains a task from the beginning, or resumes an interrupted training.

    The random numbers of a batch follow from the seed, the epoch and the batch's number alone, so that a resumed run,
    and any number of processes, draw the same as one uninterrupted process. Before anything is saved, `check` may raise
    FireRedError.
    """

    def __init__(
        self, settings: Settings, task: Task, accelerator: Accelerator, check: Callable[[], None] = lambda: None
    ) -> None:
        self._check = check
        self.settings, self.config, self.accelerator = settings, settings.train, accelerator
        self.plain = task.objective  # `objective` is this, or its wrapper for several processes
        if self.config.gradient_checkpointing:
            self.plain.checkpoint_layers()
        share = accelerator.process_index, accelerator.num_processes
        self.stream = Stream(task.train, task.batch_size, self.config.seed, *share, self.config.accum_grad)
        self._batches = read(task.train, self.stream, self.config.num_workers)
        self._dev = read(task.dev, evaluation(task.dev, task.batch_size, *share), self.config.num_workers)
        self.objective, self.optimizer = accelerator.prepare(self.plain, _optimizer(settings, self.plain))
        self.progress, self.keeper = Progress(settings.progressive), Keeper(settings.out, self.config)
        self.step, self.sums = 0, Sums()  # since the last line of the log
        self.unread: dict[str, str] = {}  # utterances not readable since the last line of the log, with the reason
        self._restore()
        self.total = self._total_steps()

    def _total_steps(self) -> int:
        by_epochs = self.config.max_epochs * self.stream.steps(0)  # epochs differ by a batch or two
        return min(by_epochs, self.config.max_steps or by_epochs)

    def run(self) -> None:
        """Train to the end.

        Raises:
            FireRedError: the loss is not a number, a whole batch cannot be read, or something cannot be saved.
        """
        self.log = None
        if self.accelerator.is_main_process:
            self.log = Log(self.settings.out, self.step, self.total, self.config.tensorboard)
        if self.step:
            log.info("resuming after step %d of %d", self.step, self.total)
        # Making the iterator starts the workers, for which a training that is finished has no use.
        batches: Iterator[Any] = iter(()) if self._finished() else iter(self._batches)
        while not self._finished():
            self._train_step([_checked(*next(batches)) for _ in range(self.config.accum_grad)])
        if self.log:
            self.log.close()
        log.info("done: %s", self.settings.out)

    def _finished(self) -> bool:
        config = self.config
        stalled = bool(config.patience) and self.keeper.since_best() >= config.patience
        enough_steps = bool(config.max_steps) and self.step >= config.max_steps
        return stalled or enough_steps or self.stream.epoch >= config.max_epochs

    def _train_step(self, batches: list[Read]) -> None:
        self.step += 1
        rate = learning_rate(self.settings.optim, self.step, self.total, self.plain.width)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.plain.set_strength(self.progress.strength(self.step))
        self.plain.train()
        loss = self._backward(batches)
        norm = self.accelerator.clip_grad_norm_(self.objective.parameters(), self.settings.optim.grad_clip)
        self._refuse_nan(float(loss), float(norm), batches)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.sums.add(grad_norm=float(norm), steps=1)
        self.unread |= {problem.key: problem.reason for _, batch in batches for problem in batch.failed}
        epoch = self.stream.epoch
        self.stream.move_on(batches[-1][0])
        self._report(epoch, rate, ends_epoch=batches[-1][0].ends_epoch)

    def _backward(self, batches: list[Read]) -> Tensor:
        """The loss of this process' batches; leaves gradients of the mean over all processes' batches of the step."""
        own = sum(batch.weight for request, batch in batches if request.counts)
        weight = sum(gather_object([own]))
        loss = torch.zeros((), device=self.accelerator.device)
        for place, (request, batch) in enumerate(batches, 1):
            assert request.epoch is not None  # which only requests of evaluation lack
            torch.manual_seed(seed_of(self.config.seed, request.epoch, request.number))
            # Gradients are averaged over processes; times their number they are the sum again.
            share = self.accelerator.num_processes / weight if request.counts else 0.0
            if place < len(batches):
                with self.accelerator.no_sync(self.objective):
                    sums = self._forward_backward(batch, share)
            else:
                sums = self._forward_backward(batch, share)
            if request.counts:
                self.sums.add(weight=batch.weight, **sums)
                loss = loss + sums["loss"]
        return loss

    def _forward_backward(self, batch: Batch, share: float) -> dict[str, Tensor]:
        result = self._loss(self.objective, batch)
        self.accelerator.backward(result.loss * share)
        return {"loss": result.loss.detach().double(), **result.counts}

    def _loss(self, objective: nn.Module, batch: Batch) -> BatchLoss:
        device = self.accelerator.device
        tensors = {name: tensor.to(device) for name, tensor in batch.tensors.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.dtype == "bfloat16"):
            return objective(tensors)

    def _refuse_nan(self, loss: float, norm: float, batches: list[Read]) -> None:
        if math.isfinite(loss) and math.isfinite(norm):
            return
        keys = " ".join(key for _, batch in batches for key in batch.keys)
        what = f"loss is {loss}" if not math.isfinite(loss) else f"norm of the gradient is {norm}"
        raise FireRedError(
            f"step {self.step}: the {what} with the utterances {keys}: look at these, or lower optim.lr; the same "
            f"command resumes from the last state saved in {self.settings.out}"
        )

    def _report(self, epoch: int, rate: float, *, ends_epoch: bool) -> None:
        config = self.config
        due = self.step % config.eval_steps == 0 if config.eval_steps else ends_epoch
        evaluate = due or self._finished()
        self._check()
        if evaluate or self.step % config.log_steps == 0:
            self._log_train(epoch, rate)
        if evaluate:
            self._evaluated(epoch)
        elif self.step % config.save_steps == 0:
            self._save_state()

    def _log_train(self, epoch: int, rate: float) -> None:
        sums, self.sums = self.sums.over_processes(), Sums()
        figures = {**self._figures(sums), "grad_norm": sums["grad_norm"] / sums["steps"], "lr": rate}
        if self.settings.progressive.by != "none":
            figures["strength"] = self.progress.strength(self.step)
        if self.log:
            self.log.write("train", self.step, epoch, figures)
        for key, reason in self.unread.items():
            log.warning("%s could not be read and was skipped: %s", key, reason)
        self.unread = {}

    def _figures(self, sums: Mapping[str, float]) -> dict[str, float]:
        loss = sums["loss"] / sums["weight"]
        return {"loss": loss, **self.plain.report(loss, sums)}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Loss and figures of the dev set, over all processes."""
        self.plain.eval()
        sums = Sums()
        for _, batch in (_checked(*pair) for pair in self._dev):
            result = self._loss(self.plain, batch)
            sums.add(weight=batch.weight, loss=result.loss.double(), **result.counts)
            for problem in batch.failed:
                log.warning("%s could not be read and was not evaluated on: %s", problem.key, problem.reason)
        return self._figures(sums.over_processes())

    def _evaluated(self, epoch: int) -> None:
        figures = self.evaluate()
        self.progress.evaluated(figures["loss"])
        if self.log:
            self.log.write("dev", self.step, epoch, figures)
            changed = self.keeper.add(self.step, figures, _on_cpu(self.plain.trained()))
            if changed:
                self._export()
        else:
            self.keeper.note(self.step, figures)
        self._save_state()
        if self.log:
            self.keeper.prune()

    def _export(self) -> None:
        """Write the averaged model in the published layout."""
        state = _on_cpu(self.plain.exported()) | self.keeper.averaged(self.plain.trained())
        checkpoints.save(self.settings.out / CHECKPOINT, self.plain.package(state))
        self.plain.save_beside(self.settings.out, state)

    def _save_state(self) -> None:
        sums = self.sums.over_processes()
        if not self.log:
            return
        state = {
            "step": self.step,
            "epoch": self.stream.epoch,
            "number": self.stream.number,
            "trained": _on_cpu(self.plain.trained()),
            "optimizer": self.optimizer.state_dict(),
            "progress": self.progress.state(),
            "scores": self.keeper.scores,
            "sums": sums,
        }
        checkpoints.save(state_path(self.settings.out), state)

    def _restore(self) -> None:
        path = state_path(self.settings.out)
        if not path.exists():
            return
        state = read_state(path, self.plain.trained(), self.optimizer)
        self.step, self.stream.epoch, self.stream.number = state.step, state.epoch, state.number
        self.plain.load_trained(state.trained)
        self.optimizer.load_state_dict(state.optimizer)
        self.progress.restore(state.progress)
        self.keeper.scores = state.scores
        if self.keeper.scores and not self._finished():
            self.keeper.averaged(state.trained)  # raises where one is missing, and not after hours of training
        if self.accelerator.is_main_process:
            self.sums.add(**state.sums)
            self.keeper.prune()


def _checked(request: Request, batch: Batch | FireRedError) -> Read:
    """The pair; raises the error that stands in the place of a batch."""
    if isinstance(batch, FireRedError):
        raise batch
    return request, batch


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu() for name, tensor in tensors.items()}


def _optimizer(settings: Settings, objective: nn.Module) -> torch.optim.Optimizer:
    """AdamW; vectors (biases, norms) do not decay."""
    config = settings.optim
    trained = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": [weight for weight in trained if weight.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [vector for vector in trained if vector.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=config.lr,
        betas=(config.beta1, config.beta2),
    )
