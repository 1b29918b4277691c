"""The state from which a training resumes, checked before any of it is taken up."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from firered.errors import ModelError
from firered.models.checkpoint import check_weights, need_numbers
from firered.train.checkpoints import load, trained_of

_MEANS = ("exp_avg", "exp_avg_sq")  # what AdamW keeps for a weight, beside the number of its steps


@dataclass(frozen=True)
class State:
    """What state.pt holds; see `Trainer`."""

    step: int
    epoch: int
    number: int
    trained: dict[str, Tensor]
    optimizer: dict[str, Any]
    progress: dict[str, float]
    scores: dict[int, float]
    sums: dict[str, float]
    skipped: int


def read_state(path: Path, trained: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> State:
    """The state of a training.

    Args:
        path: of state.pt.
        trained: the tensors that are trained, for their names and shapes.
        optimizer: that which is to resume; its options are kept, its means are those of the file.

    Raises:
        ModelError: it cannot be read, or is not the state of this training.
    """
    content = load(path)
    try:
        counts = {name: content[name] for name in ("step", "epoch", "number")}
        counts["skipped"] = content.get("skipped", 0)  # earlier versions skipped nothing
        progress, scores, sums = content["progress"], content["scores"], content["sums"]
        _need(all(type(count) is int and count >= 0 for count in counts.values()))
        _need(_numbers(progress, str) and progress.keys() == {"level", "best", "stalled"})
        _need(_numbers(scores, int) and _numbers(sums, str))
        means = _means(content["optimizer"], optimizer)
    except (KeyError, TypeError, AttributeError, _NotOfThisTraining) as error:
        raise ModelError(
            f"{path}: not the state of this training, or damaged; --set train.resume=false starts again"
        ) from error
    state = trained_of(content, trained, path)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for name in _MEANS:
        given = {f"{name} of weight {index}": mean[name] for index, mean in means.items()}
        check_weights({f"{name} of weight {index}": weights[index] for index in means}, given, path)
        need_numbers(given, path)
    resumed = {"state": means, "param_groups": optimizer.state_dict()["param_groups"]}
    return State(**counts, trained=state, optimizer=resumed, progress=progress, scores=scores, sums=sums)


class _NotOfThisTraining(Exception):
    """The content of a file is of another layout."""


def _need(holds: bool) -> None:
    if not holds:
        raise _NotOfThisTraining


def _numbers(values: object, key: type) -> bool:
    if not isinstance(values, dict):
        return False
    return all(type(name) is key and type(value) in (int, float) for name, value in values.items())


def _means(content: Any, optimizer: torch.optim.Optimizer) -> dict[int, dict[str, Tensor]]:  # noqa: ANN401 - of a file
    """What the optimiser keeps, by the number of the weight."""
    own = [group["params"] for group in optimizer.state_dict()["param_groups"]]
    _need([group["params"] for group in content["param_groups"]] == own)
    known = {index for group in own for index in group}
    for index, mean in content["state"].items():
        _need(index in known and mean.keys() == {"step", *_MEANS})
        _need(all(isinstance(value, Tensor) for value in mean.values()) and mean["step"].numel() == 1)
    # In memory: the file, which they are mapped from, is soon replaced.
    return {index: {name: value.clone() for name, value in mean.items()} for index, mean in content["state"].items()}
