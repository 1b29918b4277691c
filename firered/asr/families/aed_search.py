"""How the attention encoder-decoder finds the texts of a batch, in each of its modes: `AedSearch`."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from firered.asr.aed_config import AsrConfig
from firered.asr.biasing import Biasing
from firered.asr.drafting import NO_DRAFT, Draft, Drafting, ctc_drafts
from firered.asr.modes import ATTENTION, BEAM_MODES, CTC, CTC_PREFIX, CTC_RESCORE_LOW, JOINT, RESCORE
from firered.hotwords.lists import Phrase
from firered.models.aed import Aed
from firered.models.lstm_lm import LstmLm
from firered.search.beam import beam_search
from firered.search.beams import Hypothesis
from firered.search.ctc import ctc_greedy
from firered.search.ctc_prefix import CtcHypothesis, CtcPrefixSearch, ctc_prefix_search
from firered.search.joint import CtcPrefixScorer
from firered.search.prefix_scorers import LmPrefixes
from firered.search.rescore import Decoder, judged_again, rescored
from firered.search.scorers import LmScorer, Scorer, Stepper
from firered.text.tokenizer import BLANK_ID, EOS_ID, PAD_ID, SOS_ID, UNK_ID

_NO_TEXT = (BLANK_ID, UNK_ID, PAD_ID, SOS_ID, EOS_ID)


class AedSearch:
    """The search of a model in the mode of its options.

    Args:
        model: has a CTC head, unless the mode is `attention`.
        config: of recognition.
        lm: a language model over the model's tokens.
        biasing: its use of hotwords.
    """

    def __init__(self, model: Aed, config: AsrConfig, lm: LstmLm | None, biasing: Biasing) -> None:
        self._model, self._config, self._biasing = model, config, biasing
        # One of negative weight is none, as published.
        self._lm = lm if config.elm_weight > 0 else None
        self.orders = model.has_decoder and config.mode != CTC_PREFIX  # the texts of a stream that has ended
        self.drafting = Drafting(on=config.draft != NO_DRAFT and model.has_ctc, trust=config.trust)

    def __call__(
        self,
        encoded: Tensor,
        lengths: Tensor,
        log_probs: Tensor | None,
        hotwords: Sequence[tuple[Phrase, ...]],
        given: Sequence[Draft | None] = (),
    ) -> list[list[Hypothesis]]:
        """The hypotheses of each window, the best first.

        Args:
            encoded: (N, T, D) of the encoder.
            lengths: (N,) its frames.
            log_probs: (N, T, V) of the CTC head; None where neither the mode nor drafts want it.
            hotwords: the entries that each window is searched with.
            given: what else the text of each may be, which counts in mode `attention` alone.
        """
        mode = self._config.mode
        if mode in BEAM_MODES:
            return self._beams(encoded, lengths, log_probs, hotwords, given if mode == ATTENTION else ())
        assert log_probs is not None  # the recogniser has them in every other mode
        if mode == CTC:
            return [[own] for own in ctc_greedy(log_probs, lengths)]
        if mode == CTC_RESCORE_LOW:
            return [
                [judged_again(own, decoder, self._config.ctc_sure, _NO_TEXT, self._config.search, sos=SOS_ID)]
                for own, decoder in zip(ctc_greedy(log_probs, lengths), self._decoders(encoded, lengths), strict=True)
            ]
        found = self._prefixes(log_probs, lengths, hotwords)
        return self._rescored(found, encoded, lengths) if mode == RESCORE else found

    def stream(self, hotwords: tuple[Phrase, ...], device: torch.device) -> CtcPrefixSearch:
        """The first pass of a stream, which is given the CTC head's frames as they come."""
        config, graphs = self._config.stream_search, self._biasing.graphs([hotwords])
        return CtcPrefixSearch(1, config, hotwords=graphs, scorers=self._prefix_scorers(1, device))

    def end(self, first_pass: CtcPrefixSearch, encoded: Tensor) -> list[Hypothesis]:
        """The hypotheses of a stream that has ended, the best first.

        Args:
            first_pass: of `stream`, through all frames.
            encoded: (T, D) of the encoder.
        """
        (texts,) = first_pass.best(self._config.stream_search.nbest)
        found = [as_hypothesis(own) for own in texts]
        if not self.orders or not len(encoded):
            return found[: self._config.nbest]
        lengths = torch.tensor([len(encoded)], device=encoded.device)
        return self._rescored([found], encoded[None], lengths)[0]

    def _rescored(
        self, found: Sequence[Sequence[Hypothesis]], encoded: Tensor, lengths: Tensor
    ) -> list[list[Hypothesis]]:
        """The head's texts of each window in the decoder's order."""
        config, weight = self._config.search, self._config.ctc_weight
        return [
            rescored(own, decoder, config, weight, sos=SOS_ID, eos=EOS_ID)
            for own, decoder in zip(found, self._decoders(encoded, lengths), strict=True)
        ]

    def _beams(
        self,
        encoded: Tensor,
        lengths: Tensor,
        log_probs: Tensor | None,
        hotwords: Sequence[tuple[Phrase, ...]],
        given: Sequence[Draft | None],
    ) -> list[list[Hypothesis]]:
        """By the decoder, and the CTC head where that has a share."""
        config = self._config
        limits = lengths.clamp(max=config.decode_max_len) if config.decode_max_len else lengths

        def frames(rows: list[int]) -> tuple[Tensor, Tensor]:
            return (encoded, lengths) if len(rows) == len(encoded) else (encoded[rows], lengths[rows])

        def steps(rows: list[int]) -> Stepper:
            return self._model.start(*frames(rows), config.beam_size, int(limits[rows].max()))

        def search(model: Stepper, rows: list[int], *kept: Scorer) -> list[list[Hypothesis]]:
            scorers = list(kept)
            if self._lm is not None:
                scorers.append(LmScorer(self._lm.start(config.beam_size), config.elm_weight, EOS_ID))
            scorers += self._biasing.scorers([hotwords[row] for row in rows], config.beam_size)
            joint = None
            if config.mode == JOINT and config.ctc_weight:
                assert log_probs is not None  # as in the other modes with the head
                heard = log_probs if len(rows) == len(log_probs) else log_probs[rows]
                joint = CtcPrefixScorer(heard, lengths[rows], config.beam_size, config.ctc_weight, eos=EOS_ID)
            return beam_search(model, limits[rows], config.search, sos=SOS_ID, eos=EOS_ID, scorers=scorers, joint=joint)

        return self.drafting.search(
            lambda rows: self._model.start_tree(*frames(rows)),
            steps,
            lambda: [] if log_probs is None else ctc_drafts(log_probs, lengths, config.trust),
            search,
            given=given,
            beams=config.beam_size,
            limits=limits.tolist(),
            first=[SOS_ID] * len(lengths),
            eos=EOS_ID,
        )

    def _prefixes(
        self, log_probs: Tensor, lengths: Tensor, hotwords: Sequence[tuple[Phrase, ...]]
    ) -> list[list[Hypothesis]]:
        """By the CTC head."""
        scorers = self._prefix_scorers(len(lengths), log_probs.device)
        graphs = self._biasing.graphs(hotwords)
        found = ctc_prefix_search(log_probs, lengths, self._config.prefix_search, hotwords=graphs, scorers=scorers)
        return [[as_hypothesis(own) for own in texts] for texts in found]

    def _prefix_scorers(self, count: int, device: torch.device) -> list[LmPrefixes]:
        """The language model's share in prefix searches of so many utterances."""
        if self._lm is None:
            return []
        lm = partial(LmPrefixes, self._lm, self._config.elm_weight, count, self._config.ctc_beam_size)
        return [lm(sos=SOS_ID, eos=EOS_ID, device=device)]

    def _decoders(self, encoded: Tensor, lengths: Tensor) -> list[Decoder]:
        """What gives the decoder's logits for texts of one window, of each window."""
        return [
            partial(_logits, self._model, frames[None, :length], lengths[number : number + 1])
            for number, (frames, length) in enumerate(zip(encoded, lengths.tolist(), strict=True))
        ]


def _logits(model: Aed, encoded: Tensor, lengths: Tensor, tokens: Tensor) -> Tensor:
    return model.logits(tokens.to(encoded.device), encoded, lengths)


def as_hypothesis(own: CtcHypothesis) -> Hypothesis:
    """A text of the CTC head as other searches give theirs."""
    return Hypothesis(
        own.tokens, own.score + own.bonus, own.ctc_score, own.added_score, 1.0, own.log_probs, True, own.bonus
    )


def scores_of(hypothesis: Hypothesis, mode: str) -> dict[str, float]:
    """The parts of a hypothesis' score, by what gave them."""
    scores = {"aed": hypothesis.model_score}
    if mode in (JOINT, RESCORE):
        scores["ctc"] = hypothesis.ctc_score
    elif mode != ATTENTION:
        scores = {"ctc": hypothesis.model_score}
    scores["lm"] = hypothesis.added_score
    return scores | ({"hotwords": hypothesis.bonus} if hypothesis.bonus else {})
