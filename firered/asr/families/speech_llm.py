"""Speech recognition with the LLM variant: `LlmAsr` (FireRedASR paper, section 2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from firered.align.aligner import Aligner
from firered.align.base import Reading
from firered.align.config import AlignConfig
from firered.align.words import tokens_in_words
from firered.asr.biasing import Biasing
from firered.asr.confidence import confidence
from firered.asr.drafting import Drafting, DraftReader, Read
from firered.asr.encoder import WindowedEncoder
from firered.asr.families import FUN_ASR
from firered.asr.families.speech_llm_loaded import LoadedEncoder, LoadedLlm, model_paths
from firered.asr.guard import Guard
from firered.asr.llm_config import LlmConfig
from firered.asr.llm_search import LlmSearch
from firered.asr.windowed import Window, WindowedRecogniser
from firered.audio.frontend import PUBLISHED
from firered.errors import AudioError, ModelError, OptionError, Outcome
from firered.hotwords.lists import Phrase
from firered.hub.find import find_model
from firered.results import AsrResult, NBest
from firered.runtime.speech import Speech
from firered.search.beams import Hypothesis
from firered.text.joining import join_texts

_ALIGNER = "FireRedASR2-AED"
_NOTHING = Hypothesis((), 0.0, 0.0, 0.0, 1.0, (), finished=True)


@dataclass(frozen=True)
class _Decoded(Window):
    """One window's hypotheses, best first."""

    hypotheses: list[Hypothesis]


