"""Utterances whose recognised texts are rewarded: features, and what is known of each."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from firered.asr.families.fun_asr_loaded import padded_rows
from firered.audio.frontend import FrontEnd
from firered.data.utterance import Utterance
from firered.errors import Problem
from firered.text.scripts import language_of_label, language_of_text
from firered.train.data.augment import Draw
from firered.train.data.batch import Batch
from firered.train.data.config import DataConfig
from firered.train.data.speech import SpeechCorpus
from firered.train.data.text import rows_of, table_of
from firered.train.data.transcribed import Targets
from firered.train.rewards.reward import Wanted

KEYWORDS = "keywords"  # table of a data directory: an utterance's keywords between semicolons
SEPARATOR = ";"


class RewardedCorpus(SpeechCorpus):
    """Features of FireRedASR-LLM; targets are `Wanted`."""

    def target(self, index: int, draw: Draw, feats: Tensor) -> Wanted:
        """What is known of an utterance; noise that replaces it has nothing to say."""
        wanted: Wanted = self._targets[index]
        return Wanted("", wanted.language) if draw.pure_noise else wanted

    def collate(self, items: list[tuple[str, Tensor, Wanted]]) -> Batch:
        """Padded features and lengths; `about` is what is known of each utterance."""
        return Batch([item[0] for item in items], self.collate_features(items), 1.0, about=[item[2] for item in items])


class StackedCorpus(RewardedCorpus):
    """Features of Fun-ASR-Nano: `feats` (N, L, 560) are stacked, `rows` (N,) of each; `lengths` count frames.

    Args:
        front_end: of the model.
        corpus: see SpeechCorpus.
    """

    def __init__(self, front_end: FrontEnd, *corpus: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(*corpus)
        self._stacking, self.front_end = front_end, front_end.filterbank

    def collate_features(self, items: list[tuple[str, Tensor, Any]]) -> dict[str, Tensor]:
        """Stacked and padded features."""
        feats = [item[1] for item in items]
        rows, counts = padded_rows(feats, self._stacking, torch.device("cpu"), torch.float32)
        return {"feats": rows, "rows": counts, "lengths": torch.tensor([len(frames) for frames in feats])}


def wanted_of(data: DataConfig) -> Targets:
    """A function from utterances to what is known of them: `text`, `utt2lang`, `keywords`."""

    def targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> dict[str, Wanted]:
        paths = getattr(data, what)
        texts = table_of(paths, "text", left_out)
        labels, keywords = (rows_of(paths, name, left_out) for name in ("utt2lang", KEYWORDS))
        found = {}
        for utterance in utterances:
            key = utterance.id
            if key not in texts:
                left_out.append(Problem(key, "not in text"))
                continue
            known = language_of_label(labels[key]) if key in labels else None
            found[key] = Wanted(texts[key], known or language_of_text(texts[key]), phrases(keywords.get(key, "")))
        return found

    return targets


def phrases(value: str) -> tuple[str, ...]:
    """The keywords of a row of `keywords`."""
    return tuple(phrase for part in value.split(SEPARATOR) if (phrase := " ".join(part.split())))
