"""Speech recognition with any recogniser of Hugging Face transformers: `TransformersAsr`."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from firered.asr.biasing import Biasing
from firered.asr.confidence import confidence
from firered.asr.families.transformers_answer import Answer, Kind
from firered.asr.families.transformers_ctc import Ctc
from firered.asr.families.transformers_generate import Generates
from firered.asr.families.transformers_kinds import CTC, writes_marks
from firered.asr.families.transformers_loaded import LoadedTransformers
from firered.asr.families.transformers_whisper import Whisper
from firered.asr.guard import Guard
from firered.asr.hotword_config import PROMPT
from firered.asr.transformers_config import TransformersConfig
from firered.asr.windowed import WindowedRecogniser
from firered.audio.frontend import SAMPLES
from firered.errors import ModelError, Outcome
from firered.hotwords.lists import HotwordList, Phrase
from firered.results import TRUNCATED, AsrResult
from firered.runtime.batches import run_batch
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.runtime.windows import on_one_axis, window_parts
from firered.text.files import first_line
from firered.text.joining import join_texts

_SPLIT_S = 2.0  # shorter windows are not cut again
_SHARE = 0.67  # the longest part of one that is cut in two
log = logging.getLogger(__name__)


class TransformersAsr(WindowedRecogniser[TransformersConfig, Answer]):
    """A model of transformers behind the interface of recognisers; it takes samples and extracts its own features."""

    front_end = SAMPLES

    def __init__(
        self, loaded: LoadedTransformers, kind: Kind, config: TransformersConfig, guard: Guard | None = None
    ) -> None:
        self.loaded, self.kind, self.config = loaded, kind, config
        self.guard = guard or Guard(config)
        tokens = loaded.token_texts if kind.takes_graph else None
        self.biasing = Biasing(config, tokens, prompts=kind.takes_hotwords, head=kind.head)
        self.takes_history = kind.takes_history

    @classmethod
    def from_pretrained(
        cls, model_dir: str | Path, config: TransformersConfig | None = None, device: str = "auto"
    ) -> "TransformersAsr":
        """Recogniser of a directory as `save_pretrained` writes it: config.json, safetensors, processor.

        Raises:
            ModelError: the directory is incomplete, damaged or of another kind.
            OptionError: a number format is not available on the device.
        """
        config = config or TransformersConfig()
        loaded = LoadedTransformers.load(Path(model_dir), config, device)
        with _damage_named(loaded):
            kind = _kind(loaded, config)
        asr = cls(loaded, kind, config, Guard.load(config, device))
        if asr.longest_s < config.window_seconds:
            log.info("%s: hears %g s at a time; longer utterances are cut into windows", model_dir, asr.longest_s)
        return asr

    @property
    def longest_s(self) -> float:
        """Seconds of the longest window: what its feature extractor keeps, or less where options say so."""
        return min(self.config.window_seconds, self.kind.hearing.longest_s)

    @property
    def sources(self) -> list[Path]:
        """All files that decide what is recognised."""
        return [*self.loaded.sources, *self.guard.sources]

    @property
    def times_words(self) -> bool:
        """Whether its results have word times."""
        return self.config.timestamps != "none" and self.kind.times_words

    @property
    def punctuates(self) -> bool:
        """Whether its own marks are taken."""
        return self.config.punctuates and writes_marks(self.loaded.directory)

    @property
    def uses(self) -> Sequence[str]:
        """The fields of a context that it makes use of, where they are given."""
        kind = self.kind
        able = {
            "history": self.takes_history,
            "hotwords": True,
            "language": kind.languages is not None,
            "prompt": kind.takes_prompt,
        }
        return [name for name, uses in able.items() if uses]

    @property
    def languages(self) -> Sequence[str]:
        """Codes of the languages that it can be told."""
        return self.kind.languages or ()

    def check(self, context: Context) -> None:
        """Raise OptionError for a language that the model does not know (its own are listed), or a needless prompt."""
        self.kind.check(context, str(self.loaded.directory))

    def _decode(self, batch: list[Speech]) -> list[Answer]:
        for speech in batch:
            self.check(speech.context)
        samples = [self.loaded.resampled(speech.samples) for speech in batch]
        hotwords = [speech.context.hotwords for speech in batch]
        answers, chosen = self.biasing.decode(
            hotwords, partial(self._answers, samples, [speech.context for speech in batch]), lambda answer: answer.text
        )
        heard = [self.biasing.listening(answer.log_probs) for answer in answers]
        return [
            replace(answer, told=self.biasing.told(own, phrases, answer.text, listening), log_probs=None)
            for answer, own, phrases, listening in zip(answers, hotwords, chosen, heard, strict=True)
        ]

    @torch.inference_mode()
    def _answers(
        self,
        samples: Sequence[np.ndarray],
        contexts: Sequence[Context],
        rows: Sequence[int],
        hotwords: Sequence[tuple[Phrase, ...]],
    ) -> list[Answer]:
        """Those to these windows, told of these hotwords."""
        given = [samples[row] for row in rows]
        named = hotwords if PROMPT in self.biasing.uses else [()] * len(rows)
        told = [replace(contexts[row], hotwords=HotwordList(phrases)) for row, phrases in zip(rows, named, strict=True)]
        graphs = self.biasing.graphs(hotwords)
        with _damage_named(self.loaded):
            if self.kind.batched:
                return self.kind.decode(given, told, graphs)
            windows = zip(given, told, graphs, strict=True)
            return [self.kind.decode([own], [context], [graph])[0] for own, context, graph in windows]

    def _settled(self, parts: list[tuple[Speech, Outcome[Answer]]]) -> list[tuple[Speech, Outcome[Answer]]]:
        """The windows; one whose text ends at the limit is decoded again in two parts."""
        settled: list[tuple[Speech, Outcome[Answer]]] = []
        for part, outcome in parts:
            cut = isinstance(outcome, Answer) and outcome.truncated and part.duration_s > _SPLIT_S
            if not (cut and self.config.split_truncated):
                settled.append((part, outcome))
                continue
            log.warning("%s: the text ends at the limit of its length; decoding in two parts", part.key)
            halves = window_parts(part, _SHARE * part.duration_s, self.subsampling)
            settled += zip(halves, run_batch(halves, self._decode), strict=True)
        return settled

    def _join(self, speech: Speech, parts: list[tuple[Speech, Answer]]) -> Outcome[AsrResult]:
        windows, answers = [part for part, _ in parts], [answer for _, answer in parts]
        probs = [prob for answer in answers for prob in answer.probs]
        languages = dict.fromkeys(answer.lang for answer in answers if answer.lang)
        words = on_one_axis(windows, [answer.words or () for answer in answers]) if self.times_words else None
        return AsrResult(
            uttid=speech.key,
            text=join_texts(answer.text for answer in answers),
            confidence=confidence(probs, self.config.confidence),
            dur_s=speech.duration_s,
            tokens=[token for answer in answers for token in answer.tokens],
            token_confidence=probs,
            words=words,
            flags=[TRUNCATED] * any(answer.truncated for answer in answers),
            context_used=[name for name in self.uses if getattr(speech.context, name)],
            lang=",".join(languages) or None,
        )


@contextmanager
def _damage_named(loaded: LoadedTransformers) -> Iterator[None]:
    """Errors of values in its files that do not fit together become a ModelError that names the directory."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError) as error:
        if "memory" in str(error):  # for which the caller tries a smaller batch
            raise
        raise ModelError(f"{loaded.directory}: its files do not fit together ({first_line(error)})") from error


def _kind(loaded: LoadedTransformers, config: TransformersConfig) -> Kind:
    """How a model is told what to do, and what it gives."""
    if loaded.auto == CTC:
        return Ctc(loaded, config.window_seconds)
    if loaded.kind == "whisper":
        times = config.timestamps != "none"
        return Whisper(loaded, config.window_seconds, config.beam_size, config.max_length, times)
    return Generates(loaded, config.window_seconds, config.beam_size, config.max_length)
