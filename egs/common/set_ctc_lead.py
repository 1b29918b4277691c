"""How much earlier than the frames of its CTC head a model's words start and end, measured where the times are known.

A head learns which labels follow each other, not when: in one training its frames lie late in the words, in the next
before them. The median of all errors of an alignment is taken off, and kept in the checkpoint.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from boundary_errors import all_errors, read_words

from firered.hub.catalogue import CHECKPOINT
from firered.models.aed import CTC_LEAD_S
from firered.models.checkpoint import load_checkpoint
from firered.train.checkpoints import save


def main(
    true: Annotated[Path, typer.Argument(help="ctm of the corpus")],
    found: Annotated[Path, typer.Argument(help="ctm of the alignment by this model")],
    model: Annotated[Path, typer.Argument(help="folder of the model, whose checkpoint is changed")],
) -> None:
    """Add the median error of starts and ends of words to the model's `ctc_lead_s`; then align again."""
    path = model / CHECKPOINT
    args, state = load_checkpoint(path)
    before_s = getattr(args, "ctc_lead_s", CTC_LEAD_S)
    args.ctc_lead_s = round(before_s + float(np.median(all_errors(read_words(true), read_words(found)))), 3)
    save(path, {"args": args, "model_state_dict": state})
    print(f"ctc_lead_s {before_s:.3f} -> {args.ctc_lead_s:.3f} s")


if __name__ == "__main__":
    typer.run(main)
