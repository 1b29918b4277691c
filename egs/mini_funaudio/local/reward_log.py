"""What the logs of trainings by rewards have, as rows of a table."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from firered.data.lines import read_lines

_REWARDS = ("reward", "reward_accuracy", "reward_keywords", "reward_hallucination", "reward_language")
_FIGURES = (*_REWARDS, "length", "entropy", "kl", "clipped", "equal_groups", "truncated")
HEAD = ("step", *(name.removeprefix("reward_") for name in _FIGURES))


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log."""
    return [json.loads(line) for _, line in read_lines(path)]


def rows(training: Path) -> Iterator[list[str]]:
    """Of a training's folder the step and the figures, at the beginning, in the middle and at the end."""
    lines = [line for line in read_log(training / "train.jsonl") if line["kind"] == "train"]
    for line in {line["step"]: line for line in (lines[0], lines[len(lines) // 2], lines[-1])}.values():
        yield [str(line["step"]), *(f"{line[name]:.3g}" if name in line else "–" for name in _FIGURES)]
