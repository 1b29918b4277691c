"""Files mapped into memory, whose pages can be given back once their numbers have been taken over."""

import mmap
import weakref
from pathlib import Path

import numpy as np
from torch import Tensor

_starts: "weakref.WeakKeyDictionary[mmap.mmap, tuple[int, int]]" = weakref.WeakKeyDictionary()


def map_file(path: Path) -> np.ndarray:
    """(n,) bytes of a file, which are read when they are used; changing them does not change the file."""
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    whole = np.frombuffer(mapped, np.uint8)
    whole.flags.writeable = True
    _starts[mapped] = whole.ctypes.data, len(whole)
    return whole


def give_back(*tensors: Tensor) -> None:
    """Let go of the memory of tensors that are mapped from a file; who uses them again reads the file again.

    A mapped file counts as memory of the process as far as it has been read. Tensors that are not mapped, or share a
    page with others, lose nothing. What was changed in a mapped tensor is lost.
    """
    for tensor in tensors:
        if tensor.device.type != "cpu" or not tensor.numel() or not tensor.is_contiguous():
            continue
        start, end = tensor.data_ptr(), tensor.data_ptr() + tensor.numel() * tensor.itemsize
        for mapped, (begin, size) in list(_starts.items()):
            if begin <= start and end <= begin + size:
                _drop(mapped, start - begin, end - begin)


def _drop(mapped: mmap.mmap, start: int, end: int) -> None:
    """Drop the whole pages between two places of a mapped file."""
    page = mmap.PAGESIZE
    first, last = -(-start // page) * page, end // page * page
    if last > first and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED, first, last - first)
