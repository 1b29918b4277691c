"""One training, from its settings to the exported model."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
import yaml
from accelerate import Accelerator

from firered.data.atomic import replacing
from firered.data.lock import FolderLock
from firered.errors import OptionError
from firered.options import read_yaml
from firered.train.beside import on_main_process
from firered.train.boards import WANDB_ID
from firered.train.checkpoints import FOLDER, state_path
from firered.train.logs import CURVE, DRAWN, SPEED, report_left_out
from firered.train.loop import Trainer
from firered.train.sections import Settings
from firered.train.tasks import TASKS

log = logging.getLogger(__name__)

SETTINGS = "config.yaml"
# Options that may change when a training is resumed: those that the steps themselves do not depend on.
_FREE = {"max_epochs", "max_steps", "save_steps", "log_steps", "patience", "keep_best", "keep_last", "average"}
_FREE |= {"resume", "tensorboard", "device", "num_threads", "num_workers", "accum_grad", "gradient_checkpointing"}
_FREE |= {"skip_nonfinite", "sharding", "compile", "error_rate_utterances", "error_rate_by", "wandb_project"}


# Makes settings of settings, and writes what it has to in the one process that its second argument calls it in.
Prepare = Callable[[Settings, Callable[[Callable[[], None]], None]], Settings]


def train(settings: Settings, prepare: Prepare | None = None) -> None:
    """Train as the settings say, in every process that was started for it.

    Args:
        settings: as the YAML file has them.
        prepare: makes of the sets that they name data directories; by default they are such.

    Raises:
        FireRedError: data, options or the initial model cannot be used, or a step fails.
    """
    config = settings.train
    if config.num_threads:
        torch.set_num_threads(config.num_threads)
    cpu = config.device == "cpu" or not torch.cuda.is_available()
    accelerator = Accelerator(cpu=cpu, mixed_precision="no")  # the loop has its own number format
    if not accelerator.is_main_process:
        logging.getLogger().setLevel(logging.ERROR)
    lock: list[FolderLock] = []  # of the main process
    on_main_process(lambda: lock.append(FolderLock(settings.out)))
    try:
        _train(settings, accelerator, lock[0].check if lock else lambda: None, prepare)
    finally:
        for held in lock:
            held.release()


def _train(settings: Settings, accelerator: Accelerator, check: Callable[[], None], prepare: Prepare | None) -> None:
    config = settings.train
    on_main_process(lambda: _open(settings))
    if prepare is not None:
        settings = prepare(settings, on_main_process)
    torch.manual_seed(config.seed)  # of the initial weights
    task = TASKS[settings.task].build(settings)
    on_main_process(lambda: report_left_out(settings.out, task.left_out))
    parameters = list(task.objective.parameters())
    every = sum(parameter.numel() for parameter in parameters)
    trained = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    log.info(
        "%s: %d utterances, dev %d; %.2f M parameters, %.2f M trained; %d processes on %s",
        settings.task, len(task.train.keys), len(task.dev.keys), every / 1e6, trained / 1e6,
        accelerator.num_processes, accelerator.device,
    )  # fmt: skip
    Trainer(settings, task, accelerator, check).run()
    accelerator.end_training()


def _open(settings: Settings) -> None:
    """Prepare the output folder: check that it can be resumed, or clear it, and write the settings."""
    out = settings.out
    if not settings.train.resume:
        shutil.rmtree(out / FOLDER, ignore_errors=True)
        shutil.rmtree(out / "tensorboard", ignore_errors=True)
        for name in (CURVE, SPEED, DRAWN, WANDB_ID):
            (out / name).unlink(missing_ok=True)
    elif state_path(out).exists():
        _refuse_changes(out / SETTINGS, settings)
    with replacing(out / SETTINGS) as unfinished:
        unfinished.write_text(settings.to_yaml(), encoding="utf-8")


def _refuse_changes(path: Path, settings: Settings) -> None:
    now = _fixed(yaml.safe_load(settings.to_yaml()))
    # A version that did not have an option yet did what is its default now.
    defaults = {f"{name}.{f.name}": f.default for name, section in settings.sections.items() for f in fields(section)}
    before = {name: defaults[name] for name in now if name in defaults} | _fixed(read_yaml(path))
    changed = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if changed:
        shown = ", ".join(f"{name} {before.get(name)!r} -> {now.get(name)!r}" for name in changed[:5])
        raise OptionError(
            f"{path.parent}: holds a training with other settings ({shown}); give another `out`, or start again with "
            "--set train.resume=false"
        )


def _fixed(values: dict[str, Any]) -> dict[str, object]:
    """Settings by dotted name, without those that may change."""
    found: dict[str, object] = {"task": values.get("task")}
    for section, options in values.items():
        if isinstance(options, dict):
            found |= {f"{section}.{name}": value for name, value in options.items()}
    return {name: value for name, value in found.items() if name.removeprefix("train.") not in _FREE}
