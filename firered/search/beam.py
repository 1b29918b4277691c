"""Batched beam search over anything that gives logits step by step (FireRedASR2S paper, section 3).

The search knows no model: what it steps through is a `Stepper`. All utterances of a batch move together, and each gives
what it gives alone: it has its own largest length, and leaves as soon as it is done.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from firered.errors import OptionError


class Stepper(Protocol):
    """A model in the middle of decoding N utterances with B hypotheses each; row n * B + b is hypothesis b of n."""

    def step(self, tokens: Tensor) -> Tensor:
        """(N * B, V) logits or log-probabilities of the next tokens, given the last (N * B,)."""

    def reorder(self, index: Tensor) -> None:
        """Make row i go on from what was row index[i], a row of the same utterance; index is (N * B,)."""

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""


@dataclass(frozen=True)
class BeamConfig:
    """How beam search weighs and ranks; `firered.asr.config.AsrConfig` says what each number does."""

    beam_size: int = 3
    nbest: int = 1
    softmax_smoothing: float = 1.25
    length_penalty: float = 0.6
    eos_penalty: float = 1.0
    elm_weight: float = 0.0

    def __post_init__(self) -> None:
        if not 1 <= self.nbest <= self.beam_size:
            raise OptionError(f"nbest: {self.nbest} hypotheses asked of a beam of {self.beam_size}")
        if self.softmax_smoothing <= 0:
            raise OptionError(f"softmax_smoothing: {self.softmax_smoothing} is not above 0")


@dataclass(frozen=True)
class Hypothesis:
    """One ranked token sequence.

    `score` = (`model_score` + `lm_score`) / `length_factor` decides the rank; the two parts are sums of
    log-probabilities as the search used them, the end included. `log_probs` are the terms of their sum, one a token,
    the end excluded.
    `finished` is False where the largest length cut the search off.
    """

    tokens: tuple[int, ...]
    score: float
    model_score: float
    lm_score: float
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

    @property
    def geometric_confidence(self) -> float:
        """Geometric mean of the tokens' probabilities, as the paper describes; 0.0 without tokens."""
        return math.exp(sum(self.log_probs) / len(self.tokens)) if self.tokens else 0.0


@torch.inference_mode()
def beam_search(
    model: Stepper, max_len: Tensor, config: BeamConfig, *, sos: int, eos: int, lm: Stepper | None = None
) -> list[list[Hypothesis]]:
    """The best hypotheses of each utterance, best first, `config.nbest` of them where the search found so many.

    Args:
        model: started for these utterances with `config.beam_size` hypotheses each.
        max_len: (N,) tokens of each utterance at most, on the model's device.
        config: weights and sizes.
        sos: first token fed in.
        eos: the token that ends a hypothesis; it is no part of the result.
        lm: an external language model over the same tokens, started likewise; weighed by `config.elm_weight`.
    """
    limits = max_len.tolist()
    if config.elm_weight <= 0:
        lm = None  # a negative weight counts as none in the published system
    steppers = (model, lm) if lm else (model,)
    beams = _Beams(max_len, config.beam_size, sos, eos)
    active = list(range(len(limits)))  # the utterance at each place of the batch
    outcomes: dict[int, _Outcome] = {}
    while active:
        done = beams.finished.all(1).tolist()  # the one wait for the device in a step
        leaving = {place for place, utt in enumerate(active) if done[place] or beams.steps >= limits[utt]}
        if leaving:
            outcomes.update({active[place]: beams.outcome(place) for place in leaving})
            kept = close_ranks(len(active), leaving)
            active = [active[place] for place in kept]
            for part in (*steppers, beams):
                part.select(kept)
        if active:
            last = beams.last()
            log_probs, lm_share = _step_scores(model.step(last), lm.step(last) if lm else None, config, eos)
            rows = beams.advance(log_probs, lm_share)
            for part in steppers:
                part.reorder(rows)
    return [_ranked(outcomes[utt], config, eos) for utt in range(len(limits))]


def close_ranks(count: int, leaving: set[int]) -> list[int]:
    """The places that stay, where the last ones fill the gaps, so that as few as possible move."""
    kept = [place for place in range(count) if place not in leaving]
    size = len(kept)
    fillers = iter([place for place in kept if place >= size])
    return [next(fillers) if place in leaving else place for place in range(size)]


