"""Every module's options: names and defaults are those of the published system's library where it has them."""

from dataclasses import dataclass
from typing import Any

from firered.errors import OptionError
from firered.options import Options, option


# Options that several modules have in the same words; each needs a field of its own.
def _dtype() -> Any:  # noqa: ANN401 - stands where the field's own type is declared
    return option(
        "float32",
        "number format: float16 is for CUDA, int8 for the processor",
        choices=("float32", "bfloat16", "float16", "int8"),
    )


def _batch_seconds() -> Any:  # noqa: ANN401
    return option(120.0, "seconds of a batch, padded to its longest utterance; bounds memory", low=0.1)


def _sentence_max_length() -> Any:  # noqa: ANN401
    return option(
        -1,
        "with word times: sentences are cut before they get wider than so many Chinese characters (Latin letters and "
        "digits count half); -1 or 0: only at marks",
        low=-1,
    )


def _check_nbest(nbest: int, beam_size: int) -> None:
    if nbest > beam_size:
        raise OptionError(f"nbest: {nbest} hypotheses are more than the beam of {beam_size}")


@dataclass(frozen=True)
class AudioConfig(Options):
    """How recordings are read."""

    channel: str = option(
        "mix",
        "of several channels: 'mix' averages them, a number takes that one (from 1), 'each' makes every one "
        "a recording of its own (<id>-A, <id>-B, ...)",
    )
    pipes: bool = option(True, "run the commands of wav.scp lines that end in '|'; --no-pipes refuses them")
    allow_truncated: bool = option(False, "take what is there of a file that is cut short, with a warning")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channel not in ("mix", "each") and not (self.channel.isdigit() and int(self.channel) > 0):
            raise OptionError(f"channel: {self.channel!r} is not 'mix', 'each' or a number from 1")


@dataclass(frozen=True)
class ComputeConfig(Options):
    """What a model runs on."""

    device: str = option("auto", "cpu, cuda, cuda:N, or auto: cuda where there is one")
    num_threads: int = option(0, "processor threads; 0: one a core", low=0)


@dataclass(frozen=True)
class JobConfig(Options):
    """How a command goes through its recordings or utterances."""

    resume: bool = option(True, "go on where a killed run with the same settings stopped")
    keep_going: bool = option(False, "exit 0 even if some inputs failed (they are still listed in OUT/failed)")


@dataclass(frozen=True)
class FbankConfig(Options):
    """Filterbank archives."""

    compress: bool = option(False, "store features in Kaldi's 8-bit format (a quarter of the size, rounded)")


@dataclass(frozen=True)
class VadConfig(Options):
    """Voice segments of whole recordings. Frames are 10 ms."""

    smooth_window_size: int = option(5, "frames of the moving average over posteriors", low=1)
    speech_threshold: float = option(0.4, "a frame at or above it is speech", low=0, high=1)
    min_speech_frame: int = option(20, "frames of speech that start a segment", low=1)
    max_speech_frame: int = option(2000, "longer segments are cut where speech is least likely", low=2)
    min_silence_frame: int = option(20, "frames of silence that end a segment", low=1)
    merge_silence_frame: int = option(0, "gaps shorter than this are filled", low=0)
    extend_speech_frame: int = option(0, "frames added on both sides of every segment", low=0)


@dataclass(frozen=True)
class MvadConfig(Options):
    """Segments of speech, singing and music, each found on its own. Frames are 10 ms."""

    smooth_window_size: int = option(5, "frames of the moving average over posteriors", low=1)
    speech_threshold: float = option(0.4, "a frame at or above it is speech", low=0, high=1)
    singing_threshold: float = option(0.5, "a frame at or above it is singing", low=0, high=1)
    music_threshold: float = option(0.5, "a frame at or above it is music", low=0, high=1)
    min_event_frame: int = option(20, "frames of an event that start a segment", low=1)
    max_event_frame: int = option(2000, "longer segments are cut where the event is least likely", low=2)
    min_silence_frame: int = option(20, "frames without the event that end a segment", low=1)
    merge_silence_frame: int = option(0, "gaps shorter than this are filled", low=0)
    extend_speech_frame: int = option(0, "frames added on both sides of every segment", low=0)


# The streaming detector's presets: 0 finds most speech, 3 raises fewest false alarms.
STREAM_MODES = (
    {"speech_threshold": 0.3, "min_speech_frame": 8, "min_silence_frame": 20},
    {"speech_threshold": 0.5, "min_speech_frame": 10, "min_silence_frame": 15},
    {"speech_threshold": 0.7, "min_speech_frame": 15, "min_silence_frame": 10},
    {"speech_threshold": 0.9, "min_speech_frame": 20, "min_silence_frame": 5},
)


