"""From encoder frames to what a language model takes (FireRedASR paper, section 2.2), in three kinds."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

DOWNSAMPLE_RATE = 2  # encoder frames (40 ms) to a speech embedding (80 ms)
LINEAR, TRANSFORMER, CONV = "linear", "transformer", "conv"
ADAPTERS = (LINEAR, TRANSFORMER, CONV)
_LAST = ("linear2.weight", "blocks.net.linear_2.weight")  # the matrix whose rows are those of the embeddings


class Adapter(nn.Module, ABC):
    """Fewer frames, as wide as a language model's embeddings.

    Attributes:
        downsample_rate: encoder frames to an embedding.
        llm_dim: width of an embedding.
    """

    kind: str

    def __init__(self, llm_dim: int, downsample_rate: int) -> None:
        super().__init__()
        self.downsample_rate, self.llm_dim = downsample_rate, llm_dim

    @property
    def dtype(self) -> torch.dtype:
        """The number format that it computes in."""
        return next(self.parameters()).dtype

    def arguments(self) -> dict[str, object]:
        """What a checkpoint says of it beside the rate; nothing of the published one."""
        return {}

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Speech embeddings (N, T // rate, llm_dim) and their number (N,); frames left over at the end are dropped.

        Args:
            frames: (N, T, encoder_dim) encoder frames.
            lengths: (N,) frames of each utterance.
        """
        whole = frames.shape[1] // self.downsample_rate * self.downsample_rate
        counts = lengths // self.downsample_rate
        return self.embeddings(frames[:, :whole], counts), counts

    @abstractmethod
    def embeddings(self, frames: Tensor, counts: Tensor) -> Tensor:
        """(N, T // rate, llm_dim) of frames (N, T, encoder_dim), T a multiple of the rate; (N,) embeddings count."""


class LinearAdapter(Adapter):
    """The published kind: neighbouring frames side by side, Linear, ReLU, Linear."""

    kind = LINEAR

    def __init__(self, encoder_dim: int, llm_dim: int, downsample_rate: int = DOWNSAMPLE_RATE) -> None:
        super().__init__(llm_dim, downsample_rate)
        self.linear1 = nn.Linear(encoder_dim * downsample_rate, llm_dim)
        self.relu = nn.ReLU()
        self.linear2 = nn.Linear(llm_dim, llm_dim)

    def embeddings(self, frames: Tensor, counts: Tensor) -> Tensor:
        """Each of its own frames alone."""
        stacked = frames.unflatten(1, (-1, self.downsample_rate)).flatten(2)  # (N, T // rate, rate * d)
        return self.linear2(self.relu(self.linear1(stacked)))


class ConvAdapter(Adapter):
    """Convolution over 2 * rate - 1 frames in steps of the rate, ReLU, Linear."""

    kind = CONV

    def __init__(self, encoder_dim: int, llm_dim: int, downsample_rate: int = DOWNSAMPLE_RATE) -> None:
        super().__init__(llm_dim, downsample_rate)
        around = downsample_rate - 1
        self.conv = nn.Conv1d(encoder_dim, llm_dim, 1 + 2 * around, stride=downsample_rate, padding=around)
        self.relu = nn.ReLU()
        self.linear2 = nn.Linear(llm_dim, llm_dim)

    def arguments(self) -> dict[str, object]:
        """Its kind."""
        return {"adapter": self.kind}

    def embeddings(self, frames: Tensor, counts: Tensor) -> Tensor:
        """Each of its own frames and those beside them; behind the end there is silence."""
        own = torch.arange(frames.shape[1], device=frames.device) < (counts * self.downsample_rate)[:, None]
        found = self.conv((frames * own[..., None]).transpose(1, 2)).transpose(1, 2)
        return self.linear2(self.relu(found))


class TransformerAdapter(Adapter):
    """The kind of Fun-ASR-Nano: frames side by side, Linear, ReLU, Linear, and Transformer blocks (FunAudio 3.2)."""

    kind = TRANSFORMER

    def __init__(
        self, encoder_dim: int, llm_dim: int, downsample_rate: int = DOWNSAMPLE_RATE, layers: int = 2, width: int = 2048
    ) -> None:
        from firered.models.fun_asr import Adaptor, AdaptorSizes  # takes a while to import

        super().__init__(llm_dim, downsample_rate)
        self._arguments = {"adapter": self.kind, "adapter_layers": layers, "adapter_width": width}
        heads = next(heads for heads in range(max(llm_dim // 64, 1), 0, -1) if llm_dim % heads == 0)
        self.blocks = Adaptor(
            AdaptorSizes(
                ffn_dim=width, llm_dim=llm_dim, encoder_dim=encoder_dim, n_layer=layers,
                downsample_rate=downsample_rate, attention_heads=heads,
            )
        )  # fmt: skip

    def arguments(self) -> dict[str, object]:
        """Its kind and sizes."""
        return dict(self._arguments)

    def embeddings(self, frames: Tensor, counts: Tensor) -> Tensor:
        """Each of all frames of its utterance."""
        return self.blocks(frames, counts * self.downsample_rate)[0]


def make_adapter(kind: str, encoder_dim: int, llm_dim: int, rate: int, layers: int, width: int) -> Adapter:
    """A new adapter; `layers` and `width` are those of the one with Transformer blocks."""
    if kind == TRANSFORMER:
        return TransformerAdapter(encoder_dim, llm_dim, rate, layers, width)
    return (ConvAdapter if kind == CONV else LinearAdapter)(encoder_dim, llm_dim, rate)


def width_in(weights: Mapping[str, Tensor]) -> int | None:
    """Width of the embeddings that an adapter with these weights gives; None where they are of no adapter."""
    last = next((weights[name] for name in _LAST if name in weights), None)
    return len(last) if last is not None and last.dim() else None
