"""Fun-ASR-Nano's training examples: features, the prompt with its places of audio, and what is learnt."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from firered.audio.framing import FRAME_SHIFT_S
from firered.models.fun_asr_config import CheckpointConfig
from firered.text.fun_asr import Request, english_instruction
from firered.text.fun_asr_context import Known, context_block, new_context_block, with_context
from firered.text.languages import CHINESE_NAME, english_name
from firered.text.llm_tokenizer import ChatTokenizer
from firered.train.data.ask_config import AskConfig, GrowingConfig, KnownConfig
from firered.train.data.augment import Draw
from firered.train.data.batch import NO_TARGET, Batch
from firered.train.data.fun_asr import Example, Line, example
from firered.train.data.fun_asr_asked import Asked
from firered.train.data.growing import Growing, Heard, beginning_of, cut_text
from firered.train.data.known import Drawing
from firered.train.data.speech import SpeechCorpus
from firered.train.rewards.reward import Wanted

_ASK, _MASK, _KNOWN = 21, 22, 24  # random numbers apart from those of other draws
_DEV = 1 << 31  # stands where training has the epoch
_OF_RECOGNITION, _NEW = "recognition", "MultiContextPromptNew"  # forms of a context block
_KEPT, _SHORT = 7, 6  # tokens that are learnt at least, of a masked text and of a short one


@dataclass(frozen=True)
class Asking:
    """How utterances are asked for.

    Attributes:
        tokenizer: of the language model.
        model: config.yaml of the model.
        ask: section `prompt`.
        known: section `context`.
        growing: section `streaming`.
        masked: see `use_dynamic_output_ratio` of `FunAsrDataConfig`.
        seed: of the training.
    """

    tokenizer: ChatTokenizer
    model: CheckpointConfig
    ask: AskConfig
    known: KnownConfig
    seed: int
    growing: GrowingConfig = field(default_factory=GrowingConfig)
    masked: float = 0.0

    def rng(self, index: int, epoch: int | None, kind: int) -> np.random.Generator:
        """Random numbers of a kind for an utterance in an epoch, or in evaluation."""
        return np.random.default_rng([self.seed, _DEV if epoch is None else epoch, index, kind])

    def instruction(self, asked: Asked, known: Known | None, rng: np.random.Generator) -> str:
        """What an utterance is asked with."""
        english, named = rng.random(2) < (self.ask.english_share, self.ask.language_share)
        itn = self.ask.itn if asked.itn is None else asked.itn
        language = asked.language if named else None
        request = Request(CHINESE_NAME[language] if language else None, itn)
        if known is not None and self.known.form == _OF_RECOGNITION:
            return str(with_context(request, known))  # which has no English form
        asks = str(request)
        if english:
            asks = english_instruction((english_name(language) or "").capitalize() if language else None, itn=itn)
        if known is None:
            return asks
        if self.known.form == _NEW:
            return new_context_block(known, english=bool(english)) + asks
        return context_block(known, english=bool(english), history=True) + asks

    def example(self, line: Line, frames: int) -> Example:
        """The tokens of an utterance with so many feature frames."""
        heard = self.model.heard(self.model.front_end.rows(frames))
        return example(line, self.tokenizer, heard, system=self.model.system_prompt, thinks=self.model.thinks)

    def grown(self, line: Line, asked: Asked, heard: Heard, frames: int) -> Line:
        """The line of the beginning of an utterance that has so many frames: the text so far is given."""
        now, before = (
            cut_text(line.text, own / frames, asked.ends, own * FRAME_SHIFT_S) for own in (heard.frames, heard.before)
        )
        tokenizer = self.tokenizer
        given = beginning_of(before, tokenizer.ids_of, tokenizer.decode, self.growing.kept_back)
        return replace(line, text=now[len(given) :], beginning=given)


class FunAsrCorpus(SpeechCorpus):
    """Features, not stacked yet, and tokens of prompt and text.

    Args:
        asking: how utterances are asked for.
        corpus: see SpeechCorpus; targets are `Asked`.
    """

    def __init__(self, asking: Asking, *corpus: Any) -> None:  # noqa: ANN401 - passed on
        super().__init__(*corpus)
        self._asking, self.front_end = asking, asking.model.front_end.filterbank
        self._drawing = Drawing(asking.known, self._targets)
        self._growing = Growing(asking.growing, asking.seed, len(self.keys))

    def sizes(self, epoch: int | None) -> np.ndarray:
        """(n,) numbers of frames, after augmentation in training, and of beginnings where these are heard."""
        frames = super().sizes(epoch)
        return frames if epoch is None or not self._asking.growing.share else self._growing.frames(epoch, frames)

    def target(self, index: int, draw: Draw, feats: Tensor) -> Asked:
        """What is known of an utterance as it is heard; noise that replaces it has nothing to say."""
        asked: Asked = self._targets[index]
        if draw.pure_noise:
            line = asked.line and replace(asked.line, text="", beginning="")
            wanted = asked.wanted and Wanted("", asked.wanted.language)
            return replace(asked, text="", line=line, wanted=wanted, ends=())
        return replace(asked, ends=tuple((place, draw.moved(end_s)) for place, end_s in asked.ends))

    def item(self, index: int, epoch: int | None) -> tuple[str, Tensor, Example]:
        """Id, features (T, bins) and tokens of an utterance; see `SpeechCorpus.item`."""
        key, feats, line, asked = self._read(index, epoch)
        made = self._asking.example(line, len(feats))
        if epoch is not None and self._asking.masked:
            made = masked(made, self._asking.masked, self._asking.rng(index, epoch, _MASK))
        return key, feats, replace(made, wanted=asked.wanted)

    def told(self, index: int, epoch: int) -> dict[str, Any]:
        """What an utterance is asked with in an epoch, the given beginning of the answer, the rest, seconds heard."""
        _, feats, line, _ = self._read(index, epoch)
        seconds = round(len(feats) * FRAME_SHIFT_S, 2)
        return {"prompt": line.instruction, "given": line.beginning, "text": line.text, "seconds": seconds}

    def _read(self, index: int, epoch: int | None) -> tuple[str, Tensor, Line, Asked]:
        key, feats, asked = super().item(index, epoch)
        line = asked.line or self._line(asked, index, epoch)
        if epoch is not None and asked.line is None and self._asking.growing.share:
            heard = self._growing.heard(index, epoch, len(feats))
            if heard is not None:
                line = self._asking.grown(line, asked, heard, len(feats))
                feats = feats[: heard.frames]
        return key, feats, line, asked

    def _line(self, asked: Asked, index: int, epoch: int | None) -> Line:
        known = self._drawing.known(asked, self._asking.rng(index, epoch, _KNOWN))
        return Line(self._asking.instruction(asked, known, self._asking.rng(index, epoch, _ASK)), "", asked.text)

    def collate(self, items: list[tuple[str, Tensor, Example]]) -> Batch:
        """Padded features, lengths, and `ids`, `labels`, `speech` and `mask` (N, S), padded on the right."""
        made = [item[2] for item in items]
        tensors = self.collate_features(items) | asked_tensors(made)
        weight = int((tensors["labels"] != NO_TARGET).sum())
        return Batch([item[0] for item in items], tensors, weight)


class FunAsrRewardedCorpus(FunAsrCorpus):
    """The same with what rewards compare with, in `about` of a batch."""

    def collate(self, items: list[tuple[str, Tensor, Example]]) -> Batch:
        """See `FunAsrCorpus.collate`."""
        return replace(super().collate(items), weight=1.0, about=[item[2].wanted for item in items])


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
    return replace(made, labels=[NO_TARGET] * (first + hidden) + made.labels[first + hidden :])


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
