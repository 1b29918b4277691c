"""The hypotheses of all utterances of a batch, and how an utterance leaves the batch: what both searches share."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Hypothesis:
    """One ranked token sequence.

    `score` = (`model_score` + `added_score`) / `length_factor` decides the rank. The two parts are sums of
    log-probabilities as the search used them, the end included: the model's, and what the scorers added to them.
    `log_probs` are one a token, the end excluded; see the searches for what they are.
    `finished` is False where the largest length cut the search off.
    """

    tokens: tuple[int, ...]
    score: float
    model_score: float
    added_score: float
    length_factor: float
    log_probs: tuple[float, ...]
    finished: bool

    @property
    def probs(self) -> tuple[float, ...]:
        """Probability of each token, as the search used it: with a language model it may exceed 1."""
        return tuple(math.exp(p) for p in self.log_probs)

    @property
    def confidence(self) -> float:
        """Arithmetic mean of the tokens' probabilities, as the published system reports; 0.0 without tokens."""
        return sum(self.probs) / len(self.tokens) if self.tokens else 0.0


class Selectable(Protocol):
    """What holds something for each place of a batch."""

    def select(self, utterances: list[int]) -> None:
        """Keep these places, in this order."""


class Batch:
    """Which utterance is at each place of a batch, while those that are done leave."""

    def __init__(self, count: int) -> None:
        self.utterances = list(range(count))

    def leave(self, places: set[int], parts: Iterable[Selectable]) -> None:
        """Let the utterances at these places leave the batch and each of its parts."""
        kept = close_ranks(len(self.utterances), places)
        self.utterances = [self.utterances[place] for place in kept]
        if kept:
            for part in parts:
                part.select(kept)


def close_ranks(count: int, leaving: set[int]) -> list[int]:
    """The places that stay, where the last ones fill the gaps, so that as few as possible move."""
    kept = [place for place in range(count) if place not in leaving]
    size = len(kept)
    fillers = iter([place for place in kept if place >= size])
    return [next(fillers) if place in leaving else place for place in range(size)]


class Beams:
    """B running hypotheses for each of N utterances.

    Args:
        limits: (N,) tokens of each utterance at most.
        size: B.
        first: the token that every hypothesis begins with.
    """

    def __init__(self, limits: Tensor, size: int, first: int) -> None:
        shape, device = (len(limits), size), limits.device
        room = max(1, int(limits.max())) if len(limits) else 1
        self.limits, self.size = limits, size
        self.tokens = torch.full((*shape, room + 1), first, device=device)  # with the first
        self.log_probs = torch.zeros((*shape, room + 1), device=device)
        self.sums = torch.full(shape, -torch.inf, device=device)
        self.sums[:, 0] = 0.0  # all begin alike: only one of them counts
        self.added_sums = torch.zeros(shape, device=device)  # the scorers' part
        self.steps = 0
        self._scored = False  # until a scorer has added something all of its sums are 0

    def last(self) -> Tensor:
        """(N * B,) last token of each hypothesis."""
        return self.tokens[:, :, self.steps].flatten()

    def rows_of(self, parent: Tensor) -> Tensor:
        """Rows (N, K) among N * B of hypotheses (N, K) that are counted within each utterance."""
        return parent + torch.arange(len(parent), device=parent.device)[:, None] * self.size

    def added_to(self, parent: Tensor, token: Tensor, added: Tensor | None) -> Tensor | None:
        """(N, K) the scorers' part of the sums of continuations; None as long as there is none.

        Args:
            parent: (N, K) the hypotheses that are continued.
            token: (N, K) by which token.
            added: (N * B, V) the scorers' terms of this step.
        """
        self._scored = self._scored or added is not None
        if not self._scored:
            return None
        sums = self.added_sums.gather(1, parent)
        return sums if added is None else sums + added[self.rows_of(parent), token]

    def append(self, parent: Tensor, token: Tensor, log_prob: Tensor) -> None:
        """Advance to hypotheses that are those of `parent` (N, B) with one more token each."""
        self.steps += 1
        for history, new in ((self.tokens, token), (self.log_probs, log_prob)):
            past = history[:, :, : self.steps]
            history[:, :, : self.steps] = past.gather(1, parent[..., None].expand_as(past))
            history[:, :, self.steps] = new

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        for name in ("limits", "tokens", "log_probs", "sums", "added_sums"):
            setattr(self, name, getattr(self, name)[utterances])
