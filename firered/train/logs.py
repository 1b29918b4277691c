"""The logs of a training: console, train.jsonl, TensorBoard, and the list of skipped utterances."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firered.data.datadir import write_lines
from firered.errors import FireRedError, Problem, writing
from firered.train.boards import Board

log = logging.getLogger(__name__)

CURVE, SPEED, DRAWN, LEFT_OUT = "train.jsonl", "speed.jsonl", "drawn.jsonl", "left_out"


class Log:
    """The log of one training; a resumed run removes the lines after the step that it starts from."""

    def __init__(self, out: Path, step: int, total: int, boards: Sequence[Board] = ()) -> None:
        self._path, self._speed = out / CURVE, out / SPEED
        self._total, self._first, self._begun = total, step, time.monotonic()
        for path in (self._path, self._speed):
            write_lines(path, _lines_until(path, step))
        self._drawn = out / DRAWN
        self._begun_epochs = _lines_until(self._drawn, step)
        self._boards = boards

    def write(self, kind: str, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        """Log the figures of a step; `kind` is `train` or `dev`."""
        self._record(self._path, kind, step, epoch, figures)
        shown = " ".join(f"{name} {value:.4g}" for name, value in figures.items())
        log.info("%s epoch %d step %d/%d %s%s", kind, epoch + 1, step, self._total, shown, self._left(step))

    def drawn(self, step: int, epoch: int, figures: Mapping[str, Mapping[str, float]]) -> None:
        """Note what an epoch draws of each set: hours, share of these, utterances."""
        if any(json.loads(line)["epoch"] == epoch for line in self._begun_epochs):
            return  # a resumed run is in the middle of it
        self._begun_epochs.append(json.dumps({"step": step, "epoch": epoch, "drawn": figures}, ensure_ascii=False))
        write_lines(self._drawn, self._begun_epochs)

    def speed(self, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        """Log how fast it goes; in a file of its own, since the curve is the same however fast."""
        self._record(self._speed, "speed", step, epoch, figures)
        phases = " ".join(f"{name} {value:.4g}" for name, value in list(figures.items())[3:])
        log.info(
            "%.1f utterances and %.4f hours a second, %.0f%% of the time waiting for data%s",
            figures["utterances_per_s"], figures["audio_hours_per_s"], 100 * figures["waiting"],
            f"; {phases}" if phases else "",
        )  # fmt: skip

    def _record(self, path: Path, kind: str, step: int, epoch: int, figures: Mapping[str, float]) -> None:
        record: dict[str, Any] = {"kind": kind, "step": step, "epoch": epoch, **figures}
        with writing(path), path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        for board in self._boards:
            board.add(kind, step, figures)

    def _left(self, step: int) -> str:
        done = step - self._first
        if not done or step >= self._total:
            return ""
        seconds = (time.monotonic() - self._begun) / done * (self._total - step)
        return f" ({100 * step // self._total}%, {seconds / 60:.0f} min left)"

    def close(self) -> None:
        """Flush and close the files."""
        for board in self._boards:
            board.close()


def _lines_until(path: Path, step: int) -> list[str]:
    """The lines of a curve up to a step; a killed run may have left an incomplete one at its end."""
    if not path.exists():
        return []
    try:
        raw = path.read_bytes().split(b"\n")
    except OSError as error:
        raise FireRedError(f"{path}: cannot be read ({error.strerror})") from error
    kept = []
    for number, line in enumerate(raw[:-1], 1):
        try:
            if json.loads(line)["step"] <= step:
                kept.append(line.decode())
        except (ValueError, TypeError, LookupError, RecursionError):
            log.warning("%s:%d: not a line of a curve, dropped", path, number)
    return kept


def report_left_out(out: Path, problems: Sequence[Problem]) -> None:
    """List the utterances that are not trained or evaluated on in OUT/left_out, and log their number and the first."""
    by_key: dict[str, Problem] = {}
    for problem in problems:
        by_key.setdefault(problem.key, problem)
    problems = list(by_key.values())
    write_lines(out / LEFT_OUT, sorted(str(problem).replace("\n", " ") for problem in problems))
    for problem in problems[:5]:
        log.warning("skipped: %s", problem)
    if problems:
        first = " ".join(problem.key for problem in problems[:10]) + (" ..." if len(problems) > 10 else "")
        log.warning("%d utterances skipped, listed in %s: %s", len(problems), out / LEFT_OUT, first)
