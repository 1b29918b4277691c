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

    `score` = (`model_score` + `ctc_score` + `added_score` + `bonus`) / `length_factor` decides the rank. The first
    parts are sums of log-probabilities as the search weighed them, the end included: the model's, those of a CTC head
    where it has a share, and what the scorers added; the last is what scorers gave for the rank alone. `log_probs` are
    one a token, the end excluded; see the searches for what they are. `finished` is False where the largest length cut
    the search off.
    """

    tokens: tuple[int, ...]
    score: float
    model_score: float
    added_score: float
    length_factor: float
    log_probs: tuple[float, ...]
    finished: bool
    bonus: float = 0.0
    ctc_score: float = 0.0

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


@dataclass
class Tally:
    """What scorers have added to each hypothesis so far: sums (N, B)."""

    sums: Tensor
    begun: bool = False  # until something has been added all sums are 0

    def with_next(self, parent: Tensor, token: Tensor, terms: Tensor | None) -> Tensor | None:
        """(N, K) the sums of continuations; None as long as there are none.

        Args:
            parent: (N, K) the hypotheses that are continued.
            token: (N, K) by which token.
            terms: (N * B, V) of this step.
        """
        self.begun = self.begun or terms is not None
        if not self.begun:
            return None
        sums = self.sums.gather(1, parent)
        n, size = self.sums.shape
        return sums if terms is None else sums + terms.view(n, size, -1)[rows_of_batch(parent), parent, token]


def rows_of_batch(parent: Tensor) -> Tensor:
    """(N, 1) the place of each utterance in its batch."""
    return torch.arange(len(parent), device=parent.device)[:, None]


class Beams:
    """B running hypotheses for each of N utterances.

    Args:
        limits: (N,) tokens of each utterance at most.
        size: B.
        first: the token that every hypothesis begins with, or (N,) that of each utterance's.
    """

    def __init__(self, limits: Tensor, size: int, first: int | Tensor) -> None:
        shape, device = (len(limits), size), limits.device
        room = max(1, int(limits.max())) if len(limits) else 1
        self.limits, self.size = limits, size
        self.tokens = torch.zeros((*shape, room + 1), dtype=torch.long, device=device)  # with the first
        self.tokens[:] = torch.as_tensor(first, device=device).view(-1, 1, 1)
        self.log_probs = torch.zeros((*shape, room + 1), device=device)
        self.sums = torch.full(shape, -torch.inf, device=device)
        self.sums[:, 0] = 0.0  # all begin alike: only one of them counts
        self.added = Tally(torch.zeros(shape, device=device))  # the scorers' part
        self.bonus = Tally(torch.zeros(shape, device=device))
        self.share = Tally(torch.zeros(shape, device=device))  # what a CTC head has changed
        self.steps = 0

    def last(self) -> Tensor:
        """(N * B,) last token of each hypothesis."""
        return self.tokens[:, :, self.steps].flatten()

    def rows_of(self, parent: Tensor) -> Tensor:
        """Rows (N, K) among N * B of hypotheses (N, K) that are counted within each utterance."""
        return parent + rows_of_batch(parent) * self.size

    def append(self, parent: Tensor, token: Tensor, log_prob: Tensor) -> None:
        """Advance to hypotheses that are those of `parent` (N, B) with one more token each."""
        self.steps += 1
        for history, new in ((self.tokens, token), (self.log_probs, log_prob)):
            past = history[:, :, : self.steps]
            history[:, :, : self.steps] = past.gather(1, parent[..., None].expand_as(past))
            history[:, :, self.steps] = new

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        for name in ("limits", "tokens", "log_probs", "sums"):
            setattr(self, name, getattr(self, name)[utterances])
        for tally in (self.added, self.bonus, self.share):
            tally.sums = tally.sums[utterances]
