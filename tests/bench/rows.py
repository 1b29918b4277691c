"""Rows of the Markdown tables that benchmarks append to, and the memory that they print."""

import re
import resource
from pathlib import Path

import torch

GB = 1e9


def add_row(path: Path | None, *cells: object) -> None:
    """Append a row to a table; None: there is none."""
    if path is not None:
        with path.open("a", encoding="utf-8") as table:
            table.write(f"| {' | '.join(map(str, cells))} |\n")


def forget_peak(device: torch.device) -> None:
    """Count the peak anew from now on, on CUDA; on a processor the system counts from the program's start."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_gb(device: torch.device) -> float:
    """Most memory so far: of tensors on CUDA, resident on a processor (mapped files included)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GB
    try:
        status = Path("/proc/self/status").read_text()  # getrusage would count what was before this program's start
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / GB
    except (OSError, TypeError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GB


def wait_for(device: torch.device) -> None:
    """Return when all that was begun on the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
