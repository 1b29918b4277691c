"""What `torch.save` wrote, read so that nothing in the file is run or believed.

Such a file is a zip of members that are stored as they are: `data.pkl`, a pickle of plain values that says how tensors
lie in their storages, and a member a storage. In the format before that (torch 1.5 and older) pickles come first and
storages follow. Every storage must be as long as its part of the file, every tensor must lie within its storage.
Storages are mapped: nothing is in memory until it is used.
"""

import pickle
import pickletools
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from firered.errors import ModelError
from firered.models.mapped import map_file
from firered.models.torch_pickle import STORAGES, Interpreter, Name
from firered.text.files import FETCH, as_text, check_file, first_line

_ZIP = b"PK\x03\x04"
_LOCAL_HEADER = 30  # bytes before the name of a member, which is there a second time
_LONGEST_PICKLE = 64 << 20  # that of the largest published model has 0.2 MB
_OLD_MAGIC = 0x1950A86A20F9469CFC6C


@dataclass(frozen=True)
class _Part:
    """Where the bytes of a member of the zip, or of a storage, lie in the file."""

    start: int
    size: int


class _FaultError(Exception):
    """What is wrong with a file, in words."""


def read_torch_file(path: Path, remedy: str = FETCH) -> object:
    """The plain values and tensors of a file, tensors mapped from it; `argparse.Namespace` is let through.

    Args:
        path: of the file.
        remedy: what to do where it is damaged, for messages.

    Raises:
        ModelError: it is no such file, is damaged, or holds anything else, such as code.
    """
    head = check_file(path, remedy=remedy)
    try:
        with path.open("rb") as file:
            return _zipped(path, file) if head.startswith(_ZIP) else _of_old(path, file)
    except _FaultError as error:
        raise ModelError(f"{path}: {error}; {remedy}") from error
    except Exception as error:  # damaged zips and pickles raise whatever their bytes lead to
        if (text := as_text(head)) is not None:
            raise ModelError(f"{path}: no checkpoint but a text ({text!r}); {remedy}") from error
        if isinstance(error, pickle.UnpicklingError):
            reason = f"refused, it is damaged or holds more than tensors ({first_line(error)})"
            raise ModelError(f"{path}: {reason}; {remedy}") from error
        raise ModelError(f"{path}: not a readable checkpoint ({first_line(error)}); {remedy}") from error


def _bytes_of(file: BinaryIO, part: _Part) -> bytes:
    file.seek(part.start)
    return file.read(part.size)


def _zipped(path: Path, file: BinaryIO) -> object:
    parts = _members(path, file)
    description = parts["data.pkl"]
    if description.size > _LONGEST_PICKLE:
        raise _FaultError(f"no checkpoint, or a damaged one (its list of tensors has {description.size} bytes)")
    if "byteorder" in parts and _bytes_of(file, parts["byteorder"]) != sys.byteorder.encode():
        raise _FaultError("its numbers are in another byte order than this machine's")
    storages = {name.removeprefix("data/"): part for name, part in parts.items() if name.startswith("data/")}
    return Interpreter(_Storages(map_file(path), storages)).run(pickletools.genops(_bytes_of(file, description)))


def _members(path: Path, file: BinaryIO) -> dict[str, _Part]:
    """The members below the archive's folder by name; all are stored as they are, and none lies over another."""
    with zipfile.ZipFile(file) as archive:
        infos = archive.infolist()
    found: dict[str, _Part] = {}
    for info in infos:
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise _FaultError(f"its parts are compressed ({info.filename[:80]!r}), which torch.save never does")
        name = info.filename.partition("/")[2]
        if name in found:
            raise _FaultError(f"damaged ({info.filename[:80]!r} is in it twice)")
        found[name] = _Part(_start(file, info), info.file_size)
    end = 0
    for part in sorted(found.values(), key=lambda part: part.start):
        if part.start < end:
            raise _FaultError("damaged (its parts lie one over the other)")
        end = part.start + part.size
    _need_bytes(path, end)
    if "data.pkl" not in found or "constants.pkl" in found:
        kind = "a TorchScript program" if "constants.pkl" in found else "a zip of other files"
        raise _FaultError(f"{kind}, not a checkpoint written by torch.save")
    return found


