"""Tensors of a safetensors file, mapped from it so that their memory can be given back."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from firered.errors import ModelError
from firered.models.mapped import map_file
from firered.text.files import check_file, first_line

_TYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_LENGTH = 8  # bytes that say how long the header is


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
