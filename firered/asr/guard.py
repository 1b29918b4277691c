"""A guard against hallucinated text: reasons to doubt what a recogniser wrote, of either kind, and how sure it is."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

from firered.asr.config import GuardConfig
from firered.audio.frames import Frames
from firered.audio.frontend import PUBLISHED, fbank
from firered.errors import ModelError, Outcome, result_of
from firered.hub.catalogue import CHECKPOINT
from firered.hub.find import find_model
from firered.models.checkpoint import model_files
from firered.results import AsrResult
from firered.runtime.speech import Speech
from firered.text.units import is_character, mixed
from firered.text.width import spoken_length
from firered.vad.detect import Vad

_VAD = "FireRedVAD/VAD"
_LONGEST_PHRASE = 20  # tokens
_FEW = 2  # tokens that may always differ from the CTC head's: it decodes some words in part


@dataclass(frozen=True)
class Evidence:
    """What is known about an utterance in addition to its text; None where nothing is.

    `speech_ratio` is the share of it that a voice detector takes for speech, `ctc_text` what a CTC head decodes in it.
    """

    speech_ratio: float | None = None
    ctc_text: str | None = None


class Guard:
    """Checks a recogniser's results for hallucinated text; switched off, it returns them as they are.

    Args:
        config: what to look for.
        vad: the detector that measures the share of speech; without it that is not checked.
        vad_dir: where the detector is from.
    """

    def __init__(self, config: GuardConfig, vad: Vad | None = None, vad_dir: Path | None = None) -> None:
        self.config, self._vad, self._vad_dir = config, vad, vad_dir

    @classmethod
    def load(cls, config: GuardConfig, device: str) -> "Guard":
        """The guard with the detector that its options name.

        Raises:
            ModelError: there is no detector there.
        """
        if config.guard == "off" or not config.guard_vad:
            return cls(config)
        vad_dir = find_model(config.guard_vad, _VAD)
        return cls(config, Vad.from_pretrained(vad_dir, device=device), vad_dir)

    @property
    def sources(self) -> list[Path]:
        """All files that decide its flags."""
        return model_files(self._vad_dir, CHECKPOINT, "cmvn.ark") if self._vad_dir else []

    @property
    def on(self) -> bool:
        """Whether it looks for hallucinated text."""
        return self.config.guard != "off"

    def __call__(self, utterances: Sequence[Speech], results: Sequence[Outcome[AsrResult]]) -> list[Outcome[AsrResult]]:
        """The results with their flags; where the guard is to drop, a flagged text goes to `dropped`."""
        if not self.on and not self.config.min_confidence:
            return list(results)
        return [
            result if isinstance(result, Exception) else self._checked(result, ratio)
            for result, ratio in zip(results, self.speech_ratios(utterances), strict=True)
        ]

    def _checked(self, result: AsrResult, speech_ratio: float | None) -> AsrResult:
        evidence = Evidence(speech_ratio, result.ctc_text)
        flags = reasons(result.text, result.dur_s, self.config, evidence) if self.on else []
        unsure = self._unsure(result)
        drops = (flags and self.config.guard == "drop") or (unsure and self.config.low_confidence == "drop")
        flags = [*result.flags, *flags, *unsure]
        if not drops:
            return replace(result, flags=flags)
        return replace(
            result,
            flags=flags,
            dropped=result.text,
            text="",
            confidence=0.0,
            tokens=[],
            token_confidence=[],
            words=None if result.words is None else [],
            token_times=None if result.token_times is None else [],
            plain_text=None if result.plain_text is None else "",
        )

    def _unsure(self, result: AsrResult) -> list[str]:
        """The one reason to doubt a text that its confidence gives, if any."""
        least = self.config.min_confidence
        if not result.text or result.confidence >= least:
            return []
        return [f"unsure: its confidence of {result.confidence:.3f} is below {least:g}"]

    def speech_ratios(self, utterances: Sequence[Speech]) -> list[float | None]:
        """The share of each utterance's frames that are speech to the detector; None where there is no detector."""
        if self._vad is None or not utterances:
            return [None] * len(utterances)
        threshold = self._vad.config.speech_threshold
        posteriors = self._vad.classifier.posteriors(_frames(speech) for speech in utterances)
        return [float(np.mean(result_of(probs) >= threshold)) for _, probs in posteriors]


def _frames(speech: Speech) -> Frames:
    """The features for the voice detector; raises ModelError where they are not such as it is made for."""
    if speech.front_end.plain:
        return Frames(speech.key, lambda _: iter([fbank(speech.samples)]))
    if speech.front_end.filterbank != PUBLISHED.filterbank:
        raise ModelError(f"{speech.key}: guard_vad needs features of {PUBLISHED}, these are {speech.front_end}")
    return Frames(speech.key, lambda _: iter([speech.feats]))


def reasons(text: str, dur_s: float, config: GuardConfig, evidence: Evidence) -> list[str]:
    """Reasons to doubt that a text was spoken in `dur_s` seconds; none for an empty text."""
    tokens = mixed(text.lower())
    if not tokens:
        return []
    found = (
        _repeated(tokens, config.guard_repeats),
        _too_fast(tokens, dur_s, config.guard_chars_per_second),
        _no_speech(evidence, config.guard_speech_ratio),
        _disagreement(tokens, evidence.ctc_text, config.guard_ctc_distance),
    )
    return [reason for reason in found if reason]


def _repeated(tokens: list[str], times: int) -> str | None:
    """The phrase that is repeated over the longest stretch; single words may be repeated twice as often."""
    runs = [_longest_run(tokens, size) for size in range(1, min(_LONGEST_PHRASE, len(tokens) // times) + 1)]
    runs = [(start, size, count) for start, size, count in runs if count >= (2 * times if size == 1 else times)]
    if not runs:
        return None
    start, size, count = max(runs, key=lambda run: (run[1] * run[2], -run[1]))
    return f"repeated: {_written(tokens[start : start + size])} {count} times in a row"


def _longest_run(tokens: list[str], size: int) -> tuple[int, int, int]:
    """(start, size, count) of the longest row of repetitions of a phrase of so many tokens."""
    best, run = (0, 1), 0
    for index in range(size, len(tokens)):
        run = run + 1 if tokens[index] == tokens[index - size] else 0
        count = run // size + 1
        if count > best[1]:
            best = (index - run - size + 1, count)
    return best[0], size, best[1]


def _too_fast(tokens: list[str], dur_s: float, most: float) -> str | None:
    rate = spoken_length("".join(tokens)) / max(dur_s, 1e-3)
    return f"too fast: {rate:.1f} characters a second" if rate > most else None


def _no_speech(evidence: Evidence, least: float) -> str | None:
    if evidence.speech_ratio is not None and evidence.speech_ratio < least:
        return f"no speech: the voice detector finds it in {100 * evidence.speech_ratio:.1f}% of the utterance"
    if evidence.ctc_text is not None and not evidence.ctc_text.strip():
        return "no speech: the CTC head reads nothing"
    return None


def _disagreement(tokens: list[str], ctc_text: str | None, most: float) -> str | None:
    other = mixed((ctc_text or "").lower())
    if not other:
        return None
    edits = Levenshtein.distance(tokens, other)
    share = edits / max(len(tokens), len(other))
    if edits <= _FEW or share <= most:
        return None
    return f"disagreement: {100 * share:.0f}% differs from what the CTC head reads: {_written(other)}"


def _written(tokens: list[str]) -> str:
    """Tokens as a text again: words apart, characters not."""
    return "".join(token if is_character(token) else f" {token} " for token in tokens).replace("  ", " ").strip()
