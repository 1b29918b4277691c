"""What was recognised in a recording, as answers are made of: `Heard`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from firered.results import AsrResult, LidResult, Result, Transcript
from firered.system.assemble import Segment, sentences_of
from firered.system.recording import Recording, Voice
from firered.text.joining import join_texts

_LEAST = 1e-38  # a probability of 0 has no logarithm


@dataclass(frozen=True)
class Part(Result):
    """One stretch of voice: its text, its tokens with their natural log-probabilities, and its language.

    `voice` is the mean of the detector's posteriors in it, None without a detector.
    """

    start_s: float
    end_s: float
    text: str
    tokens: Sequence[str]
    log_probs: Sequence[float]
    voice: float | None
    lang: str | None

    @property
    def mean_log_prob(self) -> float:
        """Of its tokens; 0 without any."""
        return sum(self.log_probs) / len(self.log_probs) if self.log_probs else 0.0


@dataclass(frozen=True)
class Heard(Result):
    """The transcript of a recording, and its stretches of voice."""

    transcript: Transcript
    parts: Sequence[Part]


def part_of(segment: Segment, voice: Voice) -> Part:
    """What was made of one stretch of voice."""
    asr = segment.asr if isinstance(segment.asr, AsrResult) and segment.text else None
    lang = segment.lid.lang if isinstance(segment.lid, LidResult) else asr.lang if asr else None
    return Part(
        start_s=segment.whole_ms[0],
        end_s=segment.whole_ms[1],
        text=join_texts(sentence.text for sentence in sentences_of(segment)),
        tokens=asr.tokens if asr else (),
        log_probs=[math.log(max(prob, _LEAST)) for prob in asr.token_confidence] if asr else (),
        voice=voice.probability,
        lang=lang,
    )


def heard_of(recording: Recording, segments: Sequence[Segment]) -> Heard:
    """What was made of all its stretches, in their order."""
    parts = [part_of(*pair) for pair in zip(segments, recording.voice, strict=True)]
    return Heard(recording.transcript(segments), parts)
