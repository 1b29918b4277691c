"""Batched beam search over anything that gives logits step by step (FireRedASR2S paper, section 3).

The search knows no model: what it steps through is a `Stepper`, and what is added to that model's log-probabilities
comes from scorers. All utterances of a batch move together, and each gives the same in any batch: it has its own
largest length, and leaves the batch as soon as it is done.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from firered.errors import NoNumbersError
from firered.search.beams import Batch, Beams, Hypothesis
from firered.search.config import BeamConfig
from firered.search.joint import CtcPrefixScorer
from firered.search.scorers import Scorer, Stepper, Sum, penalise_end


@torch.inference_mode()
def beam_search(
    model: Stepper,
    max_len: Tensor,
    config: BeamConfig,
    *,
    sos: int,
    eos: int,
    scorers: Sequence[Scorer] = (),
    joint: CtcPrefixScorer | None = None,
) -> list[list[Hypothesis]]:
    """The best hypotheses of each utterance, best first, `config.nbest` of them where the search found so many.

    Their `log_probs` are the terms of the sum that decides: the model's and the scorers' together.

    Args:
        model: started for these utterances with `config.beam_size` hypotheses each.
        max_len: (N,) tokens of each utterance at most, on the model's device.
        config: weights and sizes.
        sos: first token fed in.
        eos: the token that ends a hypothesis; it is no part of the result.
        scorers: what is added to the model's log-probabilities; started likewise.
        joint: a CTC head that has a share in them; started likewise.

    Raises:
        NoNumbersError: the model or a scorer gives NaN.
    """
    limits = max_len.tolist()
    total = Sum(scorers)
    beams = _Beams(max_len, config.beam_size, sos, eos)
    batch = Batch(len(limits))
    outcomes: dict[int, _Outcome] = {}
    while batch.utterances:
        done = beams.finished.all(1).tolist()  # the one wait for the device in a step
        leaving = {place for place, utt in enumerate(batch.utterances) if done[place] or beams.steps >= limits[utt]}
        if leaving:
            outcomes.update({batch.utterances[place]: beams.outcome(place, total) for place in leaving})
            batch.leave(leaving, (model, total, beams) if joint is None else (model, total, beams, joint))
        if batch.utterances:
            last = beams.last()
            log_probs, added = _step_scores(model.step(last), total, last, config, eos)
            bonus = total.bonus(last, log_probs)
            share = None
            if joint is not None:
                own = log_probs if added is None else log_probs - added
                share = joint.step(last, own, log_probs if bonus is None else log_probs + bonus)
                log_probs = log_probs + share
            rows = beams.advance(log_probs, added, bonus, share)
            model.reorder(rows)
            total.reorder(rows)
            if joint is not None:
                joint.reorder(rows)
    weight = 0.0 if joint is None else joint.weight
    return [_ranked(outcomes[utt], config, eos, weight) for utt in range(len(limits))]


def _step_scores(
    logits: Tensor, scorers: Sum, last: Tensor, config: BeamConfig, eos: int
) -> tuple[Tensor, Tensor | None]:
    """Log-probabilities (N * B, V) of the next tokens as the search sums them, and the scorers' share of them."""
    scores = (scorers.masked(logits.float(), last) / config.softmax_smoothing).log_softmax(-1)
    added = scorers.added(last, scores)
    if added is not None:
        scores += added
        if config.eos_penalty != 1:
            added = added.clone()  # it may be the scorer's own
            penalise_end(added, eos, config.eos_penalty)
    penalise_end(scores, eos, config.eos_penalty)
    return scores, added


@dataclass
class _Outcome:
    """The end of one utterance's search: B hypotheses with their sums, on the model's device."""

    tokens: Tensor  # (B, L)
    log_probs: Tensor  # (B, L)
    sums: Tensor  # (B,)
    added_sums: Tensor  # (B,)
    bonuses: Tensor  # (B,)
    shares: Tensor  # (B,) what a CTC head has changed


