"""CTC models of transformers: read greedily, with times from the best path."""

import inspect
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from firered.align.ctc import NotAligned, align, spans_of
from firered.asr.families.transformers_answer import Answer, Kind, duration_s
from firered.asr.families.transformers_loaded import Hearing, Inputs, LoadedTransformers
from firered.asr.families.transformers_words import Piece, char_ends, words_of
from firered.asr.listening import Head
from firered.errors import NoNumbersError
from firered.runtime.context import Context
from firered.search.hotwords import Hotwords

# Models whose padded batch gives what single utterances do; the others are decoded one by one.
_BATCHED = ("wav2vec2", "hubert", "wavlm", "unispeech-sat", "unispeech", "data2vec-audio", "parakeet_ctc")


class Ctc(Kind):
    """A CTC model: no language, no prompt."""

    times_words = True

    def __init__(self, loaded: LoadedTransformers, longest_s: float) -> None:
        self.loaded = loaded
        network, tokenizer = loaded.network, loaded.tokenizer
        self.blank = int(network.config.pad_token_id if network.config.pad_token_id is not None else 0)
        self.batched = loaded.kind in _BATCHED and getattr(network.config, "feat_extract_norm", "layer") != "group"
        self.head = Head(self._spelt, loaded.tokens, self.blank)
        self._grouping = "group_tokens" in inspect.signature(tokenizer._decode).parameters
        self.hearing = Hearing(lambda samples: self._inputs([samples]), loaded.extractor, loaded.rate, longest_s)

    def _inputs(self, batch: Sequence[np.ndarray]) -> Inputs:
        masked = {"return_attention_mask": True} if self.batched else {}
        return self.loaded.extractor(
            list(batch), sampling_rate=self.loaded.rate, return_tensors="pt", padding=True, **masked
        )

    def decode(
        self, batch: Sequence[np.ndarray], contexts: Sequence[Context], graphs: Sequence[Hotwords | None]
    ) -> list[Answer]:
        """The text of each window, in any batch the same."""
        loaded = self.loaded
        inputs = self._inputs(batch)
        if len(batch) == 1:
            self.hearing.check(inputs, duration_s(batch[0], loaded.rate))
        logits = loaded.network(**loaded.to_device(inputs)).logits.float()  # (N, T, V)
        lengths = self._lengths(batch, inputs, logits)
        log_probs = logits.log_softmax(-1).cpu()
        if bool(log_probs.isnan().any()):
            raise NoNumbersError
        return [
            self._answer(own[:length], duration_s(samples, loaded.rate))
            for own, length, samples in zip(log_probs, lengths, batch, strict=True)
        ]

    def _lengths(self, batch: Sequence[np.ndarray], inputs: Inputs, logits: Tensor) -> list[int]:
        """Rows of the network's output that are an utterance's own."""
        if len(batch) == 1:
            return [logits.shape[1]]
        network = self.loaded.network
        own = inputs["attention_mask"].sum(-1)
        name = "_get_feat_extract_output_lengths"
        lengths = getattr(network, name)(own) if hasattr(network, name) else network._get_subsampling_output_length(own)
        return [min(int(length), logits.shape[1]) for length in lengths]

    def _answer(self, log_probs: Tensor, seconds: float) -> Answer:
        """One window's outcome; `log_probs` (T, V)."""
        best = torch.unique_consecutive(log_probs.argmax(-1))
        ids = best[best != self.blank].tolist()
        text = self._text(ids).rstrip()
        (found,) = align(log_probs[None], [len(log_probs)], [ids], self.blank)
        if isinstance(found, NotAligned):
            return Answer(text, (), (), words=(), log_probs=log_probs)
        row_s = self._row_s(len(log_probs), seconds)
        pieces = [
            Piece(first * row_s, end * row_s, float(log_probs[first:end, found.labels[first]].max().exp()))
            for first, end in spans_of(found.labels, self.blank)
        ]
        words = words_of(text, pieces, char_ends(ids, self._text, text), seconds)
        tokens = self.loaded.tokenizer.convert_ids_to_tokens(ids)
        probs = [piece.probability for piece in pieces]
        return Answer(text, tokens, probs, words=words, log_probs=log_probs)

    def _row_s(self, rows: int, seconds: float) -> float:
        """Seconds from row to row."""
        config = self.loaded.network.config
        ratio = getattr(config, "inputs_to_logits_ratio", None)
        factor = getattr(getattr(config, "encoder_config", None), "subsampling_factor", None)
        if not ratio and factor and (hop := getattr(self.loaded.extractor, "hop_length", None)):
            ratio = factor * hop
        return float(ratio) / self.loaded.rate if ratio else seconds / max(1, rows)

    def _text(self, ids: Sequence[int]) -> str:
        """The text of tokens, of which none is repeated by its rows any more; as transformers, with its `<unk>`."""
        grouping = {"group_tokens": False} if self._grouping else {}
        return self.loaded.tokenizer.decode(list(ids), **grouping).lstrip()

    def _spelt(self, text: str) -> list[int] | None:
        """The tokens of a text in letters of the case that the model has; None where it lacks some."""
        tokenizer = self.loaded.tokenizer
        for spelling in dict.fromkeys((text, text.lower(), text.upper())):
            ids = tokenizer(spelling, add_special_tokens=False)["input_ids"]
            if ids and tokenizer.unk_token_id not in ids and self.blank not in ids:
                return list(ids)
        return None
