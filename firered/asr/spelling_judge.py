"""How well spellings of a whole text fit what a CTC head heard: the judge of corrections by hotwords."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from firered.align.ctc import why_not
from firered.align.words import given_words
from firered.hotwords.correction import Judge
from firered.text.tokenizer import BLANK_ID, Tokenizer

Spelling = Callable[[str], Sequence[int] | None]


def spelling_judge(log_probs: Tensor, spelling: Spelling, blank: int = BLANK_ID) -> Judge:
    """Gives the log-probability of a text: that of all paths of a CTC head that read as it.

    It is None for a text that the head's tokens cannot spell, that is too long for the frames, or that no path leads
    to. What is asked twice is computed once.

    Args:
        log_probs: (T, V) log-softmax of the head for one utterance, any floating type, on any device.
        spelling: the token ids of a text; None where it has none.
        blank: id of the blank.
    """
    known: dict[tuple[int, ...], float | None] = {}

    def judge(text: str) -> float | None:
        ids = spelling(text)
        if ids is None:
            return None
        key = tuple(ids)
        if key not in known:
            known[key] = _log_prob(log_probs, key, blank)
        return known[key]

    return judge


def pieces_of(tokenizer: Tokenizer) -> Spelling:
    """Spells a text as alignment does, in a dictionary's pieces; None where it lacks something that is spoken."""

    def spelling(text: str) -> list[int] | None:
        ids = [piece.id for word in given_words(text, tokenizer) for piece in word.pieces]
        known = [number for number in ids if number is not None]
        return known if len(known) == len(ids) else None

    return spelling


@torch.inference_mode()
def _log_prob(log_probs: Tensor, ids: Sequence[int], blank: int) -> float | None:
    if why_not(ids, len(log_probs), log_probs.shape[1], blank):
        return None
    # No path reads other columns than those of the text.
    columns = [blank, *dict.fromkeys(ids)]
    place = {label: column for column, label in enumerate(columns)}
    frames = log_probs[:, columns].double().cpu()[:, None]  # (T, 1, C)
    targets = torch.tensor([[place[label] for label in ids]])
    loss = ctc_loss(frames, targets, torch.tensor([len(frames)]), torch.tensor([len(ids)]), reduction="sum")
    total = -float(loss)
    return total if total > -torch.inf else None
