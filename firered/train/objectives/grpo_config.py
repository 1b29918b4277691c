"""Options of reinforcement learning: the section `grpo` of a training's YAML file."""

import math
from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option
from firered.train.objectives.policy_loss import LossConfig

_LEAST = 8  # tokens that any rollout may have


@dataclass(frozen=True)
class GrpoConfig(Options):
    """How rollouts are drawn, and how the model learns from them."""

    group_size: int = option(8, "rollouts of each utterance, which are compared with each other", low=2)
    temperature: float = option(1.0, "logits are divided by this when rollouts are drawn, and when they are learnt",
                                low=0.01)  # fmt: skip
    top_p: float = option(
        1.0, "only the likeliest tokens with so much of the probability are drawn; 1: all", low=0.01, high=1
    )
    max_length: int = option(512, "tokens of a rollout at most", low=1)
    tokens_per_second: float = option(
        12.0, "and of audio a second, with 8 more: a longer rollout is cut off, and counted as truncated", low=0.1
    )
    loss: str = option(
        "dapo",
        "mean over rollouts of the mean over their tokens (grpo), over all tokens (dapo), or the sum over the "
        "most that there could be (dr_grpo)",
        choices=("grpo", "dapo", "dr_grpo"),
    )
    scale: str = option(
        "auto",
        "divide advantages by the deviation of the group's rewards, or by nothing; auto: dr_grpo by nothing",
        choices=("auto", "group", "none"),
    )
    epsilon: float = option(0.2, "ratios below 1 minus this are clipped", low=0, high=1)
    epsilon_high: float | None = option(None, "and above 1 plus this; by default epsilon", low=0)
    beta: float = option(0.0, "weight of the KL to the model that training began with; 0: none is computed", low=0)
    rewards: str = option(
        "sum_then_normalize",
        "rewards are summed and then compared within the group, or compared each by itself and then summed",
        choices=("sum_then_normalize", "normalize_then_sum"),
    )
    updates: int = option(1, "optimiser steps of each batch of rollouts", low=1)
    mask_truncated: bool = option(False, "learn nothing from rollouts that were cut off at their limit")
    ratio_tolerance: float = option(
        1e-4, "stop where a token's probability in the first update is off that of its rollout by more; 0: never", low=0
    )
    min_entropy: float = option(0.0, "stop where the mean entropy of rollouts is below, in nats a token", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta and not math.isfinite(self.beta):
            raise OptionError(f"beta: {self.beta} is no number")

    def limit(self, seconds: float) -> int:
        """Tokens that a rollout of so much audio may have."""
        return min(self.max_length, _LEAST + math.ceil(self.tokens_per_second * seconds))

    @property
    def scales(self) -> bool:
        """Whether advantages are divided by the deviation of the group."""
        return self.scale == "group" or (self.scale == "auto" and self.loss != "dr_grpo")

    @property
    def of_loss(self) -> LossConfig:
        """Those of the options that the loss takes."""
        high = self.epsilon if self.epsilon_high is None else self.epsilon_high
        return LossConfig(self.loss, self.epsilon, high, self.beta)
