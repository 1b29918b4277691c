"""The loss of group relative policy optimisation, from log-probabilities: GRPO, DAPO and Dr. GRPO.

GRPO: Shao et al., DeepSeekMath, 2024. DAPO: Yu et al., 2025. Dr. GRPO: Liu et al., Understanding R1-Zero-like training,
2025. As FunAudio-ASR uses it: its report, section 4.4.2, equations 1 to 3.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

STD_EPSILON = 1e-4  # is added to the deviation of a group
_EQUAL = 1e-8  # rewards of a group with a smaller deviation are equal
_MOST_LOG_RATIO = 20.0  # beyond it the exponential is clamped: it would leave the numbers
_MOST_KL = 10.0  # of a token


@dataclass(frozen=True)
class LossConfig:
    """See `firered.train.tasks.grpo.GrpoConfig`, where these are options."""

    loss: str = "grpo"
    epsilon_low: float = 0.2
    epsilon_high: float = 0.2
    beta: float = 0.0


@dataclass(frozen=True)
class TokenLoss:
    """Of each token (M, T): loss, KL to the reference, and whether the ratio was clipped; all 0 on padding."""

    loss: Tensor
    kl: Tensor
    clipped: Tensor


def grouped(rewards: Tensor, group: Tensor, *, deviation: bool) -> tuple[Tensor, Tensor]:
    """(M,) advantages of rewards (M,) within their groups, and (M,) whether a group's rewards are all equal.

    Args:
        rewards: of each rollout.
        group: (M,) number of the utterance of each, in any order.
        deviation: divide by the deviation (of a sample, n - 1) of the group.
    """
    advantages = torch.zeros_like(rewards)
    equal = torch.zeros_like(group, dtype=torch.bool)
    for number in group.unique():
        own = group == number
        values = rewards[own]
        spread = values.std() if len(values) > 1 else values.new_zeros(())
        if spread < _EQUAL:
            equal[own] = True
            continue
        centred = values - values.mean()
        advantages[own] = centred / (spread + STD_EPSILON) if deviation else centred
    return advantages, equal


def k3(log_probs: Tensor, reference: Tensor) -> Tensor:
    """An estimate of KL(policy || reference) for each token: e^d - d - 1 with d = reference - policy; never below 0.

    Both d and the result are clamped, so that a token that the policy has all but excluded overflows nothing
    (Schulman, Approximating KL divergence, 2020; the bounds are verl's).
    """
    d = (reference - log_probs).clamp(-_MOST_LOG_RATIO, _MOST_LOG_RATIO)
    return (d.exp() - d - 1).clamp(max=_MOST_KL)


def token_losses(
    log_probs: Tensor, old: Tensor, reference: Tensor | None, advantages: Tensor, mask: Tensor, config: LossConfig
) -> TokenLoss:
    """The clipped objective of every token, negated, and beta times its KL.

    Args:
        log_probs: (M, T) of the policy that is trained.
        old: (M, T) of the policy that drew the tokens.
        reference: (M, T) of the model that training began with; None: no KL.
        advantages: (M,).
        mask: (M, T) True on tokens that count.
        config: how far a ratio may go, and beta.
    """
    ratio = (log_probs - old).masked_fill(~mask, 0.0).clamp(-_MOST_LOG_RATIO, _MOST_LOG_RATIO).exp()
    bounded = ratio.clamp(1 - config.epsilon_low, 1 + config.epsilon_high)
    value = advantages[:, None].to(ratio)
    loss = -torch.minimum(ratio * value, bounded * value)
    kl = torch.zeros_like(loss) if reference is None else k3(log_probs, reference)
    kl = kl.masked_fill(~mask, 0.0)
    if config.beta:
        loss = loss + config.beta * kl
    with torch.no_grad():
        clipped = mask & (bounded * value < ratio * value)
    return TokenLoss(loss.masked_fill(~mask, 0.0), kl.detach(), clipped)


def summed(losses: Tensor, mask: Tensor, config: LossConfig) -> Tensor:
    """The sum whose quotient by `weight` is the loss: over rollouts of their means (grpo), or over all tokens."""
    if config.loss == "grpo":
        return (losses.sum(1) / mask.sum(1).clamp(min=1)).sum()
    return losses.sum()


def weight(mask: Tensor, limits: Tensor, config: LossConfig) -> float:
    """What the sum is divided by: rollouts (grpo), their tokens that count (dapo), or their limits (dr_grpo).

    Args:
        mask: (M, T) tokens that count.
        limits: (M,) tokens that each rollout may have.
        config: which loss.
    """
    if config.loss == "grpo":
        return float(len(mask))
    return float(mask.sum()) if config.loss == "dapo" else float(limits.sum())
