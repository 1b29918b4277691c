"""Speech recognition with Fun-ASR-Nano: `FunAsr` (FunAudio-ASR report; published inference code)."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from firered.asr.config import FunAsrConfig
from firered.asr.families.fun_asr_loaded import LoadedFunAsr
from firered.asr.guard import Guard
from firered.asr.windowed import WindowedRecogniser
from firered.errors import Outcome
from firered.hub.find import find_model
from firered.models.fun_asr import ROW_FRAMES
from firered.models.llm_stepper import LlmSteps
from firered.results import AsrResult
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.search.beams import Hypothesis
from firered.search.ctc import ctc_texts
from firered.search.generate import search
from firered.text.bpe_tokenizer import NO_SPEECH
from firered.text.fun_asr import clean
from firered.text.joining import join_texts

PUBLISHED = "Fun-ASR-Nano-2512"


@dataclass(frozen=True)
class _Decoded:
    """One window's hypotheses, best first, and what the CTC head reads in it."""

    hypotheses: list[Hypothesis]
    ctc_text: str | None = None


class FunAsr(WindowedRecogniser[FunAsrConfig, _Decoded]):
    """SANM encoder, adaptor and Qwen3, and a CTC head for times; confidence is the mean token probability."""

    def __init__(self, loaded: LoadedFunAsr, config: FunAsrConfig, guard: Guard | None = None) -> None:
        self.loaded, self.config = loaded, config
        self.guard = guard or Guard(config)
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
        directory = find_model(model_dir, PUBLISHED)
        return cls(LoadedFunAsr.load(directory, config, device), config, Guard.load(config, device))

    @property
    def sources(self) -> list[Path]:
        """All files that decide what is recognised."""
        return [*self.loaded.sources, *self.guard.sources]

    @property
    def times_words(self) -> bool:
        """Whether its results have word times."""
        return self.config.timestamps != "none" and self.loaded.ctc_tokenizer is not None

    @torch.inference_mode()
    def _decode(self, batch: list[Speech]) -> list[_Decoded]:
        rows, lengths = self.loaded.rows(batch)
        encoded = self.loaded.encoder.encode(rows, lengths)
        found = self._search(encoded, lengths, [self._context(speech) for speech in batch])
        texts: list[str | None] = [None] * len(batch)
        if self.loaded.ctc_tokenizer is not None:
            log_probs = self.loaded.encoder.ctc_log_probs(encoded, lengths)
            texts = [*ctc_texts(log_probs, lengths, self._ctc_text, self.loaded.config.blank)]
        return [_Decoded(*parts) for parts in zip(found, texts, strict=True)]

    def _context(self, speech: Speech) -> Context:
        """What the prompt has of an utterance's context."""
        hotwords = speech.context.hotwords if self.config.hotwords_in_prompt else ()
        return replace(speech.context, hotwords=hotwords)

    def _search(self, encoded: Tensor, lengths: Tensor, contexts: list[Context]) -> list[list[Hypothesis]]:
        config, loaded = self.config, self.loaded
        embeds, mask, last = loaded.prompts(encoded, lengths, contexts, config.itn)
        steps = LlmSteps(loaded.llm, embeds, mask, config.beam_size, config.max_length)
        limits = torch.full((len(contexts),), config.max_length, device=loaded.device)
        return search(steps, limits, config.search, first=last, eos=loaded.tokenizer.eos_id)

    def _ctc_text(self, ids: list[int]) -> str:
        assert self.loaded.ctc_tokenizer is not None
        return self.loaded.ctc_tokenizer.decode(ids).replace(NO_SPEECH, "")

    def _answer(self, speech: Speech, decoded: _Decoded) -> str:
        return speech.context.prefix + self.loaded.tokenizer.decode(decoded.hypotheses[0].tokens)

    def _join(self, speech: Speech, parts: list[tuple[Speech, _Decoded]]) -> Outcome[AsrResult]:
        decoded = [outcome for _, outcome in parts]
        answers = [self._answer(part, outcome) for part, outcome in parts]
        best = [outcome.hypotheses[0] for outcome in decoded]
        probs = [prob for hypothesis in best for prob in hypothesis.probs]
        ids = [token for hypothesis in best for token in hypothesis.tokens]
        ctc_texts = [outcome.ctc_text for outcome in decoded]
        return AsrResult(
            uttid=speech.key,
            text=join_texts([clean(answer) for answer in answers]),
            confidence=float(np.mean(probs)) if probs else 0.0,
            dur_s=speech.duration_s,
            tokens=self.loaded.tokenizer.tokens_of(ids),
            token_confidence=probs,
            ctc_text=None if None in ctc_texts else join_texts(text for text in ctc_texts if text),
        )
