"""How the settings want utterances drawn: the weights of sets and languages, and the shards that they are in."""

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np

from firered.data.utterance import Utterance
from firered.errors import DataError
from firered.train.data.config import FeatureDataConfig
from firered.train.data.sampling import Sampling
from firered.train.data.text import table_of

_IN_SHARD = re.compile(r"(.+\.tar):\d+")
Value = TypeVar("Value", bound=Hashable)


def sampling_of(
    config: FeatureDataConfig,
    seed: int,
    utterances: Sequence[Utterance],
    frames: np.ndarray,
    owner: Mapping[str, str],
) -> Sampling:
    """How the settings want the training utterances drawn.

    Args:
        config: section `data`.
        seed: of the training.
        utterances: all of them.
        frames: (n,) their numbers of frames.
        owner: the data directory of each.

    Raises:
        DataError: languages are to be drawn, and an utterance has none in utt2lang.
    """
    sets = [owner[utterance.id] for utterance in utterances]
    weights = _weights(config, sets, frames)
    if config.language_temperature == 1.0:
        names, groups = _numbered(sets)
        of_groups = [weights[name] for name in names]
    else:
        languages = _languages(config.train, utterances)
        pairs = list(zip(sets, languages, strict=True))
        both, groups = _numbered(pairs)
        hours = np.bincount(groups, frames) * np.array([weights[name] for name, _ in both])
        factors = _evened({lang: hours[[own == lang for _, own in both]].sum() for _, lang in both},
                          config.language_temperature)  # fmt: skip
        of_groups = [weights[name] * factors[language] for name, language in both]
        names = [f"{name} {language}" for name, language in both]
    return Sampling(groups, of_groups, names, seed, _shards(utterances), config.buffer)


def _weights(config: FeatureDataConfig, sets: Sequence[str], frames: np.ndarray) -> dict[str, float]:
    """The weight of each directory: of one that is to have a share of the hours, what gives it that share."""
    weights, shares = config.weight_of_each(), config.share_of_each()
    names, numbers = _numbered(sets)
    frames_of = dict(zip(names, np.bincount(numbers, frames).tolist(), strict=True))
    others = sum(weight * frames_of.get(name, 0.0) for name, weight in weights.items())
    in_all = others / (1 - sum(shares.values()))
    return weights | {name: share * in_all / frames_of[name] for name, share in shares.items() if name in frames_of}


def _evened(hours: Mapping[str, float], temperature: float) -> dict[str, float]:
    """How often each language is to be drawn, so that all hours together stay what they are."""
    wanted = {language: own ** (1 / temperature) for language, own in hours.items()}
    scale = sum(hours.values()) / sum(wanted.values())
    return {language: scale * wanted[language] / own for language, own in hours.items()}


def _languages(paths: str, utterances: Sequence[Utterance]) -> list[str]:
    table = table_of(paths, "utt2lang", [])
    found = [(table.get(utterance.id) or table.get(utterance.recording, "")).split() for utterance in utterances]
    missing = [utterance.id for utterance, own in zip(utterances, found, strict=True) if not own]
    if missing:
        raise DataError(
            f"data.language_temperature: {len(missing)} utterances have no language in utt2lang ({missing[0]}, ...)"
        )
    return [own[0] for own in found]


def _shards(utterances: Sequence[Utterance]) -> np.ndarray:
    """(n,) numbers of the shards; what is in none counts as a shard of its own."""
    found = (_IN_SHARD.fullmatch(utterance.rxfilename) for utterance in utterances)
    return _numbered([match[1] if match else number for number, match in enumerate(found)])[1]


def _numbered(values: Sequence[Value]) -> tuple[list[Value], np.ndarray]:
    """The different values, in the order in which they come, and (n,) the number of each one's."""
    numbers: dict[Value, int] = {}
    for value in values:
        numbers.setdefault(value, len(numbers))
    return list(numbers), np.array([numbers[value] for value in values], np.int64)
