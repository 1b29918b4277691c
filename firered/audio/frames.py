"""Filterbank frames of an utterance in blocks, wherever they come from: audio, an array, or a feats.scp."""

import logging
import math
import sys
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from firered.audio.config import AudioConfig
from firered.audio.fbank_conf import why_unfit
from firered.audio.framing import SAMPLE_RATE
from firered.audio.frontend import PUBLISHED, FrontEnd, bank_of, fbank_blocks
from firered.audio.load import read_blocks
from firered.data.archives import feature_blocks
from firered.data.utterance import OVERSHOOT_TOLERANCE_S, Utterance
from firered.errors import AudioError, DataError

log = logging.getLogger(__name__)


class Frames:
    """Iterates once over blocks (T, bins) of float32; `duration_s` is known when it is through.

    `front_end` says what the frames are. Where they are computed of samples (`has_samples`), those of the front ends in
    `further` are computed as the same samples pass, and handed block by block to what is there for them. Iteration
    raises AudioError or DataError where the utterance cannot be read to its end.
    """

    def __init__(
        self,
        key: str,
        blocks: Callable[["Frames"], Iterator[Tensor]],
        front_end: FrontEnd = PUBLISHED,
        *,
        has_samples: bool = False,
    ) -> None:
        self.key, self.front_end, self.has_samples = key, front_end, has_samples
        self.further: dict[FrontEnd, Callable[[Tensor], None]] = {}
        self.duration_s = 0.0
        self.count = 0
        self._blocks = blocks

    def __iter__(self) -> Iterator[Tensor]:
        for block in self._blocks(self):
            self.count += len(block)
            yield block


def of_samples(key: str, samples: Iterable[np.ndarray], front_end: FrontEnd = PUBLISHED) -> Frames:
    """Frames of a signal that comes in pieces, 16 kHz on the int16 scale."""

    def counted(frames: Frames) -> Iterator[np.ndarray]:
        further = [(bank_of(other), take) for other, take in frames.further.items()]
        total = 0
        for piece in samples:
            total += len(piece)
            frames.duration_s = total / SAMPLE_RATE
            for bank, take in further:
                take(bank.accept(piece))
            yield piece
        for bank, take in further:
            take(bank.finish())

    return Frames(key, lambda frames: fbank_blocks(counted(frames), front_end), front_end, has_samples=True)


def of_utterance(utterance: Utterance, config: AudioConfig, front_end: FrontEnd = PUBLISHED) -> Frames:
    """Frames of an utterance of a data directory: stored features where there are any, else from its audio.

    Stored ones of another front end (see `fbank_conf`) are passed over. Where there is no audio then, reading the
    frames raises DataError.
    """
    if utterance.feats:
        try:
            reason = why_unfit(utterance.feats, front_end)
        except DataError as error:
            return _unreadable(utterance.id, front_end, error)
        if not reason:
            return Frames(utterance.id, lambda frames: _stored(utterance, config, frames), front_end)
        if not utterance.rxfilename:
            remedy = "`firered-fbank IN OUT --for MODEL` makes a model's features of the audio, which IN has to have"
            return _unreadable(utterance.id, front_end, DataError(f"{utterance.feats}: {reason}; {remedy}"))
    return of_samples(utterance.id, samples_of(utterance, config), front_end)


def samples_of(utterance: Utterance, config: AudioConfig) -> Iterator[np.ndarray]:
    """Blocks of an utterance's samples, 16 kHz on the int16 scale.

    Raises:
        DataError: the utterance has stored features and no audio.
        AudioError: its audio cannot be read.
    """
    if not utterance.rxfilename:
        raise DataError(f"{utterance.feats}: features only; this needs the audio, a wav.scp in the data directory")
    samples = read_blocks(
        utterance.audio, config, channel=utterance.channel, start_s=utterance.start_s, end_s=utterance.end_s
    )
    yield from whole_segment(utterance, samples, config)


def _unreadable(key: str, front_end: FrontEnd, error: DataError) -> Frames:
    """Frames of which none can be read."""

    def blocks(_: Frames) -> Iterator[Tensor]:
        raise error
        yield  # a generator, so that it is raised where frames are read

    return Frames(key, blocks, front_end)


def _stored(utterance: Utterance, config: AudioConfig, frames: Frames) -> Iterator[Tensor]:
    total = 0
    overshoot = round(min(config.overshoot_s, sys.maxsize / 2) / frames.front_end.frame_shift_s)
    for block in feature_blocks(utterance.feats, frames.front_end.bins, overshoot):
        total += len(block)
        yield torch.from_numpy(block)
    if total == 0:
        raise DataError(f"{utterance.feats}: no frames")
    known = utterance.duration_s
    frames.duration_s = known if math.isfinite(known) else frames.front_end.duration_s(total)


def whole_segment(utterance: Utterance, samples: Iterable[np.ndarray], config: AudioConfig) -> Iterator[np.ndarray]:
    """The pieces as they come; a segment that ends a little after its recording is cut there, with a warning.

    Raises:
        AudioError: it ends later than the options allow.
    """
    total = 0
    try:
        for piece in samples:
            total += len(piece)
            yield piece
    except AudioError as error:
        where = f"from {utterance.start_s:.3f} s on, {utterance.recording} " if utterance.start_s > 0 else ""
        raise AudioError(f"{where}{error}") from error
    missing = utterance.end_s - utterance.start_s - total / SAMPLE_RATE
    if math.isfinite(utterance.end_s) and missing > OVERSHOOT_TOLERANCE_S:
        end = utterance.start_s + total / SAMPLE_RATE
        what = f"the segment ends at {utterance.end_s:.3f} s, the recording {utterance.recording} at {end:.3f} s"
        if missing > config.overshoot_s + OVERSHOOT_TOLERANCE_S:
            raise AudioError(f"{what}; --max-overshoot and --allow-truncated cut such segments")
        log.warning("%s: %s; cut there", utterance.id, what)
