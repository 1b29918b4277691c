"""Utterances without labels, and which stretches of them are hidden: the data of Best-RQ pre-training."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from firered.models.frame_encoder import SUBSAMPLING
from firered.train.data.batch import Batch
from firered.train.data.speech import SpeechCorpus

LEAST_SPANS = 2
_MASK, _DEV = 21, 22  # random numbers apart from those of other draws


class Masking(NamedTuple):
    """What is hidden of an utterance."""

    share: float  # of its encoder frames
    span: int  # encoder frames of a stretch, about
    seed: int


def draw_mask(frames: int, masking: Masking, rng: np.random.Generator) -> np.ndarray:
    """(frames,) True on what is hidden: the share asked for, to the nearest frame, and at least one.

    It lies in stretches, as equal in length as can be, with at least one frame between them: two or more unless the
    utterance has no room for that. They are laid out at random round a circle, which is cut at a random place, perhaps
    within a stretch. So every frame is hidden as often, those at the edges too.
    """
    hidden = min(frames, max(1, round(masking.share * frames)))
    seen = frames - hidden
    spans = max(1, min(max(LEAST_SPANS, round(hidden / masking.span)), hidden, seen))
    lengths = rng.permutation(np.arange(hidden, hidden + spans) // spans)  # which sum up to `hidden`
    # Gaps of one frame or more that sum up to `seen`: bars between so many stars.
    bars = np.sort(1 + rng.choice(max(seen - 1, 0), spans - 1, replace=False)) if spans > 1 else np.empty(0, np.int64)
    gaps = np.diff(bars, prepend=0, append=seen)
    kinds = np.tile([True, False], spans)
    mask = np.repeat(kinds, np.stack([lengths, gaps], 1).ravel())
    return np.roll(mask, int(rng.integers(max(frames, 1))))


class MaskedCorpus(SpeechCorpus):
    """Features, and which encoder frames are hidden; the weight of a batch is their number.

    What is hidden of an utterance follows from the seed, the epoch and the utterance, in evaluation from the seed and
    the utterance, whatever else is in its batch.

    Args:
        corpus: see SpeechCorpus.
        masking: what is hidden.
    """

    def __init__(self, *corpus: Any, masking: Masking) -> None:  # noqa: ANN401 - passed on
        super().__init__(*corpus)
        self._masking = masking

    def item(self, index: int, epoch: int | None) -> tuple[str, Tensor, Any]:
        """Id, normalised features (T, 80) and (T // 4,) what is hidden."""
        key, feats, _ = super().item(index, epoch)
        place = (0, index, _DEV) if epoch is None else (epoch, index, _MASK)
        rng = np.random.default_rng([self._masking.seed, *place])
        return key, feats, draw_mask(len(feats) // SUBSAMPLING, self._masking, rng)

    def collate(self, items: Sequence[tuple[str, Tensor, np.ndarray]]) -> Batch:
        """Padded features and lengths, and (N, T // 4) `masked`."""
        tensors = self.collate_features(list(items))
        tensors["masked"] = pad_sequence([torch.from_numpy(item[2]) for item in items], batch_first=True)
        return Batch([item[0] for item in items], tensors, int(tensors["masked"].sum()))
