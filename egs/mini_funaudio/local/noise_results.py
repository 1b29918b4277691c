"""The section on noise in training: error rates by signal-to-noise ratio and by kind of noise."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from figures import error_rate, of_seeds, over_seeds, read_score, table
from noise_test import CLEAN

STEPS = r"^((decode|score)_)?noise_"  # names of its steps in exp/seconds

WAYS = {
    "before": "the recogniser of egs/mini, as it is",
    "none": "trained further without noise",
    "offline": "a noisy copy of every utterance",
    "online": "noise on 30% of the utterances",
    "both": "both",
}


def section(exp: Path) -> Iterator[str]:
    """Lines of the section."""
    scores: dict[str, list[dict[str, Any]]] = {}
    for folder in sorted((exp / "noise/score").iterdir()):
        scores.setdefault(folder.name.partition("_")[2] or folder.name, []).append(read_score(folder))
    ways = [way for way in WAYS if way in scores]
    count = max(len(own) for own in scores.values())
    yield "## Noise in training"
    yield ""
    yield "The recogniser of egs/mini is trained further, each way with as many steps on the same utterances. Copies"
    yield "have ratios drawn from N(10, 5) dB; so has noise that is added online. Noise of testing is other noise of"
    yield f"the same kinds. Mixed error rates in percent, {of_seeds(count)}."
    yield ""
    yield from _by(scores, ways, "snr", "dB", key=lambda name: (name != CLEAN, -float(name) if name != CLEAN else 0.0))
    yield ""
    yield from _by(scores, ways, "env", "", key=lambda name: (name != CLEAN, name))


def _by(scores: dict[str, list[dict[str, Any]]], ways: Sequence[str], label: str, unit: str, key: Any) -> Iterator[str]:  # noqa: ANN401 - what sorted takes
    groups = sorted(scores[ways[0]][0]["groups"][label], key=key)
    head = ["", *(name if name == CLEAN else f"{name} {unit}".strip() for name in groups), "all"]
    rows = []
    for way in ways:
        figures = [over_seeds([error_rate(one["groups"][label][name]) for one in scores[way]]) for name in groups]
        rows.append([WAYS[way], *figures, over_seeds([error_rate(one) for one in scores[way]])])
    yield from table(head, rows)
