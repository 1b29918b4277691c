"""How the searches weigh and rank. The options of recognition take their defaults from here."""

from dataclasses import dataclass

from firered.errors import OptionError


def _check_beam(nbest: int, beam_size: int) -> None:
    if not 1 <= nbest <= beam_size:
        raise OptionError(f"nbest: {nbest} hypotheses requested of a beam of {beam_size}")


@dataclass(frozen=True)
class BeamConfig:
    """How `firered.search.beam` searches (FireRedASR2S paper, section 3).

    Attributes:
        beam_size: hypotheses kept an utterance.
        nbest: hypotheses given back an utterance, at most `beam_size`.
        softmax_smoothing: the model's logits are divided by this; above 1 is less sure.
        length_penalty: scores are divided by ((5 + length) / 6) to this power in the ranking.
        eos_penalty: the log-probability of the end is multiplied by this; above 1 ends later.
    """

    beam_size: int = 3
    nbest: int = 1
    softmax_smoothing: float = 1.25
    length_penalty: float = 0.6
    eos_penalty: float = 1.0

    def __post_init__(self) -> None:
        _check_beam(self.nbest, self.beam_size)
        if self.softmax_smoothing <= 0:
            raise OptionError(f"softmax_smoothing: {self.softmax_smoothing} is not above 0")


@dataclass(frozen=True)
class GenerateConfig:
    """How `firered.search.generate` searches, as Hugging Face's `generate` does.

    Attributes:
        beam_size: hypotheses kept an utterance; 1 is greedy.
        nbest: hypotheses given back an utterance, at most `beam_size`.
        min_length: tokens of an utterance at least.
        repetition_penalty: above 1, tokens that a hypothesis has already are less likely.
        length_penalty: scores are divided by the length to this power; above 0 favours long texts.
        temperature: the model's logits are divided by this; above 1 is less sure.
    """

    beam_size: int = 3
    nbest: int = 1
    min_length: int = 0
    repetition_penalty: float = 1.0
    length_penalty: float = 0.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        _check_beam(self.nbest, self.beam_size)
        if self.temperature <= 0:
            raise OptionError(f"temperature: {self.temperature} is not above 0")


@dataclass(frozen=True)
class CtcPrefixConfig:
    """How `firered.search.ctc_prefix` searches, with the defaults of WeNet's prefix search.

    Attributes:
        beam_size: prefixes kept an utterance.
        nbest: hypotheses given back an utterance, at most `beam_size`.
        tokens_per_frame: the likeliest tokens of a frame, the blank not counted, are those that a prefix can grow by.
    """

    beam_size: int = 10
    nbest: int = 1
    tokens_per_frame: int = 10

    def __post_init__(self) -> None:
        _check_beam(self.nbest, self.beam_size)
        if self.tokens_per_frame < 1:
            raise OptionError(f"tokens_per_frame: {self.tokens_per_frame} is not above 0")


@dataclass(frozen=True)
class Trust:
    """How far a draft is believed; see `firered.search.trust`.

    Attributes:
        probability: tokens above it are kept; 0: those that the search finds, nothing else.
        entropy: the draft is final where no frame of it has as much, in nats; 0: never.
    """

    probability: float = 0.0
    entropy: float = 0.0

    @property
    def any(self) -> bool:
        """Whether texts may be others than without a draft."""
        return self.probability > 0 or self.entropy > 0
