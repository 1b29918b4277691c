"""The state from which a training resumes: saved whole or in shards, checked before any of it is taken up."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from torch import Tensor

from firered.errors import ModelError
from firered.models.checkpoint import check_weights, need_numbers
from firered.train.checkpoints import load, save, trained_of
from firered.train.layout import Whole
from firered.train.shards import SHARDS, delete_shards, laid_out_as, load_shards, own_part, save_shards

_MEANS = ("exp_avg", "exp_avg_sq")  # what AdamW keeps for a weight, beside the number of its steps


@dataclass(frozen=True)
class State:
    """What state.pt holds; see `Trainer`. Tensors are laid out as the model's and the optimiser's are."""

    step: int
    epoch: int
    number: int
    trained: dict[str, Tensor]
    ema: dict[str, Tensor]  # empty where there is none
    optimizer: dict[str, Any]
    progress: dict[str, float]
    scores: dict[int, float]
    sums: dict[str, float]
    skipped: int


def read_state(
    path: Path, trained: Mapping[str, Tensor], optimizer: torch.optim.Optimizer, *, with_ema: bool = False
) -> State:
    """The state of a training.

    Args:
        path: of state.pt.
        trained: the tensors that are trained, for their names and shapes.
        optimizer: that which is to resume; its options are kept, its means are those of the file.
        with_ema: the training keeps moving averages of these tensors, too.

    Raises:
        ModelError: it cannot be read, or is not the state of this training.
    """
    content = load(path)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    if "shards" in content:
        content = _with_shards(content, path, trained, weights, with_ema=with_ema)
    try:
        counts = {name: content[name] for name in ("step", "epoch", "number")}
        counts["skipped"] = content.get("skipped", 0)  # earlier versions skipped nothing
        progress, scores, sums = content["progress"], content["scores"], content["sums"]
        _need(all(type(count) is int and count >= 0 for count in counts.values()))
        _need(_numbers(progress, str) and progress.keys() == {"level", "best", "stalled"})
        _need(_numbers(scores, int) and _numbers(sums, str))
        means = _means(content["optimizer"], optimizer)
    except (KeyError, TypeError, AttributeError, _NotOfThisTraining) as error:
        raise _not_this(path) from error
    state = trained_of(content, trained, path)
    ema = trained_of({"trained": content.get("ema")}, trained, path) if with_ema else {}
    for name in _MEANS:
        given = {f"{name} of weight {index}": mean[name] for index, mean in means.items()}
        check_weights({f"{name} of weight {index}": weights[index] for index in means}, given, path)
        need_numbers({which: own_part(mean) for which, mean in given.items()}, path)
    if "shards" not in content:
        state, ema = ({name: laid_out_as(trained[name], value) for name, value in own.items()} for own in (state, ema))
        for index, mean in means.items():
            mean |= {name: laid_out_as(weights[index], mean[name]) for name in _MEANS}
    resumed = {"state": means, "param_groups": optimizer.state_dict()["param_groups"]}
    return State(**counts, trained=state, ema=ema, optimizer=resumed, progress=progress, scores=scores, sums=sums)


def _with_shards(
    content: dict[str, Any], path: Path, trained: Mapping[str, Tensor], weights: Sequence[Tensor], *, with_ema: bool
) -> dict[str, Any]:
    """The content of state.pt with the tensors of the folder of shards that it names."""
    try:
        folder, states = path.parent / content["shards"], content["optimizer"]["state"]
        _need(folder.parent == path.parent)
        kinds = ["trained", "ema"] if with_ema else ["trained"]
        wanted = {f"{kind}.{name}": tensor for kind in kinds for name, tensor in trained.items()}
        wanted |= {f"{name}.{index}": weights[index] for index in states for name in _MEANS}
    except (KeyError, TypeError, AttributeError, IndexError, _NotOfThisTraining) as error:
        raise _not_this(path) from error
    found = load_shards(folder, wanted)
    means = {index: state | {name: found[f"{name}.{index}"] for name in _MEANS} for index, state in states.items()}
    own = {kind: {name: found[f"{kind}.{name}"] for name in trained} for kind in kinds}
    return content | own | {"optimizer": content["optimizer"] | {"state": means}}


def save_state(path: Path, state: dict[str, Any], layout: Whole, ema: Mapping[str, Tensor]) -> None:
    """Replace the state of a training; all processes have to call.

    Args:
        path: of state.pt.
        state: what it holds beside `trained` and `optimizer`.
        layout: of the model, whose tensors are saved as they lie.
        ema: moving averages of its trained tensors; empty where there are none.

    Raises:
        FireRedError: it cannot be saved; what was there still is.
    """
    trained, optimizer = layout.plain.trained(), layout.optimizer.state_dict()
    if not layout.in_shards:
        if PartialState().is_main_process:
            averages = {"ema": layout.on_cpu(ema)} if ema else {}
            save(path, {**state, "trained": layout.on_cpu(trained), "optimizer": optimizer, **averages})
            delete_shards(path.parent)
        return
    tensors = {f"trained.{name}": tensor for name, tensor in trained.items()}
    tensors |= {f"ema.{name}": tensor for name, tensor in ema.items()}
    tensors |= {f"{name}.{index}": mean[name] for index, mean in optimizer["state"].items() for name in _MEANS}
    folder = path.parent / f"{SHARDS}-{state['step']:08d}"
    # One of the same step, which a kill may have left before state.pt named it, is written over.
    save_shards(folder, tensors)
    if PartialState().is_main_process:
        counts = {index: {"step": mean["step"]} for index, mean in optimizer["state"].items()}
        save(path, {**state, "shards": folder.name, "optimizer": optimizer | {"state": counts}})
        delete_shards(path.parent, kept=folder.name)
    PartialState().wait_for_everyone()


class _NotOfThisTraining(Exception):
    """The content of a file is of another layout."""


def _not_this(path: Path) -> ModelError:
    return ModelError(f"{path}: not the state of this training, or damaged; --set train.resume=false starts again")


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
