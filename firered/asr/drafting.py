"""Drafts in a recogniser: whether they are used, what they are worth, and when that is too little: `Drafting`."""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from firered.hub.find import find_model
from firered.models.aed import Aed
from firered.runtime.loaded import Loaded, need_ctc
from firered.runtime.speech import Speech
from firered.search.beams import Hypothesis
from firered.search.config import Trust
from firered.search.ctc import ctc_greedy
from firered.search.drafts import DraftCounts, PrefixModel, Search, search_with_drafts
from firered.search.scorers import Stepper
from firered.search.trust import largest_entropy

NO_DRAFT, CTC_DRAFT = "none", "ctc"
_ENOUGH = 200  # tokens after which drafts are judged
_LEAST_ACCEPTED, _LEAST_SAVED = 0.6, 0.5  # of tokens and of steps; below, passes cost what they save (draft_speed.py)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Draft:
    """What a CTC head reads in a window, in the tokens of the model that is to verify it.

    Attributes:
        tokens: of the text.
        log_probs: of each, as the head has it.
        entropy: of the frame that is the least sure, in nats.
    """

    tokens: Sequence[int]
    log_probs: Sequence[float] = ()
    entropy: float = math.inf

    @property
    def hypothesis(self) -> Hypothesis:
        """The draft as what a search finds."""
        total = sum(self.log_probs)
        return Hypothesis(tuple(self.tokens), total, total, 0.0, 1.0, tuple(self.log_probs), finished=True)


class Drafting:
    """The searches of one recogniser, with drafts as long as these are good.

    Args:
        on: whether searches are given drafts of the recogniser's own.
        trust: how far these are believed.

    Attributes:
        counts: what they were worth so far.
        worth: whether they have not been too bad.
    """

    def __init__(self, *, on: bool, trust: Trust | None = None) -> None:
        self.on, self.trust, self.counts, self.worth = on, trust or Trust(), DraftCounts(), True

    def search(
        self,
        tree: Callable[[list[int]], PrefixModel],
        steps: Callable[[list[int]], Stepper],
        drafts: Callable[[], Sequence[Draft]],
        search: Search,
        *,
        given: Sequence[Draft | None] = (),
        beams: int,
        limits: Sequence[int],
        first: Sequence[int],
        eos: int,
    ) -> list[list[Hypothesis]]:
        """What a search finds for each utterance of a batch, with a draft or without.

        Args:
            tree: the model of some of the utterances, as searches with drafts use it.
            steps: the same, as searches without use it.
            drafts: each utterance's, as the recogniser itself reads them; called only where it does.
            search: see `firered.search.drafts.Search`.
            given: drafts that somebody else has of the utterances, which count where the recogniser reads none.
            beams: hypotheses an utterance.
            limits: tokens of each utterance at most.
            first: the token that each utterance begins with.
            eos: the token that ends a hypothesis.
        """
        everyone = list(range(len(limits)))
        own = self._drafts(drafts, given) if everyone else {}
        if not own:
            return search(steps(everyone), everyone)
        final = {utt: [draft.hypothesis] for utt, draft in own.items() if draft.entropy < self.trust.entropy}
        rest = [utt for utt in own if utt not in final]
        found, counts = (
            search_with_drafts(
                tree(rest),
                [own[utt].tokens for utt in rest],
                lambda model, rows, *kept: search(model, [rest[row] for row in rows], *kept),
                beams=beams,
                limits=[limits[utt] for utt in rest],
                first=[first[utt] for utt in rest],
                eos=eos,
                least=self.trust.probability,
            )
            if rest
            else ([], DraftCounts())
        )
        self._judge(counts + DraftCounts(len(final), final=len(final)))
        known = final | {utt: best for utt, best in zip(rest, found, strict=True) if best is not None}
        left = [utt for utt in everyone if utt not in known]
        plain = dict(zip(left, search(steps(left), left), strict=True)) if left else {}
        return [(known | plain)[utt] for utt in everyone]

    def _drafts(self, drafts: Callable[[], Sequence[Draft]], given: Sequence[Draft | None]) -> dict[int, Draft]:
        """The drafts that are used, by the numbers of their utterances."""
        if self.on:
            return dict(enumerate(drafts()))
        return {utt: draft for utt, draft in enumerate(given) if draft is not None} if self.worth else {}

    def _judge(self, counts: DraftCounts) -> None:
        self.counts += counts
        log.debug("drafts: %s", counts)
        worth = self.counts.share >= _LEAST_ACCEPTED and self.counts.saved >= _LEAST_SAVED
        if self.worth and self.counts.tokens >= _ENOUGH and not worth:
            self.on = self.worth = False
            log.info("drafts are off from here on, they are not good enough: %s", self.counts)

    def report(self) -> None:
        """Log what the drafts were worth, if there were any."""
        if self.counts.utterances:
            log.info("drafts: %s", self.counts)


def ctc_drafts(log_probs: Tensor, lengths: Tensor, trust: Trust) -> list[Draft]:
    """What a CTC head reads in each utterance, in its own tokens.

    Args:
        log_probs: (N, T, V).
        lengths: (N,) frames.
        trust: how far drafts are believed.
    """
    read = ctc_greedy(log_probs, lengths)
    return [
        Draft(own.tokens, own.log_probs, entropy_of(frames[:length], trust))
        for own, frames, length in zip(read, log_probs, lengths.tolist(), strict=True)
    ]


def entropy_of(log_probs: Tensor, trust: Trust) -> float:
    """That of the frame (T, V) which is the least sure, in nats; infinite where nobody asks."""
    return largest_entropy(log_probs) if trust.entropy else math.inf


@dataclass(frozen=True)
class Read:
    """What a CTC head reads, for a model with other tokens.

    Attributes:
        text: as it is written.
        log_prob: the mean of its tokens.
        entropy: of the frame that is the least sure, in nats.
    """

    text: str
    log_prob: float = 0.0
    entropy: float = math.inf

    def draft(self, tokens: Sequence[int]) -> Draft:
        """The text as these tokens, of which each is taken to be as likely as the text's own are on average."""
        return Draft(tokens, [self.log_prob] * len(tokens), self.entropy)


class DraftReader:
    """The CTC head of an attention encoder-decoder, which reads drafts for another model."""

    def __init__(self, loaded: Loaded[Aed]) -> None:
        need_ctc(loaded, "drafts")
        self._loaded = loaded

    @classmethod
    def from_pretrained(cls, model_dir: str | Path, dtype: str, device: str) -> "DraftReader":
        """Of a model directory.

        Raises:
            ModelError: it is incomplete, of another kind, or has no CTC head.
        """
        return cls(Loaded.load(Aed, find_model(model_dir, "FireRedASR2-AED"), dtype, device))

    @property
    def sources(self) -> list[Path]:
        """All files that decide what it reads."""
        return self._loaded.sources

    @torch.inference_mode()
    def read(self, batch: list[Speech], trust: Trust) -> list[Read]:
        """What the head reads in each window."""
        encoded, lengths = self._loaded.encode(batch)
        log_probs = self._loaded.model.ctc_log_probs(encoded)
        return [
            Read(self._loaded.tokenizer.text_of(draft.tokens), draft.hypothesis.mean_log_prob, draft.entropy)
            for draft in ctc_drafts(log_probs, lengths, trust)
        ]
