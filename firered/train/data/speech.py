"""Utterances of Kaldi data directories as training examples: normalised features and targets."""

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from firered.audio.config import AudioConfig
from firered.audio.frames import of_utterance, whole_segment
from firered.audio.framing import SAMPLE_RATE, num_frames
from firered.audio.frontend import PUBLISHED, Cmvn, CmvnStats, FrontEnd, fbank
from firered.audio.load import read_blocks
from firered.data.utterance import Utterance
from firered.errors import AudioError, DataError, OptionError, Problem
from firered.runs.inputs import resolve
from firered.train.data.augment import AS_IT_IS, Draw, WaveAugment
from firered.train.data.batch import Batch
from firered.train.data.config import FeatureDataConfig
from firered.train.data.sampling import Sampling

log = logging.getLogger(__name__)

_AUDIO = AudioConfig()


class Pool(NamedTuple):
    """Utterances of data directories, in the order of these, and the problems of those that cannot be used."""

    utterances: list[Utterance]
    problems: list[Problem]
    owner: dict[str, str]  # the directory of each utterance


def utterances_of(paths: str, what: str, *, by_segment: bool = True) -> Pool:
    """The utterances of data directories.

    Raises:
        OptionError: no directory is given.
        DataError: one is not there, or an utterance id comes twice.
    """
    if not paths.split():
        raise OptionError(f"data.{what}: no data directory given")
    pool = Pool([], [], {})
    for path in paths.split():
        found = resolve([path], _AUDIO, by_segment=by_segment)
        for utterance in found.utterances:
            if pool.owner.setdefault(utterance.id, path) != path:
                raise DataError(f"{utterance.id} is in {pool.owner[utterance.id]} and in {path}: ids must differ")
        pool.utterances.extend(found.utterances)
        pool.problems.extend(found.problems)
    return pool


def count_frames(utterance: Utterance) -> int:
    """Number of frames of an utterance, from tables or headers where these have it, else by reading it.

    Raises:
        AudioError, DataError: it cannot be read.
    """
    if math.isfinite(utterance.duration_s):
        return num_frames(round(utterance.duration_s * SAMPLE_RATE))
    return sum(len(block) for block in of_utterance(utterance, _AUDIO))


def usable(
    utterances: Sequence[Utterance], config: FeatureDataConfig, left_out: list[Problem], *, longest: bool = True
) -> tuple[list[Utterance], np.ndarray]:
    """Utterances of a length within the limits, and (n,) their numbers of frames; the others go to `left_out`."""
    kept, frames = [], []
    for utterance in utterances:
        try:
            count = count_frames(utterance)
        except (AudioError, DataError) as error:
            left_out.append(Problem(utterance.id, str(error)))
            continue
        if count < config.min_frames:
            left_out.append(Problem(utterance.id, f"too short: {count} frames, min_frames is {config.min_frames}"))
        elif longest and count > config.max_frames:
            left_out.append(Problem(utterance.id, f"too long: {count} frames, max_frames is {config.max_frames}"))
        else:
            kept.append(utterance)
            frames.append(count)
    return kept, np.array(frames, np.int64)


