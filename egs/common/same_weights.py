"""Whether a CTC head was trained on weights that stayed as they were, bit for bit."""

from pathlib import Path
from typing import Annotated

import torch
import typer

from firered.cli.flags import run
from firered.errors import ModelError
from firered.hub.catalogue import CHECKPOINT
from firered.models.checkpoint import load_checkpoint

_HEAD = "ctc."


def main(
    before: Annotated[Path, typer.Argument(help="model that the head was trained on")],
    after: Annotated[Path, typer.Argument(help="model with the head")],
) -> None:
    """Compare all tensors of encoder and decoder; one that differs is an error."""
    old, new = (load_checkpoint(path / CHECKPOINT)[1] for path in (before, after))
    names = sorted(name for name in old if not name.startswith(_HEAD))
    if names != sorted(name for name in new if not name.startswith(_HEAD)):
        raise ModelError(f"{after}: other tensors than {before} beside the CTC head")
    other = [name for name in names if not torch.equal(old[name], new[name])]
    if other:
        raise ModelError(f"{after}: {len(other)} tensors are not those of {before}: {', '.join(other[:5])}")
    print(f"encoder and decoder are those of {before}, bit for bit: {len(names)} tensors")


if __name__ == "__main__":
    run(main)