@dataclass(frozen=True)
class StreamVadConfig(Options):
    """Starts and ends of speech while it is heard. Frames are 10 ms."""

    smooth_window_size: int = option(5, "frames of the moving average over posteriors", low=1)
    speech_threshold: float = option(0.5, "a frame at or above it is speech", low=0, high=1)
    pad_start_frame: int = option(5, "frames a start lies before the first frame of speech", low=0)
    min_speech_frame: int = option(8, "frames of speech that start a segment", low=1)
    max_speech_frame: int = option(2000, "after so many frames an end is forced and a new segment starts", low=2)
    min_silence_frame: int = option(20, "frames of silence that end a segment", low=1)

    @classmethod
    def mode(cls, number: int) -> "StreamVadConfig":
        """Preset 0 to 3, from most sensitive to strictest."""
        if not 0 <= number < len(STREAM_MODES):
            raise OptionError(f"mode: {number} is not one of 0, 1, 2, 3")
        return cls(**STREAM_MODES[number])


@dataclass(frozen=True)
class VadOutputConfig(Options):
    """What else the VAD commands write."""

    save_segments: str | None = option(None, "cut every segment into a wav file in this folder")
    textgrid: bool = option(False, "write a Praat TextGrid a recording into OUT/textgrid")
    plot: str | None = option(None, "draw waveform, posteriors and segments of every recording into this folder (png)")


@dataclass(frozen=True)
class GuardConfig(Options):
    """What is done about text that nobody said."""

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
    guard_vad: str | None = option(None, "voice detector to ask (a FireRedVAD/VAD directory); none: nothing is asked")
    guard_ctc_distance: float = option(
        0.7, "flagged: text of which more than this share differs from what the CTC head reads", low=0, high=1
    )


@dataclass(frozen=True)
class AsrConfig(GuardConfig):
    """Recognition with the attention encoder-decoder."""

    beam_size: int = option(3, "hypotheses kept an utterance", low=1)
    nbest: int = option(1, "hypotheses written to nbest.jsonl an utterance, at most beam_size", low=1)
    decode_max_len: int = option(0, "tokens of an utterance at most; 0: its number of encoder frames", low=0)
    softmax_smoothing: float = option(1.25, "logits are divided by this: above 1 is less sure", low=0.01)
    aed_length_penalty: float = option(0.6, "scores are divided by ((5 + length) / 6) to this power in the ranking")
    eos_penalty: float = option(1.0, "the log-probability of the end is multiplied by this: above 1 ends later", low=0)
    elm_dir: str | None = option(None, "directory of an external LSTM language model (model.pth.tar)")
    elm_weight: float = option(0.0, "weight of its log-probabilities")
    confidence: str = option(
        "mean",
        "of an utterance: arithmetic or geometric mean of its tokens' probabilities",
        choices=("mean", "geometric"),
    )
    timestamps: str = option(
        "none",
        "word times from the CTC head: as published (pauses swallowed), or with pauses",
        choices=("none", "reference", "pauses"),
    )
    batch_seconds: float = _batch_seconds()
    window_seconds: float = option(60.0, "longer utterances are decoded in windows cut at quiet places", low=2)
    dtype: str = _dtype()

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_nbest(self.nbest, self.beam_size)


@dataclass(frozen=True)
class LidConfig(Options):
    """Language and dialect identification."""

    constrain: bool = option(False, "a dialect after zh, always, and after no other language")
    languages: str = option(
        "",
        "only these may win, such as 'zh,en,yue'; probabilities are of these alone. A dialect stands for Chinese with "
        "that dialect; empty: all",
    )
    max_seconds: float = option(30.0, "of longer utterances a stretch of this length is heard", low=1)
    stretch: str = option(
        "both",
        "which stretch of a longer utterance: its first, its best (the loudest), or both, and the surer answer counts",
        choices=("both", "first", "best"),
    )
    batch_seconds: float = _batch_seconds()
    dtype: str = _dtype()


@dataclass(frozen=True)
class AlignConfig(Options):
    """Forced alignment of given text by the CTC head."""

    timestamps: str = option(
        "pauses", "word times as published (pauses swallowed), or with pauses", choices=("reference", "pauses")
    )
    batch_seconds: float = _batch_seconds()
    window_seconds: float = option(
        60.0, "longer utterances go through the encoder in windows cut at quiet places", low=2
    )
    dtype: str = _dtype()


