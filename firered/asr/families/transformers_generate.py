"""Models of transformers that write their text token by token, with a decoder or a language model, but for Whisper."""

import contextlib
import inspect
import math
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from transformers import LogitsProcessorList

from firered.asr.families.transformers_answer import Answer, Kind, duration_s
from firered.asr.families.transformers_graph import GraphTerms
from firered.asr.families.transformers_loaded import Hearing, Inputs, LoadedTransformers, quiet
from firered.asr.families.transformers_words import char_ends
from firered.errors import ModelError, OptionError
from firered.runtime.context import Context
from firered.search.hotwords import Hotwords
from firered.text.files import first_line
from firered.text.languages import code_of, three_letters, two_letters

_TOKENS, _TOKENS_A_SECOND = 32, 40  # more than anyone says
_HEADER = re.compile(r"\s*language\s+([^<\n]*?)\s*<asr_text>\s*")  # Qwen3-ASR's, before its text
_CUT_HEADER = re.compile(r"\s*language\b[^<\n]*(<[a-z_]*)?")  # by the limit on the length: no text
_HEADED = "qwen3_asr"
# What models are asked that have no request of their own: by their authors' examples.
_QUESTIONS = {
    "granite_speech": "can you transcribe the speech into a written format?",
    "granite_speech_plus": "can you transcribe the speech into a written format?",
    "qwen2_audio": "Detect the language and recognize the speech.",
    "phi4_multimodal": "Transcribe the audio clip into text.",
}
_QUESTION = "Transcribe the audio into text."


