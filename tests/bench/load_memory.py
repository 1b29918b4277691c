"""Peak memory and seconds of loading a model by number format, with random weights of a published size.

    python tests/bench/load_memory.py [--size L] [--dtypes float32,bfloat16,int8] [--scratch DIR]

A checkpoint of the size (L: 4.7 GB) is written to the scratch disk and removed at the end. Each number format is
loaded in a process of its own; "written" is what firered-quantize makes of it in int8. The peak is what the system
counts, pages of mapped files included; that of the libraries alone is told beside.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from firered.hub.catalogue import CHECKPOINT
from firered.models.aed import Aed, AedConfig
from firered.models.dtype import fill_for
from firered.models.stored import Stored

GB, VOCABULARY = 1e9, 8667


def write_checkpoint(path: Path, size: str) -> None:
    """A checkpoint of random weights, of zeros in the place of what is computed."""
    with torch.device("meta"):
        model = Aed(AedConfig.of_size(size, VOCABULARY))
    model.to_empty(device="cpu")
    table = torch.randn(1 << 22) * 0.02
    for parameter in model.parameters():
        flat = parameter.data.view(-1)
        for first in range(0, len(flat), len(table)):
            flat[first : first + len(table)] = table[: len(flat) - first]
    torch.save(model.checkpoint(), path)


def peak_gb() -> float:
    """Most memory of this process so far."""
    status = Path("/proc/self/status").read_text()  # getrusage would count what was before this program's start
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / GB


def measure(path: Path, dtype: str, threads: int) -> None:
    """One number format: a line."""
    torch.set_num_threads(threads)
    libraries, begun = peak_gb(), time.perf_counter()
    if dtype == "written":
        stored = Stored.of(path.parent / dtype)
        model = Aed.load_stored(path.parent / dtype / CHECKPOINT, stored)
    else:
        model = Aed.load(path, fill_for(dtype, path, Aed.quantised_parts()))
    took = time.perf_counter() - begun
    print(
        f"{dtype:10} {took:6.2f} s  peak {peak_gb():5.2f} GB, of it libraries {libraries:.2f} GB; "
        f"{sum(parameter.nbytes for parameter in model.parameters()) / GB:.2f} GB of floats",
        flush=True,
    )


def main() -> None:
    """Write the checkpoint, measure each number format in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="L")
    parser.add_argument("--dtypes", default="float32,bfloat16,int8,written")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--scratch", default=None)
    parser.add_argument("--model", help=argparse.SUPPRESS)  # set for the processes that measure
    args = parser.parse_args()
    if args.model:
        measure(Path(args.model), args.dtypes, args.threads)
        return
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        path = Path(scratch) / "model.pth.tar"
        made = [sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); import load_memory; "
                "load_memory.write_checkpoint(load_memory.Path(sys.argv[2]), sys.argv[3])"]  # fmt: skip
        subprocess.run([*made, str(Path(__file__).parent), str(path), args.size], check=True)
        print(f"size {args.size}: {path.stat().st_size / GB:.2f} GB", flush=True)
        for dtype in args.dtypes.split(","):
            if dtype == "written":
                (path.parent / "cmvn.ark").touch()
                (path.parent / "dict.txt").write_text("一 0\n", encoding="utf-8")
                command = Path(sys.executable).with_name("firered-quantize")
                subprocess.run([command, path.parent, path.parent / dtype], check=True)
            for _ in range(args.rounds):
                given = ["--model", str(path), "--dtypes", dtype, "--threads", str(args.threads)]
                subprocess.run([sys.executable, __file__, *given], check=True)


if __name__ == "__main__":
    main()
