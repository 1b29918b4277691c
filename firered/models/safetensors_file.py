"""Tensors of safetensors files, mapped from them so that their memory can be given back."""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from firered.errors import ModelError
from firered.models.checkpoint import shown
from firered.models.mapped import map_file
from firered.text.files import check_file, first_line, read_json

_TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_LENGTH = 8  # bytes that say how long the header is
_INDEX, _WEIGHTS = "model.safetensors.index.json", "model.safetensors"
_NUMBERS = ("F32", "F16", "BF16", "F64")


def weight_files(folder: Path, others: tuple[str, ...] = ()) -> list[Path]:
    """The safetensors files of a model folder, whose headers have been read: none is cut short.

    Args:
        folder: the model's.
        others: types of tensors that are no weights, such as I64 of counters, and may be there.

    Raises:
        ModelError: there are none, or one is missing or damaged; the message names it.
    """
    files = [folder / _WEIGHTS]
    if (folder / _INDEX).is_file():
        index = read_json(folder / _INDEX).get("weight_map")
        names = set(index.values()) if isinstance(index, dict) and _are_names(index.values()) else set()
        if not names:
            raise ModelError(f"{folder / _INDEX}: no `weight_map` from tensors to names of files in this folder")
        files = sorted(folder / name for name in names)
    missing = [path for path in files if not path.exists()]
    if missing:
        pickled = " (pickled weights, *.bin, are not read: they could run code)" if any(folder.glob("*.bin")) else ""
        raise ModelError(f"{missing[0]}: no weights here{pickled}")
    for path in files:
        shapes_in(path, others)
    return files


def _are_names(values: Iterable[object]) -> bool:
    return all(isinstance(value, str) and value and Path(value).name == value for value in values)


def shapes_in(path: Path, more: tuple[str, ...] = ()) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor in a safetensors file, by its header, which has been checked against its length."""
    check_file(path)
    try:
        with safe_open(path, "pt") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            shapes = {name: tuple(part.get_shape()) for name, part in parts.items()}
            kinds = {name: part.get_dtype() for name, part in parts.items()}
            others = {name: kind for name, kind in kinds.items() if kind not in (*_NUMBERS, *more)}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: damaged or cut short ({first_line(error)}); fetch it again") from error
    if others:
        name, kind = next(iter(others.items()))
        raise ModelError(f"{path}: {shown(name)} is of type {kind}, only {', '.join(_NUMBERS)} are read")
    return shapes


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file by name, nothing of which is in memory until it is used, and its own notes.

    Raises:
        ModelError: it is missing, damaged or cut short, or has numbers of a type that no model has.
    """
    check_file(path)
    try:
        with safe_open(path, "pt") as file:  # it checks the header against the file
            notes = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: damaged or cut short ({first_line(error)}); fetch it again") from error
    whole = torch.from_numpy(map_file(path))
    begin = _LENGTH + int(whole[:_LENGTH].view(torch.int64))
    header = json.loads(bytes(whole[_LENGTH:begin].numpy()))
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        if (dtype := _TYPES.get(entry["dtype"])) is None:
            raise ModelError(f"{path}: {ascii(name)[:100]} is of type {entry['dtype']}, which no model here has")
        start, end = (begin + offset for offset in entry["data_offsets"])
        raw = whole[start:end]
        numbers = (raw if start % dtype.itemsize == 0 else raw.clone()).view(dtype)
        tensors[name] = numbers.view(entry["shape"])
    return tensors, notes
