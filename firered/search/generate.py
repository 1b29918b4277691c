"""Greedy and beam search as Hugging Face's `generate` does them, each utterance with a limit of its own.

The search is batch-invariant: an utterance's result does not depend on the others. It leaves the batch once it is done.
"""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from firered.errors import NoNumbersError
from firered.search.beams import Batch, Beams, Hypothesis
from firered.search.config import GenerateConfig
from firered.search.scorers import Scorer, Stepper, Sum, forbid_end, penalise_repeats

Refund: TypeAlias = Callable[[int, int], float]


@torch.inference_mode()
def search(
    model: Stepper,
    limits: Tensor,
    config: GenerateConfig,
    *,
    first: int | Tensor,
    eos: int,
    scorers: Sequence[Scorer] = (),
) -> list[list[Hypothesis]]:
    """The best hypotheses of each utterance, best first, `config.nbest` of them where the search found so many.

    The sum of a hypothesis is of log-probabilities as the search used them, `log_probs` are the model's own: without
    the repetition penalty, and without what scorers add.

    Args:
        model: started for these utterances with `config.beam_size` hypotheses each.
        limits: (N,) tokens of each utterance at most, from 1, on the model's device.
        config: how to search.
        first: the token fed in first, or (N,) that of each utterance.
        eos: the token that ends a hypothesis; it is no part of the result.
        scorers: what is added to the model's log-probabilities; started likewise.

    Raises:
        NoNumbersError: the model or a scorer gives NaN.
    """
    total = Sum(scorers)
    beams = _Beams(limits, config, first, eos)
    batch = Batch(len(limits))
    outcomes: dict[int, list[Hypothesis]] = {}
    while batch.utterances:
        last = beams.last()
        logits = total.masked(model.step(last), last)
        rows = beams.advance(logits, total.added(last, logits), total.bonus(last, logits), total.refund)
        model.reorder(rows)
        total.reorder(rows)
        leaving = {place for place, done in enumerate(beams.done) if done}
        if leaving:
            outcomes.update({batch.utterances[place]: beams.ended[place] for place in leaving})
            batch.leave(leaving, (model, total, beams))
    return [outcomes[utt][: config.nbest] for utt in range(len(limits))]


class _Beams(Beams):
    """The running hypotheses of all utterances in the batch, and separately those that have ended."""

    def __init__(self, limits: Tensor, config: GenerateConfig, first: int | Tensor, eos: int) -> None:
        super().__init__(limits, config.beam_size, first)
        self.config, self.eos = config, eos
        self.ended: list[list[Hypothesis]] = [[] for _ in range(len(limits))]  # best first, at most B
        self.done = [False] * len(limits)

    def advance(self, logits: Tensor, added: Tensor | None, bonus: Tensor | None, refund: Refund) -> Tensor:
        """Choose the best continuations; the rows (N * B,) that they continue.

        Args:
            logits: (N * B, V).
            added: the scorers' terms, (N * B, V).
            bonus: their terms for the rank alone, (N * B, V).
            refund: what comes to a bonus when a row is cut off after a token.
        """
        log_probs = (logits.float() / self.config.temperature).log_softmax(-1)  # (N * B, V)
        best, parent, token = self._best(logits, log_probs, added, bonus)  # (N, K)
        rows = self.rows_of(parent)
        own = log_probs[rows, token]  # (N, K)
        added_sums = self.added.with_next(parent, token, added)
        bonuses = self.bonus.with_next(parent, token, bonus)
        ended = (token == self.eos) | (self.steps + 1 >= self.limits)[:, None]
        for place, rank in ended[:, : self.size].nonzero().tolist():  # those of lower rank could not be among the best
            past = place, int(parent[place, rank]), slice(1, self.steps + 1)
            last = int(token[place, rank])
            cut = 0.0 if bonuses is None or last == self.eos else refund(int(rows[place, rank]), last)
            self._end(
                place,
                [*self.tokens[past].tolist(), last],
                [*self.log_probs[past].tolist(), float(own[place, rank])],
                float(best[place, rank]) + cut,
                0.0 if added_sums is None else float(added_sums[place, rank]),
                0.0 if bonuses is None else float(bonuses[place, rank]) + cut,
            )
        self.sums, running = best.masked_fill(ended, -torch.inf).topk(self.size)
        for tally, sums in ((self.added, added_sums), (self.bonus, bonuses)):
            if sums is not None:
                tally.sums = sums.gather(1, running)
        self.append(*(candidates.gather(1, running) for candidates in (parent, token, own)))
        self._settle()
        return rows.gather(1, running).flatten()

    def _best(
        self, logits: Tensor, log_probs: Tensor, added: Tensor | None, bonus: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Sums, hypotheses and tokens (N, K) of the best continuations, best first: enough that B do not end."""
        n, beams = self.sums.shape
        if beams == 1:  # a greedy search penalises logits, and ends with the first end
            scores = logits.float()
            if added is not None:  # the temperature is of the model alone
                scores, log_probs = scores + self.config.temperature * added, log_probs + added
            scores = self._penalised(scores)
            if bonus is not None:
                scores, log_probs = scores + self.config.temperature * bonus, log_probs + bonus
            token = scores.argmax(-1, keepdim=True)  # (N, 1)
            return self.sums + log_probs.gather(1, token), torch.zeros_like(token), token
        scores = self._penalised(log_probs if added is None else log_probs + added)
        if bonus is not None:
            scores = scores + bonus
        sums = (self.sums[..., None] + scores.view(n, beams, -1)).flatten(1)
        best, choice = sums.topk(min(2 * beams, sums.shape[1]))
        return best, choice // log_probs.shape[1], choice % log_probs.shape[1]

    def _penalised(self, scores: Tensor) -> Tensor:
        """Scores (N * B, V) with what was generated penalised, and no end before the smallest length."""
        generated = self.tokens[:, :, 1 : self.steps + 1].flatten(0, 1)  # (N * B, steps)
        scores = penalise_repeats(scores, generated, self.config.repetition_penalty)
        return forbid_end(scores, self.eos) if self.steps < self.config.min_length else scores

    def _end(
        self, place: int, tokens: list[int], log_probs: list[float], total: float, added: float, bonus: float
    ) -> None:
        """Take up a hypothesis that has ended, or reached its limit, if it is among the best."""
        if math.isnan(total):
            raise NoNumbersError
        finished = tokens[-1] == self.eos
        length = len(tokens) - finished
        factor = len(tokens) ** self.config.length_penalty  # the end counts
        hypothesis = Hypothesis(
            tokens=tuple(tokens[:length]),
            score=total / factor,
            model_score=total - added - bonus,
            added_score=added,
            length_factor=factor,
            log_probs=tuple(log_probs[:length]),
            finished=finished,
            bonus=bonus,
        )
        best = sorted([*self.ended[place], hypothesis], key=lambda ended: -ended.score)
        self.ended[place] = best[: self.size]

    def _settle(self) -> None:
        """See which utterances are done: at their limit, or nothing that runs is better than the worst that ended."""
        factor = self.steps**self.config.length_penalty
        for place, (running, limit) in enumerate(zip(self.sums[:, 0].tolist(), self.limits.tolist(), strict=True)):
            ended = self.ended[place]
            full = len(ended) == self.size
            self.done[place] = self.steps >= limit or (full and running / factor <= ended[-1].score)

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        super().select(utterances)
        self.ended = [self.ended[place] for place in utterances]
        self.done = [self.done[place] for place in utterances]
