"""What a CTC prefix search holds: the likeliest tokens of each frame (`Frames`), and the prefixes (`Prefixes`)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from firered.errors import NoNumbersError
from firered.search.prefix_scorers import PrefixScorer

IMPOSSIBLE = -np.inf
_BY_BLANK, _BY_TOKEN = 0, 1  # how a path ends
_EMPTY = np.uint64(0x94D049BB133111EB)  # the hash of the empty text
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(31))


class Frame(NamedTuple):
    """The log-probabilities of one frame: of the blank (N, 1), and of the likeliest tokens (N, K) with their ids."""

    blank: np.ndarray
    ids: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Frames:
    """The likeliest tokens of each frame; behind an utterance's end the blank is certain, so nothing changes there."""

    blank: np.ndarray  # (T, N, 1)
    ids: np.ndarray  # (T, N, K)
    scores: np.ndarray  # (T, N, K)

    @classmethod
    def of(cls, log_probs: Tensor, lengths: Sequence[int], count: int, blank: int) -> "Frames":
        """Those of log-probabilities (N, T, V).

        Raises:
            NoNumbersError: NaN or infinity is among them, or a frame without any possible label.
        """
        n, longest, size = log_probs.shape
        count = min(count, size - 1)
        best, labels = (part.cpu() for part in log_probs.topk(count + 1))  # one more, in the place of the blank
        ids, scores = labels.numpy(), best.double().numpy()
        blanks = log_probs[:, :, blank].double().cpu().numpy()[..., None]
        within = np.arange(longest) < np.array(lengths, dtype=np.int64).reshape(n, 1)
        if not np.isfinite(np.where(within, scores[..., 0], 0.0)).all():
            raise NoNumbersError
        is_blank = ids == blank
        at = np.where(is_blank.any(-1), is_blank.argmax(-1), count)[
            ..., None
        ]  # the last is left out if it is not there
        kept = np.arange(count) + (np.arange(count) >= at)
        ids, scores = np.take_along_axis(ids, kept, -1), np.take_along_axis(scores, kept, -1)
        scores = np.where(within[..., None], scores, IMPOSSIBLE)
        blanks = np.where(within[..., None], blanks, 0.0)
        return cls(*(np.ascontiguousarray(part.swapaxes(0, 1)) for part in (blanks, ids, scores)))

    @classmethod
    def none(cls, count: int) -> "Frames":
        """No frames of so many utterances."""
        return cls(np.zeros((0, count, 1)), np.zeros((0, count, 1), np.int64), np.zeros((0, count, 1)))

    def followed_by(self, more: "Frames") -> "Frames":
        """These frames and the next ones."""
        if not len(self.blank):
            return more
        pairs = ((self.blank, more.blank), (self.ids, more.ids), (self.scores, more.scores))
        return Frames(*(np.concatenate(pair) for pair in pairs))

    def at(self, number: int) -> Frame:
        """One frame of all utterances."""
        return Frame(self.blank[number], self.ids[number], self.scores[number])


class _Ends(NamedTuple):
    """The log-probabilities of prefixes (N, B) by how their paths end: in the blank or in the last token."""

    by_blank: np.ndarray
    by_token: np.ndarray


class _Kept(NamedTuple):
    """What a frame left, to walk back along the likeliest paths: of each prefix (N, B) its last token and pointers.

    A pointer is 2 * prefix + end of the frame before. `opens` says whether the path that ends in the token has it anew.
    """

    last: np.ndarray
    from_blank: np.ndarray
    from_token: np.ndarray
    opens: np.ndarray


class _Links(NamedTuple):
    """How prefixes (N, B) and the tokens (N, K) of a frame meet."""

    repeats: np.ndarray  # (N, B, K) whether a token is the last of a prefix
    place: np.ndarray  # (N, B) where the last token is among those of the frame
    own: np.ndarray  # (N, B) its log-probability
    parent: np.ndarray  # (N, B) the prefix without it
    is_child: np.ndarray  # (N, B) whether that one is kept, and the token among those of the frame