@dataclass(frozen=True)
class PuncConfig(Options):
    """Punctuation of text."""

    batch_size: int = option(4096, "tokens of a batch, padded to its longest text; bounds memory", low=1)
    sentence_max_length: int = _sentence_max_length()
    overlap: int = option(
        0,
        "tokens that the windows share in which longer texts than the model takes are worked on; 0: none, as published",
        low=0,
    )
    strip: bool = option(False, "remove the text's own commas, stops, question and exclamation marks first")
    dtype: str = option("float32", "number format", choices=("float32", "bfloat16"))


@dataclass(frozen=True)
class SystemConfig(Options):
    """The whole system: which of its modules work, and how they are put together."""

    vad: bool = option(True, "cut recordings into segments of voice; without it each is one segment")
    lid: bool = option(True, "identify the language of every segment")
    asr: bool = option(True, "transcribe every segment")
    punc: bool = option(True, "punctuate the text and cut it into sentences")
    events: bool = option(False, "also find stretches of speech, singing and music (FireRedVAD/AED)")
    asr_type: str = option("aed", "kind of recognition model", choices=("aed", "llm"))
    sentence_max_length: int = _sentence_max_length()
    route: str = option("", "other recognition models for some languages: 'yue=DIR,en=DIR'")
    share_seconds: float = option(
        1200.0, "recordings are taken on together until they hold so much voice, to share batches; 0: one by one", low=0
    )

    def __post_init__(self) -> None:
        if isinstance(self.route, dict):  # YAML's `route: {yue: DIR}`
            object.__setattr__(self, "route", ",".join(f"{code}={path}" for code, path in self.route.items()))
        super().__post_init__()
        if any("=" not in part for part in self.route.split(",") if part):
            raise OptionError(f"route: {self.route!r} is not of the form 'yue=DIR,en=DIR'")

    def routes(self) -> dict[str, str]:
        """Model directory by language or dialect."""
        return dict(part.split("=", 1) for part in self.route.split(",") if part)


@dataclass(frozen=True)
class SubtitleConfig(Options):
    """How sentences become subtitles."""

    max_line_width: int = option(
        42,
        "columns of a line of subtitles: 2 a Chinese, Japanese or Korean character, 1 any other; 0: no limit",
        low=0,
    )
    max_line_count: int = option(2, "lines of a subtitle", low=1)
    max_cue_seconds: float = option(
        7.0,
        "how long a subtitle is shown at most; sentences that last longer, or do not fit the lines, become several; "
        "0: no limit",
        low=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_line_width == 1:
            raise OptionError("max_line_width: 1 is less than the 2 columns of a Chinese character")


@dataclass(frozen=True)
class LlmConfig(GuardConfig):
    """Recognition with encoder, adapter and large language model."""

    beam_size: int = option(3, "hypotheses kept an utterance; 1 is greedy, and fastest", low=1)
    nbest: int = option(1, "hypotheses written to nbest.jsonl an utterance, at most beam_size", low=1)
    decode_max_len: int = option(0, "tokens of an utterance at most; 0: its number of speech embeddings (80 ms)", low=0)
    decode_min_len: int = option(0, "tokens of an utterance at least", low=0)
    repetition_penalty: float = option(1.0, "above 1, tokens that the text has already are less likely", low=0.01)
    llm_length_penalty: float = option(
        0.0, "scores are divided by the length to this power: above 0 favours long texts"
    )
    temperature: float = option(1.0, "logits are divided by this: above 1 is less sure", low=0.01)
    batch_seconds: float = _batch_seconds()
    # As published, accuracy falls from 30 s on.
    window_seconds: float = option(30.0, "longer utterances are decoded in windows cut at quiet places", low=2)
    dtype: str = option(
        "auto",
        "number format of the language model; auto: bfloat16 on CUDA and processors that compute in it, else float32",
        choices=("auto", "bfloat16", "float32"),
    )
    encoder_dtype: str = option(
        "float32",
        "number format of encoder and adapter; float16 is for CUDA",
        choices=("float32", "bfloat16", "float16"),
    )
    llm_device: str | None = option(
        None, "device of the language model if not the encoder's; auto: spread over the GPUs there are"
    )
    align_model: str | None = option(
        None, "word times from the CTC head of this model (a FireRedASR2-AED directory), which also informs the guard"
    )
    timestamps: str = option(
        "pauses",
        "with --align-model: word times as published (pauses swallowed), or with pauses",
        choices=("reference", "pauses"),
    )

    def __post_init__(self) -> None:
        if self.dtype == "float16":
            raise OptionError("dtype: float16 overflows in the language model (all text becomes '%'); take bfloat16")
        super().__post_init__()
        _check_nbest(self.nbest, self.beam_size)
