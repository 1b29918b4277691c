"""Utterances with token sequences: the training data of recognition, CTC and language identification."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from firered.data.utterance import Utterance
from firered.errors import DataError, Problem
from firered.models.conformer import SUBSAMPLING
from firered.text.tokenizer import Tokenizer
from firered.train.beside import cmvn_beside
from firered.train.data.augment import WaveAugment
from firered.train.data.batch import Batch
from firered.train.data.config import AugmentConfig, FeatureDataConfig, SpeechDataConfig
from firered.train.data.speech import SpeechCorpus, usable, utterances_of
from firered.train.data.text import TokenTargets, table_of, teacher_forcing, transcripts
from firered.train.sections import Settings

Targets = Callable[[Sequence[Utterance], str, list[Problem]], Mapping[str, list[int]]]


class TokenCorpus(SpeechCorpus):
    """Features and token sequences."""

    def collate(self, items: list[tuple[str, Tensor, list[int]]]) -> Batch:
        """Padded features, lengths, inputs and targets of the decoder, and numbers of tokens `token_lengths` (N,)."""
        sequences = [item[2] for item in items]
        tensors = self.collate_features(items) | teacher_forcing(sequences)
        tensors["token_lengths"] = torch.tensor([len(ids) for ids in sequences])
        return Batch([item[0] for item in items], tensors, sum(len(ids) + 1 for ids in sequences))


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
    ctc: bool = False,
    corpus: Callable[..., SpeechCorpus] = TokenCorpus,
) -> tuple[SpeechCorpus, SpeechCorpus, list[Problem]]:
    """Training and dev corpus of the directories that the settings name, and the problems of utterances left out.

    Args:
        settings: of a task of features and tokens.
        targets: from utterances to token ids by utterance id.
        initial: model directory whose statistics are used, unless others are given.
        ctc: leave out utterances that have fewer encoder frames than CTC needs for their tokens.
        corpus: class of the corpora, with the arguments of SpeechCorpus.

    Raises:
        DataError: nothing is left to train on, or to evaluate on.
    """
    config = settings.section("data", FeatureDataConfig)
    augment = WaveAugment(settings.section("augment", AugmentConfig), settings.train.seed)
    fastest = max(augment.config.speed_factors()) if ctc else None
    left_out: list[Problem] = []
    parts: dict[str, Any] = {}
    for what in ("train", "dev"):
        utterances, problems = utterances_of(getattr(config, what), what)
        left_out += problems
        known = targets(utterances, what, left_out)
        kept, frames = usable([utterance for utterance in utterances if utterance.id in known], config, left_out)
        if fastest:
            kept, frames = _long_enough(kept, frames, known, fastest, left_out)
        if not kept:
            raise DataError(f"data.{what}: no utterance is left in {getattr(config, what)}{examples_of(left_out)}")
        parts[what] = (kept, frames, [known[utterance.id] for utterance in kept])
    cmvn = cmvn_beside(settings, parts["train"][0], initial)
    return corpus(*parts["train"], cmvn, augment), corpus(*parts["dev"], cmvn, None), left_out


def _long_enough(
    utterances: list[Utterance],
    frames: np.ndarray,
    ids: Mapping[str, list[int]],
    speed: float,
    left_out: list[Problem],
) -> tuple[list[Utterance], np.ndarray]:
    """Those of the utterances and their frames that have a CTC path at this speed; the others go to `left_out`."""
    fits = [_fits(int(count / speed), ids[utterance.id]) for utterance, count in zip(utterances, frames, strict=True)]
    left_out += [
        Problem(utterance.id, f"too short: {count} frames for {len(ids[utterance.id])} tokens in the CTC loss")
        for utterance, count, fit in zip(utterances, frames, fits, strict=True)
        if not fit
    ]
    return [utterance for utterance, fit in zip(utterances, fits, strict=True) if fit], frames[fits]


def _fits(frames: int, ids: list[int]) -> bool:
    """Whether CTC has a path: a frame for each token, and a blank between two equal ones."""
    repeats = sum(first == second for first, second in pairwise(ids))
    return -(-frames // SUBSAMPLING) >= len(ids) + repeats


def examples_of(left_out: list[Problem]) -> str:
    """The end of a message that names the first few of the utterances or texts left out; empty if there are none."""
    return f" (skipped: {'; '.join(map(str, left_out[:3]))})" if left_out else ""
