"""Checkpoints of one training: written atomically, the best and the last kept, averaged."""

import logging
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from firered.data.atomic import replacing
from firered.errors import FireRedError, ModelError, OptionError
from firered.models.checkpoint import check_weights, need_numbers
from firered.models.torch_file import read_torch_file
from firered.train.config import TrainConfig
from firered.train.shards import own_part

log = logging.getLogger(__name__)

FOLDER, STATE = "checkpoints", "state.pt"
_REMEDY = "--set train.resume=false starts the training again"


def save(path: Path, content: object) -> None:
    """Replace `path` in one step: a full disk or a kill leaves what was there.

    The same content gives the same bytes, whether it was computed or partly loaded from a file.

    Raises:
        FireRedError: it cannot be written.
    """
    try:
        with replacing(path, only_writer=True) as unfinished, unfinished.open("wb") as file:
            torch.save(_with_one_of_each_text(content, {}), file)
            file.flush()
            os.fsync(file.fileno())
    except (FireRedError, RuntimeError) as error:  # the writer turns a full disk into a RuntimeError
        kept = "; what was saved before is still there" if path.exists() else ""
        reason = str(error.__cause__ or error).splitlines()[0]
        raise FireRedError(f"{path}: cannot be saved ({reason}){kept}") from error


def _with_one_of_each_text(content: object, texts: dict[str, str]) -> object:
    """The content with one object in the place of equal texts: pickle writes an object in full only once."""
    if type(content) is str:
        return texts.setdefault(content, content)
    if type(content) is dict:
        parts = (_with_one_of_each_text(part, texts) for pair in content.items() for part in pair)
        return dict(zip(parts, parts, strict=True))
    if type(content) in (list, tuple):
        return type(content)(_with_one_of_each_text(part, texts) for part in content)  # type: ignore[call-arg, attr-defined]
    return content


def state_path(out: Path) -> Path:
    """The file of the state from which a training resumes."""
    return out / FOLDER / STATE


def load(path: Path) -> dict[str, Any]:
    """The content of a checkpoint; only tensors and plain values are loaded.

    Raises:
        ModelError: it cannot be read.
    """
    if not path.exists():
        raise ModelError(f"{path}: missing; {_REMEDY}")
    content = read_torch_file(path, _REMEDY)
    if not isinstance(content, dict):
        raise ModelError(f"{path}: not a checkpoint of a training")
    return content


def trained_of(content: Mapping[str, Any], wanted: Mapping[str, Tensor], path: Path) -> dict[str, Tensor]:
    """The trained tensors of a checkpoint's content.

    Raises:
        ModelError: they are not of the names and shapes wanted, or no numbers.
    """
    trained = content.get("trained")
    if not isinstance(trained, dict) or not all(isinstance(value, Tensor) for value in trained.values()):
        raise ModelError(f"{path}: not a checkpoint of a training (no trained tensors)")
    check_weights(wanted, trained, path)
    need_numbers({name: own_part(value) for name, value in trained.items()}, path)
    return trained


def average(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of tensors of the same names, computed in double; equal tensors come out unchanged."""
    mean = {name: tensor.double() for name, tensor in parts[0].items()}
    for part in parts[1:]:
        for name, total in mean.items():
            total += part[name]
    return {name: (total / len(parts)).to(parts[0][name].dtype) for name, total in mean.items()}


class Keeper:
    """The checkpoints of the best and the last evaluations."""

    def __init__(self, out: Path, config: TrainConfig) -> None:
        self.folder, self.config = out / FOLDER, config
        self.scores: dict[int, float] = {}  # of all evaluations by step; higher is better

    def path(self, step: int) -> Path:
        """The file of the checkpoint of a step."""
        return self.folder / f"step-{step:08d}.pt"

    def ranked(self) -> list[int]:
        """Steps of the best evaluations, best first; of equal ones the earlier first."""
        return sorted(self.scores, key=lambda step: (-self.scores[step], step))[: self.config.keep_best]

    def last(self) -> list[int]:
        """Steps of the last evaluations."""
        return sorted(self.scores)[-self.config.keep_last :]

    def since_best(self) -> int:
        """Evaluations since the best one."""
        best = self.ranked()[0] if self.scores else 0
        return sum(step > best for step in self.scores)

    def note(self, step: int, figures: Mapping[str, float]) -> None:
        """Record an evaluation.

        Raises:
            OptionError: `best_by` is not a figure of this task.
        """
        by = self.config.best_by
        if by not in figures:
            raise OptionError(f"train.best_by: {by!r} is not a figure of this task; known: {', '.join(figures)}")
        score = -figures[by] if by.endswith("loss") or by == "error_rate" else figures[by]
        self.scores[step] = -math.inf if math.isnan(score) else score

    def add(self, step: int, figures: Mapping[str, float], trained: Mapping[str, Tensor]) -> bool:
        """Record an evaluation and save its checkpoint; returns whether the average changes with it.

        Raises:
            FireRedError: it cannot be saved.
        """
        before = self._averaged()
        self.note(step, figures)
        save(self.path(step), {"step": step, "figures": dict(figures), "trained": dict(trained)})
        return self._averaged() != before

    def prune(self) -> None:
        """Delete the checkpoints that are no longer kept."""
        kept = {self.path(step) for step in {*self.ranked(), *self.last()}}
        for path in self.folder.glob("step-*.pt"):
            if path not in kept:
                path.unlink()

    def _averaged(self) -> list[int]:
        if self.config.average == "none":
            return self.ranked()[:1]
        return self.ranked() if self.config.average == "best" else self.last()

    def averaged(self, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The tensors of the model to export: the mean over `average`'s checkpoints.

        Args:
            wanted: the trained tensors of the model, for their names and shapes.

        Raises:
            ModelError: a checkpoint is missing or damaged.
        """
        steps = self._averaged()
        log.debug("model of the mean of steps %s", " ".join(map(str, steps)))
        return average([trained_of(load(path), wanted, path) for path in map(self.path, steps)])


def on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without their gradients, in the main memory."""
    return {name: tensor.detach().cpu() for name, tensor in tensors.items()}
