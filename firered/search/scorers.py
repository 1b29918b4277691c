"""What a step's log-probabilities are made of: the model's, and terms that scorers add to them.

A search takes a list of scorers. With z the model's logits, t its smoothing or temperature, and terms a, b and c of the
scorers by their stage, the log-probabilities of the next tokens are

    log_softmax((z + sum of a) / t) + sum of b

and hypotheses are ranked by these and the sum of c, which no probability knows of. So the order of the list does not
matter, and an empty list costs nothing. What published systems multiply instead of add, the factor on the end and the
penalty on repeated tokens, is applied to the log-probabilities by the functions at the end of this file.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


class Stepper(Protocol):
    """A model in the middle of decoding N utterances with B hypotheses each; row n * B + b is hypothesis b of n."""

    def step(self, tokens: Tensor) -> Tensor:
        """(N * B, V) logits or log-probabilities of the next tokens, given the last (N * B,)."""

    def reorder(self, index: Tensor) -> None:
        """Make row i continue what was row index[i], a row of the same utterance; index is (N * B,)."""

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""


class Stage(Enum):
    """Where a scorer's terms come in."""

    LOGITS = "before the softmax, so that what is left sums to one again"
    LOG_PROBS = "after the softmax"
    RANK = "in the rank of hypotheses alone"


class Scorer(Protocol):
    """What adds a term to the log-probabilities of each step; rows are those of `Stepper`."""

    @property
    def stage(self) -> Stage:
        """Where its terms come in."""

    def step(self, tokens: Tensor) -> Tensor | None:
        """The term (N * B, V), or what can be broadcast to that; None where nothing is to be added in this step.

        Args:
            tokens: (N * B,) the last token of each hypothesis; what the search begins with in the first step.
        """

    def reorder(self, index: Tensor) -> None:
        """Make row i continue what was row index[i], a row of the same utterance; index is (N * B,)."""

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""


@runtime_checkable
class Refunds(Protocol):
    """A scorer that gives in advance for what may come, and takes it back where that does not come."""

    def refund(self, row: int, token: int) -> float:
        """The term of an end that follows after one more token of a row."""


class Stateless:
    """A scorer whose term depends on the last token alone."""

    stage = Stage.LOG_PROBS

    def reorder(self, index: Tensor) -> None:
        """Nothing to do: there is no state."""

    def select(self, utterances: list[int]) -> None:
        """Nothing to do: there is no state."""


class LmScorer:
    """An external language model over the same tokens.

    Args:
        steps: the model, started for the search's utterances and hypotheses.
        weight: of its log-probabilities.
        eos: the token that ends a hypothesis.
    """

    stage = Stage.LOG_PROBS

    def __init__(self, steps: Stepper, weight: float, eos: int) -> None:
        self._steps, self._weight, self._eos = steps, weight, eos
        self.reorder, self.select = steps.reorder, steps.select

    def step(self, tokens: Tensor) -> Tensor:
        """(N * B, V) weighted log-probabilities, that of the end three times."""
        share = self._steps.step(tokens).float().log_softmax(-1)
        share[:, self._eos] *= 3  # so in the published system: the language model is to end less
        share *= self._weight
        return share


class Mask(Stateless):
    """Only certain tokens may follow each token; the probabilities of those sum to one.

    Args:
        allowed: (V, V), row i says which tokens may follow token i.
    """

    stage = Stage.LOGITS

    def __init__(self, allowed: Tensor) -> None:
        self._term = torch.zeros(allowed.shape, device=allowed.device).masked_fill_(~allowed, -torch.inf)

    def step(self, tokens: Tensor) -> Tensor:
        """(N * B, V): 0 for what may follow, minus infinity for what may not."""
        return self._term[tokens]


class Sum:
    """All scorers of a search as one."""

    def __init__(self, scorers: Sequence[Scorer]) -> None:
        self._all = list(scorers)
        self._at = {stage: [scorer for scorer in scorers if scorer.stage is stage] for stage in Stage}

    def masked(self, logits: Tensor, tokens: Tensor) -> Tensor:
        """The model's logits with the terms that belong to logits."""
        term = _sum(self._at[Stage.LOGITS], tokens)
        return logits if term is None else logits + term

    def added(self, tokens: Tensor, scores: Tensor) -> Tensor | None:
        """The other terms' sum in the shape of the scores (N * B, V); None where there is nothing to add."""
        term = _sum(self._at[Stage.LOG_PROBS], tokens)
        return None if term is None else term.expand(scores.shape)

    def bonus(self, tokens: Tensor, scores: Tensor) -> Tensor | None:
        """The terms for the rank alone, in the same shape; None where there are none."""
        term = _sum(self._at[Stage.RANK], tokens)
        return None if term is None else term.expand(scores.shape)

    def refund(self, row: int, token: int) -> float:
        """What is added to the rank of a hypothesis that is cut off after one more token."""
        return sum(scorer.refund(row, token) for scorer in self._at[Stage.RANK] if isinstance(scorer, Refunds))

    def reorder(self, index: Tensor) -> None:
        """Make row i continue what was row index[i], in each scorer."""
        for scorer in self._all:
            scorer.reorder(index)

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order, in each scorer."""
        for scorer in self._all:
            scorer.select(utterances)


def _sum(scorers: Sequence[Scorer], tokens: Tensor) -> Tensor | None:
    total: Tensor | None = None
    for scorer in scorers:
        term = scorer.step(tokens)
        if term is not None:
            total = term if total is None else total + term
    return total


def penalise_end(scores: Tensor, eos: int, factor: float) -> None:
    """Multiply the log-probabilities (rows, V) of the end, in place: above 1 it is less likely, as published."""
    if factor != 1:
        scores[:, eos] *= factor


def forbid_end(scores: Tensor, eos: int) -> Tensor:
    """Scores (rows, V) with minus infinity for the end."""
    return scores.index_fill(1, torch.tensor([eos], device=scores.device), -torch.inf)


def penalise_repeats(scores: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """Scores (rows, V), made smaller for tokens that a row has already (Keskar et al., CTRL, 2019, section 4.1).

    Args:
        scores: logits or log-probabilities.
        tokens: (rows, L) what each row has.
        penalty: above 1, repeated tokens are less likely.
    """
    if penalty == 1 or not tokens.shape[1]:
        return scores
    old = scores.gather(1, tokens)
    return scores.scatter(1, tokens, torch.where(old < 0, old * penalty, old / penalty))
