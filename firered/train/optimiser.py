"""The optimiser of a training."""

import torch
from torch import nn

from firered.train.config import OptimConfig


def optimiser_of(config: OptimConfig, objective: nn.Module) -> torch.optim.Optimizer:
    """AdamW of the parameters that are trained; vectors (biases, norms) do not decay."""
    trained = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    return torch.optim.AdamW(
        [
            {"params": [weight for weight in trained if weight.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [vector for vector in trained if vector.ndim <= 1], "weight_decay": 0.0},
        ],
        lr=config.lr,
        betas=(config.beta1, config.beta2),
    )
