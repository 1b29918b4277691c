"""Options of training data: the sections `data`, `augment` and `specaugment`, and those of firered-tokens."""

import math
from dataclasses import dataclass

from firered.audio.framing import FRAME_SHIFT, SAMPLE_RATE
from firered.errors import OptionError
from firered.options import Options, option

CODECS = ("mp3", "opus", "mulaw", "8k")  # what firered.audio.effects has; it is not loaded for options


@dataclass(frozen=True)
class DataConfig(Options):
    """The data directories of a task."""

    train: str = option("", "data directories for training, between blanks or as a list")
    dev: str = option("", "data directories for evaluation")


@dataclass(frozen=True)
class FeatureDataConfig(DataConfig):
    """Utterances of Kaldi data directories, from stored features or audio."""

    cmvn: str | None = option(None, "statistics for normalisation; by default computed, or those of the initial model")
    cmvn_utterances: int = option(2000, "training utterances, drawn at random, that they are computed from", low=1)
    batch_frames: int = option(12000, "frames of a batch at most, padding included", low=1)
    min_frames: int = option(10, "shorter utterances are skipped and listed", low=1)
    max_frames: int = option(3000, "longer utterances are skipped and listed", low=1)
    weights: str = option(
        "",
        "how often in an epoch each directory of train is drawn, one number each, or its share of the hours (30%); "
        "empty: once",
    )
    language_temperature: float = option(
        1.0, "languages of utt2lang are drawn by their hours to the power of 1 / this: 1 as they come, above 1 evener",
        low=1,
    )  # fmt: skip
    buffer: int = option(
        0,
        "utterances that batches are made of at a time, of a few shards in random order, so that a slow disk reads "
        "little at a time; 0: all",
        low=0,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.weight_of_each()

    def weight_of_each(self) -> dict[str, float]:
        """The weight of each directory of `train` that is not given by its share."""
        return self._weights()[0]

    def share_of_each(self) -> dict[str, float]:
        """The share of an epoch's hours, from 0 to 1, of each directory of `train` that is given by it."""
        return self._weights()[1]

    def _weights(self) -> tuple[dict[str, float], dict[str, float]]:
        paths, given = self.train.split(), self.weights.split()
        given = given or ["1"] * len(paths)
        try:
            numbers = [float(weight.removesuffix("%")) for weight in given]
        except ValueError as error:
            raise OptionError(f"weights: {self.weights!r} are not numbers between blanks") from error
        if len(numbers) != len(paths) or not all(0 < number < math.inf for number in numbers):
            raise OptionError(f"weights: {self.weights!r}: needed is a number above 0 for each of {self.train!r}")
        pairs = list(zip(paths, given, numbers, strict=True))
        weights = {path: number for path, weight, number in pairs if not weight.endswith("%")}
        shares = {path: number / 100 for path, weight, number in pairs if weight.endswith("%")}
        if shares and (sum(shares.values()) >= 1 or not weights):
            raise OptionError(f"weights: {self.weights!r}: shares are of what other sets leave: less than 100% in all")
        return weights, shares


def _empty() -> str:
    return option(
        "skip",
        "utterances whose transcript is empty: skipped and listed, or trained on as speech without words (nothing to "
        "write but the end)",
        choices=("skip", "non_speech"),
    )


@dataclass(frozen=True)
class TokenDataConfig(DataConfig):
    """Text as tokens of a dictionary."""

    tokens: str | None = option(None, "folder with dict.txt and train_bpe1000.model (firered-tokens)")
    unknown: str = option(
        "unk",
        "texts with characters outside the dictionary: trained on as <unk>, skipped, or refused",
        choices=("unk", "skip", "refuse"),
    )
    max_tokens: int = option(400, "texts of more tokens are skipped and listed", low=1)
    empty: str = _empty()


@dataclass(frozen=True)
class SpeechDataConfig(FeatureDataConfig, TokenDataConfig):
    """Utterances with a transcript in `text`."""

    silence_db: float = option(
        0.0,
        "CTC has blanks alone before and after the speech, in the frames that are so much fainter than the loudest, "
        "and in the speech's last 40 to 80 ms, so that it learns to label the words and not the recording's edges; "
        "0: it may label every frame",
        low=0,
    )
    trim_tail_ms: int = option(
        0,
        "in training up to so many milliseconds, as drawn, are cut off the end of utterances, whose text stays "
        "(TrimTail): a model that streams writes words earlier; at least half, and what CTC needs, is left",
        low=0,
    )

    @property
    def trim_tail(self) -> int:
        """The same in feature frames."""
        return round(self.trim_tail_ms / 1000 * SAMPLE_RATE / FRAME_SHIFT)


@dataclass(frozen=True)
class VadDataConfig(FeatureDataConfig):
    """Whole recordings with labelled segments."""

    max_frames: int = option(3000, "longer recordings are cut into pieces of this many frames", low=1)
    labels: str = option(
        "auto",
        "source of the labels: rttm, textgrid/ID.TextGrid or segments; auto: the first that exists",
        choices=("auto", "rttm", "textgrid", "segments"),
    )


@dataclass(frozen=True)
class TextDataConfig(TokenDataConfig):
    """Sentences: the `text` of data directories, or the lines of plain text files."""

    batch_tokens: int = option(4000, "tokens of a batch at most, padding included", low=1)


@dataclass(frozen=True)
class LlmDataConfig(FeatureDataConfig):
    """Utterances with a transcript in `text`, cut into the tokens of a language model."""

    max_tokens: int = option(400, "transcripts of more tokens are skipped and listed", low=1)
    empty: str = _empty()


@dataclass(frozen=True)
class FunAsrDataConfig(LlmDataConfig):
    """The same of Fun-ASR-Nano, and lines of its published training data (jsonl with `messages`)."""

    max_frames: int = option(12000, "longer utterances are skipped and listed; here and below as published", low=1)
    max_tokens: int = option(2048, "transcripts of more tokens are skipped and listed", low=1)
    use_dynamic_output_ratio: float = option(
        0.0, "share of utterances of which nothing is learnt of a random beginning of the text", low=0, high=1
    )


@dataclass(frozen=True)
class PuncDataConfig(DataConfig):
    """Texts with punctuation: the `text` of data directories, or the lines of plain text files."""

    join: int = option(
        4, "texts at most, drawn at random, that are concatenated to one example, to learn boundaries", low=1
    )
    max_tokens: int = option(256, "tokens of an example at most; longer texts are cut", low=1)
    batch_tokens: int = option(8000, "tokens of a batch at most, padding included", low=1)


@dataclass(frozen=True)
class AugmentConfig(Options):
    """Augmentation of the audio of training utterances, drawn again in every epoch, each kind by itself."""

    speeds: str = option("", "speed factors, drawn with equal chances, such as `0.9 1.0 1.1`; empty: none")
    noise: str = option("", "data directory, wav.scp or folder of noise recordings; empty: none")
    noise_prob: float = option(0.3, "share of utterances that noise is added to (FunAudio-ASR, 5.2)", low=0, high=1)
    snr_mean: float = option(10.0, "signal-to-noise ratio in dB, mean")
    snr_std: float = option(5.0, "and standard deviation", low=0)
    noise_snr: str = option("", "instead of mean and deviation: lowest and highest ratio, such as `0 15`")
    musan: str = option("", "folder with noise, music and speech in it: noise at 0 to 15 dB, music and babble of these")
    music: str = option("", "recordings of music; by default those of musan")
    music_prob: float = option(0.3, "share of utterances that music is added to", low=0, high=1)
    music_snr: str = option("5 15", "lowest and highest signal-to-noise ratio in dB")
    babble: str = option("", "recordings of speech that babble is made of; by default those of musan")
    babble_prob: float = option(0.3, "share of utterances that babble is added to", low=0, high=1)
    babble_snr: str = option("13 20", "lowest and highest ratio in dB, of each speaker")
    babble_speakers: str = option("3 7", "fewest and most speakers")
    rirs: str = option("", "data directory, wav.scp or folder of impulse responses of rooms; empty: none")
    rooms: int = option(0, "rooms that are simulated beside these (the extra `rooms`)", low=0)
    rir_prob: float = option(0.3, "share of utterances in a room", low=0, high=1)
    volume: str = option("", "lowest and highest factor of the volume, such as Kaldi's `0.125 2`; empty: none")
    volume_prob: float = option(1.0, "share of utterances whose volume is changed", low=0, high=1)
    codecs: str = option("", "drawn with equal chances: mp3, opus, mulaw, 8k (a telephone's band); empty: none")
    codec_prob: float = option(0.3, "share of utterances that go through one", low=0, high=1)
    pad_prob: float = option(0.0, "share of utterances with zeros before and after, under noise (5.6)", low=0, high=1)
    pad_seconds: float = option(1.0, "zeros on each side at most", low=0)
    pure_noise_prob: float = option(0.0, "share of utterances replaced by noise and no text (5.6)", low=0, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not 0.1 <= speed <= 10 for speed in self.speed_factors()):
            raise OptionError(f"speeds: {self.speeds!r}: factors lie between 0.1 and 10")
        for name in ("noise_snr", "music_snr", "babble_snr", "babble_speakers", "volume"):
            self.range_of(name)
        if self.pure_noise_prob and not self.noises():
            raise OptionError("pure_noise_prob: needs noise recordings (noise: FOLDER)")
        if unknown := sorted(set(self.codecs.split()) - set(CODECS)):
            raise OptionError(f"codecs: {' '.join(unknown)} not one of {', '.join(CODECS)}")

    def speed_factors(self) -> list[float]:
        """The factors as numbers; [1.0] where none are given."""
        try:
            return [float(factor) for factor in self.speeds.split()] or [1.0]
        except ValueError as error:
            raise OptionError(f"speeds: {self.speeds!r} are not numbers between blanks") from error

    def range_of(self, name: str) -> tuple[float, float] | None:
        """Lowest and highest value of an option that has both; None where it is empty."""
        given = getattr(self, name)
        if name == "noise_snr" and not given and self.musan:
            given = "0 15"
        if not given.split():
            return None
        try:
            low, high = map(float, given.split())
        except ValueError as error:
            raise OptionError(f"{name}: {given!r} is not two numbers, the lowest and the highest") from error
        least = {"babble_speakers": 1.0, "volume": 0.0}.get(name, -math.inf)
        if not least <= low <= high < math.inf:
            raise OptionError(f"{name}: {given!r}: needed are the lowest and then the highest of finite numbers"
                              + (f" from {least:g} on" if least > -math.inf else ""))  # fmt: skip
        return low, high

    def noises(self, kind: str = "noise") -> str:
        """Where the recordings of `noise`, `music` or `babble` are; empty where there are none."""
        below = {"noise": "noise", "music": "music", "babble": "speech"}
        return getattr(self, kind) or (f"{self.musan}/{below[kind]}" if self.musan else "")

    @property
    def touches_audio(self) -> bool:
        """Whether the audio is changed at all."""
        noise = bool(self.noises()) and self.noise_prob + self.pure_noise_prob > 0
        more = any(self.noises(kind) and getattr(self, f"{kind}_prob") for kind in ("music", "babble"))
        rooms = bool(self.rirs or self.rooms) and self.rir_prob > 0
        line = bool(self.volume and self.volume_prob) or bool(self.codecs and self.codec_prob)
        return noise or more or rooms or line or self.speed_factors() != [1.0] or self.pad_prob > 0


@dataclass(frozen=True)
class SpecAugmentConfig(Options):
    """SpecAugment (Park et al., Interspeech 2019) without time warping, on normalised features."""

    freq_masks: int = option(2, "frequency masks of every utterance", low=0)
    freq_width: int = option(27, "bins of a frequency mask at most", low=0, high=80)
    time_masks: int = option(2, "time masks of every utterance", low=0)
    time_width: int = option(40, "frames of a time mask at most", low=0)
    time_ratio: float = option(0.2, "share of the utterance that a time mask covers at most", low=0, high=1)


@dataclass(frozen=True)
class TokensConfig(Options):
    """Which pieces and characters become tokens."""

    pieces: int = option(1000, "SentencePiece (BPE) pieces of text that is not Chinese", low=4)
    min_count: int = option(1, "rarer Chinese characters become <unk>", low=1)
    max_sentences: int = option(2_000_000, "stretches of text, drawn at random, that the pieces are learnt from", low=1)
