"""Whisper of transformers: language, prompt, word times from its cross-attention (Whisper report, section 2.3)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationMixin, LogitsProcessorList
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper.tokenization_whisper import LANGUAGES, TO_LANGUAGE_CODE

from firered.asr.families.transformers_answer import Answer, Kind, duration_s
from firered.asr.families.transformers_graph import GraphTerms
from firered.asr.families.transformers_loaded import Hearing, Inputs, LoadedTransformers, quiet
from firered.asr.families.transformers_words import Piece, char_ends, token_starts, words_of
from firered.errors import ModelError, NoNumbersError
from firered.results import Word
from firered.runtime.context import Context
from firered.search.hotwords import Hotwords

_ROW = 320  # samples to a row of the encoder
_NO_TIMES, _TASK, _BEFORE, _START = "<|notimestamps|>", "<|transcribe|>", "<|startofprev|>", "<|startoftranscript|>"


class Whisper(Kind):
    """Encoder and decoder; its confidence is that of its tokens before any are suppressed."""

    takes_prompt = takes_hotwords = takes_history = True  # all as the text before
    batched = takes_graph = True

    def __init__(
        self, loaded: LoadedTransformers, longest_s: float, beams: int, max_length: int, times: bool = True
    ) -> None:
        self.loaded, self.beams, self.max_length = loaded, beams, max_length
        self.settings = loaded.network.generation_config
        self.settings.forced_decoder_ids = None
        self.tokens_of_languages = self._languages()
        self.languages = [*self.tokens_of_languages] or ["en"]
        self.start = self._id(_START, self.settings.decoder_start_token_id)
        self.end = int(np.ravel(self.settings.eos_token_id)[0])
        self.heads = [tuple(head) for head in getattr(self.settings, "alignment_heads", None) or ()] or self._late()
        self.times_words = times
        extractor = loaded.extractor
        positions = loaded.network.config.max_source_positions * 2 * extractor.hop_length
        if extractor.n_samples != positions:
            raise ModelError(
                f"{loaded.directory}: its feature extractor gives {extractor.n_samples} samples at a time, the encoder "
                f"has room for {positions}"
            )
        self.hearing = Hearing(lambda samples: self._inputs([samples]), extractor, loaded.rate, longest_s)

    def _languages(self) -> dict[str, int]:
        """The token of each language by its code; none: English alone."""
        if getattr(self.settings, "is_multilingual", None) is False:
            return {}
        known = getattr(self.settings, "lang_to_id", None) or {}
        if not known:  # of configurations that are not whole
            known = {f"<|{code}|>": self._id(f"<|{code}|>", None) for code in LANGUAGES}
        return {name.strip("<|>"): int(token) for name, token in known.items() if token is not None}

    def _id(self, token: str, otherwise: Any) -> Any:  # noqa: ANN401
        """The id of a special token."""
        found = self.loaded.tokenizer.convert_tokens_to_ids(token)
        unknown = getattr(self.loaded.tokenizer, "unk_token_id", None)
        return otherwise if found is None or (found == unknown and token not in self._special) else int(found)

    @property
    def _special(self) -> dict[str, int]:
        return self.loaded.tokenizer.get_added_vocab()

    def _late(self) -> list[tuple[int, int]]:
        """All heads of the later half of the decoder's layers: those that align where none are named."""
        config = self.loaded.network.config
        layers = range(config.decoder_layers // 2, config.decoder_layers)
        return [(layer, head) for layer in layers for head in range(config.decoder_attention_heads)]

    def code(self, name: str) -> str | None:
        """The code of a language by Whisper's own names as well."""
        return super().code(name) or super().code(TO_LANGUAGE_CODE.get(name.lower(), name))

    def _inputs(self, batch: Sequence[np.ndarray]) -> Inputs:
        return self.loaded.extractor(
            list(batch), sampling_rate=self.loaded.rate, return_tensors="pt", return_attention_mask=True
        )

    def decode(
        self, batch: Sequence[np.ndarray], contexts: Sequence[Context], graphs: Sequence[Hotwords | None]
    ) -> list[Answer]:
        """The text of each window, in any batch the same."""
        loaded = self.loaded
        inputs = self._inputs(batch)
        for samples, mask in zip(batch, inputs["attention_mask"], strict=True):
            self.hearing.check({"attention_mask": mask}, duration_s(samples, loaded.rate))
        features = loaded.to_device({"input_features": inputs["input_features"]})["input_features"]
        encoded = loaded.network.model.encoder(features).last_hidden_state  # (N, rows, D)
        if bool(encoded.isnan().any()):
            raise NoNumbersError
        languages = self._spoken(encoded, contexts)
        prompts = [self._prompt(*pair) for pair in zip(languages, contexts, strict=True)]
        answers: dict[int, Answer] = {}
        order = sorted(range(len(batch)), key=lambda number: prompts[number])
        for prompt, group in groupby(order, key=lambda number: prompts[number]):
            own = list(group)
            texts = self._generate(encoded[own], prompt, [graphs[number] for number in own])
            looked_at = self._look(encoded[own], prompt, texts, [len(batch[number]) for number in own])
            for number, ids, (probs, starts) in zip(own, texts, looked_at, strict=True):
                seconds = duration_s(batch[number], loaded.rate)
                answers[number] = self._answer(ids, probs, starts, seconds, languages[number], len(prompt))
        return [answers[number] for number in range(len(batch))]

    def _spoken(self, encoded: Tensor, contexts: Sequence[Context]) -> list[str]:
        """The language of each window: the one given, or the likeliest of those that it may be in, or of all."""
        candidates = [self.candidates(context) for context in contexts]
        if not self.tokens_of_languages:
            return ["en"] * len(contexts)
        if all(len(codes) == 1 for codes in candidates):
            return [codes[0] for codes in candidates]
        first = torch.full((len(encoded), 1), self.start, device=encoded.device)
        outputs = self.loaded.network(encoder_outputs=BaseModelOutput(encoded), decoder_input_ids=first)
        logits = outputs.logits[:, -1].float().cpu()
        found = []
        for own, codes in zip(logits, candidates, strict=True):
            names = codes or [*self.tokens_of_languages]
            found.append(names[int(own[[self.tokens_of_languages[name] for name in names]].argmax())])
        return found

    def _prompt(self, language: str, context: Context) -> list[int]:
        """The tokens that the decoder begins with."""
        begin = [self.start]
        if self.tokens_of_languages:
            task = getattr(self.settings, "task_to_id", None) or {}
            begin += [self.tokens_of_languages[language], task.get("transcribe") or self._id(_TASK, None)]
        plain = getattr(self.settings, "no_timestamps_token_id", None) or self._id(_NO_TIMES, None)
        begin = [int(token) for token in [*begin, plain] if token is not None]
        words = self._known(context)
        if not words:
            return begin
        before = getattr(self.settings, "prev_sot_token_id", None) or self._id(_BEFORE, None)
        return [*([before] if before is not None else []), *words, *begin]

    def _known(self, context: Context) -> list[int]:
        """The tokens of what is known beforehand: what was said last comes last, and is cut where there is no room."""
        told = " ".join([context.prompt.strip(), ", ".join(context.hotwords.texts)]).strip()
        room = self.loaded.network.config.max_target_positions // 2 - 1
        asked, said = (
            self.loaded.tokenizer(" " + text, add_special_tokens=False)["input_ids"] if text else []
            for text in (told, context.history.strip())
        )
        asked = asked[-room:]
        return [*asked, *said[len(said) - min(len(said), room - len(asked)) :]]

    def _generate(self, encoded: Tensor, prompt: list[int], graphs: Sequence[Hotwords | None]) -> list[list[int]]:
        """The tokens of each text, with the token that ends it where it ends."""
        given = torch.tensor([prompt] * len(encoded), device=encoded.device)
        terms = [GraphTerms(graphs, self.beams, len(prompt))] if any(graphs) else []
        room = min(self.max_length, self.loaded.network.config.max_target_positions - len(prompt))
        with quiet():
            # Not Whisper's own `generate`, which encodes once more, but what that calls for each window.
            out = GenerationMixin.generate(
                self.loaded.network,
                encoder_outputs=BaseModelOutput(encoded),
                decoder_input_ids=given,
                max_new_tokens=max(1, room),
                num_beams=self.beams,
                do_sample=False,
                logits_processor=LogitsProcessorList(terms),
                return_dict_in_generate=False,
            )
        return [_to_end(row[len(prompt) :], self.end) for row in out.tolist()]

    def _look(
        self, encoded: Tensor, prompt: list[int], texts: list[list[int]], samples: Sequence[int]
    ) -> Iterator[tuple[list[float], list[int]]]:
        """For each text its tokens' probabilities, and the rows where they and the end begin: by one more pass."""
        rows = [[*prompt, *ids] for ids in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([[*row, *[self.end] * (longest - len(row))] for row in rows], device=encoded.device)
        with self._attention() as weights_of:
            outputs = self.loaded.network(encoder_outputs=BaseModelOutput(encoded), decoder_input_ids=ids)
        log_probs = outputs.logits.float().log_softmax(-1)
        if bool(log_probs.isnan().any()):
            raise NoNumbersError
        first = len(prompt) - 1  # the row that gives the first token
        for number, text in enumerate(texts):
            chosen = torch.tensor(text, device=encoded.device)[:, None]
            own = log_probs[number, first : first + len(text)]
            probs = own.gather(1, chosen).exp()[:, 0].tolist()
            spoken = [token for token in text if token != self.end]
            if not (self.times_words and spoken):
                yield probs[: len(spoken)], []
                continue
            frames = max(1, min(encoded.shape[1], -(-samples[number] // _ROW)))
            weights = weights_of(number, frames)[:, first : first + len(spoken) + 1]
            yield probs[: len(spoken)], [*token_starts(weights), frames]

    @contextmanager
    def _attention(self) -> Iterator[Callable[[int, int], Tensor]]:
        """Inside, the network is called; then the function gives (heads, tokens, frames) weights of an utterance."""
        kept: dict[tuple[int, str], Tensor] = {}
        hooks = []
        layers = self.loaded.network.model.decoder.layers
        for layer in sorted({layer for layer, _ in self.heads}) if self.times_words else ():
            for name in ("q_proj", "k_proj"):

                def keep(module: object, given: object, out: Tensor, key: tuple[int, str] = (layer, name)) -> None:
                    kept[key] = out

                hooks.append(getattr(layers[layer].encoder_attn, name).register_forward_hook(keep))

        def weights(number: int, frames: int) -> Tensor:
            found = []
            for layer, head in self.heads:
                width = layers[layer].encoder_attn.head_dim
                part = slice(head * width, (head + 1) * width)
                query = kept[layer, "q_proj"][number, :, part].float()
                key = kept[layer, "k_proj"][number, :frames, part].float()
                found.append((query @ key.T * width**-0.5).softmax(-1).cpu())
            return torch.stack(found)

        try:
            yield weights
        finally:
            for hook in hooks:
                hook.remove()

    def _answer(
        self, ids: list[int], probs: list[float], starts: list[int], seconds: float, language: str, prompt: int
    ) -> Answer:
        ended = bool(ids) and ids[-1] == self.end
        spoken = [token for token in ids if token != self.end]
        text = self.loaded.decode(spoken).rstrip()
        words: Sequence[Word] | None = () if self.times_words else None
        if starts and text:
            # The last start is where the end was looked for, which closes the last token.
            times = [start * _ROW / self.loaded.rate for start in starts]
            pieces = [Piece(times[n], times[n + 1], prob) for n, prob in enumerate(probs)]
            words = words_of(text, pieces, char_ends(spoken, self.loaded.decode, text), seconds)
        return Answer(text, self.loaded.tokens(spoken), probs, words, language, truncated=not ended)


def _to_end(ids: list[int], end: int) -> list[int]:
    """The tokens up to the first that ends the text, with that."""
    return ids[: ids.index(end) + 1] if end in ids else ids
