"""Options of the scoring commands."""

from dataclasses import dataclass

from firered.data.rttm import NON_SPEECH
from firered.errors import OptionError
from firered.options import Options, option

NORMALIZERS = ("firered", "firered-released", "speechio", "whisper-en", "whisper-basic", "none")


@dataclass(frozen=True)
class NormalizerConfig(Options):
    """The form of the text that is compared."""

    normalizer: str = option(
        "firered",
        "rule for both sides: this project's, the published tool's to the letter, the SpeechIO leaderboard's from its "
        "description, Whisper's for English or for other languages (needs whisper-normalizer), or none",
        choices=NORMALIZERS,
    )
    number_normalization: bool = option(
        False, "digits to Chinese numerals before the firered rules, as in the papers' tables (needs cn2an)"
    )
    t2s: bool = option(False, "traditional to simplified characters on both sides (needs opencc)")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.number_normalization and not self.normalizer.startswith("firered"):
            raise OptionError(f"number_normalization: {self.normalizer} has its own rule for numbers, or wants none")


@dataclass(frozen=True)
class ErrorRateConfig(Options):
    """What is compared, and what the error report holds."""

    by_recording: bool = option(False, "join the texts of a recording's segments in order of time, where there are any")
    by: tuple[str, ...] = option(
        (), "group by this table utt2NAME of REF's directory (repeat it for more); without it by all that are there"
    )
    page_utterances: int = option(2000, "utterances on the HTML page at most, those with most errors first", low=0)
    confusions: int = option(30, "most frequent confusions shown in score.txt and on the page", low=0)


@dataclass(frozen=True)
class HotwordScoreConfig(Options):
    """Phrases whose recognition is scored beside the whole."""

    hotwords: str | None = option(
        None,
        "list of hotwords, a phrase a line, to score recall, precision, F1, biased and unbiased error rates of; a "
        "folder of lists NAME.txt, which utt2hotwords of REF's directory gives to the utterances; or a table of Le et "
        "al. (2021)",
        model="",
    )
    hotword_baseline: str | None = option(
        None,
        "hypotheses of a recogniser without hotwords, as HYP: phrases of which it has less than 40% are R1, and scored "
        "by themselves",
        model="",
    )
    hotword_r1: str | None = option(None, "list of the R1 phrases, in place of --hotword-baseline", model="")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hotwords is None and (self.hotword_baseline or self.hotword_r1):
            raise OptionError("hotword_baseline, hotword_r1: they tell phrases of a list apart; name it with hotwords")
        if self.hotword_baseline and self.hotword_r1:
            raise OptionError("hotword_baseline, hotword_r1: both say which phrases are R1; give one of them")


@dataclass(frozen=True)
class VadScoreConfig(Options):
    """Frame-level scores of a voice activity detector. Frames are 10 ms."""

    threshold: float = option(0.5, "a posterior at or above it is speech; the papers' tables have 0.5", low=0, high=1)
    uem: str | None = option(None, "NIST UEM file: frames outside its stretches are not scored")
    tier: str | None = option(None, "tier of the TextGrids that holds the labels; none: all interval tiers")
    nonspeech: str = option(",".join(NON_SPEECH), "labels, between commas, that do not count as speech")


@dataclass(frozen=True)
class LidScoreConfig(Options):
    """Comparison of language labels."""

    level: str = option("label", "the whole label such as zh-yue, or the language only", choices=("label", "language"))
    lang_map: str | None = option(None, "file of `reference label<TAB>label to compare with`")


@dataclass(frozen=True)
class PuncScoreConfig(Options):
    """Comparison of punctuation marks."""

    marks: str | None = option(None, "file of `mark<TAB>class` in place of the built-in one")


@dataclass(frozen=True)
class LiveScoreConfig(Options):
    """What counts as the end of speech in live recognition."""

    pause_s: float = option(0.5, "a pause in the reference's speech shorter than this many seconds ends nothing", low=0)


@dataclass(frozen=True)
class SampleConfig(Options):
    """Confidence intervals, and hypotheses without a reference."""

    bootstrap: int = option(1000, "resamplings for the 95% confidence interval; 0: no interval", low=0)
    seed: int = option(0, "of the resampling", low=0)
    allow_extra: bool = option(False, "exit 0 even if there are hypotheses without a reference")


@dataclass(frozen=True)
class SourceConfig(Options):
    """What firered-table has to know about a result."""

    test_set: str | None = option(None, "name of the test set, as in the papers' tables where it is there")
    system: str | None = option(
        None,
        "name of the system, as in the papers' tables where it is there; with --model that of the directory, which is "
        "told apart from the published model of the name",
    )
    model: str | None = option(None, "model directory or checkpoint that made the hypotheses; its SHA-256 is noted")


@dataclass(frozen=True)
class TableConfig(Options):
    """The table of results."""

    title: str = option("Results", "heading of the page")
    baseline: str | None = option(
        None, "system of the scores, or of the papers, that the relative reduction of error rates (CERR) is against"
    )
    bootstrap: int = option(1000, "resamplings for the differences between systems; 0: no differences", low=0)
    seed: int = option(0, "of the resampling", low=0)
