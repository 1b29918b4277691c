"""Prefix beam search of a CTC head, for all utterances of a batch at once (Graves 2008; Hannun et al. 2014).

A prefix is a text so far. Its probability is the sum over all paths through the frames that read as it, kept apart by
whether they end in the blank; so prefixes that several paths lead to are one hypothesis, as they are not in greedy
decoding. Only the likeliest tokens of each frame count, the same for all prefixes of an utterance; with as many as the
model has, and a beam that is wide enough, probabilities are exact.

A frame takes some fifty operations on arrays of N x B x K numbers, whatever the hypotheses are; those are small, so
they are made on the CPU. What leaves the model's device is the likeliest tokens of each frame. An utterance gives the
same in any batch: no number of one is added to one of another. Frames may come piece by piece, as those of a stream do.
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
from firered.search.prefix_states import IMPOSSIBLE, Frames, Paths, Prefixes
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
    search = CtcPrefixSearch(len(lengths), config, hotwords=hotwords, scorers=scorers, blank=blank)
    search.advance(log_probs[:, : max(lengths)], lengths)
    return search.best(config.nbest)


class CtcPrefixSearch:
    """The search over frames that come piece by piece; `best` may be asked at any time, and changes nothing.

    Args:
        count: N, utterances.
        config: sizes.
        hotwords: see `ctc_prefix_search`.
        scorers: see there.
        blank: id of the blank.
    """

    def __init__(
        self,
        count: int,
        config: CtcPrefixConfig,
        *,
        hotwords: Sequence[Hotwords | None] = (),
        scorers: Sequence[PrefixScorer] = (),
        blank: int = BLANK_ID,
    ) -> None:
        self._count, self._width, self._blank = count, config.tokens_per_frame, blank
        self._scorers = list(scorers)
        if any(own is not None for own in hotwords):
            self._scorers.append(HotwordPrefixes(hotwords, config.beam_size))
        self._prefixes = Prefixes(count, config.beam_size)
        self._frames = Frames.none(count)
        self._best: Paths | None = None  # of the likeliest prefixes, when they were asked for last

    @torch.inference_mode()
    def advance(self, log_probs: Tensor, lengths: Sequence[int]) -> None:
        """Go on through the next frames (N, T, V), of which (N,) count.

        Raises:
            NoNumbersError: NaN or infinity is among them.
        """
        frames = Frames.of(log_probs, lengths, self._width, self._blank)
        for number in range(len(frames.blank)):
            self._prefixes.advance(frames.at(number), self._scorers)
        self._frames = self._frames.followed_by(frames)

    @torch.inference_mode()
    def best(self, nbest: int) -> list[list[CtcHypothesis]]:
        """The hypotheses of each utterance, best first, by what scorers leave them if the texts end here."""
        ctc, path_scores = self._prefixes.totals, self._prefixes.path_scores
        added, bonus = np.zeros(ctc.shape), np.zeros(ctc.shape)
        for scorer in self._scorers:
            (bonus if scorer.stage is Stage.RANK else added)[:] += scorer.ended()
        ranks = ctc + added + bonus
        order = np.argsort(-ranks, axis=1, kind="stable")[:, :nbest]
        utterances, columns = (ranks[np.arange(len(ranks))[:, None], order] > IMPOSSIBLE).nonzero()
        places = order[utterances, columns]
        paths = self._paths(utterances, places, nbest)
        scores = _scores_on(paths.labels, self._frames, utterances)
        found: list[list[CtcHypothesis]] = [[] for _ in range(len(ranks))]
        for row, (utterance, place) in enumerate(zip(utterances.tolist(), places.tolist(), strict=True)):
            labels, starts = paths.labels[row], paths.opens[row].nonzero()[0]
            held = np.add.reduceat(labels >= 0, starts) if len(starts) else starts  # frames of each token
            peaks = np.maximum.reduceat(scores[row], starts) if len(starts) else scores[row, :0]
            found[utterance].append(
                CtcHypothesis(
                    tokens=tuple(labels[starts].tolist()),
                    ctc_score=float(ctc[utterance, place]),
                    added_score=float(added[utterance, place]),
                    bonus=float(bonus[utterance, place]),
                    spans=tuple(zip(starts.tolist(), (starts + held).tolist(), strict=True)),
                    log_probs=tuple(peaks.tolist()),
                    path_score=float(path_scores[utterance, place]),
                )
            )
        return found

    def _paths(self, utterances: np.ndarray, places: np.ndarray, nbest: int) -> Paths:
        """The likeliest path of each prefix; of the likeliest prefix alone, most is known from the last time."""
        if nbest > 1:
            return self._prefixes.paths(utterances, places)
        paths = self._prefixes.paths(utterances, places, self._best)
        self._best = paths if len(places) == self._count else None  # one of each utterance
        return paths


def _scores_on(labels: np.ndarray, frames: Frames, utterances: np.ndarray) -> np.ndarray:
    """(R, T) log-probabilities of the tokens on paths (R, T); minus infinity where those have the blank."""
    ids, scores = (part[:, utterances].swapaxes(0, 1) for part in (frames.ids, frames.scores))  # (R, T, K)
    return np.where(ids == labels[..., None], scores, IMPOSSIBLE).max(-1)
