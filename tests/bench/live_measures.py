"""Measures of live recognition by several systems on the same recordings, as a Markdown table and a picture.

    python tests/bench/live_measures.py DATA WORK --system "NAME: --models DIR ..." [--system ...]
        [--out table.md] [--picture live.png] [--score-options "--number-normalization --t2s"]

Each system is `firered live DATA -o WORK/...` with its options, scored by `firered-score live`. Recordings are given
as fast as they are taken, in pieces of 0.1 s, by the clock of audio that comes at its own pace: delays with computation
are those of this machine as busy as it is. DATA has a ctm for delays of words, or text alone. What WORK has is not
computed again.
"""

import argparse
import csv
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
COLUMNS = (
    "error rate (sub, del, ins)",
    "first delay, P50 / P90 / P99",
    "with computation",
    "final after the word, P50",
    "end of speech to endpoint, P50",
    "endpoint to final, P50 / P99, with computation",
    "stable within 1 s",
    "flicker",
    "stable text revised",
    "real time factor",
)


def run(command: list[str]) -> None:
    """Run a command; end with what it says where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stderr}\n{shlex.join(command)}: exit status {done.returncode}")


def measured(data: Path, work: Path, options: list[str], score_options: list[str]) -> Path:
    """The folder with the scores of a system."""
    out, scores = work / "live", work / "scores"
    run([str(BIN / "firered"), "live", str(data), "-o", str(out), *options])
    run([str(BIN / "firered-score"), "live", *score_options, str(data), str(out), str(scores)])
    return scores


def seconds(delays: dict[str, dict[str, float]], name: str, *parts: str) -> str:
    """Percentiles of a delay."""
    own = delays.get(name) or {}
    return " / ".join(f"{own[part]:.2f}" for part in parts) if own.get("count") else "-"


def row_of(scores: Path) -> list[str]:
    """The cells of a system."""
    score = json.loads((scores / "score.json").read_text(encoding="utf-8"))
    rate = next((value["value"] for name, value in score["metrics"].items() if name.endswith("%")), None)
    kinds = ", ".join(str(score[name]) for name in ("substitutions", "deletions", "insertions"))
    delays, stable = score["delays_s"], score["stable_percent"]
    within = (stable.get("not revised any more, heard") or {}).get("1.0")
    flicker = score["flicker"]["normalised_erasure"]
    return [
        "-" if rate is None or not score["tokens"] else f"{rate:.2f}% ({kinds})",
        seconds(delays, "first, heard", "p50", "p90", "p99"),
        seconds(delays, "first, clock", "p50", "p90", "p99"),
        seconds(delays, "final, heard", "p50"),
        seconds(delays, "end of speech to endpoint, heard", "p50"),
        seconds(delays, "endpoint to final, clock", "p50", "p99"),
        "-" if within is None else f"{within:.1f}%",
        "-" if flicker is None else f"{flicker:.3f}",
        str(score["stable_part"]["violations"]),
        f"{score['speed']['rtf']:.3f}" if score.get("speed") else "-",
    ]


def delays_of(scores: Path, column: str) -> list[float]:
    """The delays of all correct words, in order of size."""
    with (scores / "words.tsv").open(encoding="utf-8") as file:
        rows = csv.DictReader(file, delimiter="\t")
        return sorted(float(row[column]) for row in rows if row["kind"] == "correct" and row[column])


def draw(found: dict[str, Path], path: Path) -> None:
    """The share of words shown, and final, within so many seconds of their end, by system."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, places = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for place, column, title in zip(places, ("first_clock_s", "final_clock_s"), ("first", "final"), strict=True):
        for name, scores in found.items():
            delays = delays_of(scores, column)
            place.step(delays, [100 * (number + 1) / len(delays) for number in range(len(delays))], label=name)
        place.set(xlabel=f"seconds from the end of the word to its {title} text", xlim=(-0.5, 4))
        place.grid(alpha=0.3)
    places[0].set_ylabel("% of the correct words")
    places[0].legend(fontsize="small")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Recognise, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--system", action="append", required=True, help="NAME: options of firered live")
    parser.add_argument("--score-options", default="")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    found = {}
    for system in args.system:
        name, _, options = system.partition(":")
        folder = args.work / re.sub(r"\W+", "_", name)
        found[name] = measured(args.data, folder, shlex.split(options), shlex.split(args.score_options))
        print(f"{name}: done", file=sys.stderr, flush=True)
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(row_of(scores))} |" for name, scores in found.items()]
    table = "\n".join(lines)
    print(table)
    if args.out:
        args.out.write_text(table + "\n", encoding="utf-8")
    if args.picture:
        draw(found, args.picture)


if __name__ == "__main__":
    main()
