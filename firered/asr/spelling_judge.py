"""How well spellings of a whole text fit what a CTC head heard: the judge of corrections by hotwords.

The first text that is asked for is scored in full. Another one that differs in a stretch is scored between two frames
around it that are blank for certain: what lies outside is the same for both.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss

from firered.align.ctc import NotAligned, align, why_not
from firered.align.words import word_pieces
from firered.hotwords.correction import Judge
from firered.text.timed_words import words
from firered.text.tokenizer import BLANK_ID, Tokenizer

Spelling = Callable[[str], Sequence[int] | None]
_CERTAIN = -0.01  # log-probability of a blank
_AROUND = 2  # tokens on each side of what differs, which may want its frames


def spelling_judge(log_probs: Tensor, spelling: Spelling, blank: int = BLANK_ID) -> Judge:
    """Gives the log-probability of a text: that of all paths of a CTC head that read as it.

    It is None for a text that the head's tokens cannot spell, that is too long for the frames, or that no path leads
    to. What is asked twice is computed once.

    Args:
        log_probs: (T, V) log-softmax of the head for one utterance, any floating type, on any device.
        spelling: the token ids of a text; None where it has none.
        blank: id of the blank.
    """
    texts: dict[str, float | None] = {}
    known: dict[tuple[int, ...], float | None] = {}
    first: list[_Scored] = []

    def judge(text: str) -> float | None:
        if text not in texts:
            texts[text] = judged(text)
        return texts[text]

    def judged(text: str) -> float | None:
        ids = spelling(text)
        if ids is None:
            return None
        key = tuple(ids)
        if key not in known:
            known[key] = first[0].of_other(key) if first else _log_prob(log_probs, key, blank)
            total = known[key]
            if not first and total is not None:
                first.append(_Scored(log_probs, key, total, blank))
        return known[key]

    return judge


def pieces_of(tokenizer: Tokenizer) -> Spelling:
    """Spells a text as alignment does, in a dictionary's pieces; None where it lacks something that is spoken."""

    def spelling(text: str) -> list[int] | None:
        ids: list[int] = []
        for number, word in enumerate(words(text)):
            own = _ids_of(tokenizer, word, number > 0)
            if own is None:
                return None
            ids += own
        return ids

    return spelling


@lru_cache(maxsize=1 << 14)
def _ids_of(tokenizer: Tokenizer, word: str, follows: bool) -> list[int] | None:
    ids = [piece.id for piece in word_pieces(word, tokenizer, follows)]
    known = [number for number in ids if number is not None]
    return known if len(known) == len(ids) else None


class _Scored:
    """A text that was scored, to score others by.

    Args:
        log_probs: (T, V).
        ids: of the text.
        total: its log-probability.
        blank: id of the blank.
    """

    def __init__(self, log_probs: Tensor, ids: tuple[int, ...], total: float, blank: int) -> None:
        self._log_probs, self._ids, self._total, self._blank = log_probs, ids, total, blank
        (path,) = align(log_probs[None], [len(log_probs)], [ids], blank)
        blanks = log_probs[:, blank].tolist()
        # The last frame before each token and after all that is blank for certain, where there is one between tokens.
        self._cuts: list[int | None] = [None] * (len(ids) + 1)
        if not isinstance(path, NotAligned):
            ends = [0, *(span.end_frame for span in path.spans)]
            starts = [*(span.first_frame for span in path.spans), len(log_probs)]
            for place, (end, start) in enumerate(zip(ends, starts, strict=True)):
                self._cuts[place] = next((n for n in range(start - 1, end - 1, -1) if blanks[n] > _CERTAIN), None)
        self._parts: dict[tuple[int, int], float | None] = {}

    def of_other(self, ids: tuple[int, ...]) -> float | None:
        """The log-probability of another text."""
        own, shorter = self._ids, min(len(ids), len(self._ids))
        same = next((n for n in range(shorter) if ids[n] != own[n]), shorter)
        same_end = next((n for n in range(shorter - same) if ids[-1 - n] != own[-1 - n]), shorter - same)
        first = next((n for n in range(same - _AROUND, 0, -1) if self._cuts[n] is not None), 0)
        last = next((n for n in range(len(own) - same_end + _AROUND, len(own)) if self._cuts[n] is not None), len(own))
        begin = -1 if first == 0 else self._cuts[first]
        end = len(self._log_probs) if last == len(own) else self._cuts[last]
        assert begin is not None
        frames = self._log_probs[begin + 1 : end]
        if (first, last) not in self._parts:
            self._parts[first, last] = _log_prob(frames, own[first:last], self._blank)
        before = self._parts[first, last]
        now = _log_prob(frames, ids[first : len(ids) - len(own) + last], self._blank)
        if before is None or now is None:
            return _log_prob(self._log_probs, ids, self._blank)
        return self._total + now - before


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
