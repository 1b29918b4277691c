"""Steps whose loss or gradient is not a number: told with the utterances that were in them."""

import math
from collections.abc import Sequence

from accelerate.utils import gather_object

from firered.train.data.batch import Batch


def trouble_of(batches: Sequence[Batch], losses: Sequence[float], norm: float, *, together: bool) -> str:
    """What is not a number in a step, and with which utterances; empty where all are numbers.

    Args:
        batches: of this process.
        losses: of each of them.
        norm: of the gradient, which is the same in all processes.
        together: all processes get the answer of all; else each may find something by itself, and ends.
    """
    good = math.isfinite(norm) and all(map(math.isfinite, losses))
    if all(gather_object([good])) if together else good:
        return ""
    pairs = list(zip(batches, losses, strict=True))
    bad = [key for batch, loss in pairs if not math.isfinite(loss) for key in batch.keys]
    found = [(sum(losses), bad, [key for batch in batches for key in batch.keys])]
    if together or not math.isfinite(norm):  # which all processes know of
        found = gather_object(found)
    loss = next((loss for loss, *_ in found if not math.isfinite(loss)), None)
    keys = [key for _, bad, _ in found for key in bad] or [key for *_, every in found for key in every]
    what = f"norm of the gradient is {norm}" if loss is None else f"loss is {loss}"
    return f"the {what} with the utterances {' '.join(keys)}"
