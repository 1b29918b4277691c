"""Language and Chinese dialect identification on the released models: `Lid` (FireRedASR2S paper, section 5)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from firered.audio.framing import FRAME_SHIFT_S
from firered.audio.like import AudioLike, as_frames
from firered.errors import Outcome, result_of
from firered.hub.find import find_model
from firered.lid.config import LidConfig
from firered.lid.labels import Grammar, split_label
from firered.models.aed import Lid as LidModel
from firered.results import LanguageGuess, LidResult
from firered.runtime.batches import by_parts
from firered.runtime.entry import Progress, over_audio
from firered.runtime.loaded import Loaded
from firered.runtime.speech import Speech
from firered.runtime.windows import part_of
from firered.search.beam import beam_search
from firered.search.beams import Hypothesis
from firered.search.config import BeamConfig
from firered.search.scorers import Mask, Stepper
from firered.text.tokenizer import EOS_ID, SOS_ID

PUBLISHED = "FireRedLID"
_STEPS = 2  # a language and a dialect, or a language and the end
_TOP = 5


@dataclass(frozen=True)
class _Decoded:
    best: Hypothesis
    top: list[LanguageGuess]


class Lid:
    """A two-token decode of language and dialect over the recognition model's network.

    Examples:
        >>> import firered
        >>> lid = firered.load("egs/mini/models/FireRedLID")
        >>> lid("egs/mini/test/wav/f3-zh-00003.flac").lang
        'zh mandarin'
    """

    def __init__(self, loaded: Loaded[LidModel], config: LidConfig) -> None:
        self.loaded, self.config = loaded, config
        self._beam = BeamConfig(beam_size=config.beam_size)
        wanted = [code.strip() for code in config.languages.split(",") if code.strip()]
        self._grammar = Grammar(loaded.tokenizer.symbols, constrain=config.constrain, languages=wanted)
        self._masks = [] if self._grammar.free else [Mask(self._allowed().to(loaded.device))]

    @classmethod
    def from_pretrained(cls, model_dir: str | Path, config: LidConfig | None = None, device: str = "auto") -> "Lid":
        """The identifier of a model directory (model.pth.tar, cmvn.ark, dict.txt), or of a published name.

        Raises:
            ModelError: the directory is missing, incomplete or of another kind.
            OptionError: `config.languages` names one that the model does not know.
        """
        config = config or LidConfig()
        return cls(Loaded.load(LidModel, find_model(model_dir, PUBLISHED), config.dtype, device), config)

    def __call__(self, audio: AudioLike, uttid: str = "") -> LidResult:
        """The result for one utterance of any length.

        Args:
            audio: a recording in any form; see `firered.audio.like.AudioLike`.
            uttid: id in the result; a path's name without suffix if not given.

        Raises:
            AudioError: it cannot be read or holds nothing to identify.
        """
        (result,) = self.identify([Speech.of(as_frames(audio, uttid))])
        return result_of(result)

    def batch(
        self, audios: Iterable[AudioLike], uttids: Sequence[str] | None = None, *, progress: Progress | None = None
    ) -> list[Outcome[LidResult]]:
        """The result for each utterance, in input order; where one failed, its FireRedError in the result's place.

        Args:
            audios: recordings in any form.
            uttids: ids in the results; a path's name without suffix if not given.
            progress: called with the number of utterances that are done, and of all.

        Raises:
            OptionError: this is no list of recordings, or there are not as many ids.
        """
        batch_seconds = self.config.batch_seconds
        return over_audio(audios, uttids, self.identify, batch_seconds, progress, lambda _, speech: speech)

    def identify(self, utterances: Sequence[Speech]) -> list[Outcome[LidResult]]:
        """A result, or what went wrong, for each utterance; in batches by length, which change no result."""
        decoded = by_parts(utterances, self._stretches, self.config.batch_seconds, self._decode)
        return [
            self._surest(speech, [outcome for _, outcome in parts])
            for speech, parts in zip(utterances, decoded, strict=True)
        ]

    def _stretches(self, speech: Speech) -> list[Speech]:
        """What of an utterance is decoded: all of it, or stretches of the largest length."""
        longest = round(self.config.max_seconds / FRAME_SHIFT_S)
        if len(speech.feats) <= longest:
            return [speech]
        starts = {"first": {0}, "best": {_loudest(speech.feats, longest)}}
        wanted = starts.get(self.config.stretch) or starts["first"] | starts["best"]
        return [part_of(speech, (start, start + longest)) for start in sorted(wanted)]

    @torch.inference_mode()
    def _decode(self, batch: list[Speech]) -> list[_Decoded]:
        encoded, lengths = self.loaded.encode(batch)
        limits = torch.full_like(lengths, _STEPS)
        steps = self.loaded.model.start(encoded, lengths, self._beam.beam_size, _STEPS)
        found = beam_search(steps, limits, self._beam, sos=SOS_ID, eos=EOS_ID, scorers=self._masks)
        guesses = self._guesses(encoded, lengths)
        return [_Decoded(hypotheses[0], top) for hypotheses, top in zip(found, guesses, strict=True)]

    def _guesses(self, encoded: Tensor, lengths: Tensor) -> list[list[LanguageGuess]]:
        """The likeliest languages of each utterance, and the dialects that Chinese would have."""
        steps = self.loaded.model.start(encoded, lengths, 1, _STEPS)
        languages = self._probabilities(steps, SOS_ID, len(lengths))
        chinese = self._grammar.chinese
        spoken = None if chinese is None else self._probabilities(steps, chinese, len(lengths))
        found = []
        for number, probabilities in enumerate(languages):
            top = self._likeliest(probabilities, self._grammar.languages)
            dialects: dict[str, dict[str, float]] = {}  # by language
            if chinese is not None and spoken is not None:
                likeliest = self._likeliest(spoken[number], self._grammar.dialects)
                dialects[self.loaded.tokenizer.symbols[chinese]] = likeliest
            found.append([LanguageGuess(name, p, dialects.get(name, {})) for name, p in top.items()])
        return found

    def _probabilities(self, steps: Stepper, token: int, count: int) -> Tensor:
        tokens = torch.full((count,), token, device=self.loaded.device)
        logits = steps.step(tokens).float()
        for mask in self._masks:
            logits = logits + mask.step(tokens)
        return (logits / self._beam.softmax_smoothing).softmax(-1).cpu()

    def _likeliest(self, probabilities: Tensor, among: list[int]) -> dict[str, float]:
        ranked = sorted(((float(probabilities[i]), i) for i in among), reverse=True)[:_TOP]
        return {self.loaded.tokenizer.symbols[i]: p for p, i in ranked if p > 0}

    def _allowed(self) -> Tensor:
        """(V, V): row i says which tokens may follow token i."""
        grammar, size = self._grammar, len(self.loaded.tokenizer)
        allowed = torch.zeros(size, size, dtype=torch.bool)
        allowed[SOS_ID, grammar.first()] = True
        for token in range(size):
            if token != SOS_ID:
                allowed[token, grammar.second(token)] = True
        return allowed

    def _surest(self, speech: Speech, outcomes: list[Outcome[_Decoded]]) -> Outcome[LidResult]:
        """The result of an utterance from the surest of its stretches; the first error, where all failed."""
        decoded = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
        if not decoded:
            return next(outcome for outcome in outcomes if isinstance(outcome, Exception))
        surest = max(decoded, key=lambda outcome: outcome.best.confidence)
        lang = " ".join(self.loaded.tokenizer.tokens_of(surest.best.tokens))
        language, dialect = split_label(lang)
        return LidResult(speech.key, lang, language, dialect, surest.best.confidence, speech.duration_s, surest.top)


def _loudest(feats: Tensor, length: int) -> int:
    """First frame of the stretch of `length` frames with the largest mean log energy, the earliest of equals."""
    sums = torch.cat([torch.zeros(1, dtype=torch.float64), feats.mean(1).double().cumsum(0)])
    return int((sums[length:] - sums[:-length]).argmax())
