"""Speech recognition with Fun-ASR-Nano: `FunAsr` (FunAudio-ASR report; published inference code)."""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from firered.asr.biasing import Biasing
from firered.asr.drafting import CTC_DRAFT, NO_DRAFT, Drafting, Read, entropy_of
from firered.asr.families.fun_asr_loaded import NANO, LoadedFunAsr, why_no_ctc
from firered.asr.families.fun_asr_stream import streamed
from firered.asr.families.fun_asr_times import read_by_ctc, timed_tokens, token_times, words_of
from firered.asr.fun_asr_config import FunAsrConfig
from firered.asr.guard import Guard
from firered.asr.hotword_config import PROMPT
from firered.asr.listening import Head, Listening
from firered.asr.llm_search import LlmSearch
from firered.asr.window import Window, shown_of
from firered.asr.windowed import WindowedRecogniser
from firered.errors import ModelError, OptionError, Outcome
from firered.hotwords.lists import HotwordList, Phrase
from firered.hub.find import find_model
from firered.models.fun_asr import ROW_FRAMES
from firered.results import TRUNCATED, AsrResult, TokenTime, Word
from firered.runtime.batches import run_batch
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.runtime.windows import on_one_axis, window_parts
from firered.search.beams import Hypothesis
from firered.search.ctc import ctc_greedy
from firered.text.fun_asr import Request, clean, without_marks
from firered.text.joining import join_texts
from firered.text.languages import AUTO, code_of, listed

_TOKENS, _TOKENS_A_SECOND = 32, 40  # more than anyone says: Thai takes some three tokens a character
_SPLIT_S = 2.0  # shorter windows are not cut again
_SHARE = 0.67  # the longest part of one that is cut in two
_SILENT = "silent: digital silence, which is not decoded"
_CONTEXT = "history", "hotwords", "language", "prefix", "prompt"
_NOTHING = Hypothesis((), 0.0, 0.0, 0.0, 1.0, (), finished=True)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Decoded(Window):
    """One window's hypotheses, best first, the answer, what the CTC head reads in it, and when it was said."""

    hypotheses: list[Hypothesis]
    answer: str
    ctc_text: str | None = None
    tokens: Sequence[TokenTime] = ()
    words: Sequence[Word] = ()
    silent: bool = False

    @property
    def truncated(self) -> bool:
        """Whether the text ends because of the limit on its length."""
        return not self.hypotheses[0].finished


