"""Drafts in a recogniser: whether they are used, what they are worth, and when that is too little: `Drafting`."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from firered.hub.find import find_model
from firered.models.aed import Aed
from firered.runtime.loaded import Loaded, need_ctc
from firered.runtime.speech import Speech
from firered.search.beams import Hypothesis
from firered.search.ctc import ctc_texts
from firered.search.drafts import DraftCounts, PrefixModel, Search, search_with_drafts
from firered.search.scorers import Stepper

NO_DRAFT, CTC_DRAFT = "none", "ctc"
_ENOUGH = 200  # tokens after which drafts are judged
_LEAST_ACCEPTED, _LEAST_SAVED = 0.6, 0.5  # of tokens and of steps; below, passes cost what they save (draft_speed.py)
log = logging.getLogger(__name__)


class Drafting:
    """The searches of one recogniser, with drafts as long as these are good.

    Attributes:
        on: whether searches are given drafts.
        counts: what they were worth so far.
    """

    def __init__(self, *, on: bool) -> None:
        self.on, self.counts = on, DraftCounts()

    def search(
        self,
        tree: Callable[[], PrefixModel],
        steps: Callable[[list[int]], Stepper],
        drafts: Callable[[], Sequence[Sequence[int]]],
        search: Search,
        *,
        beams: int,
        limits: Sequence[int],
        first: Sequence[int],
        eos: int,
    ) -> list[list[Hypothesis]]:
        """What a search finds for each utterance of a batch, with a draft or without.

        Args:
            tree: the model, as searches with drafts use it.
            steps: the model of some of the utterances, as searches without use it.
            drafts: the tokens of each utterance's draft.
            search: see `firered.search.drafts.Search`.
            beams: hypotheses an utterance.
            limits: tokens of each utterance at most.
            first: the token that each utterance begins with.
            eos: the token that ends a hypothesis.
        """
        everyone = list(range(len(limits)))
        if not self.on or not everyone:
            return search(steps(everyone), everyone)
        found, counts = search_with_drafts(tree(), drafts(), search, beams=beams, limits=limits, first=first, eos=eos)
        self._judge(counts)
        left = [utt for utt, hypotheses in enumerate(found) if hypotheses is None]
        plain = dict(zip(left, search(steps(left), left), strict=True)) if left else {}
        return [plain[utt] if hypotheses is None else hypotheses for utt, hypotheses in enumerate(found)]

    def _judge(self, counts: DraftCounts) -> None:
        self.counts += counts
        log.debug("drafts: %s", counts)
        worth = self.counts.share >= _LEAST_ACCEPTED and self.counts.saved >= _LEAST_SAVED
        if self.on and self.counts.tokens >= _ENOUGH and not worth:
            self.on = False
            log.info("drafts are off from here on, they are not good enough: %s", self.counts)

    def report(self) -> None:
        """Log what the drafts were worth, if there were any."""
        if self.counts.utterances:
            log.info("drafts: %s", self.counts)


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
    def texts(self, batch: list[Speech]) -> list[str]:
        """What the head reads in each window."""
        encoded, lengths = self._loaded.encode(batch)
        return ctc_texts(self._loaded.model.ctc_log_probs(encoded), lengths, self._loaded.tokenizer.text_of)