class _Beams(Beams):
    """Hypotheses that stay among the others when they have ended."""

    def __init__(self, max_len: Tensor, size: int, sos: int, eos: int) -> None:
        super().__init__(max_len, size, sos)
        self.eos = eos
        self.finished = torch.zeros(self.sums.shape, dtype=torch.bool, device=max_len.device)

    def advance(self, log_probs: Tensor, added: Tensor | None, bonus: Tensor | None, share: Tensor | None) -> Tensor:
        """Choose the best continuations; the rows (N * B,) that they continue. All but the bonus is in `log_probs`."""
        n, beams = self.sums.shape
        width = min(beams, log_probs.shape[1])
        ranked = log_probs if bonus is None else log_probs + bonus
        best, ids = ranked.view(n, beams, -1).topk(width)  # (N, B, K)
        # A finished hypothesis is continued in one way: by another end, at no cost.
        ended = torch.full((width,), -torch.inf, device=best.device)
        ended[0] = 0.0
        best = torch.where(self.finished[..., None], ended, best)
        own = best
        if bonus is not None:
            own = log_probs.view(n, beams, -1).gather(2, ids).masked_fill(self.finished[..., None], 0.0)
        ids = ids.masked_fill(self.finished[..., None], self.eos)
        self.sums, choice = (self.sums[..., None] + best).flatten(1).topk(beams)  # (N, B) of N x B * K
        parent, token = choice // width, ids.flatten(1).gather(1, choice)
        rows = self.rows_of(parent).flatten()
        was_finished = self.finished.gather(1, parent)
        for tally, terms in ((self.added, added), (self.bonus, bonus), (self.share, share)):
            sums = tally.with_next(parent, token, terms)
            if sums is not None:
                tally.sums = torch.where(was_finished, tally.sums.gather(1, parent), sums)
        self.append(parent, token, own.flatten(1).gather(1, choice))
        # Places of a beam wider than the possibilities hold no hypothesis; they must not keep the search going.
        self.finished = was_finished | (token == self.eos) | (self.sums == -torch.inf)
        return rows

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        super().select(utterances)
        self.finished = self.finished[utterances]

    def outcome(self, place: int, scorers: Sum) -> _Outcome:
        """One utterance's search as it is now."""
        past = slice(1, self.steps + 1)
        tokens, log_probs = self.tokens[place, :, past], self.log_probs[place, :, past]
        sums, bonuses = self.sums[place].clone(), self.bonus.sums[place].clone()
        if self.bonus.begun:
            for rank in (~self.finished[place]).nonzero().flatten().tolist():
                refund = scorers.refund(place * self.size + rank, int(self.tokens[place, rank, self.steps]))
                sums[rank] += refund
                bonuses[rank] += refund
        return _Outcome(
            tokens.clone(), log_probs.clone(), sums, self.added.sums[place], bonuses, self.share.sums[place]
        )


def _ranked(outcome: _Outcome, config: BeamConfig, eos: int, weight: float) -> list[Hypothesis]:
    """One utterance's hypotheses, best first; `weight` is that of a CTC head."""
    sums, shares = outcome.sums.double().cpu(), outcome.shares.double().cpu()
    added_sums, bonuses = outcome.added_sums.double().cpu(), outcome.bonuses.double().cpu()
    tokens, log_probs = outcome.tokens.cpu(), outcome.log_probs.cpu()
    lengths = (tokens != eos).sum(1)
    factors = ((5 + 1 + lengths) / 6).double() ** max(0.0, config.length_penalty)  # the sos counts as well
    ranking = sums / factors
    if bool(ranking.isnan().any()):
        raise NoNumbersError
    hypotheses: list[Hypothesis] = []
    for index in ranking.argsort(descending=True, stable=True).tolist()[: config.nbest]:
        length = int(lengths[index])
        own = float(sums[index] - added_sums[index] - bonuses[index] - shares[index])
        if hypotheses and sums[index] == -math.inf:
            break
        hypotheses.append(
            Hypothesis(
                tokens=tuple(tokens[index, :length].tolist()),
                score=float(ranking[index]),
                model_score=(1 - weight) * own,
                added_score=float(added_sums[index]),
                length_factor=float(factors[index]),
                log_probs=tuple(log_probs[index, :length].tolist()),
                finished=length < tokens.shape[1],
                bonus=float(bonuses[index]),
                ctc_score=float(shares[index]) + weight * own,
            )
        )
    return hypotheses
