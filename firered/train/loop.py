"""The one training loop."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from typing import Any

from accelerate import Accelerator
from torch import Tensor

from firered.train import checkpoints
from firered.train.boards import Board, TensorBoard, WandB
from firered.train.checkpoints import Keeper, state_path
from firered.train.data.stream import Stream, read
from firered.train.ema import Ema
from firered.train.evaluation import Evaluation
from firered.train.layout import layout_of
from firered.train.logs import Log
from firered.train.meter import Meter
from firered.train.objectives.regularise import Progress
from firered.train.objectives.schedule import learning_rate
from firered.train.sections import Settings
from firered.train.state import read_state, save_state
from firered.train.steps import Read, Steps, checked
from firered.train.sums import Sums
from firered.train.task import Task

log = logging.getLogger(__name__)


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
        self.plain = task.objective
        if self.config.compile:
            from firered.train.compiled import compile_layers  # the compiler takes seconds to import

            compile_layers(self.plain)
        if self.config.gradient_checkpointing:
            self.plain.checkpoint_layers()
        share = accelerator.process_index, accelerator.num_processes
        sampling = task.train.sampling
        self.stream = Stream(task.train, task.batch_size, self.config.seed, *share, self.config.accum_grad, sampling)
        self._batches = read(task.train, self.stream, self.config.num_workers)
        self.layout = layout_of(self.config.sharding, self.plain, settings.optim, accelerator)
        self.optimizer = self.layout.optimizer
        self.ema = Ema(self.config.ema, self.plain) if self.config.ema else None
        self.progress, self.keeper = Progress(settings.progressive), Keeper(settings.out, self.config)
        self.step, self.sums = 0, Sums()  # since the last line of the log
        self.unread: dict[str, str] = {}  # utterances not readable since the last line of the log, with the reason
        self.steps = Steps(settings, accelerator, self.layout)
        self.meter = Meter()
        self._evaluation = Evaluation(settings, task, accelerator, self.layout, self.steps, self.meter)
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
            self.log = Log(self.settings.out, self.step, self.total, self._boards())
        if self.step:
            log.info("resuming after step %d of %d", self.step, self.total)
        # Making the iterator starts the workers, for which a training that is finished has no use.
        batches: Iterator[Any] = iter(()) if self._finished() else iter(self._batches)
        told = -1
        while not self._finished():
            if self.stream.epoch != told:
                told = self.stream.epoch
                drawn = self.stream.tell(told)
                if self.log and drawn:
                    self.log.drawn(self.step, told, drawn)
            with self.meter.working():
                with self.meter.waiting():
                    read_now = [checked(*next(batches)) for _ in range(self.config.accum_grad)]
                rate = self._train_step(read_now)
            epoch = self.stream.epoch
            self.stream.move_on(read_now[-1][0])
            self._report(epoch, rate, ends_epoch=read_now[-1][0].ends_epoch)
        if self.log:
            self.log.close()
        log.info("done: %s", self.settings.out)

    def _boards(self) -> list[Board]:
        out, config, boards = self.settings.out, self.config, list[Board]()
        if config.tensorboard:
            boards.append(TensorBoard(out, self.step))
        if config.wandb_project:
            boards.append(WandB(out, config.wandb_project, self.settings.to_dict()))
        return boards

    def _finished(self) -> bool:
        config = self.config
        stalled = bool(config.patience) and self.keeper.since_best() >= config.patience
        enough_steps = bool(config.max_steps) and self.step >= config.max_steps
        return stalled or enough_steps or self.stream.epoch >= config.max_epochs

    def _train_step(self, batches: list[Read]) -> float:
        """Train on the batches of a step; the learning rate."""
        self.step += 1
        rate = learning_rate(self.settings.optim, self.step, self.total, self.plain.width)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.plain.set_strength(self.progress.strength(self.step))
        self.plain.train()
        batches = [(request, self.steps.prepared(request, batch, self.meter)) for request, batch in batches]
        for update in range(self.plain.updates):
            self.plain.update = update
            with self.meter.phase("update") if self.plain.in_phases else nullcontext():
                if self._update(batches) and update == 0:
                    self.meter.add(batch for request, batch in batches if request.counts)
        self.unread |= {problem.key: problem.reason for _, batch in batches for problem in batch.failed}
        return rate

    def _update(self, batches: list[Read]) -> bool:
        """Update the weights by the batches of a step; False where the loss is not a number and that is skipped."""
        losses = self.steps.backward(batches)
        norm = self.layout.clip(self.settings.optim.grad_clip)
        updated = self.steps.all_numbers(self.step, batches, losses, norm)
        if updated:
            self.optimizer.step()
            if self.ema:
                self.ema.update(self.step)
            self.sums.add(grad_norm=norm, steps=1)
            for (request, batch), values in zip(batches, losses, strict=True):
                if request.counts:
                    self.sums.add(weight=batch.weight, **values)
        self.optimizer.zero_grad()
        return updated

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
        speed = self.meter.figures(lambda values: Sums({**values}).over_processes())
        figures = {"lr": rate}
        if "steps" in sums:  # not all were skipped
            figures = {**self._figures(sums), "grad_norm": sums["grad_norm"] / sums["steps"], "lr": rate}
        if self.steps.skipped:
            figures["skipped"] = self.steps.skipped
        if self.settings.progressive.by != "none":
            figures["strength"] = self.progress.strength(self.step)
        if self.log:
            self.log.write("train", self.step, epoch, figures)
            self.log.speed(self.step, epoch, speed)
        for key, reason in self.unread.items():
            log.warning("%s could not be read and was skipped: %s", key, reason)
        self.unread = {}

    def _figures(self, sums: Mapping[str, float]) -> dict[str, float]:
        loss = sums["loss"] / (sums["weight"] or 1.0)  # where nothing counts, the loss is 0
        return {"loss": loss, **self.plain.report(loss, sums)}

    def _evaluated(self, epoch: int) -> None:
        with self.ema.in_place() if self.ema and self.config.ema_export else nullcontext():
            self._evaluate(epoch)
        self._save_state()
        if self.log:
            self.keeper.prune()

    def _evaluate(self, epoch: int) -> None:
        """Evaluate, keep and export the weights that are in place."""
        figures = self._evaluation.figures()
        self.progress.evaluated(figures["loss"])
        # Where a model is in shards all processes take part in putting it together.
        exported = self.layout.on_cpu(self.plain.exported()) if self.layout.in_shards else {}
        if self.log:
            self.log.write("dev", self.step, epoch, figures)
            trained = self.plain.trained()
            own = {name: exported[name] for name in trained} if exported else self.layout.on_cpu(trained)
            if self.keeper.add(self.step, figures, own):
                self._export(exported or self.layout.on_cpu(self.plain.exported()))
        else:
            self.keeper.note(self.step, figures)

    def _export(self, exported: dict[str, Tensor]) -> None:
        """Write the averaged model in the published layout."""
        state = exported | self.keeper.averaged(self.plain.trained())
        checkpoints.save(self.settings.out / self.plain.file, self.plain.package(state))
        self.plain.save_beside(self.settings.out, state)

    def _save_state(self) -> None:
        state = {
            "step": self.step,
            "epoch": self.stream.epoch,
            "number": self.stream.number,
            "progress": self.progress.state(),
            "scores": self.keeper.scores,
            "sums": self.sums.over_processes(),
            "skipped": self.steps.skipped,
        }
        save_state(state_path(self.settings.out), state, self.layout, self.ema.tensors if self.ema else {})

    def _restore(self) -> None:
        path = state_path(self.settings.out)
        if not path.exists():
            return
        state = read_state(path, self.plain.trained(), self.optimizer, with_ema=self.ema is not None)
        self.step, self.stream.epoch, self.stream.number = state.step, state.epoch, state.number
        self.plain.load_trained(state.trained)
        self.optimizer.load_state_dict(state.optimizer)
        if self.ema:
            self.ema.restore(state.ema)
        self.progress.restore(state.progress)
        self.keeper.scores, self.steps.skipped = state.scores, state.skipped
        if self.keeper.scores and not self._finished():
            self.keeper.averaged(state.trained)  # raises where one is missing, and not after hours of training
        if self.accelerator.is_main_process:
            self.sums.add(**state.sums)
            self.keeper.prune()