def _step_scores(
    logits: Tensor, lm_logits: Tensor | None, config: BeamConfig, eos: int
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities (N * B, V) of the next tokens as the search sums them, and the language model's share."""
    scores = (logits.float() / config.softmax_smoothing).log_softmax(-1)
    share = None
    if lm_logits is not None:
        share = lm_logits.float().log_softmax(-1)
        share[:, eos] *= 3  # so in the published system: the language model is to end less
        share *= config.elm_weight
        scores += share
    if config.eos_penalty != 1:
        # A factor on a log-probability, as published: above 1 the end is less likely, though the value is negative.
        for part in (scores, share) if share is not None else (scores,):
            part[:, eos] *= config.eos_penalty
    return scores, share


@dataclass
class _Outcome:
    """What one utterance's search left: B hypotheses with their sums, on the model's device."""

    tokens: Tensor  # (B, L)
    log_probs: Tensor  # (B, L)
    scores: Tensor  # (B,)
    lm_scores: Tensor  # (B,)


class _Beams:
    """The hypotheses of all utterances in the batch."""

    def __init__(self, max_len: Tensor, beam_size: int, sos: int, eos: int) -> None:
        n, room = len(max_len), max(1, int(max_len.max())) if len(max_len) else 1
        shape, device = (n, beam_size), max_len.device
        self.size, self.eos = beam_size, eos
        self.tokens = torch.full((*shape, room + 1), sos, device=device)  # with the sos
        self.log_probs = torch.zeros((*shape, room + 1), device=device)
        self.scores = torch.full(shape, -torch.inf, device=device)
        self.scores[:, 0] = 0.0  # all begin alike: only one of them counts
        self.lm_scores = torch.zeros(shape, device=device)
        self.finished = torch.zeros(shape, dtype=torch.bool, device=device)
        self.steps = 0

    def last(self) -> Tensor:
        """(N * B,) last token of each hypothesis."""
        return self.tokens[:, :, self.steps].flatten()

    def advance(self, log_probs: Tensor, lm_share: Tensor | None) -> Tensor:
        """Choose the best continuations; the rows (N * B,) they go on from."""
        n, beams = self.scores.shape
        width = min(beams, log_probs.shape[1])
        best, ids = log_probs.view(n, beams, -1).topk(width)  # (N, B, K)
        # A finished hypothesis goes on in one way: another end, which costs nothing.
        ended = torch.full((width,), -torch.inf, device=best.device)
        ended[0] = 0.0
        best = torch.where(self.finished[..., None], ended, best)
        ids = ids.masked_fill(self.finished[..., None], self.eos)
        self.scores, choice = (self.scores[..., None] + best).flatten(1).topk(beams)  # (N, B) of N x B * K
        parent, token = choice // width, ids.flatten(1).gather(1, choice)
        rows = (parent + torch.arange(n, device=parent.device)[:, None] * beams).flatten()
        was_finished = self.finished.gather(1, parent)
        self.lm_scores = self.lm_scores.gather(1, parent)
        if lm_share is not None:
            gained = lm_share[rows, token.flatten()].view(n, beams)
            self.lm_scores = self.lm_scores + gained.masked_fill(was_finished, 0.0)
        self._append(parent, token, best.flatten(1).gather(1, choice))
        # Places of a beam wider than the possibilities hold no hypothesis; they must not keep the search going.
        self.finished = was_finished | (token == self.eos) | (self.scores == -torch.inf)
        return rows

    def _append(self, parent: Tensor, token: Tensor, log_prob: Tensor) -> None:
        self.steps += 1
        for history, new in ((self.tokens, token), (self.log_probs, log_prob)):
            past = history[:, :, : self.steps]
            history[:, :, : self.steps] = past.gather(1, parent[..., None].expand_as(past))
            history[:, :, self.steps] = new

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        for name in ("tokens", "log_probs", "scores", "lm_scores", "finished"):
            setattr(self, name, getattr(self, name)[utterances])

    def outcome(self, place: int) -> _Outcome:
        """What there is of one utterance by now."""
        past = slice(1, self.steps + 1)
        tokens, log_probs = self.tokens[place, :, past], self.log_probs[place, :, past]
        return _Outcome(tokens.clone(), log_probs.clone(), self.scores[place], self.lm_scores[place])


def _ranked(outcome: _Outcome, config: BeamConfig, eos: int) -> list[Hypothesis]:
    """One utterance's hypotheses, best first."""
    scores = outcome.scores.double().cpu()
    lm_scores = outcome.lm_scores.double().cpu()
    tokens, log_probs = outcome.tokens.cpu(), outcome.log_probs.cpu()
    lengths = (tokens != eos).sum(1)
    factors = ((5 + 1 + lengths) / 6).double() ** max(0.0, config.length_penalty)  # the sos counts as well
    ranking = scores / factors
    hypotheses = []
    for index in ranking.argsort(descending=True, stable=True).tolist()[: config.nbest]:
        length = int(lengths[index])
        if hypotheses and scores[index] == -math.inf:
            break
        hypotheses.append(
            Hypothesis(
                tokens=tuple(tokens[index, :length].tolist()),
                score=float(ranking[index]),
                model_score=float(scores[index] - lm_scores[index]),
                lm_score=float(lm_scores[index]),
                length_factor=float(factors[index]),
                log_probs=tuple(log_probs[index, :length].tolist()),
                finished=length < tokens.shape[1],
            )
        )
    return hypotheses
