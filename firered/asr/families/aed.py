"""Speech recognition on the released models: `Asr`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from firered.align.ctc import TimestampMode, align
from firered.align.words import Piece, times_of, words_recognised
from firered.asr.biasing import Biasing
from firered.asr.confidence import confidence
from firered.asr.config import AsrConfig
from firered.asr.drafting import CTC_DRAFT, Draft
from firered.asr.families.aed_search import AedSearch, scores_of
from firered.asr.guard import Guard
from firered.asr.listening import Head
from firered.asr.modes import ATTENTION, SEARCHED
from firered.asr.spelling_judge import pieces_of
from firered.asr.windowed import Window, WindowedRecogniser
from firered.errors import ModelError
from firered.hotwords.lists import Phrase
from firered.hub.catalogue import CHECKPOINT
from firered.hub.find import find_model
from firered.models.aed import Aed
from firered.models.checkpoint import model_files
from firered.models.lstm_lm import LstmLm
from firered.results import AsrResult, NBest, TokenTime
from firered.runtime.loaded import Loaded, need_ctc
from firered.runtime.speech import Speech
from firered.runtime.windows import on_one_axis
from firered.search.beams import Hypothesis
from firered.search.ctc import ctc_texts
from firered.text.joining import join_texts


@dataclass(frozen=True)
class _Decoded(Window):
    """One window's hypotheses, best first, its tokens in seconds from its start, and what the CTC head reads in it."""

    hypotheses: list[Hypothesis]
    tokens: list[TokenTime] | None = None
    ctc_text: str | None = None


