"""The rewards of a training together: those that have a weight, and their sum."""

from collections.abc import Sequence
from importlib.metadata import entry_points

import torch
from torch import Tensor

from firered.errors import FireRedError, OptionError
from firered.train.rewards.config import RewardConfig
from firered.train.rewards.hallucination import Hallucination
from firered.train.rewards.keywords import keywords
from firered.train.rewards.language import language
from firered.train.rewards.reward import Reward, Rollout, Wanted, accuracy

GROUP = "firered.rewards"  # entry points of installed packages: a name, and a function as `Reward` is one


class Rewards:
    """The rewards with a weight, by name.

    Args:
        config: the weights.

    Raises:
        OptionError: no installed package has a reward of a name, or it cannot be imported.
    """

    def __init__(self, config: RewardConfig) -> None:
        own: dict[str, Reward] = {
            "accuracy": accuracy,
            "keywords": keywords,
            "hallucination": Hallucination(config.patterns),
            "language": language,
        }
        self._functions: dict[str, Reward] = {}
        self.weights: dict[str, float] = {}
        for name, weight in config.weights().items():
            if weight:
                self._functions[name] = own[name] if name in own else _installed(name)
                self.weights[name] = weight

    @property
    def names(self) -> list[str]:
        """Their names, in the order of columns."""
        return list(self.weights)

    def of(self, rollouts: Sequence[Rollout], wanted: Sequence[Wanted]) -> Tensor:
        """(M, K) every reward of every rollout, weighted.

        Raises:
            FireRedError: a reward is no number; it is named.
        """
        rows = [[self._one(name, *pair) for name in self.names] for pair in zip(rollouts, wanted, strict=True)]
        return torch.tensor(rows, dtype=torch.float64).view(len(rows), len(self.names))

    def _one(self, name: str, rollout: Rollout, wanted: Wanted) -> float:
        try:
            value = self.weights[name] * float(self._functions[name](rollout, wanted))
        except (TypeError, ValueError) as error:
            raise FireRedError(f"reward {name}: {error} (of {rollout.text!r} for {wanted.text!r})") from error
        if value != value or abs(value) == float("inf"):
            raise FireRedError(f"reward {name}: {value} of {rollout.text!r} for {wanted.text!r}")
        return value

    def total(self, rewards: Tensor) -> Tensor:
        """(M,) the sum of each row (M, K); a text in another language has that reward alone, as in the report."""
        if "language" not in self.weights:
            return rewards.sum(1)
        other = rewards[:, self.names.index("language")]
        return torch.where(other < 0, other, rewards.sum(1))


def _installed(name: str) -> Reward:
    """The reward that an installed package offers under a name: settings name it, they bring no code."""
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        known = f"there are {', '.join(sorted(found))}" if found else "there is none"
        raise OptionError(f"rewards.more: no installed package has a reward {name} (entry points {GROUP}: {known})")
    try:
        function: Reward = found[name].load()
    except Exception as error:  # whatever its module raises
        raise OptionError(f"rewards.more: {name} cannot be loaded ({error})") from error
    return function
