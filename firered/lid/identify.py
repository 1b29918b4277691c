"""Language and Chinese dialect identification on the released models: `Lid` (FireRedASR2S paper, section 5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from firered.audio.frames import Audio, of_audio
from firered.audio.frontend import FRAME_SHIFT_S, SAMPLE_RATE
from firered.errors import result_of
from firered.lid.config import LidConfig
from firered.lid.labels import Grammar, split_label
from firered.models.aed import Lid as LidModel
from firered.results import LanguageGuess, LidResult
from firered.runtime.batches import by_parts
from firered.runtime.loaded import Loaded
from firered.runtime.speech import Speech
from firered.runtime.windows import part_of
from firered.search.beam import BeamConfig, Hypothesis, Stepper, beam_search
from firered.text.tokenizer import EOS_ID, SOS_ID

_STEPS = 2  # a language and a dialect, or a language and the end
_TOP = 5


@dataclass(frozen=True)
class _Decoded:
    best: Hypothesis
    top: list[LanguageGuess]


class Lid:
    """A two-token decode of language and dialect over the recognition model's network."""

    def __init__(self, loaded: Loaded[LidModel], config: LidConfig) -> None:
        self.loaded, self.config = loaded, config
        self._beam = BeamConfig(beam_size=config.beam_size)
        wanted = [code.strip() for code in config.languages.split(",") if code.strip()]
        self._grammar = Grammar(loaded.tokenizer.symbols, constrain=config.constrain, languages=wanted)
        self._allowed = self._mask().to(loaded.device)

    @classmethod
    def from_pretrained(cls, model_dir: str | Path, config: LidConfig | None = None, device: str = "auto") -> "Lid":
        """Identifier of a published model directory (model.pth.tar, cmvn.ark, dict.txt).

        Raises:
            ModelError: the directory is incomplete or of another kind.
            OptionError: `config.languages` names one that the model does not know.
        """
        config = config or LidConfig()
        return cls(Loaded.load(LidModel, Path(model_dir), config.dtype, device), config)

    def __call__(self, audio: Audio, uttid: str = "", sample_rate: int = SAMPLE_RATE) -> LidResult:
        """Result for one utterance of any length: a path, a Kaldi extended file name, or samples as `Vad` takes them.

        Raises:
            AudioError: it cannot be read or holds nothing to identify.
        """
        (result,) = self.identify([Speech.of(of_audio(audio, uttid, sample_rate))])
        return result_of(result)

    def identify(self, utterances: Sequence[Speech]) -> list[LidResult | Exception]:
        """A result, or what went wrong, for each utterance; batched by length, alone what they are in company."""
        heard = by_parts(utterances, self._stretches, self.config.batch_seconds, self._decode)
        return [
            self._surest(one, [outcome for _, outcome in parts]) for one, parts in zip(utterances, heard, strict=True)
        ]

    def _stretches(self, one: Speech) -> list[Speech]:
        """What of an utterance is heard: all of it, or stretches of the largest length."""
        longest = round(self.config.max_seconds / FRAME_SHIFT_S)
        if len(one.feats) <= longest:
            return [one]
        starts = {"first": {0}, "best": {_loudest(one.feats, longest)}}
        wanted = starts.get(self.config.stretch) or starts["first"] | starts["best"]
        return [part_of(one, (start, start + longest)) for start in sorted(wanted)]

    @torch.inference_mode()
    def _decode(self, batch: list[Speech]) -> list[_Decoded]:
        encoded, lengths = self.loaded.encode(batch)
        limits = torch.full_like(lengths, _STEPS)
        steps: Stepper = self.loaded.model.start(encoded, lengths, self._beam.beam_size, _STEPS)
        if not self._grammar.free:
            steps = _Masked(steps, self._allowed)
        found = beam_search(steps, limits, self._beam, sos=SOS_ID, eos=EOS_ID)
        guesses = self._guesses(encoded, lengths)
        return [_Decoded(hypotheses[0], top) for hypotheses, top in zip(found, guesses, strict=True)]

    def _guesses(self, encoded: Tensor, lengths: Tensor) -> list[list[LanguageGuess]]:
        """The likeliest languages of each utterance, and the dialects that Chinese would have."""
        steps = _Masked(self.loaded.model.start(encoded, lengths, 1, _STEPS), self._allowed)
        languages = self._probabilities(steps, SOS_ID, len(lengths))
        chinese = self._grammar.chinese
        spoken = None if chinese is None else self._probabilities(steps, chinese, len(lengths))
        found = []
        for number, probabilities in enumerate(languages):
            top = self._likeliest(probabilities, self._grammar.languages)
            found.append([LanguageGuess(name, probability) for name, probability in top.items()])
            for guess in found[-1]:
                if spoken is not None and guess.language == self.loaded.tokenizer.symbols[chinese]:
                    guess.dialects = self._likeliest(spoken[number], self._grammar.dialects)
        return found

    def _probabilities(self, steps: Stepper, token: int, count: int) -> Tensor:
        logits = steps.step(torch.full((count,), token, device=self.loaded.device))
        return (logits.float() / self._beam.softmax_smoothing).softmax(-1).cpu()

    def _likeliest(self, probabilities: Tensor, among: list[int]) -> dict[str, float]:
        ranked = sorted(((float(probabilities[i]), i) for i in among), reverse=True)[:_TOP]
        return {self.loaded.tokenizer.symbols[i]: p for p, i in ranked if p > 0}

    def _mask(self) -> Tensor:
        """(V, V): row i says which tokens may follow token i."""
        grammar, size = self._grammar, len(self.loaded.tokenizer)
        allowed = torch.zeros(size, size, dtype=torch.bool)
        allowed[SOS_ID, grammar.first()] = True
        for token in range(size):
            if token != SOS_ID:
                allowed[token, grammar.second(token)] = True
        return torch.ones_like(allowed) if grammar.free else allowed

    def _surest(self, one: Speech, outcomes: list[_Decoded | Exception]) -> LidResult | Exception:
        heard = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
        if not heard:
            return outcomes[0]
        decoded = max(heard, key=lambda outcome: outcome.best.confidence)
        lang = " ".join(self.loaded.tokenizer.tokens_of(decoded.best.tokens))
        language, dialect = split_label(lang)
        return LidResult(one.key, lang, language, dialect, decoded.best.confidence, one.duration_s, decoded.top)


class _Masked:
    """A stepper whose next token depends on the last by a table of what may follow."""

    def __init__(self, steps: Stepper, allowed: Tensor) -> None:
        self._steps, self._allowed = steps, allowed
        self.reorder, self.select = steps.reorder, steps.select

    def step(self, tokens: Tensor) -> Tensor:
        """(N * B, V) logits, minus infinity for what may not follow."""
        return self._steps.step(tokens).masked_fill(~self._allowed[tokens], -torch.inf)


def _loudest(feats: Tensor, length: int) -> int:
    """First frame of the stretch of `length` frames with the largest mean log energy, the earliest of equals."""
    sums = torch.cat([torch.zeros(1, dtype=torch.float64), feats.mean(1).double().cumsum(0)])
    return int((sums[length:] - sums[:-length]).argmax())