class Asr(WindowedRecogniser[AsrConfig, _Decoded]):
    """The attention encoder-decoder with beam search, confidence and CTC time stamps.

    Examples:
        >>> import firered
        >>> asr = firered.load("egs/mini/models/FireRedASR2-AED", timestamps="pauses")
        >>> result = asr("egs/mini/test/wav/f3-zh-00003.flac")
        >>> result.text
        '你好谁星期三去公园'
        >>> result.words[0]
        Word(text='你', start_s=0.067, end_s=0.267)
    """

    def __init__(
        self, loaded: Loaded[Aed], config: AsrConfig, lm: LstmLm | None = None, guard: Guard | None = None
    ) -> None:
        if config.timestamps != "none":
            need_ctc(loaded, "time stamps")
        if config.mode != ATTENTION:
            need_ctc(loaded, f"mode {config.mode}")
        if config.draft == CTC_DRAFT:
            need_ctc(loaded, "drafts")
        self.loaded, self.config = loaded, config
        self.subsampling, self.layers = loaded.subsampling, len(loaded.model.encoder.layer_stack)
        if lm is not None and not lm.config.idim == lm.config.odim == loaded.model.odim:
            raise ModelError(
                f"{config.elm_dir}: a language model of {lm.config.odim} tokens, the recogniser has {loaded.model.odim}"
            )
        self.lm = None if lm is None else lm.to(loaded.device)
        self.guard = guard or Guard(config)
        head = Head(pieces_of(loaded.tokenizer), loaded.tokenizer.tokens_of) if loaded.model.has_ctc else None
        graph = loaded.tokenizer.texts if config.mode in SEARCHED else None
        self.biasing = Biasing(config, graph, head=head)
        self._search = AedSearch(loaded.model, config, self.lm, self.biasing)
        self.drafting = self._search.drafting

    @classmethod
    def from_pretrained(cls, model_dir: str | Path, config: AsrConfig | None = None, device: str = "auto") -> "Asr":
        """Recogniser of a published model directory (model.pth.tar, cmvn.ark, dict.txt, train_bpe1000.model).

        Raises:
            ModelError: the directory is incomplete, of another kind, or cannot do what `config` asks for.
        """
        config = config or AsrConfig()
        lm = LstmLm.load(model_files(Path(config.elm_dir), CHECKPOINT)[0]) if config.elm_dir else None
        directory = find_model(model_dir, "FireRedASR2-AED")
        return cls(Loaded.load(Aed, directory, config.dtype, device), config, lm, Guard.load(config, device))

    @property
    def sources(self) -> list[Path]:
        """All files that decide what is recognised."""
        elm = [Path(self.config.elm_dir) / CHECKPOINT] if self.config.elm_dir else []
        return [*self.loaded.sources, *elm, *self.guard.sources]

    @property
    def times_words(self) -> bool:
        """Whether its results have word times."""
        return self.config.timestamps != "none"

    @torch.inference_mode()
    def _decode(self, batch: list[Speech]) -> list[_Decoded]:
        encoded, lengths = self.loaded.encode(batch)
        hotwords = [speech.context.hotwords for speech in batch]
        listens = self.loaded.model.has_ctc and (self.guard.on or self.biasing.wanted(hotwords))
        wanted = self.times_words or listens or self.config.mode != ATTENTION or self.drafting.on
        log_probs = self.loaded.model.ctc_log_probs(encoded) if wanted else None
        read: Sequence[str] | None = None
        if listens and log_probs is not None:
            read = ctc_texts(log_probs, lengths, self.loaded.tokenizer.text_of)
        heard = [
            self.biasing.listening(None if log_probs is None else log_probs[number, :length])
            for number, length in enumerate(lengths)
        ]
        found, chosen = self.biasing.decode(
            hotwords,
            partial(self._search_rows, encoded, lengths, log_probs, self._given(batch)),
            lambda hypotheses: self._text(hypotheses[0]),
            read,
            heard,
        )
        nothing = [None] * len(batch)
        tokens = self._token_times(log_probs, lengths, found, batch) if log_probs is not None else nothing
        texts = read if read is not None else nothing
        shown = texts if self.guard.on else nothing
        told = [
            self.biasing.told(own, phrases, self._text(hypotheses[0]), window)
            for own, phrases, hypotheses, window in zip(hotwords, chosen, found, heard, strict=True)
        ]
        windows = zip(found, tokens, shown, told, texts, strict=True)
        return [_Decoded(best, times, text, told=own, read=heard) for best, times, text, own, heard in windows]

    @torch.inference_mode()
    def _encode(self, batch: list[Speech], layer: int | None, adapter: bool) -> list[Tensor]:
        encoded, lengths = self.loaded.encode(batch, layer)
        return [rows[:length].float().cpu() for rows, length in zip(encoded, lengths.tolist(), strict=True)]

    def _search_rows(
        self,
        encoded: Tensor,
        lengths: Tensor,
        log_probs: Tensor | None,
        given: list[Draft | None],
        rows: Sequence[int],
        hotwords: list[tuple[Phrase, ...]],
    ) -> list[list[Hypothesis]]:
        """Hypotheses of these rows of a batch, with these hotwords."""
        if len(rows) < len(encoded):
            encoded, lengths = encoded[list(rows)], lengths[list(rows)]
            log_probs = None if log_probs is None else log_probs[list(rows)]
        return self._search(encoded, lengths, log_probs, hotwords, [given[row] for row in rows])

    def _given(self, batch: list[Speech]) -> list[Draft | None]:
        """The drafts that callers have of these windows."""
        texts = [speech.context.draft for speech in batch]
        return [Draft(self.loaded.tokenizer.tokenize(text).ids) if text else None for text in texts]

    def _text(self, hypothesis: Hypothesis) -> str:
        return self.loaded.tokenizer.text_of(hypothesis.tokens)

    def _token_times(
        self, log_probs: Tensor, lengths: Tensor, found: list[list[Hypothesis]], batch: list[Speech]
    ) -> list[list[TokenTime] | None]:
        if not self.times_words:
            return [None] * len(batch)
        best = [hypotheses[0] for hypotheses in found]
        paths = align(log_probs, lengths, [hypothesis.tokens for hypothesis in best])
        lead_s = self.loaded.model.config.ctc_lead_s
        return [
            times_of(self._pieces(hypothesis), path, speech.duration_s, self._mode, lead_s)
            for hypothesis, path, speech in zip(best, paths, batch, strict=True)
        ]

    def _pieces(self, hypothesis: Hypothesis) -> list[Piece]:
        symbols = self.loaded.tokenizer.tokens_of(hypothesis.tokens)
        return [Piece(symbol, number) for symbol, number in zip(symbols, hypothesis.tokens, strict=True)]

    @property
    def _mode(self) -> TimestampMode:
        return cast("TimestampMode", self.config.timestamps)

    def _join(self, speech: Speech, parts: list[tuple[Speech, _Decoded]]) -> AsrResult:
        """One utterance's result from those of its windows."""
        decoded = [outcome for _, outcome in parts]
        best = [outcome.hypotheses[0] for outcome in decoded]
        tokens = [token for hypothesis in best for token in self.loaded.tokenizer.tokens_of(hypothesis.tokens)]
        probs = [prob for hypothesis in best for prob in hypothesis.probs]
        ctc_texts = [outcome.ctc_text for outcome in decoded]
        texts = [self._text(hypothesis) for hypothesis in best]
        timed = [outcome.tokens or [] for outcome in decoded]
        words = [
            words_recognised(text, own, self._mode) for text, own in zip(texts, timed, strict=True) if self.times_words
        ]
        return AsrResult(
            uttid=speech.key,
            text=join_texts(texts),
            confidence=confidence(probs, self.config.confidence),
            dur_s=speech.duration_s,
            tokens=tokens,
            token_confidence=probs,
            words=on_one_axis([part for part, _ in parts], words) if self.times_words else None,
            token_times=on_one_axis([part for part, _ in parts], timed) if self.times_words else None,
            nbest=[self._nbest(hypothesis) for hypothesis in decoded[0].hypotheses] if len(decoded) == 1 else [],
            ctc_text=None if None in ctc_texts else join_texts(text for text in ctc_texts if text),
        )

    def _nbest(self, hypothesis: Hypothesis) -> NBest:
        return NBest(
            text=self._text(hypothesis),
            tokens=self.loaded.tokenizer.tokens_of(hypothesis.tokens),
            score=hypothesis.score,
            scores=scores_of(hypothesis, self.config.mode),
            length=hypothesis.length_factor,
            confidence=confidence(hypothesis.probs, self.config.confidence),
        )
