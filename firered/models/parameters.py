"""How many parameters a model has, from the names and shapes in its files; no weight is read."""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from firered.errors import ModelError
from firered.hub.catalogue import CHECKPOINT, QUANTISED
from firered.models.checkpoint import load_tensors

# Last parts of the names of tensors that are computed or counted, not trained.
_BUFFERS = {"scales", "pe", "inv_freq", "running_mean", "running_var", "num_batches_tracked"}
_LONGEST_HEADER = 100 << 20  # of safetensors, by its own limit
# The same weights under a second name, which some files hold twice: an output layer that is its embedding.
_TIED_INT8 = ("tgt_word_prj.int8", "tgt_word_emb.weight")
_TIED = ("tgt_word_prj.weight", "tgt_word_emb.weight")


def parameters_of(model: Path, checkpoint: Path) -> int | None:
    """The number of parameters of a checkpoint, with those of the base models in folders beside it; None: not known.

    A tensor that is stored under two names counts once. Of an LLM that is adapted with LoRA the base model and the
    adapters count.

    Args:
        model: a model directory, or the checkpoint alone.
        checkpoint: the main checkpoint of it.
    """
    folders = (folder for folder in model.iterdir() if (folder / "config.json").is_file()) if model.is_dir() else ()
    bases = [file for folder in folders for file in sorted(folder.glob("*.safetensors"))]
    own = sorted(checkpoint.parent.glob("*.safetensors")) if checkpoint.suffix == ".safetensors" else [checkpoint]
    quantised = checkpoint.parent / QUANTISED
    if model.is_dir() and checkpoint.name == CHECKPOINT and quantised.is_file():
        own = [quantised]
    try:
        return sum(_count(file) for file in (*(own if model.is_dir() else [checkpoint]), *bases))
    except (ModelError, OSError, ValueError, TypeError, KeyError, AttributeError):
        return (
            None  # ONNX, another library's format, or a base model that is not there: other commands say what is wrong
        )


def _count(file: Path) -> int:
    shapes = dict(_of_safetensors(file) if file.suffix == ".safetensors" else _of_torch(file))
    twice = {name for name in shapes if name.endswith("fused.bias")}  # computed from weights that norms have
    twice |= {name for name in shapes if name.endswith(".int8") and name.replace(*_TIED_INT8) in shapes.keys() - {name}}
    twice |= {name for name in shapes if name.endswith(_TIED[0]) and name.replace(*_TIED) in shapes}
    return sum(
        math.prod(shape)
        for name, shape in shapes.items()
        if name not in twice and name.rpartition(".")[2] not in _BUFFERS
    )


def _of_safetensors(file: Path) -> Iterator[tuple[str, Iterable[int]]]:
    with file.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        if size > _LONGEST_HEADER:
            raise ValueError(f"{file}: no safetensors")
        header = json.loads(stream.read(size))
    yield from ((name, entry["shape"]) for name, entry in header.items() if name != "__metadata__")


def _of_torch(file: Path) -> Iterator[tuple[str, Iterable[int]]]:
    seen: set[tuple[int, tuple[int, ...]]] = set()
    for name, tensor in load_tensors(file).items():
        place = tensor.data_ptr(), tuple(tensor.shape)
        if place not in seen:
            seen.add(place)
            yield name, tensor.shape
