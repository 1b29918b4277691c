"""Utterances whose recognised texts are rewarded: features, and what is known of each."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from firered.data.utterance import Utterance
from firered.errors import Problem
from firered.text.scripts import language_of_label, language_of_text
from firered.train.data.augment import Draw
from firered.train.data.batch import Batch
from firered.train.data.config import DataConfig
from firered.train.data.fun_asr_asked import Asked, Wish, asked_of
from firered.train.data.speech import SpeechCorpus
from firered.train.data.text import KEYWORDS, phrases, rows_of, table_of
from firered.train.data.transcribed import Targets
from firered.train.rewards.reward import Wanted


class RewardedCorpus(SpeechCorpus):
    """Features of FireRedASR-LLM; targets are `Wanted`."""

    def target(self, index: int, draw: Draw, feats: Tensor) -> Wanted:
        """What is known of an utterance; noise that replaces it has nothing to say."""
        wanted: Wanted = self._targets[index]
        return Wanted("", wanted.language) if draw.pure_noise else wanted

    def collate(self, items: list[tuple[str, Tensor, Wanted]]) -> Batch:
        """Padded features and lengths; `about` is what is known of each utterance."""
        return Batch([item[0] for item in items], self.collate_features(items), 1.0, about=[item[2] for item in items])


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


def rewarded_targets_of(data: DataConfig, wish: Wish) -> Targets:
    """The same of Fun-ASR-Nano, with what it is asked by: published lines and context."""

    def targets(utterances: Sequence[Utterance], what: str, left_out: list[Problem]) -> dict[str, Asked]:
        found = asked_of(getattr(data, what), utterances, left_out, wish)
        wanted = wanted_of(data)(utterances, what, [])
        return {key: replace(own, wanted=wanted[key]) for key, own in found.items() if key in wanted}

    return targets
