"""Time of data directories of many lines: firered-prepare-data, then utils/validate_data_dir.py on what it wrote.

    python tests/bench/data_speed.py [--lines 200000] [--segments 10]

Once each line is a wav file of its own, once every `--segments` lines are segments of one. The files are of silence,
and few on the disk: most are further names of one (links), as headers alone are read.
"""

import argparse
import os
import sys
import tempfile
import time
import wave
from pathlib import Path

SECONDS = 2  # of a line
RATE = 16_000
MOST_NAMES = 10_000  # of one file; file systems set limits
ROOT = Path(__file__).parents[2]
PREPARE = ["-c", "from firered.cli.features import prepare; prepare()"]
VALIDATE = [str(ROOT / "utils" / "validate_data_dir.py"), "--no-feats"]


def write_data(folder: Path, lines: int, segments: int) -> None:
    """A data directory of so many utterances; with `segments` above 1 so many are cut from each recording."""
    audio = folder / "audio"
    audio.mkdir(parents=True)
    tables: dict[str, list[str]] = {"wav.scp": [], "segments": [], "text": [], "utt2spk": []}
    for number in range(lines // segments):
        recording = f"spk{number * 200 * segments // lines:03d}-rec{number:06d}"
        path = audio / f"{recording}.wav"
        if number % MOST_NAMES == 0:
            first = path
            with wave.open(str(first), "wb") as file:
                file.setparams((1, 2, RATE, 0, "NONE", ""))
                file.writeframes(bytes(2 * RATE * SECONDS * segments))
        else:
            path.hardlink_to(first)
        tables["wav.scp"].append(f"{recording} {path}")
        for part in range(segments):
            key = f"{recording}-{part:03d}" if segments > 1 else recording
            tables["segments"].append(f"{key} {recording} {part * SECONDS:.3f} {(part + 1) * SECONDS:.3f}")
            tables["text"].append(f"{key} 今天 天气 很 好 number {number}")
            tables["utt2spk"].append(f"{key} {recording[:6]}")
    if segments == 1:
        del tables["segments"]
    for name, rows in tables.items():
        (folder / name).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def measure(name: str, arguments: list[str]) -> None:
    """Run a program and print what it took."""
    begun = time.perf_counter()
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(sys.executable, [sys.executable, *arguments], os.environ, file_actions=quiet)
    _, status, used = os.wait4(process, 0)
    clock = time.perf_counter() - begun
    if status:
        sys.exit(f"{name} failed")
    processor, megabytes = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(f"{name:24} {clock:6.1f} s on the clock, {processor:6.1f} s of processor, {megabytes:.0f} MB", flush=True)


def main() -> None:
    """Two lines each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--segments", type=int, default=10)
    args = parser.parse_args()
    for segments in (1, args.segments):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_data(folder / "data", args.lines, segments)
            print(f"{args.lines} utterances of {args.lines // segments} recordings")
            measure("firered-prepare-data", [*PREPARE, str(folder / "data"), str(folder / "out")])
            measure("validate_data_dir.py", [*VALIDATE, str(folder / "out")])


if __name__ == "__main__":
    main()
