"""Frame posteriors of the released detectors: `FrameClassifier`."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from firered.audio.frames import Frames
from firered.audio.frontend import Cmvn
from firered.errors import ModelError, NoNumbersError, Outcome
from firered.hub.catalogue import CHECKPOINT
from firered.models.checkpoint import load_checkpoint, model_files, pick_device
from firered.models.dfsmn import Dfsmn, DfsmnCache, DfsmnConfig


@dataclass
class _Place:
    """One recording's place among the frames that go through the network."""

    frames: Frames
    start: int
    end: int = 0
    complete: bool = False  # all its frames are on the time axis
    error: Exception | None = None


class _Posteriors:
    """Posteriors of a stretch of the shared time axis, in one array that grows.

    A list of small arrays would do, but over hours they fragment the memory between the blocks.
    """

    def __init__(self, events: int) -> None:
        self._rows = np.empty((4096, events), np.float32)
        self._begin = 0  # of the rows, on the shared time axis
        self.end = 0

    def append(self, probs: np.ndarray) -> None:
        """Take in the next frames (T, events)."""
        used = self.end - self._begin
        if used + len(probs) > len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty((used + len(probs), self._rows.shape[1]), np.float32)])
        self._rows[used : used + len(probs)] = probs
        self.end += len(probs)

    def take(self, start: int, end: int) -> np.ndarray:
        """Posteriors from `start` to `end` on the shared time axis; everything before `end` is freed."""
        used = self.end - self._begin
        taken = self._rows[start - self._begin : end - self._begin].copy()
        rest = self._rows[end - self._begin : used].copy()
        self._rows = np.concatenate([rest, np.empty((4096, rest.shape[1]), np.float32)])
        self._begin = end
        return taken


class FrameClassifier:
    """A DFSMN with its normalisation: posteriors of recordings of any number and length at bounded memory.

    Recordings follow each other on one endless time axis, kept apart by masked frames, and pass through the network in
    blocks of equal size: short ones share a block, long ones take several, and every frame's posterior is that of the
    recording on its own.
    """

    # Frames per block: on a processor few enough for its caches, on a GPU enough to keep it busy.
    _BLOCK_CPU, _BLOCK_GPU = 2048, 65536

    def __init__(self, model: Dfsmn, cmvn: Cmvn, device: torch.device) -> None:
        self.model = model.to(device).eval()
        self.cmvn = cmvn
        self.device = device
        self.block = self._BLOCK_CPU if device.type == "cpu" else self._BLOCK_GPU

    @classmethod
    def load(cls, directory: Path, events: int, streaming: bool, device: str) -> "FrameClassifier":
        """The classifier of a published model directory.

        Raises:
            ModelError: files are missing or the model is of another kind (number of events, look-ahead).
        """
        checkpoint, cmvn = model_files(directory, CHECKPOINT, "cmvn.ark")
        args, state = load_checkpoint(checkpoint)
        config = DfsmnConfig.from_args(args, checkpoint)
        if config.odim != events or (config.N2 == 0) != streaming:
            kind = {(1, False): "VAD", (1, True): "Stream-VAD", (3, False): "AED (mVAD)"}
            here = kind.get((config.odim, config.N2 == 0), f"a model of {config.odim} events")
            raise ModelError(f"{checkpoint}: this is {here}, {kind[events, streaming]} is needed here")
        return cls(Dfsmn.of(config, state, checkpoint), Cmvn.read(cmvn, config.idim), pick_device(device))

    def posteriors(self, recordings: Iterable[Frames]) -> Iterator[tuple[Frames, Outcome[np.ndarray]]]:
        """Each recording with its posteriors (T, events), or with the error that ended its reading; in order."""
        places: deque[_Place] = deque()
        pending = _Posteriors(self.model.config.odim)
        for probs in self._run(self._concatenated(recordings, places)):
            pending.append(probs)
            while places and places[0].complete and places[0].end <= pending.end:
                place = places.popleft()
                taken = pending.take(place.start, place.end)
                yield place.frames, place.error or numbers(taken)

    def _concatenated(self, recordings: Iterable[Frames], places: deque[_Place]) -> Iterator[tuple[Tensor, Tensor]]:
        """Features (T, 80) and mask (T, 1) of all recordings, one after the other with gaps between."""
        gap = self.model.config.gap
        position = 0
        for frames in recordings:
            place = _Place(frames, position)
            places.append(place)
            try:
                for block in frames:
                    position += len(block)
                    yield self.cmvn(block), torch.ones(len(block), 1)
            except Exception as error:  # any failure is the outcome of this recording alone; the caller reports it
                place.error = error
            place.end, place.complete = position, True
            position += gap
            yield torch.zeros(gap, self.model.config.idim), torch.zeros(gap, 1)

    @torch.inference_mode()
    def _run(self, pieces: Iterable[tuple[Tensor, Tensor]]) -> Iterator[np.ndarray]:
        """Posteriors of the concatenated recordings, block after block."""
        cache = DfsmnCache()
        for x, mask, last in _blocks_of(pieces, self.block):
            logits = self.model(x[None].to(self.device), mask[None].to(self.device), cache, last)
            yield logits[0].sigmoid().cpu().numpy()


def numbers(probs: np.ndarray) -> Outcome[np.ndarray]:
    """The posteriors, or the error where some are no numbers."""
    return probs if np.isfinite(probs).all() else NoNumbersError()


def _blocks_of(pieces: Iterable[tuple[Tensor, Tensor]], size: int) -> Iterator[tuple[Tensor, Tensor, bool]]:
    """The pieces in blocks of at least `size` frames, and whether each is the last."""
    block: list[tuple[Tensor, Tensor]] = []
    for piece in pieces:
        block.append(piece)
        if sum(len(x) for x, _ in block) >= size:
            yield *_joined(block), False
            block = []
    if block:
        yield *_joined(block), True


def _joined(pieces: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    return torch.cat([x for x, _ in pieces]), torch.cat([mask for _, mask in pieces])