class LlmAsr(WindowedRecogniser[LlmConfig, _Decoded]):
    """Encoder, adapter and language model with greedy or beam search.

    Examples:
        >>> import firered
        >>> asr = firered.load("egs/mini/models/FireRedASR2-LLM", beam_size=1)
        >>> asr("egs/mini/test/wav/f3-zh-00003.flac").text
        '你好谁星期三去公园'
    """

    def __init__(
        self,
        loaded: LoadedLlm,
        config: LlmConfig,
        aligner: Aligner | None = None,
        guard: Guard | None = None,
        drafts: DraftReader | None = None,
    ) -> None:
        self.loaded, self.config = loaded, config
        self.aligner, self.guard = aligner, guard or Guard(config)
        self.front_end = loaded.encoder.front_end
        _check_length(loaded.encoder, config)
        for name, helper in (("align_model", aligner), ("draft_model", drafts)):
            if helper is not None and self.front_end != PUBLISHED:
                raise OptionError(
                    f"{name}: this recogniser's encoder takes other features ({loaded.directory}); align its text with "
                    "firered-align"
                )
        self._drafts, self.drafting = drafts, Drafting(on=drafts is not None, trust=config.trust)
        self.subsampling, self.layers = loaded.encoder.subsampling, len(loaded.encoder.encoder.layer_stack)
        self.adapter_rate = loaded.encoder.adapter_rate
        self.biasing = Biasing(config, lambda: loaded.tokenizer.texts(loaded.llm.config.vocab_size))
        self._llm_search = LlmSearch(loaded.llm, loaded.tokenizer, config.search, self.biasing, self.drafting)

    @classmethod
    def from_pretrained(cls, model_dir: str | Path, config: LlmConfig | None = None, device: str = "auto") -> "LlmAsr":
        """Recogniser of a published directory (model.pth.tar, asr_encoder.pth.tar, cmvn.ark, Qwen2-7B-Instruct/).

        Raises:
            ModelError: a directory is incomplete or of another kind.
            OptionError: a number format is not available on its device.
        """
        config = config or LlmConfig()
        aligner = None
        if config.align_model:
            if FUN_ASR.recognises(Path(config.align_model)):
                raise ModelError(
                    f"{config.align_model}: {FUN_ASR.about}, takes other features than this recogniser: align its text "
                    "with firered-align, or give FireRedASR2-AED here"
                )
            how = AlignConfig(
                timestamps=config.timestamps, batch_seconds=config.batch_seconds, dtype=config.encoder_dtype
            )
            aligner = Aligner.from_pretrained(config.align_model, how, device)
        directory = find_model(model_dir, "FireRedASR2-LLM")
        drafts = None
        if config.draft_model:
            drafts = DraftReader.from_pretrained(config.draft_model, config.encoder_dtype, device)
        return cls(LoadedLlm.load(directory, config, device), config, aligner, Guard.load(config, device), drafts)

    @property
    def sources(self) -> list[Path]:
        """All files that decide what is recognised."""
        aligner = self.aligner.sources if self.aligner else []
        drafts = self._drafts.sources if self._drafts else []
        return [*model_paths(self.loaded.directory), *aligner, *drafts, *self.guard.sources]

    @property
    def times_words(self) -> bool:
        """Whether its results have word times."""
        return self.aligner is not None

    @torch.inference_mode()
    def _decode(self, batch: list[Speech]) -> list[_Decoded]:
        hotwords = [speech.context.hotwords for speech in batch]
        found, chosen = self.biasing.decode(
            hotwords, partial(self._hypotheses, batch), lambda hypotheses: self._text(hypotheses[0])
        )
        return [
            _Decoded(hypotheses, told=self.biasing.told(own, phrases, self._text(hypotheses[0])))
            for hypotheses, own, phrases in zip(found, hotwords, chosen, strict=True)
        ]

    def _hypotheses(
        self, batch: list[Speech], rows: Sequence[int], hotwords: Sequence[tuple[Phrase, ...]]
    ) -> list[list[Hypothesis]]:
        """Those of these windows, best first; one too short for a single speech embedding has the empty one."""
        counts = {index: self.loaded.encoder.positions(len(batch[index].feats)) for index in rows}
        told = dict(zip(rows, hotwords, strict=True))
        long_enough = [index for index, count in counts.items() if count]
        found = {index: [_NOTHING] for index in rows}
        if long_enough:
            limits = [self.config.decode_max_len or counts[index] for index in long_enough]
            phrases = [told[index] for index in long_enough]
            searched = self._search([batch[index] for index in long_enough], limits, phrases)
            found |= dict(zip(long_enough, searched, strict=True))
        return [found[index] for index in rows]

    def _text(self, hypothesis: Hypothesis) -> str:
        return self.loaded.tokenizer.text_of(hypothesis.tokens)

    def _encode(self, batch: list[Speech], layer: int | None, adapter: bool) -> list[Tensor]:
        return _rows(self.loaded.encoder, batch, layer, adapter)

    def _search(
        self, batch: list[Speech], limits: list[int], phrases: Sequence[tuple[Phrase, ...]]
    ) -> list[list[Hypothesis]]:
        embeds, mask = self.loaded.prompts(batch)
        last = torch.full((len(batch),), self.loaded.tokenizer.last_id, device=embeds.device)
        given = [speech.context.draft for speech in batch]
        return self._llm_search(embeds, mask, last, limits, phrases, partial(self._read, batch), given)

    def _read(self, batch: list[Speech]) -> list[Read]:
        """The drafts of these windows."""
        return self._drafts.read(batch, self.config.trust) if self._drafts else [Read("")] * len(batch)

    def _join(self, speech: Speech, parts: list[tuple[Speech, _Decoded]]) -> Outcome[AsrResult]:
        if not any(self.loaded.encoder.positions(len(part.feats)) for part, _ in parts):
            least_ms = 1000 * self.front_end.duration_s(self.loaded.encoder.min_frames())
            return AudioError(
                f"{1000 * speech.duration_s:.0f} ms are too short: the LLM variant needs {least_ms:.0f} ms"
            )
        best = [decoded.hypotheses[0] for _, decoded in parts]
        ids = [token for hypothesis in best for token in hypothesis.tokens]
        probs = [prob for hypothesis in best for prob in hypothesis.probs]
        return AsrResult(
            uttid=speech.key,
            text=join_texts([self._text(hypothesis) for hypothesis in best]),
            confidence=confidence(probs, self.config.confidence),
            dur_s=speech.duration_s,
            tokens=self.loaded.tokenizer.tokens_of(ids),
            token_confidence=probs,
            nbest=[self._nbest(hypothesis) for hypothesis in parts[0][1].hypotheses] if len(parts) == 1 else [],
        )

    def _timed(self, utterances: Sequence[Speech], results: list[Outcome[AsrResult]]) -> list[Outcome[AsrResult]]:
        """The results with word times and what the CTC head reads, where there is an aligner."""
        if self.aligner is None:
            return results
        pairs = [
            (speech, result)
            for speech, result in zip(utterances, results, strict=True)
            if not isinstance(result, Exception)
        ]
        readings = iter(self.aligner.word_times([speech for speech, _ in pairs], [result.text for _, result in pairs]))
        return [result if isinstance(result, Exception) else _with_times(result, next(readings)) for result in results]

    def _nbest(self, hypothesis: Hypothesis) -> NBest:
        return NBest(
            text=self._text(hypothesis),
            tokens=self.loaded.tokenizer.tokens_of(hypothesis.tokens),
            score=hypothesis.score,
            scores={"llm": hypothesis.model_score} | ({"hotwords": hypothesis.bonus} if hypothesis.bonus else {}),
            length=hypothesis.length_factor,
            confidence=confidence(hypothesis.probs, self.config.confidence),
        )


