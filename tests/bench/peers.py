"""Other systems beside ours on one machine; `peers.sh` calls this once for each and then for the table.

    python tests/bench/peers.py measure SYSTEM --work DIR [--size L] [--threads 2]
    python tests/bench/peers.py weights SYSTEM --work DIR --whisper DIR [--corpus DIR]
    python tests/bench/peers.py table --work DIR

`measure` is of random weights: utterances of 10 s that decode to 45 tokens at beam 3. Each system is a process of its
own, for its peak memory, and appends its rows to DIR/rows.jsonl. `weights` transcribes recordings with the same real
weights of Whisper by each system and keeps the texts. A package that is missing is status 3.
"""

import argparse
import importlib.util
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench import peer_shapes, peer_weights

# What has to be installed for a system; ours, and the published code's way of steps, need nothing.
PACKAGES = {
    "ctranslate2": ("ctranslate2",),
    "ctranslate2-float32": ("ctranslate2",),
    "sherpa-onnx": ("sherpa_onnx", "onnx", "onnxruntime"),
}
SHAPES = {
    "published": "published code's way",
    "firered": "firered",
    "transformers": "transformers Whisper",
    "ctranslate2": "CTranslate2 Whisper",
    "sherpa-onnx": "sherpa-onnx, CTC head alone",
}
WEIGHTS = {
    "firered": "firered, transformers family, float32",
    "transformers": "transformers' own generate, float32",
    "ctranslate2-float32": "CTranslate2, float32",
    "ctranslate2": "CTranslate2, int8",
}


def main() -> None:
    """Measure one system, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "weights", "table"))
    parser.add_argument("system", nargs="?", choices=sorted({*SHAPES, *WEIGHTS}))
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--size", default="L", help="of our model; XS takes small shapes of all others as well")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--dtypes", default="float32,bfloat16,int8", help="of ours")
    parser.add_argument("--whisper", type=Path, help="a directory of Whisper's weights that transformers loads")
    parser.add_argument("--corpus", type=Path, help="a folder with wav files, and a Kaldi text or AISHELL's transcripts")
    parser.add_argument("--utterances", type=int, default=60)
    args = parser.parse_args()
    missing = [name for name in PACKAGES.get(args.system, ()) if importlib.util.find_spec(name) is None]
    if missing:
        print(f"peers: {args.system} is skipped: not installed: {', '.join(missing)} (pip install -e '.[bench]')")
        sys.exit(3)
    if args.what == "table":
        print(tables(args.work))
        return
    args.work.mkdir(parents=True, exist_ok=True)
    module = peer_shapes if args.what == "measure" else peer_weights
    for row in module.measure(args):
        print(row, flush=True)
        with (args.work / f"{args.what}.jsonl").open("a", encoding="utf-8") as rows:
            rows.write(json.dumps(row, ensure_ascii=False) + "\n")


def rows_of(path: Path) -> list[dict]:
    """The rows of a file, none where it is missing."""
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.is_file() else []


def tables(work: Path) -> str:
    """Both tables, as Markdown."""
    lines = []
    shapes = rows_of(work / "measure.jsonl")
    if shapes:
        ours = {row["batch"]: row["rtf"] for row in shapes if row["system"] == "firered" and row["dtype"] == "int8"}
        lines += ["| | number format | batch | encoder sees | real time factor | ours in int8 = 1 | tokens | peak |"]
        lines += ["|---|---|---|---|---|---|---|---|"]
        for row in shapes:
            ratio = f"{row['rtf'] / ours[row['batch']]:.1f}" if row["batch"] in ours else ""
            cells = (row["dtype"], row["batch"], f"{row['seconds']:g} s", f"{row['rtf']:.3f}", ratio, row["tokens"])
            lines.append(f"| {SHAPES[row['system']]} | {' | '.join(map(str, cells))} | {row['peak']:.1f} GB |")
    weights = rows_of(work / "weights.jsonl")
    if weights:
        reference = next((row for row in weights if row["system"] == "firered"), weights[0])
        lines += ["", "| same weights of Whisper | utterances | same text as ours | error rate | real time factor |"]
        lines[-1] += " ours = 1 | peak |"
        lines += ["|---|---|---|---|---|---|---|"]
        for row in weights:
            same = sum(row["texts"].get(key) == text for key, text in reference["texts"].items())
            wrong = "" if row["errors"] is None else f"{100 * row['errors']:.2f}%"
            cells = (len(row["texts"]), same, wrong, f"{row['rtf']:.3f}", f"{row['rtf'] / reference['rtf']:.2f}")
            lines.append(f"| {WEIGHTS[row['system']]} | {' | '.join(map(str, cells))} | {row['peak']:.1f} GB |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
