"""Fun-ASR-Nano's training examples: features, the prompt with its places of audio, and what is learnt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from firered.models.fun_asr_config import CheckpointConfig
from firered.text.fun_asr import Request, english_instruction
from firered.text.languages import CHINESE_NAME, english_name
from firered.text.llm_tokenizer import ChatTokenizer
from firered.train.data.ask_config import AskConfig
from firered.train.data.augment import Draw
from firered.train.data.batch import NO_TARGET, Batch
from firered.train.data.fun_asr import Example, Line, example
from firered.train.data.fun_asr_asked import Asked
from firered.train.data.speech import SpeechCorpus

_ASK, _MASK = 21, 22  # random numbers apart from those of other draws
_DEV = 1 << 31  # stands where training has the epoch
_KEPT, _SHORT = 7, 6  # tokens that are learnt at least, of a masked text and of a short one


@dataclass(frozen=True)
class Asking:
    """How utterances are asked for.

    Attributes:
        tokenizer: of the language model.
        model: config.yaml of the model.
        config: section `prompt`.
        masked: see `use_dynamic_output_ratio` of `FunAsrDataConfig`.
        seed: of the training.
    """

    tokenizer: ChatTokenizer
    model: CheckpointConfig
    config: AskConfig
    masked: float
    seed: int

    def rng(self, index: int, epoch: int | None, kind: int) -> np.random.Generator:
        """Random numbers of a kind for an utterance in an epoch, or in evaluation."""
        return np.random.default_rng([self.seed, _DEV if epoch is None else epoch, index, kind])

    def line(self, asked: Asked, rng: np.random.Generator) -> Line:
        """What an utterance is asked with, and what is to be answered."""
        if asked.line is not None:
            return asked.line
        config = self.config
        english, named = rng.random(2) < (config.english_share, config.language_share)
        itn = config.itn if asked.itn is None else asked.itn
        language = asked.language if named else None
        if english:
            asks = english_instruction((english_name(language) or "").capitalize() if language else None, itn=itn)
        else:
            asks = str(Request(CHINESE_NAME[language] if language else None, itn))
        return Line(asks, "", asked.text)

    def example(self, line: Line, frames: int) -> Example:
        """The tokens of an utterance with so many feature frames."""
        heard = self.model.heard(self.model.front_end.rows(frames))
        return example(line, self.tokenizer, heard, system=self.model.system_prompt, thinks=self.model.thinks)


class FunAsrCorpus(SpeechCorpus):
    """Features, not stacked yet, and tokens of prompt and text.

    Args:
        asking: how utterances are asked for.
        corpus: see SpeechCorpus; targets are `Asked`.
    """

    def __init__(self, asking: Asking, *corpus: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(*corpus)
        self._asking, self.front_end = asking, asking.model.front_end.filterbank

    def target(self, index: int, draw: Draw, feats: Tensor) -> Asked:
        """What is known of an utterance; noise that replaces it has nothing to say."""
        asked: Asked = self._targets[index]
        return Asked("", itn=asked.itn) if draw.pure_noise else asked

    def item(self, index: int, epoch: int | None) -> tuple[str, Tensor, Example]:
        """Id, features (T, bins) and tokens of an utterance; see `SpeechCorpus.item`."""
        key, feats, asked = super().item(index, epoch)
        line = self._asking.line(asked, self._asking.rng(index, epoch, _ASK))
        made = self._asking.example(line, len(feats))
        if epoch is not None and self._asking.masked:
            made = masked(made, self._asking.masked, self._asking.rng(index, epoch, _MASK))
        return key, feats, made

    def collate(self, items: list[tuple[str, Tensor, Example]]) -> Batch:
        """Padded features, lengths, and `ids`, `labels`, `speech` and `mask` (N, S), padded on the right."""
        made = [item[2] for item in items]
        tensors = self.collate_features(items) | asked_tensors(made)
        weight = int((tensors["labels"] != NO_TARGET).sum())
        return Batch([item[0] for item in items], tensors, weight)


def asked_tensors(examples: Sequence[Example]) -> dict[str, Tensor]:
    """Tokens `ids` (N, S), `labels`, True at the places of audio (`speech`) and of tokens (`mask`)."""
    ids = [torch.tensor(own.ids) for own in examples]
    speech = [torch.zeros(len(own.ids), dtype=torch.bool) for own in examples]
    for row, own in zip(speech, examples, strict=True):
        row[own.speech.start : own.speech.stop] = True
    labels = [torch.tensor(own.labels) for own in examples]
    return {
        "ids": pad_sequence(ids, batch_first=True),
        "labels": pad_sequence(labels, batch_first=True, padding_value=NO_TARGET),
        "speech": pad_sequence(speech, batch_first=True),
        "mask": pad_sequence([torch.ones_like(row) for row in speech], batch_first=True),
    }


def masked(made: Example, share: float, rng: np.random.Generator) -> Example:
    """The example with nothing to be learnt of a random beginning of the text, with the probability `share`.

    As in the published data set: up to all but 7 tokens with the end, of short texts all but 6.
    """
    first = next(place for place, label in enumerate(made.labels) if label != NO_TARGET)
    count = len(made.labels) - first
    if rng.random() >= share:
        return made
    least = count - _SHORT if count <= _KEPT else int(rng.integers(1, count - _KEPT + 1))
    hidden = max(least, 0)
    return Example(made.ids, [NO_TARGET] * (first + hidden) + made.labels[first + hidden :], made.speech)


class CtcRowsCorpus(SpeechCorpus):
    """Features, not stacked yet, and tokens of the CTC head.

    Args:
        model: config.yaml of the model.
        corpus: see SpeechCorpus; targets are token ids.
    """

    def __init__(self, model: CheckpointConfig, *corpus: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(*corpus)
        self.front_end = model.front_end.filterbank

    def collate(self, items: list[tuple[str, Tensor, list[int]]]) -> Batch:
        """Padded features and lengths, `tokens` (N, U) and `token_lengths` (N,)."""
        ids = [torch.tensor(item[2], dtype=torch.long) for item in items]
        tensors = self.collate_features(items)
        tensors["tokens"] = pad_sequence(ids, batch_first=True)
        tensors["token_lengths"] = torch.tensor([len(own) for own in ids])
        return Batch([item[0] for item in items], tensors, sum(len(own) + 1 for own in ids))
