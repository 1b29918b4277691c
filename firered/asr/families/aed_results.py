"""What the hypotheses of the attention encoder-decoder become: texts with times, and results of utterances."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from firered.align.ctc import NotAligned, TimestampMode, align
from firered.align.words import Piece, times_of, words_recognised
from firered.asr.aed_config import AsrConfig
from firered.asr.confidence import confidence
from firered.asr.families.aed_search import as_hypothesis, scores_of
from firered.asr.families.aed_stream import FirstPass
from firered.asr.modes import CTC_PREFIX
from firered.asr.window import Window, shown_of
from firered.models.aed import Aed
from firered.results import Alignment, AsrResult, NBest, TokenSpan, TokenTime
from firered.runtime.loaded import Loaded
from firered.runtime.speech import Speech
from firered.runtime.windows import on_one_axis
from firered.search.beams import Hypothesis
from firered.text.joining import join_texts
from firered.text.tokenizer import BLANK_ID


@dataclass(frozen=True)
class Decoded(Window):
    """One window's hypotheses, best first, its tokens in seconds from its start, and what the CTC head reads in it.

    `mode` is the one that `hypotheses` are of.
    """

    hypotheses: list[Hypothesis]
    mode: str
    tokens: list[TokenTime] | None = None
    ctc_text: str | None = None


class AedResults:
    """Texts, times and results of hypotheses.

    Args:
        loaded: the model.
        config: of recognition.
    """

    def __init__(self, loaded: Loaded[Aed], config: AsrConfig) -> None:
        self._loaded, self._config = loaded, config

    def text(self, hypothesis: Hypothesis) -> str:
        """The text of a hypothesis."""
        return self._loaded.tokenizer.text_of(hypothesis.tokens)

    @property
    def times_words(self) -> bool:
        """Whether there are word times."""
        return self._config.timestamps != "none"

    def token_times(
        self, log_probs: Tensor, lengths: Tensor, found: list[list[Hypothesis]], batch: list[Speech]
    ) -> list[list[TokenTime] | None]:
        """The times of the tokens of each window's best hypothesis; None where no time stamps were requested."""
        if not self.times_words:
            return [None] * len(batch)
        best = [hypotheses[0] for hypotheses in found]
        paths = align(log_probs, lengths, [hypothesis.tokens for hypothesis in best])
        return [
            self._times(hypothesis, path, speech) for hypothesis, path, speech in zip(best, paths, batch, strict=True)
        ]

    def _times(self, hypothesis: Hypothesis, path: Alignment | NotAligned, speech: Speech) -> list[TokenTime]:
        lead_s = self._loaded.model.config.ctc_lead_s
        return times_of(self._pieces(hypothesis), path, speech.duration_s, self._mode, lead_s)

    def _pieces(self, hypothesis: Hypothesis) -> list[Piece]:
        symbols = self._loaded.tokenizer.tokens_of(hypothesis.tokens)
        return [Piece(symbol, number) for symbol, number in zip(symbols, hypothesis.tokens, strict=True)]

    @property
    def _mode(self) -> TimestampMode:
        return cast("TimestampMode", self._config.timestamps)

    def join(self, speech: Speech, parts: list[tuple[Speech, Decoded]]) -> AsrResult:
        """One utterance's result from those of its windows."""
        decoded = [outcome for _, outcome in parts]
        best = [outcome.hypotheses[0] for outcome in decoded]
        tokens = [token for hypothesis in best for token in self._loaded.tokenizer.tokens_of(hypothesis.tokens)]
        probs = [prob for hypothesis in best for prob in hypothesis.probs]
        ctc_texts = [outcome.ctc_text for outcome in decoded]
        texts = [self.text(hypothesis) for hypothesis in best]
        timed = [outcome.tokens or [] for outcome in decoded]
        words = [
            words_recognised(text, own, self._mode) for text, own in zip(texts, timed, strict=True) if self.times_words
        ]
        return AsrResult(
            uttid=speech.key,
            text=join_texts(texts),
            confidence=confidence(probs, self._config.confidence),
            dur_s=speech.duration_s,
            tokens=tokens,
            token_confidence=probs,
            words=on_one_axis([part for part, _ in parts], words) if self.times_words else None,
            token_times=on_one_axis([part for part, _ in parts], timed) if self.times_words else None,
            nbest=[self._nbest(one, decoded[0].mode) for one in decoded[0].hypotheses] if len(decoded) == 1 else [],
            ctc_text=None if None in ctc_texts else join_texts(text for text in ctc_texts if text),
            shown=shown_of(parts),
        )

    def _nbest(self, hypothesis: Hypothesis, mode: str) -> NBest:
        return NBest(
            text=self.text(hypothesis),
            tokens=self._loaded.tokenizer.tokens_of(hypothesis.tokens),
            score=hypothesis.score,
            scores=scores_of(hypothesis, mode),
            length=hypothesis.length_factor,
            confidence=confidence(hypothesis.probs, self._config.confidence),
        )

    @torch.inference_mode()
    def so_far(self, speech: Speech, first: FirstPass) -> AsrResult:
        """The text of a first pass that goes on; its words have the times of the likeliest path."""
        best = first.best
        hypothesis, tokens = as_hypothesis(best), None
        if self.times_words:
            labels = [BLANK_ID] * first.frames
            for token, (start, end) in zip(best.tokens, best.spans, strict=True):
                labels[start:end] = [token] * (end - start)
            spans = [
                TokenSpan(token, *span, log_prob)
                for token, span, log_prob in zip(best.tokens, best.spans, best.log_probs, strict=True)
            ]
            tokens = self._times(hypothesis, Alignment(labels, spans, best.path_score, BLANK_ID), speech)
        decoded = Decoded([hypothesis], CTC_PREFIX, tokens, shown=first.shown)
        return self.join(speech, [(speech, decoded)])
