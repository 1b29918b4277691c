"""Cross-entropy of token sequences, and the figures that go with it."""

import math
from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

from firered.train.data.batch import NO_TARGET
from firered.train.objectives.objective import BatchLoss


def token_loss(logits: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> BatchLoss:
    """Cross-entropy of logits (N, U, V) summed over targets (N, U), and counts of tokens and of correct ones."""
    rows, wanted = logits.float().flatten(0, 1), targets.flatten()
    loss = F.cross_entropy(rows, wanted, ignore_index=NO_TARGET, reduction="sum", label_smoothing=label_smoothing)
    correct = (rows.detach().argmax(-1) == wanted).sum()
    return BatchLoss(loss, {"correct": correct, "tokens": (wanted != NO_TARGET).sum()})


def token_report(loss: float, counts: Mapping[str, float]) -> dict[str, float]:
    """Perplexity, and accuracy: the share of tokens that the model ranked first."""
    figures = {"ppl": math.exp(min(loss, 50.0))}
    if counts.get("tokens") and "correct" in counts:
        figures["accuracy"] = counts["correct"] / counts["tokens"]
    return figures
