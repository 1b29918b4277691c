"""Other systems beside ours on one machine; `peers.sh` calls this once for each of them, then for the tables.

    python tests/bench/peers.py jobs [PART]                           lines `PART SYSTEM FORMAT`
    python tests/bench/peers.py shapes SYSTEM FORMAT --work DIR --rows FILE [--size L] [--threads 2]
    python tests/bench/peers.py weights SYSTEM FORMAT --work DIR --rows FILE --whisper DIR --corpus DIR
    python tests/bench/peers.py table FILE...
    python tests/bench/peers.py about                                 the machine and the packages

`shapes` is of random weights: utterances of 10 s that decode to 45 tokens. `weights` transcribes recordings with the
same real weights of Whisper by each system. Each system and number format is a process of its own, for its peak memory,
and appends its rows to a file. A package that is missing is exit status 3.
"""

import argparse
import importlib
import importlib.util
import json
import platform
import re
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from bench.peer_tables import SHAPES, WEIGHTS, tables
from bench.rows import peak_gb

# What has to be installed for a system, first what it is measured with; the others need nothing more.
PACKAGES = {"ctranslate2": ("ctranslate2",), "sherpa-onnx": ("sherpa_onnx", "onnx", "onnxruntime")}
PACKAGES["sherpa-onnx-ctc"] = PACKAGES["sherpa-onnx"]
JOBS = [
    ("shapes", "published", "float32"),
    *(("shapes", "firered", dtype) for dtype in ("float32", "bfloat16", "int8")),
    ("shapes", "firered-greedy", "int8"),
    ("shapes", "firered-ctc", "int8"),
    *(("shapes", "transformers", dtype) for dtype in ("float32", "bfloat16")),
    ("shapes", "ctranslate2", "int8"),
    ("shapes", "sherpa-onnx", "int8"),
    ("shapes", "sherpa-onnx-ctc", "int8"),
    ("weights", "firered", "float32"),
    ("weights", "transformers", "float32"),
    *(("weights", "ctranslate2", dtype) for dtype in ("float32", "int8")),
]


def jobs_of(part: str | None) -> list[tuple[str, str, str]]:
    """The jobs of a part, which may be `shapes`, `weights` or a system; None: all."""
    chosen = [job for job in JOBS if part is None or part in job[:2]]
    if not chosen:
        known = dict.fromkeys(name for job in JOBS for name in job[:2])
        sys.exit(f"peers: --part {part}: there are {', '.join(known)}")
    return chosen


def about() -> str:
    """The machine, and the versions of what is measured on it."""
    processor = platform.machine()
    with suppress(OSError):
        found = re.search(r"^model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
        processor = found[1] if found else processor
    kinds = [name for name in ("avx2", "avx512_vnni", "avx512_bf16", "amx_int8") if has_instructions(name)]
    versions = []
    for package in ("torch", "transformers", "ctranslate2", "sherpa-onnx", "onnxruntime", "firered"):
        with suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    return f"{processor} ({', '.join(kinds)}); {', '.join(versions)}, Python {platform.python_version()}"


def has_instructions(name: str) -> bool:
    """Whether the processor has these, as the system names them."""
    with suppress(OSError):
        return re.search(rf"^flags.*\b{name}\b", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE) is not None
    return False


def need_packages(system: str) -> None:
    """End with status 3 where a system is not installed."""
    missing = [name for name in PACKAGES.get(system, ()) if importlib.util.find_spec(name) is None]
    if missing:
        print(f"peers: {system}: not installed: {', '.join(missing)} (pip install -e '.[bench]')", file=sys.stderr)
        sys.exit(3)


def append_rows(args: argparse.Namespace) -> None:
    """Append the rows of one system in one number format."""
    if args.what == "shapes":
        from bench.peer_shapes import measure
    else:
        from bench.peer_weights import measure
    for name in PACKAGES.get(args.system, ())[:1]:  # what the libraries take is told beside the peak
        importlib.import_module(name)
    libraries = peak_gb(torch.device("cpu"))
    for row in measure(args):
        row["libraries"] = libraries
        print(", ".join(f"{name} {value}" for name, value in row.items() if name != "texts"), flush=True)
        if args.rows:
            with args.rows.open("a", encoding="utf-8") as rows:
                rows.write(json.dumps(row, ensure_ascii=False) + "\n")


def main() -> None:
    """Do one step of peers.sh."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    steps = parser.add_subparsers(dest="what", required=True)
    jobs = steps.add_parser("jobs")
    jobs.add_argument("part", nargs="?")
    steps.add_parser("about")
    table = steps.add_parser("table")
    table.add_argument("files", nargs="*", type=Path)
    for name in ("shapes", "weights"):
        step = steps.add_parser(name)
        step.add_argument("system", choices=SHAPES if name == "shapes" else WEIGHTS)
        step.add_argument("dtype")
        step.add_argument("--make", action="store_true", help="only the files that it reads, which measuring needs")
        step.add_argument("--work", type=Path, required=True)
        step.add_argument("--size", default="L", help="of our model; XS takes small shapes of all others as well")
        step.add_argument("--threads", type=int, default=2)
        step.add_argument("--batches", default="1,8")
        step.add_argument("--rounds", type=int, default=2, help="after one that warms up; the fastest is told")
        step.add_argument("--whisper", type=Path, help="a directory of Whisper's weights that transformers loads")
        step.add_argument("--corpus", type=Path, help="a Kaldi data directory with wav.scp and text")
        step.add_argument("--language", default="zh", help="that Whisper is told")
        step.add_argument("--utterances", type=int, default=60)
        step.add_argument("--rows", type=Path, help="file that they are appended to")
    args = parser.parse_args()
    if args.what == "jobs":
        print("\n".join(" ".join(job) for job in jobs_of(args.part)))
    elif args.what == "about":
        print(about())
    elif args.what == "table":
        print(tables(args.files))
    else:
        if args.what == "weights" and not (args.whisper and args.corpus):
            parser.error("weights: --whisper DIR and --corpus DIR are needed")
        need_packages(args.system)
        if args.make:
            make(args)
        else:
            append_rows(args)


def make(args: argparse.Namespace) -> None:
    """Write the files that a system reads, unless they are there."""
    from bench import peer_models, peer_weights

    (peer_models if args.what == "shapes" else peer_weights).make(args)


if __name__ == "__main__":
    main()