class SpeechCorpus(ABC):
    """Features and targets of utterances; `front_end` says what the features are.

    Args:
        utterances: where the features come from.
        frames: (n,) their numbers of frames.
        targets: (n,) token ids, empty for pure noise; subclasses may take other targets.
        cmvn: normalisation; None: none.
        augment: augmentation of the audio in training; None: none.
    """

    front_end: FrontEnd = PUBLISHED

    def __init__(
        self,
        utterances: Sequence[Utterance],
        frames: np.ndarray,
        targets: Sequence[Any],
        cmvn: Cmvn | None,
        augment: WaveAugment | None,
    ) -> None:
        self.keys = [utterance.id for utterance in utterances]
        self._utterances, self._frames, self._targets = utterances, frames, targets
        self._cmvn = cmvn
        self._augment = augment if augment is not None and augment.config.touches_audio else None
        self.sampling: Sampling | None = None
        if self._augment is not None:
            _need_audio(utterances)

    def draw_by(self, sampling: Sampling) -> None:
        """Draw the utterances of an epoch so, in training."""
        self.sampling = sampling
        if self._augment is not None:
            self._augment.kept = 2 * sampling.passes_at_once

    def sizes(self, epoch: int | None) -> np.ndarray:
        """(n,) numbers of frames, after augmentation in training."""
        if self._augment is None or epoch is None:
            return self._frames
        return self._augment.draws(epoch, len(self.keys)).frames(self._frames)

    def item(self, index: int, epoch: int | None) -> tuple[str, Tensor, Any]:
        """Id, normalised features (T, 80) and target of an utterance; augmented unless `epoch` is None.

        Raises:
            AudioError, DataError: it, or the noise drawn for it, cannot be read.
        """
        draw, utterance = AS_IT_IS, self._utterances[index]
        if self._augment is None or epoch is None:
            feats = torch.cat(list(of_utterance(utterance, _AUDIO, self.front_end)))
        else:
            samples, draw = self.audio(index, epoch)
            feats = fbank(samples, self.front_end)
        return utterance.id, feats if self._cmvn is None else self._cmvn(feats), self.target(index, draw, feats)

    def audio(self, index: int, epoch: int, told: list[str] | None = None) -> tuple[np.ndarray, Draw]:
        """(n,) the samples of an utterance as training hears them in an epoch, and what was drawn; `told` in words."""
        samples = _samples(self._utterances[index])
        if self._augment is None:
            return samples, AS_IT_IS
        draw = self._augment.draws(epoch, len(self.keys))[index]
        rng = np.random.default_rng([self._augment.seed, epoch, index])
        return self._augment.apply(samples, draw, rng, told), draw

    def told(self, index: int, epoch: int) -> dict[str, Any]:
        """What a model is told of an utterance in an epoch beside its audio, to look at; most are told nothing."""
        return {}

    def target(self, index: int, draw: Draw, feats: Tensor) -> Any:  # noqa: ANN401 - what `collate` takes
        """The target of an utterance augmented as drawn, with features (T, 80) that are not normalised."""
        return [] if draw.pure_noise else self._targets[index]

    @abstractmethod
    def collate(self, items: list[Any]) -> Batch:
        """A padded batch of items."""

    def collate_features(self, items: list[tuple[str, Tensor, Any]]) -> dict[str, Tensor]:
        """Padded features (N, T, 80) and lengths (N,)."""
        feats = [item[1] for item in items]
        return {
            "feats": pad_sequence(feats, batch_first=True),
            "lengths": torch.tensor([len(frames) for frames in feats]),
        }


def _need_audio(utterances: Sequence[Utterance]) -> None:
    without = [utterance.id for utterance in utterances if not utterance.rxfilename]
    if without:
        raise DataError(
            f"{len(without)} utterances have stored features only ({without[0]}, ...): speeds, noise and padding need "
            "audio, so give them a wav.scp, or empty the section `augment`"
        )


def _samples(utterance: Utterance) -> np.ndarray:
    """(n,) the utterance's audio."""
    blocks = read_blocks(
        utterance.audio, _AUDIO, channel=utterance.channel, start_s=utterance.start_s, end_s=utterance.end_s
    )
    return np.concatenate(list(whole_segment(utterance, blocks, _AUDIO)))


def write_cmvn(utterances: Sequence[Utterance], count: int, seed: int, path: Path) -> None:
    """Write CMVN statistics of `count` of the utterances, drawn at random.

    Raises:
        DataError: none of them can be read.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(utterances))[:count]
    stats = CmvnStats()
    for index in sorted(chosen.tolist()):
        try:
            stats.add(torch.cat(list(of_utterance(utterances[index], _AUDIO))).numpy())
        except (AudioError, DataError) as error:
            log.warning("%s: not in the statistics: %s", utterances[index].id, error)
    if stats.stats[0, -1] == 0:
        raise DataError("no statistics: none of the training utterances can be read")
    path.parent.mkdir(parents=True, exist_ok=True)
    stats.write(path)
    log.info("%s: statistics of %d utterances, %.0f frames", path, len(chosen), stats.stats[0, -1])
