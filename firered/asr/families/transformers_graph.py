"""Hotwords in the search of transformers' own `generate`: `GraphTerms`, and the tokens of any tokenizer as text."""

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor

from firered.search.hotwords import NOTHING, Hotwords, Written
from firered.text.llm_tokenizer import bytes_of_token

_BYTE_SPACE, _WORD_START = "Ġ", "▁"  # a space in byte-level tokenizers, and in those of SentencePiece
_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")


class GraphTerms(LogitsProcessor):
    """Adds to the scores of each hypothesis what its next tokens earn of the hotwords.

    Args:
        hotwords: of each window; None for one without any.
        beams: hypotheses of a window.
        given: tokens that every hypothesis begins with, which are none of the text.
    """

    def __init__(self, hotwords: Sequence[Hotwords | None], beams: int, given: int) -> None:
        self._hotwords, self._beams, self._given = list(hotwords), beams, given
        self._written: dict[tuple[int, ...], Written] = {}  # by window and tokens, of the step before
        self._added: list[Tensor] = []

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores (rows, V) of what follows the tokens (rows, L)."""
        written: dict[tuple[int, ...], Written] = {}
        added = torch.zeros(scores.shape)
        for row, tokens in enumerate(input_ids[:, self._given :].tolist()):
            window = row // self._beams
            hotwords = self._hotwords[window]
            if hotwords is None:
                continue
            key = (window, *tokens)
            own = written[key] = self._state(hotwords, key)
            terms = hotwords.terms(own)
            added[row, : len(terms)] = terms[: scores.shape[1]]
        self._written = written
        self._added.append(added.to(scores))
        return scores + self._added[-1]

    def without(self, scores: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The scores (rows, V) of all steps as they were before."""
        return tuple(own - added for own, added in zip(scores, self._added, strict=True))

    def _state(self, hotwords: Hotwords, key: tuple[int, ...]) -> Written:
        """What a hypothesis has written: that of the step before with one token more, where that is known."""
        _, *tokens = key
        before = self._written.get(key[:-1]) if tokens else None
        if before is not None:
            return hotwords.after(before, tokens[-1])
        written = NOTHING
        for token in tokens:
            written = hotwords.after(written, token)
        return written


def token_texts(tokenizer: Any, size: int) -> list[str | bytes | None]:  # noqa: ANN401 - of any class
    """What each of a network's tokens writes, with a space for a word's beginning; None for what is no text.

    Args:
        tokenizer: of transformers.
        size: tokens of the network, which may be more than the tokenizer's.
    """
    special = {*tokenizer.all_special_ids, *getattr(tokenizer, "added_tokens_decoder", ())}
    known = min(size, len(tokenizer))
    tokens = [None if n in special else tokenizer.convert_ids_to_tokens(n) for n in range(known)]
    tokens += [None] * (size - known)
    if any(token and token.startswith(_BYTE_SPACE) for token in tokens):
        return [None if token is None else bytes_of_token(token) for token in tokens]
    return [None if token is None else _piece(token) for token in tokens]


def _piece(token: str) -> str | bytes:
    """A piece of SentencePiece, or one of its single bytes."""
    if found := _BYTE.fullmatch(token):
        return bytes([int(found[1], 16)])
    return token.replace(_WORD_START, " ")
