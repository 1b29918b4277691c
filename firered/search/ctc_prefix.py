"""Prefix beam search of a CTC head, for all utterances of a batch at once (Graves 2008; Hannun et al. 2014).

A prefix is a text so far. Its probability is the sum over all paths through the frames that read as it, kept apart by
whether they end in the blank; so prefixes that several paths lead to are one hypothesis, as they are not in greedy
decoding. Only the likeliest tokens of each frame count, the same for all prefixes of an utterance; with as many as the
model has, and a beam that is wide enough, probabilities are exact.

A frame takes some fifty operations on arrays of N x B x K numbers, whatever the hypotheses are; those are small, so
they are made on the CPU. What leaves the model's device is the likeliest tokens of each frame. An utterance gives the
same in any batch: no number of one is added to one of another.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from firered.search.config import CtcPrefixConfig
from firered.search.hotwords import Hotwords
from firered.search.prefix_scorers import HotwordPrefixes, PrefixScorer
from firered.search.prefix_states import IMPOSSIBLE, Frames, Prefixes
from firered.search.scorers import Stage
from firered.text.tokenizer import BLANK_ID


@dataclass(frozen=True)
class CtcHypothesis:
    """One ranked text of a CTC head.

    `ctc_score` is the logarithm of the text's probability, `added_score` what a language model adds to it. Hypotheses
    are ranked by their sum and the `bonus` of hotwords, which is in no other number.
    """

    tokens: tuple[int, ...]
    ctc_score: float
    added_score: float
    bonus: float
    spans: tuple[tuple[int, int], ...]  # frames [first, end) of each token on the likeliest path
    log_probs: tuple[float, ...]  # the highest of each token among its frames
    path_score: float  # log-probability of that path

    @property
    def score(self) -> float:
        """`ctc_score` and `added_score`."""
        return self.ctc_score + self.added_score

    @property
    def probs(self) -> tuple[float, ...]:
        """Probability of each token in the frame where it is likeliest."""
        return tuple(map(math.exp, self.log_probs))


@torch.inference_mode()
def ctc_prefix_search(
    log_probs: Tensor,
    lengths: Tensor | Sequence[int],
    config: CtcPrefixConfig | None = None,
    *,
    hotwords: Sequence[Hotwords | None] = (),
    scorers: Sequence[PrefixScorer] = (),
    blank: int = BLANK_ID,
) -> list[list[CtcHypothesis]]:
    """The best texts of each utterance, best first, `config.nbest` of them where the search found so many.

    Args:
        log_probs: (N, T, V) log-softmax of the CTC head, any floating type, on any device.
        lengths: (N,) frames of each utterance; the rest of T is not looked at.
        config: sizes.
        hotwords: of each utterance, None for one without any; or nothing.
        scorers: others, for as many utterances, in their order, and `config.beam_size` prefixes each.
        blank: id of the blank, which no text has.

    Raises:
        NoNumbersError: an utterance has NaN or infinity among its frames.
        ValueError: the numbers of utterances do not fit, or a length is outside of the frames.
    """
    config = config or CtcPrefixConfig()
    lengths = [int(length) for length in lengths]
    if len(lengths) != len(log_probs) or (hotwords and len(hotwords) != len(lengths)):
        raise ValueError(f"{len(log_probs)} utterances, {len(lengths)} lengths, {len(hotwords)} lists do not fit")
    if any(not 0 <= length <= log_probs.shape[1] for length in lengths):
        raise ValueError(f"a length among {lengths} is outside the {log_probs.shape[1]} frames at hand")
    if not lengths:
        return []
    log_probs = log_probs[:, : max(lengths)]
    everything = list(scorers)
    if any(own is not None for own in hotwords):
        everything.append(HotwordPrefixes(hotwords, config.beam_size))
    frames = Frames.of(log_probs, lengths, config.tokens_per_frame, blank)
    prefixes = Prefixes(len(lengths), config.beam_size)
    for number in range(len(frames.blank)):
        prefixes.advance(frames.at(number), everything)
    return _ranked(prefixes, frames, everything, config.nbest)


def _ranked(
    prefixes: Prefixes, frames: Frames, scorers: Sequence[PrefixScorer], nbest: int
) -> list[list[CtcHypothesis]]:
    """The hypotheses of each utterance, best first, by what scorers leave them at the end."""
    ctc, path_scores = prefixes.totals, prefixes.path_scores
    added, bonus = np.zeros(ctc.shape), np.zeros(ctc.shape)
    for scorer in scorers:
        (bonus if scorer.stage is Stage.RANK else added)[:] += scorer.ended()
    ranks = ctc + added + bonus
    order = np.argsort(-ranks, axis=1, kind="stable")[:, :nbest]
    utterances, columns = (ranks[np.arange(len(ranks))[:, None], order] > IMPOSSIBLE).nonzero()
    places = order[utterances, columns]
    found: list[list[CtcHypothesis]] = [[] for _ in range(len(ranks))]
    labels, opens = prefixes.paths(utterances, places)
    scores = _scores_on(labels, frames, utterances)
    for row, (utterance, place) in enumerate(zip(utterances.tolist(), places.tolist(), strict=True)):
        starts = opens[row].nonzero()[0]
        held = np.add.reduceat(labels[row] >= 0, starts) if len(starts) else starts  # frames of each token
        peaks = np.maximum.reduceat(scores[row], starts) if len(starts) else scores[row, :0]
        found[utterance].append(
            CtcHypothesis(
                tokens=tuple(labels[row, starts].tolist()),
                ctc_score=float(ctc[utterance, place]),
                added_score=float(added[utterance, place]),
                bonus=float(bonus[utterance, place]),
                spans=tuple(zip(starts.tolist(), (starts + held).tolist(), strict=True)),
                log_probs=tuple(peaks.tolist()),
                path_score=float(path_scores[utterance, place]),
            )
        )
    return found


def _scores_on(labels: np.ndarray, frames: Frames, utterances: np.ndarray) -> np.ndarray:
    """(R, T) log-probabilities of the tokens on paths (R, T); minus infinity where those have the blank."""
    ids, scores = (part[:, utterances].swapaxes(0, 1) for part in (frames.ids, frames.scores))  # (R, T, K)
    return np.where(ids == labels[..., None], scores, IMPOSSIBLE).max(-1)
