"""Where curves are drawn beside train.jsonl: TensorBoard, and Weights & Biases."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from firered.errors import FireRedError, writing
from firered.optional import advice_for
from firered.text.files import first_line

WANDB_ID = "wandb_id"  # file with the name of the run there, under which a resumed training goes on


class Board(Protocol):
    """Takes the figures of steps."""

    def add(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """Draw the figures of a step; `kind` is `train` or `dev`."""

    def close(self) -> None:
        """Write what is not yet written."""


class TensorBoard:
    """Files in OUT/tensorboard; what a killed run drew after the step that is gone on from is taken away."""

    def __init__(self, out: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)

    def add(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """Draw the figures of a step."""
        for name, value in figures.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Flush the files."""
        self._writer.close()


class WandB:
    """A run of a project of Weights & Biases; WANDB_MODE=offline keeps it in OUT/wandb.

    Args:
        out: the folder of the training.
        project: the run's.
        settings: shown with it.

    Raises:
        FireRedError: the package is not installed, or does not start.
    """

    def __init__(self, out: Path, project: str, settings: Mapping[str, Any]) -> None:
        try:
            wandb = importlib.import_module("wandb")
        except ModuleNotFoundError as error:
            raise FireRedError(f"train.wandb_project: {advice_for(error) or error}") from error
        path = out / WANDB_ID
        name = path.read_text(encoding="utf-8").strip() if path.exists() else None
        try:
            self._run = wandb.init(
                project=project, name=out.name, dir=str(out), id=name, resume="allow", config=dict(settings)
            )
        except Exception as error:  # of its own kinds: no network, no key
            raise FireRedError(
                f"train.wandb_project: {first_line(error)} (WANDB_MODE=offline needs no network)"
            ) from error
        with writing(path):
            path.write_text(f"{self._run.id}\n", encoding="utf-8")

    def add(self, kind: str, step: int, figures: Mapping[str, float]) -> None:
        """Draw the figures of a step."""
        self._run.log({f"{kind}/{name}": value for name, value in figures.items()}, step=step)

    def close(self) -> None:
        """End the run."""
        self._run.finish()
