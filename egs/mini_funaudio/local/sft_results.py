"""The section on the five stages of supervised fine-tuning."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from figures import error_rate, of_seeds, over_seeds, processor_seconds, read_score, table

STEPS = r"^((decode|score|first)_)?sft_|^fun_asr_"  # names of its steps in exp/seconds

WAYS = {
    "start-ctc": ("the encoder's start: encoder, CTC head", "CTC head"),
    "stage1": ("stage 1: adaptor", "language model"),
    "stage2": ("stage 2: encoder, adaptor", "language model"),
    "stage3": ("stage 3: LoRA", "language model"),
    "stage4": ("stage 4: encoder, adaptor, LoRA", "language model"),
    "stage5": ("stage 5: CTC head", "language model"),
    "stage5-ctc": ("", "CTC head"),
    "together": ("encoder, adaptor, LoRA from the start", "language model"),
    "full": ("encoder, adaptor, language model from the start", "language model"),
}
_COUNTS = ("substitutions", "deletions", "insertions")


def section(exp: Path) -> Iterator[str]:
    """Lines of the section."""
    scores: dict[str, list[dict[str, Any]]] = {}
    for folder in sorted((exp / "sft/score").iterdir()):
        _, _, name = folder.name.partition("_")
        scores.setdefault(name, []).append(read_score(folder))
    seeds = max(len(own) for own in scores.values())
    yield "## Five stages"
    yield ""
    yield "A small Fun-ASR-Nano from nothing: a SANM encoder that has its start from a CTC head, an adaptor, and a"
    yield "small Qwen3 that has read the sentences before. Each stage begins with what the one before has left. Below,"
    yield "other ways from the same start with as many steps as stages 1 to 4 together. Mandarin sentences of egs/mini,"
    yield "test voices and sentences in no training; error rates in percent, substitutions, deletions and insertions of"
    yield f"{scores['stage1'][0]['tokens']} characters, {of_seeds(seeds)}."
    yield ""
    head = ["trained", "steps", "seconds of processor time", "read by", "error rate", *_COUNTS]
    yield from table(head, [_row(exp, name, scores[name]) for name in WAYS if name in scores])


def _row(exp: Path, name: str, scores: Sequence[dict[str, Any]]) -> list[str]:
    (what, by), training = WAYS[name], name.removesuffix("-ctc")
    steps = {steps_of(path) for path in exp.glob(f"sft/*/{training}/train.jsonl")} if what else set()
    counts = [over_seeds([float(score[kind]) for score in scores], 0) for kind in _COUNTS]
    spent = _seconds(exp, training) if what else []
    return [what, ", ".join(map(str, sorted(steps))), over_seeds(spent, 0) if spent else "", by,
            over_seeds([error_rate(score) for score in scores]), *counts]  # fmt: skip


def steps_of(log: Path) -> int:
    """The last step of a training."""
    return max(int(json.loads(line)["step"]) for line in log.read_text(encoding="utf-8").splitlines())


def _seconds(exp: Path, training: str) -> list[float]:
    """Processor time of a training, of each seed."""
    steps = processor_seconds(exp).items()
    return [spent for name, spent in steps if name.startswith("sft_") and name.endswith(f"_{training}")]
