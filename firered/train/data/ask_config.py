"""Options of what Fun-ASR-Nano is asked in training: sections `prompt`, `context` and `streaming` of a YAML file."""

import math
from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class AskConfig(Options):
    """The instruction; lines of published training data (`messages`) have their own."""

    itn: bool = option(
        True,
        "transcripts have numbers and marks as usual in writing, else none; the table utt2itn (yes, no) goes first",
    )
    language_share: float = option(
        0.0, "share of utterances whose instruction names their language, where utt2lang has one", low=0, high=1
    )
    english_share: float = option(
        0.0, "share of utterances with an instruction in English, which recognition does not use", low=0, high=1
    )


@dataclass(frozen=True)
class KnownConfig(Options):
    """What is put before the instruction of what is known of an utterance (FunAudio-ASR report, section 4.3)."""

    share: float = option(0.0, "share of utterances with context, of those that have any; the others have none",
                          low=0, high=1)  # fmt: skip
    form: str = option(
        "recognition",
        "its words: those of recognition here and in the published inference code, or those of published training data",
        choices=("recognition", "MultiContextPrompt", "MultiContextPromptNew"),
    )
    uses: str = option(
        "history one_pass hotwords text",
        "what is used: what was said before (the table previous, or the segment before), the table one_pass, hotwords "
        "(utt2hotwords and the like, or keywords), contexts.jsonl",
    )
    relevant: float = option(
        1.0, "share of these whose own contexts and hotwords are in it; of the others only what is not of them",
        low=0, high=1,
    )  # fmt: skip
    irrelevant: int = option(0, "contexts of other utterances that are mixed in (the report: 5)", low=0)
    distractors: str = option("0 0", "hotwords of other utterances that are mixed in: fewest and most, as drawn")
    most_hotwords: int = option(50, "hotwords of its own at most: those that are said first", low=1)
    most_history: int = option(500, "characters of what was said before at most: its end", low=1)
    previous_gap: float = option(
        30.0, "seconds between a segment and the one before, whose text was said before it, at most", low=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if unknown := sorted(set(self.uses.split()) - _USES):
            raise OptionError(f"uses: {' '.join(unknown)}: known are {', '.join(sorted(_USES))}")
        self.few_and_many  # noqa: B018 - raises

    @property
    def few_and_many(self) -> tuple[int, int]:
        """Fewest and most distractors."""
        try:
            few, many = map(int, self.distractors.split())
        except ValueError as error:
            raise OptionError(
                f"distractors: {self.distractors!r} is not two numbers, the fewest and the most"
            ) from error
        if not 0 <= few <= many:
            raise OptionError(f"distractors: {self.distractors!r}: the fewest and then the most, from 0 on")
        return few, many


_USES = {"history", "one_pass", "hotwords", "text"}


@dataclass(frozen=True)
class GrowingConfig(Options):
    """Utterances as a stream gives them: their beginning, and the text so far (FunAudio-ASR report, section 5.1)."""

    share: float = option(0.0, "share of utterances of which a beginning is heard, and the text so far is given",
                          low=0, high=1)  # fmt: skip
    chunk_seconds: str = option("0.72 2.88", "seconds of audio that come at a time: fewest and most, as drawn")
    kept_back: int = option(
        5, "last tokens of the text so far that are not given, as recognition keeps them back", low=0
    )
    alignment: str = option("ctm", "name of the file in data directories with the times of words, where there is one")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.few_and_many  # noqa: B018 - raises

    @property
    def few_and_many(self) -> tuple[float, float]:
        """Fewest and most seconds of a chunk."""
        try:
            few, many = map(float, self.chunk_seconds.split())
        except ValueError as error:
            raise OptionError(f"chunk_seconds: {self.chunk_seconds!r} is not two numbers of seconds") from error
        if not 0.06 <= few <= many < math.inf:
            raise OptionError(f"chunk_seconds: {self.chunk_seconds!r}: the fewest and then the most, from 0.06 on")
        return few, many
