"""Speech recognition with the LLM variant: `LlmAsr` (FireRedASR paper, section 2.2)."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from firered.align.aligner import Aligner, Heard
from firered.align.config import AlignConfig
from firered.asr.config import LlmConfig
from firered.asr.guard import Guard
from firered.asr.llm_runtime import LoadedLlm, model_paths
from firered.asr.windowed import WindowedRecogniser
from firered.errors import AudioError
from firered.models.llm_stepper import LlmSteps
from firered.results import AsrResult, NBest
from firered.runtime.speech import Speech
from firered.search.beam import Hypothesis
from firered.search.generate import search
from firered.text.joining import join_texts

_NOTHING = Hypothesis((), 0.0, 0.0, 0.0, 1.0, (), finished=True)


class LlmAsr(WindowedRecogniser[list[Hypothesis]]):
    """Encoder, adapter and language model with greedy or beam search; confidence is the mean token probability."""

    def __init__(
        self, loaded: LoadedLlm, config: LlmConfig, aligner: Aligner | None = None, guard: Guard | None = None
    ) -> None:
        self.loaded, self.config = loaded, config
        self.aligner, self.guard = aligner, guard or Guard(config)

    @classmethod
    def from_pretrained(cls, model_dir: str | Path, config: LlmConfig | None = None, device: str = "auto") -> "LlmAsr":
        """Recogniser of a published directory (model.pth.tar, asr_encoder.pth.tar, cmvn.ark, Qwen2-7B-Instruct/).

        Raises:
            ModelError: a directory is incomplete or of another kind.
            OptionError: a number format is not to be had on its device.
        """
        config = config or LlmConfig()
        aligner = None
        if config.align_model:
            how = AlignConfig(
                timestamps=config.timestamps, batch_seconds=config.batch_seconds, dtype=config.encoder_dtype
            )
            aligner = Aligner.from_pretrained(config.align_model, how, device)
        return cls(LoadedLlm.load(Path(model_dir), config, device), config, aligner, Guard.load(config, device))

    @property
    def sources(self) -> list[Path]:
        """All files that decide what is recognised."""
        aligner = self.aligner.loaded.sources if self.aligner else []
        return [*model_paths(self.loaded.directory), *aligner, *self.guard.sources]

    @property
    def times_words(self) -> bool:
        """Whether its results have word times."""
        return self.aligner is not None

    @torch.inference_mode()
    def _decode(self, batch: list[Speech]) -> list[list[Hypothesis]]:
        """Hypotheses of each window, best first; one too short for a single speech embedding has the empty one."""
        counts = {index: self.loaded.speech_count(one) for index, one in enumerate(batch)}
        heard = [index for index, count in counts.items() if count]
        found = [[_NOTHING] for _ in batch]
        if heard:
            limits = [self.config.decode_max_len or counts[index] for index in heard]
            for index, hypotheses in zip(heard, self._search([batch[i] for i in heard], limits), strict=True):
                found[index] = hypotheses
        return found

    def _search(self, batch: list[Speech], limits: list[int]) -> list[list[Hypothesis]]:
        config, tokenizer = self.config, self.loaded.tokenizer
        embeds, mask = self.loaded.prompts(batch)
        steps = LlmSteps(self.loaded.model.llm, embeds, mask, config.beam_size, max(limits))
        return search(
            steps, torch.tensor(limits, device=embeds.device), config, first=tokenizer.last_id, eos=tokenizer.eos_id
        )

    def _join(self, one: Speech, parts: list[tuple[Speech, list[Hypothesis]]]) -> AsrResult | Exception:
        if not any(self.loaded.speech_count(part) for part, _ in parts):
            return AudioError(f"{1000 * one.duration_s:.0f} ms are too short: the LLM variant needs 65 ms")
        best = [hypotheses[0] for _, hypotheses in parts]
        ids = [token for hypothesis in best for token in hypothesis.tokens]
        probs = [prob for hypothesis in best for prob in hypothesis.probs]
        return AsrResult(
            uttid=one.key,
            text=join_texts([self.loaded.tokenizer.text_of(hypothesis.tokens) for hypothesis in best]),
            confidence=float(np.mean(probs)) if probs else 0.0,
            dur_s=one.duration_s,
            tokens=self.loaded.tokenizer.tokens_of(ids),
            token_confidence=probs,
            nbest=[self._nbest(hypothesis) for hypothesis in parts[0][1]] if len(parts) == 1 else [],
        )

    def _timed(self, utterances: Sequence[Speech], results: list[AsrResult | Exception]) -> list[AsrResult | Exception]:
        """The results with word times and what the CTC head reads, where there is an aligner."""
        if self.aligner is None:
            return results
        pairs = [pair for pair in zip(utterances, results, strict=True) if not isinstance(pair[1], Exception)]
        heard = iter(self.aligner.hear([one for one, _ in pairs], [result.text for _, result in pairs]))
        return [result if isinstance(result, Exception) else _with_times(result, next(heard)) for result in results]

    def _nbest(self, hypothesis: Hypothesis) -> NBest:
        return NBest(
            text=self.loaded.tokenizer.text_of(hypothesis.tokens),
            tokens=self.loaded.tokenizer.tokens_of(hypothesis.tokens),
            score=hypothesis.score,
            scores={"llm": hypothesis.model_score},
            length=hypothesis.length_factor,
            confidence=hypothesis.confidence,
        )


def _with_times(result: AsrResult, heard: Heard | Exception) -> AsrResult | Exception:
    if isinstance(heard, Exception):
        return heard
    return replace(result, words=heard.words, ctc_text=heard.ctc_text)
