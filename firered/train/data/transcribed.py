"""Utterances with token sequences: what recognition, CTC and language identification train on."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

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
        """Padded features, lengths, inputs and targets of the decoder, and the tokens' number (N,)."""
        sequences = [item[2] for item in items]
        tensors = self.collate_features(items) | teacher_forcing(sequences)
        tensors["token_lengths"] = torch.tensor([len(ids) for ids in sequences])
        return Batch([item[0] for item in items], tensors, sum(len(ids) + 1 for ids in sequences))


def text_targets(settings: Settings, tokenizer: Tokenizer) -> Targets:
    """What gives utterances the token ids of their transcript."""
    config = settings.section("data", SpeechDataConfig)

    def targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> dict[str, list[int]]:
        ids = TokenTargets(tokenizer, config, left_out)
        return transcripts(utterances, table_of(getattr(config, what), "text"), ids, f"data.{what}", left_out)

    return targets


def corpora(
    settings: Settings,
    targets: Targets,
    initial: str | None,
    *,
    ctc: bool = False,
    corpus: Callable[..., SpeechCorpus] = TokenCorpus,
) -> tuple[SpeechCorpus, SpeechCorpus, list[Problem]]:
    """Training and dev corpus of the directories that the settings name, and the utterances left out.

    Args:
        settings: of a task of features and tokens.
        targets: gives utterances their token ids.
        initial: model directory whose statistics are used, unless others are given.
        ctc: leave out utterances that have fewer encoder frames than CTC needs for their tokens.
        corpus: takes what SpeechCorpus does.

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
        kept, frames = usable([one for one in utterances if one.id in known], config, left_out)
        if fastest:
            fits = [_fits(int(n / fastest), known[one.id]) for one, n in zip(kept, frames, strict=True)]
            left_out += [
                Problem(one.id, f"too short: {n} frames for {len(known[one.id])} tokens in the CTC loss")
                for one, n, ok in zip(kept, frames, fits, strict=True)
                if not ok
            ]
            kept, frames = [one for one, ok in zip(kept, fits, strict=True) if ok], frames[fits]
        if not kept:
            raise DataError(f"data.{what}: no utterance is left in {getattr(config, what)}{some(left_out)}")
        parts[what] = (kept, frames, [known[one.id] for one in kept])
    cmvn = cmvn_beside(settings, parts["train"][0], initial)
    return corpus(*parts["train"], cmvn, augment), corpus(*parts["dev"], cmvn, None), left_out


def _fits(frames: int, ids: list[int]) -> bool:
    """Whether CTC has a path: a frame for each token, and one between two that are the same."""
    repeats = sum(first == second for first, second in pairwise(ids))
    return -(-frames // SUBSAMPLING) >= len(ids) + repeats


def some(left_out: list[Problem]) -> str:
    """The end of a message: the first few of what was left out."""
    return f" (left out: {'; '.join(map(str, left_out[:3]))})" if left_out else ""
