"""How a command processes its recordings or utterances, and what else it writes."""

from dataclasses import dataclass

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
class PeerConfig(Options):
    """Another system, behind its adapter in `firered.peers`."""

    peer: str = option("", "its name")
    package: str = option("", "its package and version")
    model: str | None = option(None, "its weights, or a setting of it", model="")


@dataclass(frozen=True)
class PeerVadConfig(PeerConfig):
    """Another detector."""

    speech_threshold: float = option(0.5, "of its posteriors, where it has any", low=0, high=1)
