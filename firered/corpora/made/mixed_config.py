"""Options of firered-mixed-text and firered-speak."""

from dataclasses import dataclass

from firered.corpora.made.endpoint_config import EndpointConfig
from firered.errors import OptionError
from firered.options import Options, option

GRAMMAR, ENDPOINT = "grammar", "endpoint"


@dataclass(frozen=True)
class MixedTextConfig(EndpointConfig):
    """Sentences that mix two languages (FunAudio-ASR report, section 5.4)."""

    sentences: int = option(1000, "sentences that hold phrases of training", low=1)
    test_sentences: int = option(100, "sentences that hold the phrases kept for testing", low=0)
    test_share: float = option(0.1, "share of each domain's phrases that is kept for testing", low=0, high=0.9)
    most_phrases: int = option(2, "phrases in a sentence at most", low=1)
    write: str = option(
        GRAMMAR, "what writes the sentences: patterns with places for phrases (grammar), or the endpoint",
        choices=(GRAMMAR, ENDPOINT),
    )  # fmt: skip
    patterns: str = option("", "file of such patterns, one a line, each with one {} or more; by default Chinese ones")
    language: str = option("Chinese", "language of the rest of a sentence, as the endpoint is told it")
    seed: int = option(1, "of what is drawn", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.write == ENDPOINT) != bool(self.endpoint):
            raise OptionError("endpoint: belongs to --write endpoint, which needs it")
        if self.patterns and self.write == ENDPOINT:
            raise OptionError("patterns: has no effect with --write endpoint")


@dataclass(frozen=True)
class SpeakConfig(Options):
    """Synthetic speech."""

    tts: str = option(
        "espeak-ng -v {voice} -w {wav} --stdin",
        "command that speaks what it reads from standard input; {voice} and {wav}, the file to write, are put in",
    )
    voices: tuple[str, ...] = option((), "a voice, or a file of voices, one a line (repeat it for more)")
    each: int = option(1, "voices that speak each text", low=1)
    parallel: int = option(2, "texts that are spoken at the same time", low=1)
    text_seconds: float = option(120.0, "a text that takes longer has failed", low=0.1)
    seed: int = option(1, "of the voices that are drawn for a text", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if "{wav}" not in self.tts:
            raise OptionError(f"tts: {self.tts!r}: does not say where the file is to be written ({{wav}})")