class Generates(Kind):
    """Any model with `generate`: asked by its processor's own request for a transcript where it has one."""

    takes_graph = True

    def __init__(self, loaded: LoadedTransformers, longest_s: float, beams: int, max_length: int) -> None:
        self.loaded, self.beams, self.max_length = loaded, beams, max_length
        processor = loaded.processor
        self._request: Any = getattr(processor, "apply_transcription_request", None)
        known = inspect.signature(self._request).parameters if self._request else {}
        self._language = next((name for name in ("language", "source_language") if name in known), "")
        self._asked = self._request is None and bool(getattr(processor, "chat_template", None) or _template(loaded))
        self.takes_prompt = "prompt" in known or self._asked
        self.takes_hotwords = "keywords" in known
        self.languages = self._languages()
        self.hearing = Hearing(
            lambda samples: self.inputs(samples, Context()), loaded.extractor, loaded.rate, longest_s
        )

    def _languages(self) -> Sequence[str] | None:
        """Codes of the languages that it can be told, by the tables of its processor or its settings."""
        settings = self.loaded.network.generation_config
        targets = getattr(settings, "text_decoder_lang_to_code_id", None)  # SeamlessM4T
        if targets:
            return list(targets)
        codes = getattr(self.loaded.tokenizer, "lang_code_to_id", None)  # Speech2Text of several languages
        if codes and self.loaded.kind == "speech_to_text":
            return list(codes)
        if not self._language:
            return None
        module = sys.modules[type(self.loaded.processor).__module__]
        tables = (getattr(module, name, None) for name in ("LANGUAGE_CODE_TO_NAME", "LANGUAGES"))
        return next((sorted(table) for table in tables if table), [])

    def code(self, name: str) -> str | None:
        """The model's own code of a language; where its list is not known, its processor says."""
        if found := super().code(name):
            return found
        code = code_of(name) or two_letters(name) or name
        if longer := super().code(three_letters(code) or code):
            return longer
        if self.languages:
            return None
        try:  # a list that only the processor knows
            self._request(np.zeros(1600, np.float32), **{self._language: code})
        except Exception as error:  # the library raises errors of many kinds
            raise OptionError(f"language: {first_line(error)}") from error
        return code

    def inputs(self, samples: np.ndarray, context: Context) -> Inputs:
        """What the network is given for one window."""
        processor = self.loaded.processor
        language = next(iter(self.candidates(context)), None)
        if self._request:
            return self._requested(samples, context, language)
        if self._asked:
            question = context.prompt or _QUESTIONS.get(self.loaded.kind, _QUESTION)
            return self._questioned(samples, question)
        given: dict[str, Any] = {"sampling_rate": self.loaded.rate, "return_tensors": "pt"}
        extractor = processor if callable(processor) else self.loaded.extractor
        key = next((name for name in ("audio", "audios", "raw_speech") if name in _parameters(extractor)), "")
        return extractor(**{key: samples}, **given) if key else extractor(samples, **given)

    def _requested(self, samples: np.ndarray, context: Context, language: str | None) -> Inputs:
        """By the processor's own request for a transcript."""
        known = inspect.signature(self._request).parameters
        given: dict[str, Any] = {"return_tensors": "pt"}
        if language:
            given[self._language] = language
        if context.prompt:
            given["prompt"] = context.prompt
        if context.hotwords:
            given["keywords"] = list(context.hotwords.texts)
        if "model_id" in known:  # Voxtral writes it into its request
            given |= {"model_id": self.loaded.directory.name, "format": ["wav"]}
        if "sampling_rate" in known:
            given["sampling_rate"] = self.loaded.rate
        return self._request([samples], **given)

    def _questioned(self, samples: np.ndarray, question: str) -> Inputs:
        """By a question after the audio, in the template of its chat."""
        processor = self.loaded.processor
        placeholder = getattr(processor, "audio_token", "<|audio|>")
        parts = [{"type": "audio", "audio": samples}, {"type": "text", "text": question}]
        own = processor if getattr(processor, "chat_template", None) else self.loaded.tokenizer
        texts = []
        for turn in (parts, f"{placeholder}{question}"):  # templates know parts of a turn, or texts alone
            with contextlib.suppress(Exception):
                messages = [{"role": "user", "content": turn}]
                texts.append(own.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
        text = next((text for text in texts if text.count(placeholder) == 1 and "'type':" not in text), None)
        if text is None:
            raise ModelError(f"{self.loaded.directory}: its chat template has no place for {placeholder}")
        key = next((name for name in ("audio", "audios") if name in _parameters(processor)), "audio")
        return processor(text=[text], **{key: [samples]}, return_tensors="pt")

    def decode(
        self, batch: Sequence[np.ndarray], contexts: Sequence[Context], graphs: Sequence[Hotwords | None]
    ) -> list[Answer]:
        """The text of each window."""
        return [self._one(*own) for own in zip(batch, contexts, graphs, strict=True)]

    def _one(self, samples: np.ndarray, context: Context, graph: Hotwords | None) -> Answer:
        loaded = self.loaded
        seconds = duration_s(samples, loaded.rate)
        with quiet():
            inputs = self.inputs(samples, context)
            self.hearing.check(inputs, seconds)
            given = loaded.to_device(inputs)
            before = given["input_ids"].shape[1] if "input_ids" in given else 0
            limit = min(self.max_length, _TOKENS + math.ceil(_TOKENS_A_SECOND * seconds))
            settings = self._settings(context, limit)
            terms = None
            if graph is not None:
                terms = GraphTerms([graph], self.beams, 1 if loaded.network.config.is_encoder_decoder else before)
                settings["logits_processor"] = LogitsProcessorList([terms])
            out = loaded.network.generate(**given, **settings)
            if terms is not None:  # probabilities are without it
                out.scores = terms.without(out.scores)
        ids, probs, ended = self._read(out, before)
        return self._answer(ids, probs, ended, context)

    def _settings(self, context: Context, limit: int) -> dict[str, Any]:
        """Of `generate`: how it searches, and the language where that is told there."""
        settings: dict[str, Any] = {"max_new_tokens": limit, "num_beams": self.beams, "do_sample": False}
        settings |= {"return_dict_in_generate": True, "output_scores": True}
        language = next(iter(self.candidates(context)), None)
        if getattr(self.loaded.network.generation_config, "text_decoder_lang_to_code_id", None):
            if language is None:
                raise OptionError(f"language: {self.loaded.directory} has to be told it; give --language")
            settings["tgt_lang"] = language
        elif language and self.loaded.kind == "speech_to_text":
            settings["forced_bos_token_id"] = self.loaded.tokenizer.lang_code_to_id[language]
        return settings

    def _read(self, out: Any, before: int) -> tuple[list[int], list[float], bool]:  # noqa: ANN401
        """The tokens that were written, their probabilities, and whether the text was ended."""
        sequence = out.sequences[0]
        scores = getattr(out, "scores", None)
        probs: list[float] = []
        if scores:
            indices = getattr(out, "beam_indices", None)
            log_probs = self.loaded.network.compute_transition_scores(
                out.sequences, scores, indices, normalize_logits=True
            )
            probs = log_probs[0].float().exp().tolist()
        written = sequence[len(sequence) - len(scores) :] if scores and indices is None else sequence[before:]
        ids = written.tolist()
        ends = {int(end) for end in np.ravel(self.loaded.network.generation_config.eos_token_id or -1)}
        last = next((place for place, token in enumerate(ids) if token in ends), None)
        return (ids if last is None else ids[:last]), probs, last is not None

    def _answer(self, ids: list[int], probs: list[float], ended: bool, context: Context) -> Answer:
        loaded = self.loaded
        text, lang, first = loaded.decode(ids), next(iter(self.candidates(context)), None), 0
        if loaded.kind == _HEADED:
            text, lang, first = self._without_header(ids, text, lang)
        special = set(getattr(loaded.tokenizer, "all_special_ids", ()))
        kept = [n for n in range(first, len(ids)) if ids[n] not in special]
        return Answer(
            text.strip(),
            loaded.tokens([ids[n] for n in kept]),
            [probs[n] for n in kept if n < len(probs)],
            lang=lang,
            truncated=not ended,
        )

    def _without_header(self, ids: list[int], text: str, lang: str | None) -> tuple[str, str | None, int]:
        """The text without the line that names its language, that language, and the first token of the text."""
        whole = loaded_text(self.loaded.tokenizer, ids)
        found = _HEADER.match(whole)
        if not found:
            return ("", lang, len(ids)) if _CUT_HEADER.fullmatch(whole) else (text, lang, 0)
        ends = char_ends(ids, lambda own: loaded_text(self.loaded.tokenizer, own), whole)
        first = next((n + 1 for n, end in enumerate(ends) if end >= found.end()), len(ids))
        named = found[1]
        code = None if named.lower() in ("", "none") else code_of(named) or named
        return self.loaded.decode(ids[first:]), lang or code, first


def loaded_text(tokenizer: Any, ids: Sequence[int]) -> str:  # noqa: ANN401
    """The text of tokens, special ones included."""
    return tokenizer.decode(list(ids), skip_special_tokens=False)


def _parameters(function: Any) -> Mapping[str, inspect.Parameter]:  # noqa: ANN401
    return inspect.signature(function.__call__).parameters


def _template(loaded: LoadedTransformers) -> str:
    """The chat template of the tokenizer, if it has one."""
    found = getattr(loaded.tokenizer, "chat_template", None)
    return found if isinstance(found, str) else ""
