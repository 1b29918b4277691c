"""A family of recognisers that the package does not know: what someone else would write in a package of their own."""

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from firered.asr.config import RecogniserConfig
from firered.asr.families import Family
from firered.asr.guard import Guard
from firered.asr.windowed import WindowedRecogniser
from firered.audio.frontend import FrontEnd
from firered.errors import Outcome
from firered.options import option
from firered.results import AsrResult
from firered.runtime.speech import Speech

RATE = 10  # feature frames to a row


@dataclass(frozen=True)
class LoudnessConfig(RecogniserConfig):
    """Its options."""

    letters: str = option("ab", "what quiet and loud stretches are written as")


class Loudness(WindowedRecogniser[LoudnessConfig, tuple[str, Tensor]]):
    """Writes a letter every tenth of a second, by a linear layer over the mean of its frames."""

    subsampling = RATE
    layers = 1

    def __init__(self, directory: Path, config: LoudnessConfig) -> None:
        self.directory, self.config, self.guard = directory, config, Guard(config)
        self.layer = nn.Linear(self.front_end.bins, 2)
        self.layer.load_state_dict(torch.load(directory / "loudness.pt", weights_only=True))

    @property
    def sources(self) -> list[Path]:
        return [self.directory / "loudness.pt"]

    @property
    def times_words(self) -> bool:
        return False

    @torch.inference_mode()
    def _encode(self, batch: list[Speech], layer: int | None, adapter: bool) -> list[Tensor]:
        means = [torch.stack([part.mean(0) for part in speech.feats.split(RATE)]) for speech in batch]
        return [rows if layer == 0 else self.layer(rows) for rows in means]

    def _decode(self, batch: list[Speech]) -> list[str]:
        written = [rows.argmax(1).tolist() for rows in self._encode(batch, None, False)]
        return ["".join(self.config.letters[number] for number in numbers) for numbers in written]

    def _join(self, speech: Speech, parts: list[tuple[Speech, str]]) -> Outcome[AsrResult]:
        text = "".join(text for _, text in parts)
        used = ("language",) if speech.context.language else ()
        if speech.context.language == "loud":
            text = text.upper()
        tokens = list(text)
        return AsrResult(speech.key, text, 1.0, speech.duration_s, tokens, [1.0] * len(tokens), context_used=used)


class HammingLoudness(Loudness):
    """The same of another front end."""

    front_end = FrontEnd(window="hamming", bins=40)


def load(directory: Path, config: LoudnessConfig, device: str) -> Loudness:
    return Loudness(directory, config)


def load_hamming(directory: Path, config: LoudnessConfig, device: str) -> HammingLoudness:
    return HammingLoudness(directory, config)


LOUDNESS = Family(
    name="loudness",
    about="quiet and loud",
    files=("loudness.pt", "loudness.txt"),
    config=LoudnessConfig,
    load=load,
    published=("Loudness-XS",),
)
HAMMING_LOUDNESS = replace(
    LOUDNESS,
    name="hamming",
    files=("loudness.pt", "hamming.txt"),
    load=load_hamming,
    published=("Loudness-Hamming",),
)


def write_model(directory: Path, bins: int = 80, about: str = "loudness.txt") -> Path:
    """A model that writes `b` where the mean log energy is above 10."""
    directory.mkdir(parents=True)
    weight = torch.stack([torch.zeros(bins), torch.full((bins,), 1 / bins)])
    torch.save({"weight": weight, "bias": torch.tensor([10.0, 0.0])}, directory / "loudness.pt")
    (directory / about).write_text("quiet and loud\n")
    return directory
