"""How a command processes its recordings or utterances, and what else it writes."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class RunConfig(Options):
    """How a command processes its recordings or utterances."""

    resume: bool = option(True, "resume an interrupted run that had the same settings")
    keep_going: bool = option(False, "exit 0 even if some inputs failed (they are still listed in OUT/failed)")


@dataclass(frozen=True)
class FbankConfig(Options):
    """Filterbank archives."""

    compress: bool = option(False, "store features in Kaldi's 8-bit format (a quarter of the size, rounded)")


@dataclass(frozen=True)
class EncodeConfig(Options):
    """Which of an encoder's outputs is written."""

    layer: int | None = option(
        None, "output of this layer, from 1; 0: what the first layer is given; by default that of the last", low=0
    )
    adapter: bool = option(False, "output of the adapter, as a language model is given it")
    compress: bool = option(False, "store matrices in Kaldi's 8-bit format (a quarter of the size, rounded)")


@dataclass(frozen=True)
class VadOutputConfig(Options):
    """What else the VAD commands write."""

    save_segments: str | None = option(None, "cut every segment into a wav file in this folder")
    textgrid: bool = option(False, "write a Praat TextGrid a recording into OUT/textgrid")
    plot: str | None = option(None, "draw waveform, posteriors and segments of every recording into this folder (png)")


@dataclass(frozen=True)
class NoisyConfig(Options):
    """A noisy copy (FunAudio-ASR, section 5.2)."""

    snr_mean: float = option(10.0, "signal-to-noise ratio in dB, mean")
    snr_std: float = option(5.0, "and standard deviation", low=0)
    suffix: str = option("-noisy", "what the ids of utterances and speakers of the copy end in")
    seed: int = option(1, "of what is drawn for an utterance: noise, place in it, and ratio", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.suffix or self.suffix.split() != [self.suffix]:
            raise OptionError(f"suffix: {self.suffix!r}: needed is one without blanks, or ids would be those of DATA")


@dataclass(frozen=True)
class ShardConfig(Options):
    """Shards."""

    per_shard: int = option(1000, "utterances of a shard", low=1)
    format: str = option("flac", "of the audio: 16-bit samples at 16 kHz", choices=("flac", "wav"))
    seed: int = option(1, "of the order of the utterances, so that every shard is a sample of the whole", low=0)
    shuffle: bool = option(True, "put them into a random order; without it they keep that of their ids")


@dataclass(frozen=True)
class PeerConfig(Options):
    """Another system, behind its adapter in `firered.peers`."""

    peer: str = option("", "its name")
    package: str = option("", "its package and version")
    model: str | None = option(None, "its weights, or a setting of it", model="")


@dataclass(frozen=True)
class PeerVadConfig(PeerConfig):
    """Another detector."""

    speech_threshold: float = option(0.5, "of its posteriors, where it has any", low=0, high=1)
