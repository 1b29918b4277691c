"""Figures of reinforcement learning for the log, from counts over many batches."""

from collections.abc import Mapping

_ERRORS = ("substitutions", "deletions", "insertions")


def train_report(counts: Mapping[str, float]) -> dict[str, float]:
    """Means over rollouts (rewards, length), tokens (KL, entropy), and shares (clipped, equal groups, truncated)."""
    rollouts, tokens = counts["rollouts"], counts["tokens"] or 1.0
    counted = counts["counted"] or 1.0
    figures = {name: value / rollouts for name, value in counts.items() if name.startswith("reward")}
    figures |= {"length": counts["tokens"] / rollouts, "entropy": counts["entropy"] / tokens}
    if "kl" in counts:
        figures["kl"] = counts["kl"] / counted
    figures["clipped"] = counts["clipped"] / counted
    figures["equal_groups"] = counts["equal_groups"] / counts["groups"]
    figures["truncated"] = counts["truncated"] / rollouts
    return figures


def dev_report(error_rate: float, counts: Mapping[str, float]) -> dict[str, float]:
    """Kinds of errors as shares of the reference's tokens, which add up to the loss, and means over utterances."""
    every = sum(counts[name] for name in _ERRORS)
    figures = {name: error_rate * counts[name] / every if every else 0.0 for name in _ERRORS}
    means = [name for name in counts if name.startswith("reward") or name == "truncated"]
    return figures | {name: counts[name] / counts["utterances"] for name in means}
