"""How many threads torch computes with, for one thread of this process alone: `compute_alone`."""

import contextlib
import ctypes
import sys
from pathlib import Path

import torch

_LIBRARY = {"linux": "libtorch_cpu.so", "darwin": "libtorch_cpu.dylib"}
_CALLS = ("omp_set_num_threads", "MKL_Set_Num_Threads_Local")


def compute_alone() -> None:
    """From now on what this thread computes with torch on the processor starts no other threads.

    Each thread that calls torch has helpers of its own, as many as there are cores. Where many threads make small
    steps, these cost more than they bring. `torch.set_num_threads` would hold for all threads; so OpenMP and MKL, if
    torch has them, are asked themselves.
    """
    torch.get_num_threads()  # with its first call in a thread torch sets what is changed here
    with contextlib.suppress(OSError):
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / _LIBRARY.get(sys.platform, "")))
        for name in _CALLS:
            with contextlib.suppress(AttributeError):
                getattr(library, name)(ctypes.c_int(1))
