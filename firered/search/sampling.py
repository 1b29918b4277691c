"""Sampling: several continuations of each utterance, drawn by the model's own probabilities.

What is drawn for an utterance follows from its seed and its probabilities alone: every device and every batch draws the
same random numbers for it, and a repeated run repeats them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from firered.errors import NoNumbersError, OptionError
from firered.search.scorers import Stepper


@dataclass(frozen=True)
class SampleConfig:
    """How continuations are drawn.

    Attributes:
        count: continuations of an utterance.
        temperature: the model's logits are divided by this; above 1 draws more unlikely tokens.
        top_p: only the likeliest tokens that have so much of the probability together are drawn from; 1: all.
    """

    count: int = 8
    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise OptionError(f"count: {self.count} is not above 0")
        if self.temperature <= 0:
            raise OptionError(f"temperature: {self.temperature} is not above 0")
        if not 0 < self.top_p <= 1:
            raise OptionError(f"top_p: {self.top_p} is not above 0 and at most 1")


@dataclass(frozen=True)
class Sampled:
    """A continuation.

    `tokens` ends in the end token where `finished`; one that is not has reached its limit. `log_probs` are those of
    its tokens at the temperature, before `top_p` leaves any out.
    """

    tokens: tuple[int, ...]
    log_probs: tuple[float, ...]
    finished: bool


@torch.no_grad()
def sample(
    model: Stepper, limits: Sequence[int], config: SampleConfig, *, first: Tensor, eos: int, seeds: Sequence[int]
) -> list[list[Sampled]]:
    """`config.count` continuations of each utterance.

    Args:
        model: started for these utterances with `config.count` hypotheses each.
        limits: tokens of each utterance at most, from 1.
        config: how to draw.
        first: (N,) token fed in first, on the model's device.
        eos: the token that ends a continuation, and is its last.
        seeds: of each utterance.

    Raises:
        NoNumbersError: the model gives NaN.
    """
    count = config.count
    draws = [_draws(seed, limit, count) for seed, limit in zip(seeds, limits, strict=True)]
    tokens: list[list[list[int]]] = [[[] for _ in range(count)] for _ in limits]
    log_probs: list[list[list[float]]] = [[[] for _ in range(count)] for _ in limits]
    ended = [[False] * count for _ in limits]
    there = list(range(len(limits)))
    last = first.repeat_interleave(count)
    for step in range(max(limits)):
        drawn = torch.cat([draws[utterance][step] for utterance in there])
        last, own = choose(model.step(last), drawn, config)
        for row, (token, log_prob) in enumerate(zip(last.tolist(), own.tolist(), strict=True)):
            utterance, number = there[row // count], row % count
            if not ended[utterance][number]:
                tokens[utterance][number].append(token)
                log_probs[utterance][number].append(log_prob)
                ended[utterance][number] = token == eos
        staying = [
            place for place, utterance in enumerate(there) if step + 1 < limits[utterance] and not all(ended[utterance])
        ]
        if not staying:
            break
        if len(staying) < len(there):
            model.select(staying)
            last = last.view(-1, count)[staying].flatten()
            there = [there[place] for place in staying]
    return [
        [Sampled(tuple(ids), tuple(probs), done) for ids, probs, done in zip(*parts, strict=True)]
        for parts in zip(tokens, log_probs, ended, strict=True)
    ]


def choose(logits: Tensor, drawn: Tensor, config: SampleConfig) -> tuple[Tensor, Tensor]:
    """A token of each row (R,) and its log-probability at the temperature (R,).

    Args:
        logits: (R, V).
        drawn: (R,) uniform from 0 to below 1; each row's token is where the summed probabilities pass its number.
        config: temperature and top_p.
    """
    log_probs = (logits.float() / config.temperature).log_softmax(-1)
    if bool(log_probs.isnan().any()):
        raise NoNumbersError
    probs = log_probs.double().exp()
    order = None
    if config.top_p < 1:
        probs, order = probs.sort(-1, descending=True)
        before = probs.cumsum(-1) - probs
        probs = probs.masked_fill(before >= config.top_p, 0.0)  # the likeliest always stays
    sums = probs.cumsum(-1)
    wanted = drawn.to(sums)[:, None] * sums[:, -1:]
    place = torch.searchsorted(sums, wanted, right=True).clamp(max=sums.shape[1] - 1)
    token = place if order is None else order.gather(1, place)
    return token.squeeze(1), log_probs.gather(1, token).squeeze(1)


def _draws(seed: int, limit: int, count: int) -> Tensor:
    """(limit, count) uniform numbers of an utterance."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(limit, count, generator=generator, dtype=torch.float64)
