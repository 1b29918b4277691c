"""Learning rates by step."""

import math

from firered.train.config import OptimConfig


def learning_rate(config: OptimConfig, step: int, total: int, width: int) -> float:
    """Learning rate of a step, counted from 1.

    Args:
        config: peak, schedule and length of the warm-up.
        step: optimiser step.
        total: steps of the whole training; cosine and linear reach zero there.
        width: of the model, for noam (Vaswani et al., 2017: factor * width ** -0.5 * min(step ** -0.5, ...)).
    """
    warmup = config.warmup_steps
    rise = min(1.0, step / warmup)
    if config.schedule == "constant":
        return config.lr * rise
    if config.schedule == "noam":
        return config.lr * width**-0.5 * min(step**-0.5, step * warmup**-1.5)
    if config.schedule == "warmup":
        return config.lr * (rise if step <= warmup else math.sqrt(warmup / step))
    left = 1 - min(1.0, max(0, step - warmup) / max(1, total - warmup))
    return config.lr * rise * (left if config.schedule == "linear" else 0.5 - 0.5 * math.cos(math.pi * left))
