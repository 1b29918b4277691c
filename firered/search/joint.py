"""A CTC head as a term of beam search, prefix by prefix: `CtcPrefixScorer` (Watanabe et al. 2017, algorithm 2).

A hypothesis is worth (1 - w) times the model's log-probabilities and w times the logarithm of the probability that the
head reads a text that begins with it, or, once it has ended, that reads as it. Sums over frames are cumulative ones, so
that a step takes some twenty operations whatever the number of frames, hypotheses and candidates.
"""

import torch
from torch import Tensor

from firered.text.tokenizer import BLANK_ID

_NEVER = -1e10  # in the place of minus infinity, of which no differences can be taken
_PRE_BEAM = 1.5  # candidates of a hypothesis, against the hypotheses of an utterance, as in ESPnet


class CtcPrefixScorer:
    """The prefix probabilities of N utterances with B hypotheses each; row n * B + b is hypothesis b of n.

    Args:
        log_probs: (N, T, V) log-softmax of the head.
        lengths: (N,) frames of each utterance.
        beams: B.
        weight: w, from 0 to 1.
        eos: the token that ends a hypothesis.
        blank: id of the blank, which no hypothesis gets.
    """

    def __init__(
        self, log_probs: Tensor, lengths: Tensor, beams: int, weight: float, *, eos: int, blank: int = BLANK_ID
    ) -> None:
        self.weight, self._beams, self._eos, self._blank = weight, beams, eos, blank
        x = log_probs.double().clamp(min=_NEVER)
        beyond = torch.arange(x.shape[1], device=x.device) >= lengths[:, None].to(x.device)
        x = x.masked_fill(beyond[..., None], _NEVER)
        x[..., blank].masked_fill_(beyond, 0.0)  # nothing changes there
        self._x = x
        self._blanks = _from_zero(x[..., blank])[:, None]  # (N, 1, T + 1), summed up from the first frame
        # Of each hypothesis (N, B, T + 1), after so many frames: paths that end in its last token, and in the blank.
        self._by_blank = self._blanks.repeat(1, beams, 1)
        self._by_token = torch.full_like(self._by_blank, _NEVER)
        self._total = x.new_zeros(len(x), beams)  # log-probability of a text that begins with it
        self._last = torch.full((len(x), beams), -1, device=x.device)
        self._begun = False

    def step(self, tokens: Tensor, scores: Tensor, ranked: Tensor) -> Tensor:
        """(N * B, V) what turns the model's log-probabilities of the next tokens into the weighted ones of both.

        Args:
            tokens: (N * B,) the last token of each hypothesis.
            scores: (N * B, V) the model's log-probabilities.
            ranked: (N * B, V) these with all other terms: the head is asked about the best of them alone, and the end.
        """
        if self._begun:
            self._advance(tokens.view(-1, self._beams))
        self._begun = True
        n, size = len(self._x), scores.shape[1]
        best = ranked.topk(min(size, max(self._beams + 1, int(_PRE_BEAM * self._beams)))).indices.view(
            n, self._beams, -1
        )
        totals = self._longer_totals(best)  # (N, B, K)
        term = scores.new_full(scores.shape, -torch.inf)
        own = scores.gather(1, best.flatten(0, 1))
        change = (totals - self._total[..., None]).flatten(0, 1).to(scores.dtype)
        term.scatter_(1, best.flatten(0, 1), self.weight * (change - own))
        whole = torch.logaddexp(self._by_token[..., -1], self._by_blank[..., -1]) - self._total
        term[:, self._eos] = self.weight * (whole.flatten().to(scores.dtype) - scores[:, self._eos])
        term[:, self._blank] = -torch.inf
        return term

    def _paths_before(self, tokens: Tensor) -> Tensor:
        """(N, B, K, T) paths before each frame that a token (N, B, K) may follow; itself only behind a blank."""
        both = torch.logaddexp(self._by_token, self._by_blank)[:, :, None, :-1]
        repeats = (tokens == self._last[..., None])[..., None]
        return torch.where(repeats, self._by_blank[:, :, None, :-1], both)

    def _of_tokens(self, tokens: Tensor) -> Tensor:
        """(N, B, K, T) log-probabilities of tokens (N, B, K) in each frame."""
        n, beams, count = tokens.shape
        columns = tokens.view(n, 1, -1).expand(n, self._x.shape[1], -1)
        return self._x.gather(2, columns).transpose(1, 2).reshape(n, beams, count, -1)

    def _longer_totals(self, tokens: Tensor) -> Tensor:
        """(N, B, K) log-probability of a text that begins with a hypothesis and one of these tokens."""
        return (self._paths_before(tokens) + self._of_tokens(tokens)).logsumexp(-1).clamp(min=_NEVER)

    def _advance(self, tokens: Tensor) -> None:
        """Make each hypothesis one token (N, B) longer; of those that have ended nothing is asked any more."""
        before = self._paths_before(tokens[..., None])[:, :, 0]  # (N, B, T)
        own = _from_zero(self._of_tokens(tokens[..., None])[:, :, 0])
        self._total = (before + own.diff()).logsumexp(-1).clamp(min=_NEVER)
        by_token = own[..., 1:] + (before - own[..., :-1]).logcumsumexp(-1)
        self._by_token = _with_never(by_token)
        by_blank = self._blanks[..., 1:] + (self._by_token[..., :-1] - self._blanks[..., :-1]).logcumsumexp(-1)
        self._by_blank = _with_never(by_blank)
        self._last = tokens.clone()  # the search writes over its own

    def reorder(self, index: Tensor) -> None:
        """Make row i continue what was row index[i], a row of the same utterance; index is (N * B,)."""
        for name in ("_by_blank", "_by_token", "_total", "_last"):
            held = getattr(self, name)
            setattr(self, name, held.flatten(0, 1)[index].view_as(held))

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances, in this order."""
        for name in ("_x", "_blanks", "_by_blank", "_by_token", "_total", "_last"):
            setattr(self, name, getattr(self, name)[utterances])


def _from_zero(x: Tensor) -> Tensor:
    """(..., T + 1) the sums of (..., T) up to each place, the first of nothing."""
    return torch.cat([x.new_zeros(*x.shape[:-1], 1), x.cumsum(-1)], -1)


def _with_never(x: Tensor) -> Tensor:
    """(..., T + 1) of (..., T): before the first frame no path has a token."""
    return torch.cat([x.new_full((*x.shape[:-1], 1), _NEVER), x.clamp(min=_NEVER)], -1)
