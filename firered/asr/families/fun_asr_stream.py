"""Speech as it comes through Fun-ASR-Nano, which has no state that could be kept: it is decoded anew with every step.

As in the published demonstration of streaming: from the start of the utterance, the text so far but its last tokens
being how the answer has to begin. No text is taken back but those tokens, and nothing is decoded again at the end.
A text that ends at the limit of its length goes round in circles: the next one does not have to begin with it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from firered.asr.window import Window
from firered.audio.framing import SAMPLE_RATE
from firered.results import Shown
from firered.runtime.speech import Speech
from firered.text.llm_tokenizer import ChatTokenizer

HELD_BACK = 5  # tokens at the end of a text that the next one may have otherwise

Decoded = TypeVar("Decoded", bound=Window)


def streamed(
    batch: list[Speech],
    step_s: float,
    decode: Callable[[list[Speech]], list[Decoded]],
    text_of: Callable[[Decoded], str],
    endless: Callable[[Decoded], bool],
    tokenizer: ChatTokenizer,
) -> list[Decoded]:
    """What utterances decode to in the last of their steps, with the texts of all of them (`shown`).

    Args:
        batch: utterances; the prefix of a context is how their first text has to begin.
        step_s: seconds of audio in a step.
        decode: decodes a batch.
        text_of: the text of what it gives.
        endless: whether that ends at the limit of its length.
        tokenizer: of the language model.
    """
    found: list[Decoded | None] = [None] * len(batch)
    shown: list[list[Shown]] = [[] for _ in batch]
    begins = [speech.context.prefix for speech in batch]
    going, heard_s = list(range(len(batch))), 0.0
    steps = 0
    while going:
        steps += 1
        heard_s = round(steps * step_s, 3)
        pieces = [_beginning(batch[number], heard_s, begins[number]) for number in going]
        for number, piece, decoded in zip(going, pieces, decode(pieces), strict=True):
            found[number], text = decoded, text_of(decoded)
            if text != (shown[number][-1].text if shown[number] else ""):
                shown[number].append(Shown(text, round(piece.duration_s, 3)))
            if not endless(decoded):
                begins[number] = _kept(text, batch[number].context.prefix, tokenizer)
        going = [number for number in going if heard_s < batch[number].duration_s]
    return [replace(own, shown=texts) for own, texts in zip(found, shown, strict=True) if own is not None]


def _beginning(speech: Speech, heard_s: float, prefix: str) -> Speech:
    """The first seconds of an utterance, whose text has to begin in some way."""
    context = replace(speech.context, prefix=prefix)
    if heard_s >= speech.duration_s:
        return replace(speech, context=context)
    frames = speech.front_end.num_frames(round(heard_s * SAMPLE_RATE))
    return replace(speech, feats=speech.feats[:frames], duration_s=heard_s, context=context)


def _kept(text: str, given: str, tokenizer: ChatTokenizer) -> str:
    """What of a text the next one begins with: not less than what the caller has given; no part of a character."""
    kept = tokenizer.decode(tokenizer.ids_of(text)[:-HELD_BACK]).replace("\N{REPLACEMENT CHARACTER}", "")
    return kept if kept.startswith(given) else given
