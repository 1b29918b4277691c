"""Encoders of other models before a language model: Fun-ASR-Nano's SANM and Whisper's.

A speech-LLM of FireRedASR has a Conformer. The same training and decoding take these, too: each says what features it
takes (`front_end`), and gives a row for every `subsampling` of their frames. Their parameters are `encoder.net.` in a
checkpoint, whose arguments have their kind and sizes.
"""

from abc import ABC, abstractmethod
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import WhisperConfig, WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from firered.audio.framing import SAMPLE_RATE
from firered.audio.frontend import SAMPLES, FrontEnd
from firered.errors import ModelError
from firered.models.checkpoint import arg, config_from_args
from firered.models.fun_asr import SanmSizes, row_mask, sanm_encoder
from firered.models.llm_encoder_args import SANM, WHISPER, front_end_of, kind_of

_FULL_SCALE = 32768.0
_WHISPER_S = 30  # of audio, to which it fills up what is shorter


class OtherEncoder(nn.Module, ABC):
    """Features to rows.

    Attributes:
        kind: by which a checkpoint knows it.
        front_end: the features that it takes.
        subsampling: of their frames to a row.
        width: of a row.
        longest_s: seconds that it takes at most; None: any.
        net: the network, with its `layers`.
    """

    kind: ClassVar[str]
    front_end: FrontEnd
    subsampling: int
    width: int
    longest_s: float | None = None
    net: Any

    @property
    def layer_stack(self) -> nn.ModuleList:
        """Its layers."""
        layers: nn.ModuleList = self.net.layers
        return layers

    def forward(
        self, feats: Tensor, lengths: Tensor, layers: int | None = None, chunk: None = None
    ) -> tuple[Tensor, Tensor]:
        """Rows (N, L, width) of features (N, T, bins) and their number (N,); after so many layers, if given."""
        rows = -(-lengths // self.subsampling)
        found = self.encoded(feats, lengths, rows, hidden=layers is not None)
        encoded = found.last_hidden_state if layers is None else found.hidden_states[layers]
        return encoded[:, : int(rows.max())], rows

    @abstractmethod
    def encoded(self, feats: Tensor, lengths: Tensor, rows: Tensor, *, hidden: bool) -> Any:  # noqa: ANN401 - of transformers
        """What the network gives; with the output of all layers where `hidden`."""

    @abstractmethod
    def arguments(self) -> Namespace:
        """Its kind and sizes, for a checkpoint."""


class SanmFrames(OtherEncoder):
    """The SANM encoder of Fun-ASR-Nano: seven frames of 10 ms side by side, a row every six."""

    kind = SANM

    def __init__(self, sizes: SanmSizes, front_end: FrontEnd) -> None:
        super().__init__()
        self.net = sanm_encoder(sizes, front_end.bins, front_end.stack)
        self.sizes, self.front_end = sizes, front_end
        self.subsampling, self.width = front_end.skip, sizes.output_size

    def encoded(self, feats: Tensor, lengths: Tensor, rows: Tensor, *, hidden: bool) -> Any:  # noqa: ANN401
        """See OtherEncoder."""
        of_each = [self.front_end.stacked(own[:n].cpu()) for own, n in zip(feats, lengths.tolist(), strict=True)]
        stacked = pad_sequence(of_each, batch_first=True).to(feats)
        return self.net(stacked, row_mask(stacked, rows), output_hidden_states=hidden)

    def arguments(self) -> Namespace:
        """See OtherEncoder."""
        return Namespace(encoder_type=self.kind, bins=self.front_end.bins, stack=self.front_end.stack,
                         skip=self.front_end.skip, **asdict(self.sizes))  # fmt: skip


@dataclass(frozen=True)
class WhisperSizes:
    """Sizes of Whisper's encoder under their names in its config.json."""

    d_model: int = arg(low=1)
    encoder_layers: int = arg(low=1, layers=True)
    encoder_attention_heads: int = arg(low=1)
    encoder_ffn_dim: int = arg(low=1)
    num_mel_bins: int = arg(low=1, high=1000)


class WhisperFrames(OtherEncoder):
    """Whisper's encoder: a row every 20 ms of at most 30 s, of features that it computes of samples by itself."""

    kind = WHISPER
    front_end, subsampling, longest_s = SAMPLES, 2, float(_WHISPER_S)

    def __init__(self, sizes: WhisperSizes) -> None:
        super().__init__()
        config = WhisperConfig(**asdict(sizes), dropout=0.0)
        config._attn_implementation = "sdpa"
        self.net = WhisperEncoder(config)
        self.sizes, self.width = sizes, sizes.d_model
        self._extractor = WhisperFeatureExtractor(feature_size=sizes.num_mel_bins)

    def encoded(self, feats: Tensor, lengths: Tensor, rows: Tensor, *, hidden: bool) -> Any:  # noqa: ANN401
        """See OtherEncoder.

        Raises:
            ModelError: an utterance is longer than 30 s.
        """
        if int(lengths.max()) * self.front_end.frame_shift > _WHISPER_S * SAMPLE_RATE:
            longest = float(lengths.max()) * self.front_end.frame_shift_s
            raise ModelError(f"an utterance of {longest:.1f} s: Whisper's encoder takes {_WHISPER_S} s at most")
        samples = [own[:n].flatten().float().cpu().numpy() / _FULL_SCALE
                   for own, n in zip(feats, lengths.tolist(), strict=True)]  # fmt: skip
        mel = self._extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")["input_features"]
        weight = self.net.conv1.weight
        return self.net(mel.to(weight.device, weight.dtype), output_hidden_states=hidden)

    def arguments(self) -> Namespace:
        """See OtherEncoder."""
        return Namespace(encoder_type=self.kind, **asdict(self.sizes))


def sizes_of(args: Namespace, path: Path) -> SanmSizes | WhisperSizes:
    """Sizes of an encoder that is no Conformer, by a checkpoint's arguments.

    Raises:
        ModelError: they are missing or wrong.
    """
    if kind_of(args) == WHISPER:
        return config_from_args(WhisperSizes, args, "Whisper's encoder", source=path)
    return config_from_args(SanmSizes, args, "an SANM encoder", source=path)


def encoder_of(args: Namespace, path: Path) -> OtherEncoder:
    """A new encoder of these sizes; see `sizes_of`."""
    sizes = sizes_of(args, path)
    return WhisperFrames(sizes) if isinstance(sizes, WhisperSizes) else SanmFrames(sizes, front_end_of(args, path))
