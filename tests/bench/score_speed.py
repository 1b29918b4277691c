"""Time and memory of firered-score on many utterances, every report and the page included.

    python tests/bench/score_speed.py [--utterances 100000] [--tokens 20] [--error-rate 0.1]

References are Chinese characters with some English words, drawn as Zipf has them; hypotheses the same with
substitutions, deletions and insertions, confidences and speakers beside them. The command runs as a process of its own;
its processor time, the time on the clock and its largest resident size are printed.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

VOCABULARY = [chr(0x4E00 + number) for number in range(4000)] + [f"word{number}" for number in range(100)]
WEIGHTS = [1 / (rank + 10) for rank in range(len(VOCABULARY))]


def write_sides(folder: Path, utterances: int, tokens: int, error_rate: float) -> None:
    """Data directories ref and hyp."""
    generator = random.Random(0)
    pool = iter(generator.choices(VOCABULARY, WEIGHTS, k=2 * utterances * tokens + utterances))
    lines: dict[str, list[str]] = {"ref/text": [], "ref/utt2spk": [], "hyp/text": [], "hyp/utt2conf": []}
    for number in range(utterances):
        key = f"spk{number % 200:03d}-utt{number:07d}"
        reference = [next(pool) for _ in range(tokens)]
        hypothesis = []
        for token in reference:
            kind = generator.random() / error_rate
            if kind >= 1 / 3:
                hypothesis.append(token if kind >= 1 else next(pool))
            if 2 / 3 <= kind < 1:
                hypothesis[-1:] = [token, hypothesis[-1]]
        lines["ref/text"].append(f"{key} {' '.join(reference)}")
        lines["hyp/text"].append(f"{key} {' '.join(hypothesis)}")
        lines["ref/utt2spk"].append(f"{key} {key[:6]}")
        lines["hyp/utt2conf"].append(f"{key} {generator.betavariate(9, 1):.3f}")
    for name, content in lines.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in sorted(content)), encoding="utf-8")


def main() -> None:
    """Print one line a rule."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=100_000)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--error-rate", type=float, default=0.1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_sides(folder, args.utterances, args.tokens, args.error_rate)
        for rule in ("firered", "speechio"):
            measure(folder, rule)


def measure(folder: Path, rule: str) -> None:
    """Score by one rule and print what it took."""
    out = folder / rule
    program = "from firered.cli.score import score; score()"
    arguments = [sys.executable, "-c", program, folder / "ref", folder / "hyp", out, "--normalizer", rule]
    begun = time.perf_counter()
    process = os.posix_spawn(sys.executable, arguments, os.environ)
    _, status, used = os.wait4(process, 0)
    clock = time.perf_counter() - begun
    if status:
        sys.exit("firered-score failed")
    score = json.loads((out / "score.json").read_text(encoding="utf-8"))
    rate = score["metrics"]["CER%"]["value"]
    processor, megabytes = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
    print(
        f"{rule:9} {score['utterances']} utterances, {score['tokens']} tokens, {rate:.2f}% CER: "
        f"{clock:.1f} s on the clock, {processor:.1f} s of processor, at most {megabytes:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
