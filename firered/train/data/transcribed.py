"""Utterances with token sequences: the training data of recognition, CTC and language identification."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from firered.audio.framing import FRAME_LENGTH, FRAME_SHIFT, num_frames
from firered.data.utterance import Utterance
from firered.errors import DataError, Problem
from firered.models.frame_encoder import SUBSAMPLING
from firered.text.tokenizer import Tokenizer
from firered.train.beside import cmvn_beside
from firered.train.data.augment import Draw, WaveAugment
from firered.train.data.batch import Batch
from firered.train.data.config import AugmentConfig, FeatureDataConfig, SpeechDataConfig
from firered.train.data.mixing import sampling_of
from firered.train.data.speech import SpeechCorpus, usable, utterances_of
from firered.train.data.text import TokenTargets, table_of, teacher_forcing, transcripts
from firered.train.sections import Settings

Targets = Callable[[Sequence[Utterance], str, list[Problem]], Mapping[str, Any]]  # mostly token ids

_TOO_LATE = 1  # encoder frames of 40 ms, beside the one in which the speech ends


class TokenCorpus(SpeechCorpus):
    """Features and token sequences.

    Args:
        corpus: see SpeechCorpus.
        silence_db: see SpeechDataConfig.
    """

    def __init__(self, *corpus: Any, silence_db: float = 0.0) -> None:  # noqa: ANN401 - passed on
        super().__init__(*corpus)
        self._silence_db = silence_db

    def target(self, index: int, draw: Draw, feats: Tensor) -> tuple[list[int], tuple[int, int]]:
        """Token ids, and the first encoder frame that CTC may give a label and the one after the last."""
        ids = super().target(index, draw, feats)
        return ids, labelled_frames(feats, len(ids) + _repeats(ids), self._silence_db)

    def collate(self, items: list[tuple[str, Tensor, tuple[list[int], tuple[int, int]]]]) -> Batch:
        """Padded features, lengths, inputs and targets of the decoder, and what CTC needs.

        These are the numbers of tokens `token_lengths` (N,) and the frames with labels `labelled` (N, 2).
        """
        sequences = [item[2][0] for item in items]
        tensors = self.collate_features(items) | teacher_forcing(sequences)
        tensors["token_lengths"] = torch.tensor([len(ids) for ids in sequences])
        tensors["labelled"] = torch.tensor([item[2][1] for item in items])
        return Batch([item[0] for item in items], tensors, sum(len(ids) + 1 for ids in sequences))


def labelled_frames(feats: Tensor, needed: int, silence_db: float) -> tuple[int, int]:
    """The first encoder frame that may have a label and the one after the last: those of the speech but its very end.

    A label in the last frames would be late. Without them a head learns to label the beginnings of words, not the ends,
    which differ more in how long after the beginning they come.

    Args:
        feats: (T, 80) log filterbank energies.
        needed: encoder frames that the labels need; all frames are theirs where the speech has fewer.
        silence_db: frames that are so much fainter than the loudest are no speech; 0: all frames are.
    """
    frames = -(-len(feats) // SUBSAMPLING)
    if silence_db == 0:
        return 0, frames
    levels = torch.logsumexp(feats, 1)
    loud = torch.nonzero(~(levels < levels.max() - silence_db * math.log(10) / 10))  # all, where a level is no number
    first = max(0, int(loud[0]) // SUBSAMPLING - 1)
    end = int(loud[-1]) // SUBSAMPLING - _TOO_LATE
    return (first, end) if end - first >= needed else (0, frames)


def text_targets(settings: Settings, tokenizer: Tokenizer) -> Targets:
    """A function from utterances to the token ids of their transcripts."""
    config = settings.section("data", SpeechDataConfig)

    def targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> dict[str, list[int]]:
        ids = TokenTargets(tokenizer, config, left_out)
        return transcripts(utterances, table_of(getattr(config, what), "text", left_out), ids, f"data.{what}", left_out)

    return targets


def corpora(
    settings: Settings,
    targets: Targets,
    initial: str | None,
    *,
    ctc: int = 0,
    corpus: Callable[..., SpeechCorpus] = TokenCorpus,
    normalised: bool = True,
) -> tuple[SpeechCorpus, SpeechCorpus, list[Problem]]:
    """Training and dev corpus of the directories that the settings name, and the problems of utterances left out.

    Args:
        settings: of a task of features and tokens.
        targets: from utterances to token ids by utterance id.
        initial: model directory whose statistics are used, unless others are given.
        ctc: feature frames of one of the encoder's, where a CTC loss is computed: utterances that have too few of those
            for their tokens are left out. 0: there is none.
        corpus: class of the corpora, with the arguments of SpeechCorpus.
        normalised: False: the model takes features as they are, and has no statistics.

    Raises:
        DataError: nothing is left to train on, or to evaluate on.
    """
    config = settings.section("data", FeatureDataConfig)
    augment = WaveAugment(settings.section("augment", AugmentConfig), settings.train.seed)
    fastest = max(augment.config.speed_factors()) if ctc else None
    left_out: list[Problem] = []
    parts: dict[str, Any] = {}
    owners: dict[str, dict[str, str]] = {}
    for what in ("train", "dev"):
        utterances, problems, owners[what] = utterances_of(getattr(config, what), what)
        left_out += problems
        known = targets(utterances, what, left_out)
        kept, frames = usable([utterance for utterance in utterances if utterance.id in known], config, left_out)
        if fastest:
            kept, frames = _long_enough(kept, frames, known, (fastest, ctc), left_out)
        if not kept:
            raise DataError(f"data.{what}: no utterance is left in {getattr(config, what)}{examples_of(left_out)}")
        parts[what] = (kept, frames, [known[utterance.id] for utterance in kept])
    cmvn = cmvn_beside(settings, parts["train"][0], initial) if normalised else None
    train = corpus(*parts["train"], cmvn, augment)
    utterances, frames, _ = parts["train"]
    train.draw_by(sampling_of(config, settings.train.seed, utterances, frames, owners["train"]))
    return train, corpus(*parts["dev"], cmvn, None), left_out


def _long_enough(
    utterances: list[Utterance],
    frames: np.ndarray,
    ids: Mapping[str, list[int]],
    rates: tuple[float, int],
    left_out: list[Problem],
) -> tuple[list[Utterance], np.ndarray]:
    """Those of the utterances and their frames that have a CTC path; the others go to `left_out`.

    `rates` are the highest speed, and feature frames of one of the encoder's.
    """
    speed, rate = rates
    least = [frames_at(int(count), speed) for count in frames]
    fits = [_fits(count, ids[utterance.id], rate) for utterance, count in zip(utterances, least, strict=True)]
    at = f" at speed {speed:g}" if speed != 1.0 else ""
    left_out += [
        Problem(utterance.id, f"too short: {count} frames for {len(ids[utterance.id])} tokens in the CTC loss{at}")
        for utterance, count, fit in zip(utterances, frames, fits, strict=True)
        if not fit
    ]
    return [utterance for utterance, fit in zip(utterances, fits, strict=True) if fit], frames[fits]


def frames_at(frames: int, speed: float) -> int:
    """The fewest frames that an utterance of so many can have at a speed."""
    samples = FRAME_LENGTH + (frames - 1) * FRAME_SHIFT
    return num_frames(int(samples / speed))


def _fits(frames: int, ids: list[int], rate: int) -> bool:
    """Whether CTC has a path: a frame of the encoder for each token, and a blank between two equal ones."""
    return -(-frames // rate) >= len(ids) + _repeats(ids)


def _repeats(ids: list[int]) -> int:
    return sum(first == second for first, second in pairwise(ids))


def examples_of(left_out: list[Problem]) -> str:
    """The end of a message that names the first few of the utterances or texts left out; empty if there are none."""
    return f" (skipped: {'; '.join(map(str, left_out[:3]))})" if left_out else ""
