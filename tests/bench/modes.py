"""Error rate and speed of each decoding mode of an AED on a data directory, as a Markdown table.

    python tests/bench/modes.py MODEL DATA [--modes attention,ctc,...] [--rounds 3] [--threads 1] [--options "..."]

Every mode decodes the data once a round, in turn; the speed is that of its best round, without start and loading.
`--peer DIR` adds a row of another model, such as a Whisper of transformers, with its own options `--peer-options`.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from firered.asr.modes import MODES

BIN = Path(sys.executable).parent


def decoded(model: Path, data: Path, out: Path, threads: int, options: list[str]) -> None:
    """Decode the data; what the command says is shown where it fails."""
    command = [BIN / "firered-asr", "--num-threads", str(threads), "--model", model, *options, data, out]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stderr}\n{shlex.join(map(str, command))}: exit status {done.returncode}")


def scored(data: Path, out: Path, scores: Path) -> dict[str, float]:
    """The error rate in percent, its parts, and the real-time factor of a run."""
    command = [BIN / "firered-score", "text", "--number-normalization", "--t2s", data, out, scores]
    subprocess.run([*map(str, command)], capture_output=True, check=True)
    score = json.loads((scores / "score.json").read_text(encoding="utf-8"))
    return {
        "rate": float(next(iter(score["metrics"].values()))["value"]),
        **{name: score[name] for name in ("substitutions", "deletions", "insertions")},
        "rtf": float(score["speed"]["rtf"]),
    }


def main() -> None:
    """Decode, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--options", default="", help="of firered-asr, in every mode")
    parser.add_argument("--peer", type=Path)
    parser.add_argument("--peer-options", default="")
    args = parser.parse_args()
    rows = {mode: (args.model, ["--mode", mode, *shlex.split(args.options)]) for mode in args.modes.split(",")}
    if args.peer:
        rows[args.peer.name] = (args.peer, shlex.split(args.peer_options))
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for number in range(args.rounds):
            for name, (model, options) in rows.items():
                out = Path(scratch) / f"{name}-{number}"
                decoded(model, args.data, out, args.threads, options)
                score = scored(args.data, out, Path(scratch) / "score")
                score["rtf"] = min(score["rtf"], found.get(name, score)["rtf"])
                found[name] = score
    base = next(iter(found.values()))["rtf"]
    print("| Mode | error rate % | sub / del / ins | real-time factor | speed against the first |")
    print("|---|---|---|---|---|")
    for name, own in found.items():
        parts = " / ".join(str(own[part]) for part in ("substitutions", "deletions", "insertions"))
        print(f"| `{name}` | {own['rate']:.2f} | {parts} | {own['rtf']:.4f} | {base / own['rtf']:.2f} |")


if __name__ == "__main__":
    main()