def _with_times(result: AsrResult, reading: Outcome[Reading]) -> Outcome[AsrResult]:
    if isinstance(reading, Exception):
        return reading
    token_times = tokens_in_words(result.tokens, reading.words)
    return replace(result, words=reading.words, token_times=token_times, ctc_text=reading.ctc_text)


class LlmEncoder(WindowedEncoder[LlmConfig]):
    """Encoder and adapter alone: the language model is not loaded."""

    def __init__(self, loaded: LoadedEncoder, config: LlmConfig) -> None:
        self.loaded, self.config, self.front_end = loaded, config, loaded.front_end
        _check_length(loaded, config)
        self.subsampling, self.layers = loaded.subsampling, len(loaded.encoder.layer_stack)
        self.adapter_rate = loaded.adapter_rate

    @classmethod
    def from_pretrained(
        cls, model_dir: str | Path, config: LlmConfig | None = None, device: str = "auto"
    ) -> "LlmEncoder":
        """Encoder of a published directory, whose language model need not be there.

        Raises:
            ModelError: the directory is incomplete or of another kind.
            OptionError: the number format is not available on the device.
        """
        config = config or LlmConfig()
        return cls(LoadedEncoder.load(find_model(model_dir, "FireRedASR2-LLM"), config, device), config)

    @property
    def sources(self) -> list[Path]:
        """All files that decide what it gives."""
        return self.loaded.sources

    def _encode(self, batch: list[Speech], layer: int | None, adapter: bool) -> list[Tensor]:
        return _rows(self.loaded, batch, layer, adapter)


def _check_length(loaded: LoadedEncoder, config: LlmConfig) -> None:
    """Raise OptionError where windows may be longer than an encoder takes."""
    longest_s = loaded.encoder.longest_s
    if longest_s is not None and config.window_seconds > longest_s:
        raise OptionError(
            f"window_seconds: the encoder of {loaded.directory} takes {longest_s:g} s at most; give --window-seconds "
            f"{longest_s:g}"
        )


@torch.inference_mode()
def _rows(loaded: LoadedEncoder, batch: list[Speech], layer: int | None, adapter: bool) -> list[Tensor]:
    """(T, D) of each window on the processor."""
    encoded, lengths = loaded.encode(batch, layer, adapter)
    return [rows[:length].float().cpu() for rows, length in zip(encoded, lengths.tolist(), strict=True)]