def _start(file: BinaryIO, info: zipfile.ZipInfo) -> int:
    """Where a member's bytes begin, by its own header, which must agree with the directory at the end."""
    header = _bytes_of(file, _Part(info.header_offset, _LOCAL_HEADER))
    name_length, more = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    name = file.read(name_length)
    if header[:4] != _ZIP or name != info.orig_filename.encode() or info.compress_size != info.file_size:
        raise zipfile.BadZipFile(f"wrong header of {info.filename[:80]!r}")
    start = info.header_offset + _LOCAL_HEADER + name_length + more
    if _bytes_of(file, _Part(start + info.file_size, 2)) != _ZIP[:2]:  # whatever comes next begins so
        raise zipfile.BadZipFile(f"{info.filename[:80]!r} is not where it should be")
    return start


def _need_bytes(path: Path, size: int) -> None:
    if size > path.stat().st_size:
        raise _FaultError(f"damaged or cut short (it should have at least {size} bytes)")


def _of_old(path: Path, file: BinaryIO) -> object:
    """The content of a file in the format before the zip: five pickles, then the storages."""
    sizes = _Sizes()
    if Interpreter(sizes).run(pickletools.genops(file)) != _OLD_MAGIC:
        raise pickle.UnpicklingError("not torch's format")
    Interpreter(sizes).run(pickletools.genops(file))  # the version
    system = Interpreter(sizes).run(pickletools.genops(file))
    if not isinstance(system, dict) or system.get("little_endian") is not (sys.byteorder == "little"):
        raise _FaultError("its numbers are in another byte order than this machine's")
    begin = file.tell()
    Interpreter(sizes).run(pickletools.genops(file))
    keys = Interpreter(sizes).run(pickletools.genops(file))
    if not isinstance(keys, list):
        raise pickle.UnpicklingError("it does not name its storages")
    parts: dict[str, _Part] = {}
    at = file.tell()
    for key in keys:  # each: 8 bytes that say how many numbers, and the numbers
        parts[key] = _Part(at + 8, sizes.found[key])
        at += 8 + sizes.found[key]
    _need_bytes(path, at)
    file.seek(begin)
    return Interpreter(_Storages(map_file(path), parts)).run(pickletools.genops(file))


def _reference(reference: object) -> tuple[str, torch.dtype, int]:
    """Key, type and number of elements of the storage that ("storage", type, key, device, number, ...) refers to."""
    if not isinstance(reference, tuple) or len(reference) not in (5, 6) or reference[0] != "storage":
        raise pickle.UnpicklingError("a reference to no storage")
    _, name, key, _, count, *part = reference
    dtype = STORAGES.get(name.name) if isinstance(name, Name) else None
    if dtype is None:
        raise pickle.UnpicklingError(f"numbers of a type that no model has ({getattr(name, 'name', name)})")
    if not isinstance(key, str) or type(count) is not int or count < 0 or part not in ([], [None]):
        raise pickle.UnpicklingError("a reference to no storage")
    return key, dtype, count


class _Sizes:
    """Notes how many bytes each storage has that a pickle refers to; no tensors are made over it."""

    def __init__(self) -> None:
        self.found: dict[str, int] = {}

    def __call__(self, reference: object) -> None:
        key, dtype, count = _reference(reference)
        self.found[key] = count * dtype.itemsize


class _Storages:
    """The numbers of the storages that a pickle refers to."""

    def __init__(self, whole: np.ndarray, parts: Mapping[str, _Part]) -> None:
        self._whole, self._parts = whole, parts
        self._found: dict[str, Tensor] = {}

    def __call__(self, reference: object) -> Tensor:
        """(n,) numbers of one storage."""
        key, dtype, count = _reference(reference)
        numbers = self._found.get(key)
        if numbers is None:
            part, size = self._parts.get(key), count * dtype.itemsize
            if part is None or part.size != size:
                there = "is not there" if part is None else f"has {part.size} bytes"
                raise pickle.UnpicklingError(f"storage {key[:80]} {there}, {size} are needed")
            # Over these bytes alone, so that whoever saves the tensor does not save the whole file with it.
            raw = torch.from_numpy(self._whole[part.start : part.start + size])
            # In zips that torch wrote, members begin at multiples of 64; others are copied.
            numbers = self._found[key] = (raw if part.start % dtype.itemsize == 0 else raw.clone()).view(dtype)
        if numbers.dtype != dtype or len(numbers) != count:
            raise pickle.UnpicklingError(f"storage {key[:80]} is of two types")
        return numbers
