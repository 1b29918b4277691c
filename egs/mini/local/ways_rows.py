"""The part of RESULTS.md on two ways to train recognition: joint CTC/attention from the start, and the papers'."""

import json
from collections.abc import Iterator
from pathlib import Path

WAYS = {
    "joint": "joint CTC/attention from the start",
    "paper_ctc": "cross-entropy alone, the CTC head afterwards",
}
MODES = {
    "attention": "Decoder",
    "ctc": "CTC, greedy",
    "ctc_prefix": "prefix search",
    "rescore": "rescored",
    "joint": "joint",
}
_TIMES = ("median ms", "mean ms")


def ways_rows(scores: Path) -> Iterator[str]:
    """Lines of that part; nothing where no such model was scored."""
    if not (scores / "way_joint_attention").is_dir():
        return
    yield "## Joint CTC/attention, and the papers' way"
    yield ""
    yield "The same model and sentences (`--joint true`). Mixed error rates of the test set in percent, by decoding"
    yield "mode, and how far the word boundaries of the CTC head are from the true ones. In the papers' way encoder and"
    yield "decoder stay as they are while the head is trained."
    yield ""
    yield f"| Training | {' | '.join(MODES.values())} | Word boundaries, ms: median | mean |"
    yield "|" + "---|" * (len(MODES) + 3)
    for name, title in WAYS.items():
        rates = (f"**{_value(scores / f'way_{name}_{mode}', 'MER%'):.2f}**" for mode in MODES)
        times = (f"{_value(scores / f'boundaries_{name}', metric):.0f}" for metric in _TIMES)
        yield f"| {title} | {' | '.join(rates)} | {' | '.join(times)} |"
    yield ""


def _value(folder: Path, metric: str) -> float:
    return json.loads((folder / "score.json").read_text(encoding="utf-8"))["metrics"][metric]["value"]
