"""What approximate drafts save and what they cost: error rate against steps saved, as a Markdown table and a picture.

    python tests/bench/draft_trust.py MODEL DATA [--options "--draft ctc"] [--picture trust.png]
        [--probabilities 0.5,0.2,0.1,0.02] [--entropies 0.3,0.7,1.5,3] [--threads 1]

Greedy search over a data directory: without a draft, with an exact one, and with one that is believed at each
probability by itself, and at each entropy beside a probability of 0.2. Steps are counted, which no other work on the
machine changes; what a step costs is for draft_speed.py.
"""

import argparse
import re
import shlex
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.modes import decoded, scored

_DRAFTS = re.compile(
    r"drafts: (\d+) utterances, ([\d.]+)% of \d+ tokens accepted, (-?[\d.]+)% of (\d+) steps saved, \d+ drafts given up"
    r"(?:, (\d+) taken as they were)?"
)
BESIDE = 0.2  # the probability beside each entropy


def settings(args: argparse.Namespace) -> dict[str, list[str]]:
    """The options of each row."""
    draft = shlex.split(args.options)
    rows = {"no draft": [], "exact": draft}
    for least in args.probabilities.split(","):
        rows[f"probability {least}"] = [*draft, "--draft-probability", least]
    for entropy in args.entropies.split(","):
        rows[f"probability {BESIDE}, entropy {entropy}"] = [
            *draft,
            *("--draft-probability", str(BESIDE), "--draft-entropy", entropy),
        ]
    return rows


def saved(said: str, all_steps: int) -> tuple[float, int, int]:
    """Of the last count of drafts: the share of steps saved, utterances taken as they were, and all steps so far."""
    found = _DRAFTS.findall(said)
    if not found:
        return 0.0, 0, all_steps
    _, _, share, steps, final = found[-1]
    passes = int(steps) * (1 - float(share) / 100)
    all_steps = max(all_steps, int(steps))
    return 1 - passes / all_steps, int(final or 0), all_steps


def draw(rows: dict[str, tuple[float, float]], title: str, path: Path) -> None:
    """Error rate over steps saved; the exact draft as a line of its own height."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.2))
    share, rate = rows["exact"]
    axes.axhline(rate, color="gray", linestyle="--", linewidth=1)
    axes.plot(100 * share, rate, "ks", label=f"exact: the text of greedy search (which takes all steps), {rate:.2f}%")
    for kind, colour, above in (("probability", "tab:blue", False), ("entropy", "tab:red", True)):
        own = [(name, place) for name, place in rows.items() if name.rpartition(" ")[0].endswith(kind)]
        xs, ys = [100 * share for _, (share, _) in own], [rate for _, (_, rate) in own]
        label = f"entropy below, beside probability {BESIDE}" if above else "probability above"
        axes.plot(xs, ys, "o-", color=colour, label=label, linewidth=1)
        for (name, _), x, y in zip(own, xs, ys, strict=True):
            offset, align = ((6, 5), "left") if above else ((-6, -11), "right")
            axes.annotate(
                name.split()[-1], (x, y), xytext=offset, textcoords="offset points", ha=align, color=colour, fontsize=8
            )
    axes.set_xlabel("steps of the decoder saved, %")
    axes.set_ylabel("error rate, %")
    axes.set_ylim(bottom=0)
    axes.margins(x=0.1, y=0.15)
    axes.set_title(title, fontsize=10)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    """Decode, score, print and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--options", default="--draft ctc", help="of firered-asr, which give the draft")
    parser.add_argument("--probabilities", default="0.5,0.2,0.1,0.02")
    parser.add_argument("--entropies", default="0.3,0.7,1.5,3")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    points, all_steps = {}, 0
    print("| Draft | error rate % | sub / del / ins | steps saved | taken as they were |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        for number, (name, options) in enumerate(settings(args).items()):
            out = Path(scratch) / str(number)
            said = decoded(args.model, args.data, out, args.threads, ["--beam-size", "1", *options])
            score = scored(args.data, out, Path(scratch) / "score")
            share, final, all_steps = saved(said, all_steps)
            parts = " / ".join(str(score[part]) for part in ("substitutions", "deletions", "insertions"))
            print(f"| {name} | {score['rate']:.2f} | {parts} | {100 * share:.1f}% | {final} |", flush=True)
            points[name] = share, score["rate"]
    if args.picture:
        draw(points, args.model.name, args.picture)


if __name__ == "__main__":
    main()
