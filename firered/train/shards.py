"""Tensors of which every process holds a part (torch's DTensor), and checkpoints of them (its distributed ones).

A checkpoint in shards is a folder; any number of processes, one included, read their own parts of it.
"""

import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.tensor import DTensor, distribute_tensor

from firered.errors import FireRedError, ModelError
from firered.models.checkpoint import check_weights, need_numbers
from firered.text.files import first_line

SHARDS = "state"  # beginning of the names of folders
_REMEDY = "--set train.resume=false starts the training again"


def own_part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor: a part, or all of it."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """The whole of a tensor; where it is in parts, all processes have to ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def laid_out_as(like: Tensor, tensor: Tensor) -> Tensor:
    """A whole tensor, which all processes have, in parts as another is."""
    if not isinstance(like, DTensor):
        return tensor
    return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def save_shards(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors that are in parts, every process its own; all processes have to call.

    Raises:
        FireRedError: they cannot be written.
    """
    try:
        dcp.save(dict(tensors), checkpoint_id=folder)
    except (dcp.api.CheckpointException, OSError, RuntimeError) as error:
        raise FireRedError(
            f"{folder}: cannot be saved ({first_line(error)}); what was saved before is still there"
        ) from error


def load_shards(folder: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a folder that `save_shards` wrote, laid out as those wanted, each process its own parts.

    Args:
        folder: with the checkpoint.
        wanted: tensors of the names and shapes that it is to have.

    Raises:
        ModelError: it cannot be read, or has other names or shapes, or values that are no numbers.
    """
    try:
        stored = dcp.FileSystemReader(folder).read_metadata().state_dict_metadata
        shapes = {
            name: torch.empty(entry.size, dtype=entry.properties.dtype, device="meta")
            for name, entry in stored.items()
            if isinstance(entry, TensorStorageMetadata)
        }
    except Exception as error:  # of many kinds: the file is pickled
        raise ModelError(
            f"{folder}: not a checkpoint in shards, or damaged ({first_line(error)}); {_REMEDY}"
        ) from error
    check_weights(wanted, shapes, folder)
    found = {name: torch.empty_like(tensor, requires_grad=False) for name, tensor in wanted.items()}
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")  # as it is in one process
            dcp.load(found, checkpoint_id=folder, no_dist=True)  # every process finds its parts without the others
    except Exception as error:  # likewise
        raise ModelError(f"{folder}: a part cannot be read ({first_line(error)}); {_REMEDY}") from error
    need_numbers({name: own_part(tensor) for name, tensor in found.items()}, folder)
    return found


def delete_shards(folder: Path, kept: str = "") -> None:
    """Delete all checkpoints in shards of a folder but the one of the name `kept`."""
    for path in folder.glob(f"{SHARDS}-*"):
        if path.name != kept:
            shutil.rmtree(path, ignore_errors=True)
