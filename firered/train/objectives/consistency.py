"""CR-CTC: the CTC posteriors of two views of an utterance are to agree.

Yao et al., CR-CTC: Consistency regularization on CTC for improved speech recognition, ICLR 2025 (arXiv 2410.05101).
Both views go through the encoder as one batch of twice the rows: row n + N is the other view of row n.
"""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from firered.train.objectives.objective import BatchLoss


def twice(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a batch with every row a second time after all of them; features are left out."""
    return {name: torch.cat([tensor, tensor]) for name, tensor in tensors.items() if name != "feats"}


def consistency_loss(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Both divergences between the posteriors of two views, summed over frames and rows (section 3.1).

    Each view is drawn to the other one, which is a constant to it: KL(other || own).

    Args:
        log_probs: (2 N, T, V) log posteriors.
        lengths: (2 N,) frames; what lies beyond counts for nothing.
    """
    other = log_probs.detach().roll(len(log_probs) // 2, 0)
    divergence = F.kl_div(log_probs, other, reduction="none", log_target=True).sum(-1)  # (2 N, T)
    beyond = torch.arange(log_probs.shape[1], device=lengths.device) >= lengths[:, None]
    return divergence.masked_fill(beyond, 0.0).sum()


def halved(found: BatchLoss) -> BatchLoss:
    """The loss and counts of a batch of two views by those of both."""
    return BatchLoss(found.loss / 2, {name: value / 2 for name, value in found.counts.items()})