class Paths(NamedTuple):
    """The likeliest paths (R, T) of prefixes: labels, -1 for the blank, and whether a token begins in a frame.

    `states` say which prefix a path is at after each frame, and how it ends there.
    """

    labels: np.ndarray
    opens: np.ndarray
    states: np.ndarray


class Prefixes:
    """B prefixes for each of N utterances.

    A prefix is known by a hash of its tokens. No two of the same tokens are ever kept.
    """

    def __init__(self, count: int, size: int) -> None:
        shape = (count, size)
        self.size = size
        self._rows = np.arange(count)[:, None]
        first = np.where(np.arange(size) == 0, 0.0, IMPOSSIBLE) + np.zeros(shape)  # the empty text
        nothing = np.full(shape, IMPOSSIBLE)
        self._sums, self._paths = _Ends(first, nothing), _Ends(first, nothing)
        self._last = np.full(shape, -1)
        # Places without a prefix have hashes that no other has, and like the empty text no parent, for which 0 stands.
        self._unused = np.arange(1, size + 1, dtype=np.uint64) + np.zeros(shape, np.uint64)
        self._hash = np.where(np.arange(size) == 0, _EMPTY, self._unused)
        self._parent_hash = np.zeros(shape, np.uint64)
        self._kept: list[_Kept] = []

    @property
    def totals(self) -> np.ndarray:
        """(N, B) log-probability of each prefix."""
        return np.logaddexp(*self._sums)

    @property
    def path_scores(self) -> np.ndarray:
        """(N, B) log-probability of the likeliest path of each prefix."""
        return np.maximum(*self._paths)

    def advance(self, frame: Frame, scorers: Sequence[PrefixScorer]) -> None:
        """Go on to the best prefixes after one more frame."""
        links = self._links(frame)
        sums, longer = self._continued(self._sums, frame, links, np.logaddexp)
        paths, longer_paths = self._continued(self._paths, frame, links, np.maximum)
        rank, longer_rank = np.logaddexp(*sums), longer
        for scorer in scorers:
            rank = rank + scorer.totals
            longer_rank = longer_rank + (scorer.totals[..., None] + scorer.terms(frame.ids))
        ranks = _joined(rank, longer_rank)
        chosen = np.argpartition(-ranks, self.size - 1)[:, : self.size]
        chosen.sort()  # prefixes that stay come first, in their order
        grown = chosen >= self.size
        source, token = np.divmod(chosen - self.size, frame.ids.shape[1])
        source = np.where(grown, source, chosen)
        token = frame.ids[self._rows, token]
        self._keep(chosen, source, token, links)
        alive = ranks[self._rows, chosen] > IMPOSSIBLE
        self._sums, self._paths = (
            _Ends(
                np.where(grown, IMPOSSIBLE, ends.by_blank[self._rows, source]),
                _joined(ends.by_token, others)[self._rows, chosen],
            )
            for ends, others in ((sums, longer), (paths, longer_paths))
        )
        before = self._hash[self._rows, source]
        self._parent_hash = np.where(grown, before, self._parent_hash[self._rows, source]) * alive
        self._hash = np.where(alive, np.where(grown, _mixed(before, token), before), self._unused)
        for scorer in scorers:
            scorer.advance(source, token, grown & alive)

    def _links(self, frame: Frame) -> _Links:
        repeats = self._last[:, :, None] == frame.ids[:, None, :]
        place, heard = repeats.argmax(-1), repeats.any(-1)
        own = np.where(heard, frame.scores[self._rows, place], IMPOSSIBLE)
        is_parent = self._hash[:, :, None] == self._parent_hash[:, None, :]  # (N, B of parents, B of children)
        return _Links(repeats, place, own, is_parent.argmax(1), is_parent.any(1) & heard)

    def _continued(
        self, ends: _Ends, frame: Frame, links: _Links, joined: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> tuple[_Ends, np.ndarray]:
        """The prefixes after the frame, and (N, B, K) with one more token each, where that is no other prefix's."""
        total = joined(*ends)[..., None]
        # A token after itself is a new one only behind a blank.
        longer = np.where(links.repeats, ends.by_blank[..., None], total) + frame.scores[:, None]
        of_parent = np.where(links.is_child, longer[self._rows, links.parent, links.place], IMPOSSIBLE)
        row, child = links.is_child.nonzero()
        longer[row, links.parent[row, child], links.place[row, child]] = IMPOSSIBLE
        return _Ends(total[..., 0] + frame.blank, joined(ends.by_token + links.own, of_parent)), longer

    def _keep(self, chosen: np.ndarray, source: np.ndarray, token: np.ndarray, links: _Links) -> None:
        """Note the last tokens, and by which way the likeliest path of each prefix went."""
        by_token = self._paths.by_token > self._paths.by_blank  # (N, B) the likelier end
        best_end = 2 * np.arange(self.size) + by_token
        leaving = 2 * np.arange(self.size)[:, None] + (by_token[..., None] & ~links.repeats)  # (N, B, K)
        from_parent = leaving[self._rows, links.parent, links.place]
        # What the likeliest path of a prefix with its parent's last token added was worth before this frame.
        worth = np.where(links.is_child, self._worth(from_parent), IMPOSSIBLE)
        opens = worth > self._paths.by_token
        staying = np.where(opens, from_parent, 2 * np.arange(self.size) + _BY_TOKEN)
        grown = chosen >= self.size
        self._last = np.where(grown, token, self._last[self._rows, source])
        self._kept.append(
            _Kept(
                self._last,
                best_end[self._rows, source].astype(np.int32),
                _joined(staying, leaving)[self._rows, chosen].astype(np.int32),
                grown | opens[self._rows, source],
            )
        )

    def _worth(self, pointers: np.ndarray) -> np.ndarray:
        ends = np.stack(self._paths, -1).reshape(len(pointers), -1)  # (N, 2 * B)
        return ends[self._rows, pointers]

    def paths(self, utterances: np.ndarray, places: np.ndarray, known: Paths | None = None) -> Paths:
        """The likeliest paths of prefixes.

        Args:
            utterances: (R,) of the prefixes.
            places: (R,) theirs among those of their utterances.
            known: paths of prefixes of the same utterances after fewer frames: where all of them were where these come
                by, they are the same before.
        """
        labels = np.full((len(places), len(self._kept)), -1)
        opens, states = np.zeros(labels.shape, bool), np.zeros(labels.shape, np.int64)
        end = (self._paths.by_token > self._paths.by_blank)[utterances, places]
        place = places
        frames = 0 if known is None else known.labels.shape[1]
        for number in range(len(self._kept) - 1, -1, -1):
            states[:, number] = 2 * place + end
            if known is not None and number < frames and np.array_equal(known.states[:, number], states[:, number]):
                for part, before in zip((labels, opens, states), known, strict=True):
                    part[:, : number + 1] = before[:, : number + 1]
                break
            last, from_blank, from_token, opening = (part[utterances, place] for part in self._kept[number])
            labels[:, number] = np.where(end, last, -1)
            opens[:, number] = end & opening
            pointer = np.where(end, from_token, from_blank)
            place, end = pointer >> 1, (pointer & 1).astype(bool)
        return Paths(labels, opens, states)


def _joined(of_prefixes: np.ndarray, of_tokens: np.ndarray) -> np.ndarray:
    """(N, B + B * K) what belongs to prefixes (N, B) and, after them, to prefixes with one more token (N, B, K)."""
    return np.concatenate([of_prefixes, of_tokens.reshape(len(of_tokens), -1)], 1)


def _mixed(hashes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Hashes of texts with one more token each."""
    first, second, shift = _MIX
    mixed = (hashes ^ (tokens.astype(np.uint64) + np.uint64(1))) * first
    mixed = (mixed ^ (mixed >> shift)) * second
    return mixed ^ (mixed >> shift)
