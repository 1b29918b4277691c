"""Greedy and beam search as Hugging Face's `generate` does them, each utterance with a limit of its own.

What an utterance gives does not depend on the others in its batch, and it leaves as soon as it is done.
"""

from typing import Protocol

import torch
from torch import Tensor

from firered.search.beam import Hypothesis, Stepper, close_ranks


class GenerateConfig(Protocol):
    """The options of a search; `firered.asr.config.LlmConfig` says what each number does."""

    beam_size: int
    nbest: int
    decode_min_len: int
    repetition_penalty: float
    llm_length_penalty: float
    temperature: float


@torch.inference_mode()
def search(model: Stepper, limits: Tensor, config: GenerateConfig, *, first: int, eos: int) -> list[list[Hypothesis]]:
    """The best hypotheses of each utterance, best first, `config.nbest` of them where the search found so many.

    The sum of a hypothesis is of log-probabilities as the search used them, `log_probs` are the model's own: without
    the repetition penalty.

    Args:
        model: started for these utterances with `config.beam_size` hypotheses each.
        limits: (N,) tokens of each utterance at most, from 1, on the model's device.
        config: how to search.
        first: the token fed in first.
        eos: the token that ends a hypothesis; it is no part of the result.
    """
    beams = _Beams(limits, config, first, eos)
    active = list(range(len(limits)))  # the utterance at each place of the batch
    outcomes: dict[int, list[Hypothesis]] = {}
    while active:
        model.reorder(beams.advance(model.step(beams.last())))
        leaving = {place for place, done in enumerate(beams.done) if done}
        if leaving:
            outcomes.update({active[place]: beams.ended[place] for place in leaving})
            kept = close_ranks(len(active), leaving)
            active = [active[place] for place in kept]
            for part in (model, beams) if active else ():
                part.select(kept)
    return [outcomes[utt][: config.nbest] for utt in range(len(limits))]


class _Beams:
    """The running hypotheses of all utterances in the batch, and those that have ended."""

    def __init__(self, limits: Tensor, config: GenerateConfig, first: int, eos: int) -> None:
        shape, device = (len(limits), config.beam_size), limits.device
        self.config, self.eos, self.limits = config, eos, limits
        self.tokens = torch.full((*shape, 1), first, device=device)  # (N, B, steps + 1)
        self.log_probs = torch.zeros((*shape, 0), device=device)  # (N, B, steps)
        self.sums = torch.full(shape, -torch.inf, device=device)
        self.sums[:, 0] = 0.0  # all begin alike: only one of them counts
        self.ended: list[list[Hypothesis]] = [[] for _ in range(shape[0])]  # best first, at most B
        self.done = [False] * shape[0]

    @property
    def steps(self) -> int:
        """Tokens of each running hypothesis."""
        return self.log_probs.shape[2]

    def last(self) -> Tensor:
        """(N * B,) last token of each hypothesis."""
        return self.tokens[:, :, -1].flatten()

    def advance(self, logits: Tensor) -> Tensor:
        """Choose the best continuations; the rows (N * B,) they go on from."""
        n, beams = self.sums.shape
        log_probs = (logits.float() / self.config.temperature).log_softmax(-1)  # (N * B, V)
        best, parent, token = self._best(logits, log_probs)  # (N, K)
        rows = parent + torch.arange(n, device=parent.device)[:, None] * beams
        tokens = torch.cat([_taken(self.tokens, parent), token[..., None]], 2)
        history = torch.cat([_taken(self.log_probs, parent), log_probs[rows, token][..., None]], 2)
        ended = (token == self.eos) | (history.shape[2] >= self.limits)[:, None]
        for place, rank in ended[:, :beams].nonzero().tolist():  # those of lower rank could not be among the best
            self._end(place, tokens[place, rank, 1:].tolist(), history[place, rank].tolist(), float(best[place, rank]))
        self.sums, running = best.masked_fill(ended, -torch.inf).topk(beams)
        self.tokens, self.log_probs = _taken(tokens, running), _taken(history, running)
        self._settle()
        return rows.gather(1, running).flatten()

    def _best(self, logits: Tensor, log_probs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sums, hypotheses and tokens (N, K) of the best continuations, best first: enough that B do not end."""
        n, beams = self.sums.shape
        if beams == 1:  # a greedy search penalises logits, and ends with the first end
            token = self._adjusted(logits.float()).argmax(-1, keepdim=True)  # (N, 1)
            return self.sums + log_probs.gather(1, token), torch.zeros_like(token), token
        sums = (self.sums[..., None] + self._adjusted(log_probs).view(n, beams, -1)).flatten(1)
        best, choice = sums.topk(min(2 * beams, sums.shape[1]))
        return best, choice // log_probs.shape[1], choice % log_probs.shape[1]

    def _adjusted(self, scores: Tensor) -> Tensor:
        """Scores (N * B, V) with what was generated penalised, and no end before the smallest length."""
        penalty = self.config.repetition_penalty
        if penalty != 1 and self.steps:
            seen = self.tokens[:, :, 1:].flatten(0, 1)  # (N * B, steps)
            old = scores.gather(1, seen)
            scores = scores.scatter(1, seen, torch.where(old < 0, old * penalty, old / penalty))
        if self.steps < self.config.decode_min_len:
            scores = scores.index_fill(1, torch.tensor([self.eos], device=scores.device), -torch.inf)
        return scores

    def _end(self, place: int, tokens: list[int], log_probs: list[float], total: float) -> None:
        """Take up a hypothesis that has ended, or reached its limit, if it is among the best."""
        finished = tokens[-1] == self.eos
        length = len(tokens) - finished
        factor = len(tokens) ** self.config.llm_length_penalty  # the end counts
        hypothesis = Hypothesis(
            tokens=tuple(tokens[:length]),
            score=total / factor,
            model_score=total,
            lm_score=0.0,
            length_factor=factor,
            log_probs=tuple(log_probs[:length]),
            finished=finished,
        )
        best = sorted([*self.ended[place], hypothesis], key=lambda one: -one.score)
        self.ended[place] = best[: self.sums.shape[1]]

    def _settle(self) -> None:
        """See which utterances are done: at their limit, or nothing that runs is better than the worst that ended."""
        beams = self.sums.shape[1]
        factor = self.steps**self.config.llm_length_penalty
        for place, (running, limit) in enumerate(zip(self.sums[:, 0].tolist(), self.limits.tolist(), strict=True)):
            ended = self.ended[place]
            full = len(ended) == beams
            self.done[place] = self.steps >= limit or (full and running / factor <= ended[-1].score)

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        for name in ("tokens", "log_probs", "sums", "limits"):
            setattr(self, name, getattr(self, name)[utterances])
        for name in ("ended", "done"):
            values = getattr(self, name)
            setattr(self, name, [values[place] for place in utterances])


def _taken(history: Tensor, index: Tensor) -> Tensor:
    """(N, K, L) of (N, B, L): the rows that `index` (N, K) names."""
    return history.gather(1, index[..., None].expand(-1, -1, history.shape[2]))