class FunAsr(WindowedRecogniser[FunAsrConfig, _Decoded]):
    """SANM encoder, adaptor and Qwen3, and a CTC head for times; confidence is the mean token probability."""

    takes_history = True
    uses = _CONTEXT
    instruction = str(Request(hotwords=["，"], history="，"))

    def __init__(self, loaded: LoadedFunAsr, config: FunAsrConfig, guard: Guard | None = None) -> None:
        self.loaded, self.config = loaded, config
        self.guard = guard or Guard(config)
        self.biasing = Biasing(
            config,
            lambda: loaded.tokenizer.texts(loaded.llm.config.vocab_size),
            prompts=config.hotwords_in_prompt,
            head=_head(loaded),
        )
        if config.draft == CTC_DRAFT and loaded.ctc_tokenizer is None:
            raise ModelError(f"no drafts from this model: {why_no_ctc(loaded.directory)}")
        self.drafting = Drafting(on=config.draft != NO_DRAFT and loaded.ctc_tokenizer is not None, trust=config.trust)
        self._search = LlmSearch(loaded.llm, loaded.tokenizer, config.search, self.biasing, self.drafting)
        self.front_end = loaded.front_end
        self.subsampling, self.layers = ROW_FRAMES, loaded.config.encoder.layers
        self.adapter_rate = loaded.config.adaptor.downsample_rate

    @classmethod
    def from_pretrained(
        cls, model_dir: str | Path, config: FunAsrConfig | None = None, device: str = "auto"
    ) -> "FunAsr":
        """Recogniser of a published directory (config.yaml, model.pt, multilingual.tiktoken, Qwen3-0.6B/).

        Raises:
            ModelError: the directory is incomplete, damaged or of another kind.
            OptionError: a number format is not available on the device.
        """
        config = config or FunAsrConfig()
        directory = find_model(model_dir, NANO)
        loaded = LoadedFunAsr.load(directory, config, device)
        if config.timestamps != "none" and loaded.ctc_tokenizer is None:
            log.warning("no word times: %s", why_no_ctc(directory))
        return cls(loaded, config, Guard.load(config, device))

    @property
    def sources(self) -> list[Path]:
        """All files that decide what is recognised."""
        return [*self.loaded.sources, *self.guard.sources]

    @property
    def times_words(self) -> bool:
        """Whether its results have word times."""
        return self.config.timestamps != "none" and self.loaded.ctc_tokenizer is not None

    @property
    def punctuates(self) -> bool:
        """Whether its text has punctuation: without ITN the model writes none."""
        return self.config.punctuates

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages that it can be told."""
        return self.loaded.languages

    def check(self, context: Context) -> None:
        """Raise OptionError for a language that the model does not know; those that it knows are listed."""
        self._candidates(context)

    def _candidates(self, context: Context) -> list[str | None]:
        """Codes of the languages that an utterance may be in; None alone: the model finds out."""
        names = [name.strip() for name in (context.language or "").split(",")]
        codes = [self._code(name) for name in names if name and name.lower() != AUTO]
        unknown = [code for code in codes if code not in self.languages]
        if unknown:
            raise OptionError(
                f"language: {', '.join(unknown)} is not known to {self.loaded.directory}; it knows "
                f"{listed(self.languages)}, and auto"
            )
        return [*dict.fromkeys(codes)] or [None]

    def _code(self, name: str) -> str:
        """The code of a language; Cantonese is Chinese to a model that does not tell them apart."""
        code = code_of(name) or name
        return "zh" if code == "yue" and code not in self.languages else code

    @property
    def decodes_again(self) -> bool:
        """Whether windows are: not in a streaming pass."""
        return not self.config.streaming

    def _decode(self, batch: list[Speech]) -> list[_Decoded]:
        """What each window decodes to; in a streaming pass, what its last step does."""
        if not self.config.streaming:
            return self._decode_whole(batch)

        def text(decoded: _Decoded) -> str:
            return clean(decoded.answer)

        step_s, tokenizer = self.config.step_s, self.loaded.tokenizer
        return streamed(batch, step_s, self._decode_whole, text, lambda own: own.truncated, tokenizer)

    def _decode_whole(self, batch: list[Speech]) -> list[_Decoded]:
        """What each window decodes to; digital silence, for which the model would invent something, is not decoded."""
        heard = [speech for speech in batch if self.loaded.hears(speech)]
        decoded = iter(self._decode_heard(heard) if heard else ())
        return [next(decoded) if self.loaded.hears(speech) else self._nothing(speech) for speech in batch]

    def _nothing(self, speech: Speech) -> _Decoded:
        """The outcome of digital silence."""
        read = None if self.loaded.ctc_tokenizer is None else ""
        return _Decoded([_NOTHING], speech.context.prefix, read, silent=True)

    @torch.inference_mode()
    def _decode_heard(self, batch: list[Speech]) -> list[_Decoded]:
        rows, lengths = self.loaded.rows(batch)
        encoded = self.loaded.encoder.encode(rows, lengths)
        hotwords = [speech.context.hotwords for speech in batch]
        log_probs: Iterable[Tensor | None] = [None] * len(batch)
        read: list[Read] | None = None
        listens = False
        heard: list[Listening | None] = [None] * len(batch)
        if self.loaded.ctc_tokenizer is not None:
            log_probs = self.loaded.encoder.ctc_log_probs(encoded, lengths)
            listens = self.biasing.wanted(hotwords)
            if listens or self.drafting.on:
                log_probs = kept = list(log_probs)
                read = [self._draft_of(own) for own in kept]
                heard = [self.biasing.listening(own) for own in kept] if listens else heard
        found, chosen = self.biasing.decode(
            hotwords,
            partial(self._in_their_languages, batch, encoded, lengths, read),
            lambda hypotheses: self.loaded.tokenizer.decode(hypotheses[0].tokens),
            [own.text for own in read] if read and listens else None,
            heard,
        )
        return [self._decoded(*parts) for parts in zip(batch, found, chosen, log_probs, heard, strict=True)]

    def _decoded(
        self,
        speech: Speech,
        hypotheses: list[Hypothesis],
        chosen: tuple[Phrase, ...],
        log_probs: Tensor | None,
        heard: Listening | None,
    ) -> _Decoded:
        """One window's outcome; `log_probs` (L, V) are those of the CTC head, `heard` the same for hotwords."""
        loaded = self.loaded
        answer = speech.context.prefix + loaded.tokenizer.decode(hypotheses[0].tokens)
        told = self.biasing.told(speech.context.hotwords, chosen, clean(answer), heard)
        if loaded.ctc_tokenizer is None or log_probs is None:
            return _Decoded(hypotheses, answer, told=told)
        read = self._read(log_probs)
        if not self.times_words:
            return _Decoded(hypotheses, answer, read, told=told)
        timed = timed_tokens(log_probs, loaded.ctc_tokenizer.encode(clean(answer)), loaded.config.blank)
        words = words_of(clean(answer), timed, loaded.ctc_tokenizer, speech.duration_s)
        return _Decoded(hypotheses, answer, read, token_times(timed, loaded.ctc_tokenizer), words, told=told)

    def _read(self, log_probs: Tensor | None) -> str | None:
        """What the CTC head reads."""
        if log_probs is None or self.loaded.ctc_tokenizer is None:
            return None
        return read_by_ctc(log_probs, self.loaded.ctc_tokenizer, self.loaded.config.blank)

    def _draft_of(self, log_probs: Tensor | None) -> Read:
        """The same with how sure the head is; nothing of no frames."""
        if log_probs is None or not len(log_probs):
            return Read("")
        (own,) = ctc_greedy(log_probs[None], torch.tensor([len(log_probs)]), self.loaded.config.blank)
        return Read(self._read(log_probs) or "", own.mean_log_prob, entropy_of(log_probs, self.config.trust))

    def _in_their_languages(
        self,
        batch: list[Speech],
        encoded: Tensor,
        lengths: Tensor,
        read: Sequence[Read] | None,
        wanted: Sequence[int],
        hotwords: Sequence[tuple[Phrase, ...]],
    ) -> list[list[Hypothesis]]:
        """Hypotheses of these windows with these hotwords; of several languages that one may be in, the likeliest."""
        asked = [
            (number, language, phrases)
            for number, phrases in zip(wanted, hotwords, strict=True)
            for language in self._candidates(batch[number].context)
        ]
        rows = [number for number, *_ in asked]
        prompted = PROMPT in self.biasing.uses
        contexts = [
            replace(batch[number].context, language=language, hotwords=HotwordList(phrases if prompted else ()))
            for number, language, phrases in asked
        ]
        limits = [self._limit(batch[number]) for number in rows]
        drafts = [_draft(read[number], batch[number].context.prefix) if read else Read("") for number in rows]
        told = [phrases for *_, phrases in asked]
        embeds, mask, last = self.loaded.prompts(encoded[rows], lengths[rows], contexts, self.config.itn)
        given = [_rest(batch[number].context.draft, batch[number].context.prefix) for number in rows]
        answers = self._search(embeds, mask, last, limits, told, lambda: drafts, given)
        best: dict[int, list[Hypothesis]] = {}
        for number, hypotheses in zip(rows, answers, strict=True):
            if number not in best or hypotheses[0].mean_log_prob > best[number][0].mean_log_prob:
                best[number] = hypotheses
        return [best[number] for number in wanted]

    def _limit(self, speech: Speech) -> int:
        """Tokens of a window at most."""
        return min(self.config.max_length, _TOKENS + math.ceil(_TOKENS_A_SECOND * speech.duration_s))

    @torch.inference_mode()
    def _encode(self, batch: list[Speech], layer: int | None, adapter: bool) -> list[Tensor]:
        rows, lengths = self.loaded.rows(batch)
        encoded = self.loaded.encoder.encode(rows, lengths, layer)
        counts = lengths.tolist()
        if adapter:
            encoded = self.loaded.encoder.adaptor(encoded, lengths)[0]
            counts = [self.loaded.heard(count) for count in counts]
        return [rows[:count].float().cpu() for rows, count in zip(encoded, counts, strict=True)]

    def _settled(self, parts: list[tuple[Speech, Outcome[_Decoded]]]) -> list[tuple[Speech, Outcome[_Decoded]]]:
        """The windows; one whose text ends at the limit is decoded again in two parts."""
        settled: list[tuple[Speech, Outcome[_Decoded]]] = []
        for part, outcome in parts:
            cut = isinstance(outcome, _Decoded) and outcome.truncated and part.duration_s > _SPLIT_S
            if not (cut and self.config.split_truncated and self.decodes_again):
                settled.append((part, outcome))
                continue
            log.warning("%s: the text ends at the limit of its length; decoding in two parts", part.key)
            halves = window_parts(part, _SHARE * part.duration_s, self.subsampling)
            settled += zip(halves, run_batch(halves, self._decode), strict=True)
        return settled

    def _join(self, speech: Speech, parts: list[tuple[Speech, _Decoded]]) -> Outcome[AsrResult]:
        windows, decoded = [part for part, _ in parts], [outcome for _, outcome in parts]
        best = [outcome.hypotheses[0] for outcome in decoded]
        probs = [prob for hypothesis in best for prob in hypothesis.probs]
        ids = [token for hypothesis in best for token in hypothesis.tokens]
        ctc_texts = [outcome.ctc_text for outcome in decoded]
        context = speech.context
        return AsrResult(
            uttid=speech.key,
            text=join_texts(clean(outcome.answer) for outcome in decoded),
            plain_text=join_texts(without_marks(outcome.answer) for outcome in decoded),
            confidence=float(np.mean(probs)) if probs else 0.0,
            dur_s=speech.duration_s,
            tokens=self.loaded.tokenizer.tokens_of(ids),
            token_confidence=probs,
            words=on_one_axis(windows, [outcome.words for outcome in decoded]) if self.times_words else None,
            token_times=on_one_axis(windows, [outcome.tokens for outcome in decoded]) if self.times_words else None,
            flags=_flags(decoded),
            ctc_text=None if None in ctc_texts else join_texts(text for text in ctc_texts if text),
            context_used=[name for name in self.uses if getattr(context, name)],
            shown=shown_of(parts),
        )


def _head(loaded: LoadedFunAsr) -> Head | None:
    tokenizer = loaded.ctc_tokenizer
    if tokenizer is None:
        return None
    return Head(tokenizer.encode, lambda ids: [tokenizer.decode([number]) for number in ids], loaded.config.blank)


def _flags(decoded: Sequence[_Decoded]) -> list[str]:
    """What is to be known of an utterance whose windows decoded to this."""
    truncated = any(outcome.truncated for outcome in decoded)
    return [_SILENT] * all(outcome.silent for outcome in decoded) + [TRUNCATED] * truncated


def _draft(read: Read, prefix: str) -> Read:
    """What is left to say of what a CTC head reads, after the beginning that an answer is given."""
    return replace(read, text=_rest(read.text, prefix)) if read.text.startswith(prefix) else Read("")


def _rest(text: str, prefix: str) -> str:
    """A text after its beginning; nothing where it begins otherwise."""
    return text[len(prefix) :] if text.startswith(prefix) else ""
