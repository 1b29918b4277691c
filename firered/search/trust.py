"""Drafts that are believed further than the model would write them: approximate, and in fewer passes.

Saon et al. (2026, arXiv 2603.11243): a CTC head's text is final where every frame is sure of its label; else the tokens
of it that the model finds likely enough, from the first on, are kept, and greedy search goes on from there. Likely
enough is not the likeliest, so that the text may be another than without a draft.
"""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from firered.search.beams import Hypothesis
from firered.search.scorers import Stage

_BONUS = 128.0  # of a token that is kept: no other comes near it


class Kept:
    """A greedy search's scorer that makes it begin with given tokens, without a part in their probabilities.

    Args:
        tokens: of each utterance.
        vocabulary: number of the model's tokens.
    """

    stage = Stage.RANK

    def __init__(self, tokens: Sequence[Sequence[int]], vocabulary: int) -> None:
        self._left = [list(reversed(own)) for own in tokens]
        self._vocabulary = vocabulary

    def step(self, tokens: Tensor) -> Tensor | None:
        """(N, V) a bonus for the token that is kept."""
        if not any(self._left):
            return None
        terms = torch.zeros(len(self._left), self._vocabulary)
        for row, left in enumerate(self._left):
            if left:
                terms[row, left.pop()] = _BONUS
        return terms.to(tokens.device)

    def reorder(self, index: Tensor) -> None:
        """Nothing to do: a greedy search has one hypothesis an utterance."""

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        self._left = [self._left[utterance] for utterance in utterances]


def without_bonus(hypothesis: Hypothesis, kept: int) -> Hypothesis:
    """A hypothesis whose rank says nothing of the tokens that were kept."""
    extra = kept * _BONUS
    score = hypothesis.score - extra / hypothesis.length_factor
    return replace(hypothesis, score=score, bonus=hypothesis.bonus - extra)


def largest_entropy(log_probs: Tensor) -> float:
    """That of the frame (T, V) which is the least sure, in nats; 0 of no frames."""
    if not len(log_probs):
        return 0.0
    log_probs = log_probs.float()
    return float(-(log_probs.exp() * log_probs.clamp(min=-1e4)).sum(-1).min())
