"""Options that all families of recognisers share.

Names and defaults are those of the published system's library where it has them.
"""

from dataclasses import dataclass
from pathlib import Path

from firered.asr.confidence import KINDS
from firered.asr.hotword_config import HotwordConfig
from firered.errors import OptionError
from firered.options import Options, option
from firered.runtime.config import batch_seconds_option
from firered.search.config import BeamConfig, Trust
from firered.text.replacing import THRESHOLD, Replacer


@dataclass(frozen=True)
class GuardConfig(Options):
    """What is done about text that is hallucinated or in doubt."""

    guard: str = option(
        "off",
        "look for hallucinated text: flag it in the results, or drop it (the reasons and the text stay on record)",
        choices=("off", "flag", "drop"),
    )
    guard_repeats: int = option(5, "flagged: a phrase this many times in a row; a single word twice as often", low=2)
    guard_chars_per_second: float = option(
        15.0, "flagged: more characters a second than this; Latin letters count half", low=0.1
    )
    guard_speech_ratio: float = option(
        0.05, "flagged: text where less than this share of the utterance is speech to the voice detector", low=0, high=1
    )
    guard_vad: str | None = option(
        None,
        "voice detector for that share (a FireRedVAD/VAD directory); none: it is not checked",
        model="FireRedVAD/VAD",
    )
    guard_ctc_distance: float = option(
        0.7, "flagged: text of which more than this share differs from what the CTC head reads", low=0, high=1
    )
    guard_echo: bool = option(
        True,
        "with or without the guard, given hotwords, a prompt or the text before: decode text again without them that "
        "gives them back where the sound does not support it (prompt_echo); --no-guard-echo: leave it",
    )
    min_confidence: float = option(
        0.0, "with or without the guard, flagged: text of a lower confidence; 0: none", low=0, high=1
    )
    low_confidence: str = option(
        "flag",
        "what is done with it: flag it in the results, or drop it (the reason and the text stay on record)",
        choices=("flag", "drop"),
    )


@dataclass(frozen=True)
class RecogniserConfig(HotwordConfig, GuardConfig):
    """The options that every family of recognisers has, in addition to its own."""

    confidence: str = option(
        "mean",
        "of an utterance: arithmetic or geometric mean of its tokens' probabilities, or geometric without outliers",
        choices=KINDS,
    )
    nbest: int = option(BeamConfig.nbest, "hypotheses written to nbest.jsonl an utterance, at most beam_size", low=1)
    batch_seconds: float = batch_seconds_option()
    window_seconds: float = option(60.0, "longer utterances are decoded in windows cut at quiet places", low=2)
    replace: str | None = option(
        None,
        "file of corrections of the finished text: lines `wrong=>right`, and words that replace what has their sound",
        model="",
    )
    replace_threshold: float = option(
        THRESHOLD, "how much the pinyin of such a word and of what it replaces are alike, at least", low=0.01, high=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.replacer()  # a file with a mistake is noticed before a model is loaded

    def replacer(self) -> Replacer:
        """The corrections of `replace`.

        Raises:
            OptionError: the file cannot be read, or one of its lines is no correction.
        """
        return Replacer.from_file(Path(self.replace), self.replace_threshold) if self.replace else Replacer({})

    @property
    def punctuates(self) -> bool:
        """Whether the recogniser's text has punctuation with these options."""
        return False


@dataclass(frozen=True)
class DraftConfig(RecogniserConfig):
    """What the recognisers whose text a decoder writes do with drafts."""

    draft_probability: float = option(
        0.0,
        "above 0, approximate: tokens of a draft that the model finds more probable than this are kept, from the first "
        "on, even if it would write others; greedy search alone",
        low=0,
        high=1,
    )
    draft_entropy: float = option(
        0.0,
        "above 0, approximate: a draft is the text where each frame of the CTC head has less entropy than this (nats)",
        low=0,
    )

    @property
    def trust(self) -> Trust:
        """How far a draft is believed."""
        return Trust(self.draft_probability, self.draft_entropy)

    def check_trust(self, *, drafts: bool, beam_size: int) -> None:
        """Raise OptionError where a draft is to be believed, and there is none, or several hypotheses are kept."""
        for name in ("draft_probability", "draft_entropy"):
            if getattr(self, name) and not drafts:
                raise OptionError(f"{name}: has no effect without a draft")
            if getattr(self, name) and beam_size > 1:
                raise OptionError(f"{name}: works with greedy search (beam_size 1), not with {beam_size} hypotheses")
