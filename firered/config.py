"""Every module's options: names and defaults are those of the published system's library where it has them."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option


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
class AsrConfig(Options):
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
    batch_seconds: float = option(120.0, "seconds of a batch, padded to its longest utterance; bounds memory", low=0.1)
    window_seconds: float = option(60.0, "longer utterances are decoded in windows cut at quiet places", low=2)
    dtype: str = option(
        "float32",
        "number format: float16 is for CUDA, int8 for the processor",
        choices=("float32", "bfloat16", "float16", "int8"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nbest > self.beam_size:
            raise OptionError(f"nbest: {self.nbest} hypotheses are more than the beam of {self.beam_size}")


@dataclass(frozen=True)
class AlignConfig(Options):
    """Forced alignment of given text by the CTC head."""

    timestamps: str = option(
        "pauses", "word times as published (pauses swallowed), or with pauses", choices=("reference", "pauses")
    )
    batch_seconds: float = option(120.0, "seconds of a batch, padded to its longest utterance; bounds memory", low=0.1)
    window_seconds: float = option(
        60.0, "longer utterances go through the encoder in windows cut at quiet places", low=2
    )
    dtype: str = option(
        "float32",
        "number format: float16 is for CUDA, int8 for the processor",
        choices=("float32", "bfloat16", "float16", "int8"),
    )
