"""Options of firered-pseudo-label."""

from dataclasses import dataclass

from firered.options import Options, option


@dataclass(frozen=True)
class LabelConfig(Options):
    """What is kept."""

    threshold: float = option(
        5.0, "kept is an utterance whose label the other systems' texts differ from by at most so many percent", low=0
    )
    agree: int = option(0, "so many of the other systems have to be within the threshold; 0: all", low=0)
    min_seconds: float = option(0.3, "shorter utterances are not kept", low=0)
    itn: bool = option(
        False, "write numbers, dates and amounts of the labels as digits (extra `itn`); text_raw has them as spoken"
    )
    language: str | None = option(None, "code of the spoken language, for systems that can be told")
    vad: bool = option(True, "find segments of speech; without it utterances are taken as IN has them")
    check: bool = option(
        False, "compare the transcripts of IN, a data directory, with each system; utterances are taken as IN has them"
    )
