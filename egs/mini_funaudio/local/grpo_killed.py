"""A training that is killed and resumed, compared with one that is not: losses, rewards and weights."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from firered.data.datadir import write_lines
from firered.errors import FireRedError
from firered.hub.catalogue import CHECKPOINT
from firered.models.checkpoint import load_checkpoint

_LONGEST_S = 1800.0


def steps_of(out: Path) -> list[dict[str, Any]]:
    """The lines of training in the log."""
    path = out / "train.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    return [line for line in lines if line["kind"] == "train"]


def killed_at(command: list[str], out: Path, step: int) -> int:
    """Run a training and kill it by SIGKILL once it has logged a step; the last step that it had logged."""
    process = subprocess.Popen(command, start_new_session=True)
    begun = time.monotonic()
    while process.poll() is None and time.monotonic() - begun < _LONGEST_S:
        lines = steps_of(out)
        if lines and lines[-1]["step"] >= step:
            break
        time.sleep(0.05)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    if process.wait() != -signal.SIGKILL:
        raise FireRedError(f"{out}: ended by itself before it could be killed at step {step}")
    return int(steps_of(out)[-1]["step"])


def same_weights(one: Path, other: Path) -> bool:
    """Whether two checkpoints have the same tensors, bit for bit."""
    first, second = (load_checkpoint(path / CHECKPOINT)[1] for path in (one, other))
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def main(
    out: Annotated[Path, typer.Argument(help="folder to write whole/, parts/ and killed.json to")],
    step: Annotated[int, typer.Argument(help="to kill it at")],
    command: Annotated[list[str], typer.Argument(help="of the training, without `out`")],
) -> None:
    """Train without a break, and with one."""
    try:
        whole, parts = out / "whole", out / "parts"
        own = [[*command, "--set", f"out={folder}"] for folder in (whole, parts)]
        subprocess.run(own[0], check=True)
        found: dict[str, Any] = {"killed": killed_at(own[1], parts, step)}
        subprocess.run(own[1], check=True)
        found["steps"] = steps_of(whole)[-1]["step"]
        found["same_log"] = steps_of(whole) == steps_of(parts)
        found["same_weights"] = same_weights(whole, parts)
        write_lines(out / "killed.json", [json.dumps(found)])
    except (FireRedError, subprocess.CalledProcessError) as error:
        sys.exit(f"grpo_killed.py: {error}")


if __name__ == "__main__":
    typer.run(main)
