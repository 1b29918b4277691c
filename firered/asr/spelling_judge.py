"""How well spellings of a whole text fit what a CTC head heard: the judge of corrections by hotwords.

The first text that is asked for is scored in full. Another one that differs in a stretch is scored between two frames
around it that are blank for certain: what lies outside is the same for both.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
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
_FRAMES = 20_000  # of all texts that are computed at once


def spelling_judge(log_probs: Tensor, spelling: Spelling, blank: int = BLANK_ID) -> Judge:
    """Gives the log-probabilities of texts: those of all paths of a CTC head that read as them.

    It is None for a text that the head's tokens cannot spell, that is too long for the frames, or that no path leads
    to. Texts that are asked for together are computed together; what is asked twice is computed once.

    Args:
        log_probs: (T, V) log-softmax of the head for one utterance, any floating type, on any device.
        spelling: the token ids of a text; None where it has none.
        blank: id of the blank.
    """
    spelt: dict[str, tuple[int, ...] | None] = {}
    known: dict[tuple[int, ...], float | None] = {}
    sums = _Sums(log_probs, blank)
    first: list[_Scored] = []

    def ids_of(text: str) -> tuple[int, ...] | None:
        if text not in spelt:
            ids = spelling(text)
            spelt[text] = None if ids is None else tuple(ids)
        return spelt[text]

    def judge(texts: Sequence[str]) -> list[float | None]:
        asked = [ids_of(text) for text in texts]
        new = [ids for ids in dict.fromkeys(asked) if ids is not None and ids not in known]
        while new and not first:
            ids = new.pop(0)
            (known[ids],) = sums([_Part(0, sums.size, ids)])
            total = known[ids]
            if total is not None:
                first.append(_Scored(log_probs, ids, total, sums))
        if new:
            known.update(zip(new, first[0].of_others(new), strict=True))
        return [None if ids is None else known[ids] for ids in asked]

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


class _Part(NamedTuple):
    """Tokens that are to be read in frames [begin, end)."""

    begin: int
    end: int
    ids: tuple[int, ...]


class _Scored:
    """A text that was scored, to score others by.

    Args:
        log_probs: (T, V).
        ids: of the text.
        total: its log-probability.
        sums: of the same frames.
    """

    def __init__(self, log_probs: Tensor, ids: tuple[int, ...], total: float, sums: "_Sums") -> None:
        self._ids, self._total, self._sums = ids, total, sums
        (path,) = align(log_probs[None], [len(log_probs)], [ids], sums.blank)
        blanks = log_probs[:, sums.blank].tolist()
        # The last frame before each token and after all that is blank for certain, where there is one between tokens.
        self._cuts: list[int | None] = [None] * (len(ids) + 1)
        if not isinstance(path, NotAligned):
            ends = [0, *(span.end_frame for span in path.spans)]
            starts = [*(span.first_frame for span in path.spans), len(log_probs)]
            for place, (end, start) in enumerate(zip(ends, starts, strict=True)):
                self._cuts[place] = next((n for n in range(start - 1, end - 1, -1) if blanks[n] > _CERTAIN), None)
        self._parts: dict[_Part, float | None] = {}

    def of_others(self, texts: Sequence[tuple[int, ...]]) -> list[float | None]:
        """The log-probabilities of other texts."""
        parts = [self._parts_of(ids) for ids in texts]
        new = [part for part in dict.fromkeys(part for pair in parts for part in pair) if part not in self._parts]
        self._parts.update(zip(new, self._sums(new), strict=True))
        found = [self._by_parts(*pair) for pair in parts]
        left = [place for place, total in enumerate(found) if total is None]
        whole = self._sums([_Part(0, self._sums.size, texts[place]) for place in left])
        for place, total in zip(left, whole, strict=True):
            found[place] = total
        return found

    def _by_parts(self, own: _Part, other: _Part) -> float | None:
        """The log-probability of another text by what both are around the place where they differ."""
        before, now = self._parts[own], self._parts[other]
        return None if before is None or now is None else self._total + now - before

    def _parts_of(self, ids: tuple[int, ...]) -> tuple[_Part, _Part]:
        """What this text and another are between the two frames around all that differs."""
        own, shorter = self._ids, min(len(ids), len(self._ids))
        same = next((n for n in range(shorter) if ids[n] != own[n]), shorter)
        same_end = next((n for n in range(shorter - same) if ids[-1 - n] != own[-1 - n]), shorter - same)
        first = next((n for n in range(same - _AROUND, 0, -1) if self._cuts[n] is not None), 0)
        last = next((n for n in range(len(own) - same_end + _AROUND, len(own)) if self._cuts[n] is not None), len(own))
        begin = -1 if first == 0 else self._cuts[first]
        end = self._sums.size if last == len(own) else self._cuts[last]
        assert begin is not None
        assert end is not None
        return (
            _Part(begin + 1, end, own[first:last]),
            _Part(begin + 1, end, ids[first : len(ids) - len(own) + last]),
        )


class _Sums:
    """Log-probabilities of all paths that read as given tokens, many in one call.

    Args:
        log_probs: (T, V).
        blank: id of the blank.
    """

    def __init__(self, log_probs: Tensor, blank: int) -> None:
        self.size, self.blank = len(log_probs), blank
        self._frames = log_probs.double().cpu().numpy() if len(log_probs) else np.zeros((0, 1))

    def __call__(self, parts: Sequence[_Part]) -> list[float | None]:
        """Of each part; None where no path leads to it."""
        found: list[float | None] = [None] * len(parts)
        size = self._frames.shape[1]
        fit = [n for n, part in enumerate(parts) if not why_not(part.ids, part.end - part.begin, size, self.blank)]
        while fit:
            longest = max(parts[n].end - parts[n].begin for n in fit)
            now, fit = fit[: max(1, _FRAMES // longest)], fit[max(1, _FRAMES // longest) :]
            for n, total in zip(now, self._computed([parts[n] for n in now]), strict=True):
                found[n] = total if total > -np.inf else None
        return found

    @torch.inference_mode()
    def _computed(self, parts: Sequence[_Part]) -> list[float]:
        # No path reads other columns than those of the text.
        columns = [[self.blank, *dict.fromkeys(part.ids)] for part in parts]
        lengths = [part.end - part.begin for part in parts]
        frames = np.zeros((max(lengths), len(parts), max(map(len, columns))))
        targets = torch.zeros(len(parts), max(len(part.ids) for part in parts), dtype=torch.long)
        for n, (part, own) in enumerate(zip(parts, columns, strict=True)):
            place = {label: column for column, label in enumerate(own)}
            frames[: lengths[n], n, : len(own)] = self._frames[part.begin : part.end, own]
            targets[n, : len(part.ids)] = torch.tensor([place[label] for label in part.ids])
        counts = torch.tensor([len(part.ids) for part in parts])
        losses = ctc_loss(torch.from_numpy(frames), targets, torch.tensor(lengths), counts, reduction="none")
        return (-losses).tolist()
