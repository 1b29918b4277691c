"""What is added to the prefixes of a CTC search: hotwords and a language model.

The scorers of the other searches make every hypothesis a token longer in each step. Here most prefixes stay as they are
in most frames, so a `PrefixScorer` is told which ones grow. It works on them alone.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from firered.search.hotwords import NOTHING, Hotwords, Written
from firered.search.scorers import Stage

_TABLE_BYTES = 64 << 20  # of the terms that are kept; those of the prefixes at hand may be more


class PrefixScorer(Protocol):
    """A scorer of N utterances with B prefixes each; in later frames only of the first n utterances."""

    stage: Stage
    totals: np.ndarray  # (N, B) what it has added to each prefix

    def terms(self, tokens: np.ndarray) -> np.ndarray:
        """(n, B, K) what each of the tokens (n, K) would add to each prefix."""

    def advance(self, source: np.ndarray, tokens: np.ndarray, grown: np.ndarray) -> None:
        """Make prefix (n, b) what was prefix (n, source[n, b]), with one more token where it has grown; all (n, B)."""

    def ended(self) -> np.ndarray:
        """(N, B) what it has added if the texts end here."""


class HotwordPrefixes:
    """The hotwords of a batch's utterances; `firered.search.hotwords.HotwordScorer` is the same for other searches.

    Args:
        hotwords: of each utterance; None for one without any.
        beams: prefixes an utterance.
    """

    stage = Stage.RANK

    def __init__(self, hotwords: Sequence[Hotwords | None], beams: int) -> None:
        self._hotwords = list(hotwords)
        shape = (len(self._hotwords), beams)
        self.totals = np.zeros(shape)
        self._written = np.empty(shape, dtype=object)
        self._written.fill(NOTHING)
        width = max((len(one.vocabulary) for one in self._hotwords if one is not None), default=1)
        self._most = max(64, _TABLE_BYTES // (4 * width))
        # Row 0 is of utterances without hotwords, the others of the states that came up, each once.
        self._table = np.zeros((16, width), np.float32)
        self._known: dict[tuple[int, Written], int] = {}
        self._row = np.zeros(shape, np.int64)
        for place, own in enumerate(self._hotwords):
            if own is not None:
                self._row[place] = self._row_of(own, NOTHING)

    def terms(self, tokens: np.ndarray) -> np.ndarray:
        """(n, B, K) what each of the tokens (n, K) would add to each prefix."""
        return self._table[self._row[: len(tokens), :, None], tokens[:, None, :]]

    def advance(self, source: np.ndarray, tokens: np.ndarray, grown: np.ndarray) -> None:
        """Make each prefix what was prefix `source`, with one more token where it has grown."""
        count = len(source)
        for held in (self.totals, self._written, self._row):
            held[:count] = np.take_along_axis(held[:count], source, 1)
        for place, beam in zip(*map(np.ndarray.tolist, grown.nonzero()), strict=True):
            own = self._hotwords[place]
            if own is not None:
                written = own.after(self._written[place, beam], int(tokens[place, beam]))
                self._written[place, beam] = written
                self.totals[place, beam] = written.state.score
                self._row[place, beam] = self._row_of(own, written)

    def ended(self) -> np.ndarray:
        """(N, B) the bonus of the phrases that are complete."""
        totals = self.totals.copy()
        for place, own in enumerate(self._hotwords):
            if own is not None:
                totals[place] = [own.bonus(written) for written in self._written[place]]
        return totals

    def _row_of(self, own: Hotwords, written: Written) -> int:
        """The row of the table that has what each token would add: it is the same whatever was earned before."""
        state = written.state
        before = state.sums[-1]  # without what the beginnings of phrases at the end may still become
        state = state._replace(sums=tuple(round(part - before, 6) for part in state.sums), score=state.score - before)
        key = id(own), Written(state._replace(score=round(state.score, 6)), written.in_word)
        row = self._known.get(key)
        if row is None:
            if len(self._known) + 1 >= self._most:
                self._forget()
            row = self._known[key] = len(self._known) + 1
            if row == len(self._table):
                self._table = np.concatenate([self._table, np.zeros_like(self._table)])
            self._table[row] = own.terms(key[1]).numpy()
        return row

    def _forget(self) -> None:
        """Keep the rows of the prefixes at hand alone."""
        used = np.union1d(self._row, [0])
        place = {int(row): number for number, row in enumerate(used)}
        self._known = {key: place[row] for key, row in self._known.items() if row in place}
        self._table = self._table[used]
        self._row = np.searchsorted(used, self._row)
        self._most = max(self._most, 2 * len(used))


class StepLm(Protocol):
    """A language model whose state is two tensors, as `firered.models.lstm_lm.LstmLm`."""

    def step(self, tokens: Tensor, state: tuple[Tensor, Tensor] | None, /) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Logits (R, U, V) and state, each (layers, R, hidden), after more tokens (R, U); None before the first."""


class LmPrefixes:
    """A language model's log-probability of each prefix, and at the end of the whole text.

    Args:
        lm: over the same tokens.
        weight: of its log-probabilities.
        count: utterances.
        beams: prefixes an utterance.
        sos: the token that it begins with.
        eos: the token that ends a text.
        device: of the language model.
    """

    stage = Stage.LOG_PROBS

    @torch.inference_mode()
    def __init__(
        self, lm: StepLm, weight: float, count: int, beams: int, *, sos: int, eos: int, device: torch.device
    ) -> None:
        self._lm, self._weight, self._eos, self._beams, self._device = lm, weight, eos, beams, device
        self.totals = np.zeros((count, beams))
        first = torch.full((count * beams, 1), sos, device=device)
        logits, self._state = lm.step(first, None)
        self._shares = self._weighted(logits)  # (N * B, V)

    def _weighted(self, logits: Tensor) -> Tensor:
        return self._weight * logits[:, -1].float().log_softmax(-1)

    def terms(self, tokens: np.ndarray) -> np.ndarray:
        """(n, B, K) what each of the tokens (n, K) would add to each prefix."""
        count, width = tokens.shape
        ids = torch.from_numpy(tokens).to(self._device)[:, None].expand(count, self._beams, width)
        own = self._shares[: count * self._beams].view(count, self._beams, -1)
        return own.gather(2, ids).double().cpu().numpy()

    def advance(self, source: np.ndarray, tokens: np.ndarray, grown: np.ndarray) -> None:
        """Make each prefix what was prefix `source`, with one more token where it has grown."""
        count = len(source)
        self.totals[:count] = np.take_along_axis(self.totals[:count], source, 1)
        rows = (source + np.arange(count)[:, None] * self._beams).ravel()
        moved = (rows != np.arange(len(rows))).nonzero()[0]
        if len(moved):
            old, new_rows = (torch.from_numpy(places).to(self._device) for places in (rows[moved], moved))
            self._shares[new_rows] = self._shares[old]
            for part in self._state:
                part[:, new_rows] = part[:, old]
        longer = torch.from_numpy(grown.ravel().nonzero()[0]).to(self._device)
        if len(longer):
            added = torch.from_numpy(tokens[grown]).to(self._device)
            self.totals[:count][grown] += self._shares[longer, added].double().cpu().numpy()
            state = (self._state[0][:, longer].contiguous(), self._state[1][:, longer].contiguous())
            logits, new = self._lm.step(added[:, None], state)
            self._shares[longer] = self._weighted(logits)
            for part, other in zip(self._state, new, strict=True):
                part[:, longer] = other

    def ended(self) -> np.ndarray:
        """(N, B) with the end."""
        return self.totals + self._shares[:, self._eos].view(-1, self._beams).double().cpu().numpy()
