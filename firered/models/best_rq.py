"""Pre-training of an encoder without labels: Best-RQ (Chiu et al., ICML 2022, arXiv 2202.01855).

A quantiser that is drawn once and never trained gives each stack of feature frames a code. The encoder hears the speech
with stretches replaced by noise, and a linear layer has to tell the codes of what was there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from firered.models.checkpoint import arg, load_checkpoint, load_network
from firered.models.encoder_config import Encoder, EncoderConfig
from firered.models.frame_encoder import SUBSAMPLING
from firered.models.positions import table_names

_EPS = 1e-5  # added to variances
_ROWS = 2048  # frames whose products with a codebook are held at a time


@dataclass(frozen=True, kw_only=True)
class BestRqConfig(EncoderConfig):
    """The encoder's sizes, and those of the quantiser: `codes` vectors of `code_dim` dimensions in each codebook."""

    model: ClassVar[str] = "a Best-RQ pre-training"

    codes: int = arg(8192, low=2, high=1 << 20)
    code_dim: int = arg(16, low=1, high=1 << 16)
    codebooks: int = arg(1, low=1, high=1 << 10)


def stacked(feats: Tensor, lengths: Tensor) -> Tensor:
    """(N, T // 4, 4 * idim) neighbouring frames side by side, each dimension of mean 0 and variance 1 in an utterance.

    Without this most frames would fall to a few codes, those of the speaker and the channel. What is left over at an
    utterance's end, fewer than four frames, is in none.

    Args:
        feats: (N, T, idim) features.
        lengths: (N,) frames.
    """
    whole = feats.shape[1] // SUBSAMPLING
    x = feats[:, : whole * SUBSAMPLING].unflatten(1, (whole, SUBSAMPLING)).flatten(2).float()
    counts = (lengths // SUBSAMPLING)[:, None, None]
    own = torch.arange(whole, device=x.device)[:, None] < counts  # (N, T // 4, 1)
    counts = counts.clamp(min=1)
    x = (x - (x * own).sum(1, keepdim=True) / counts) * own
    return x / (x.square().sum(1, keepdim=True) / counts + _EPS).sqrt()


class Quantiser(nn.Module):
    """Random projections and codebooks; nothing in it is trained, all of it is saved.

    Args:
        inputs: dimensions of what is quantised.
        config: how many codes of how many dimensions.
    """

    def __init__(self, inputs: int, config: BestRqConfig) -> None:
        super().__init__()
        projection = torch.empty(config.codebooks, inputs, config.code_dim)
        codebook = torch.empty(config.codebooks, config.codes, config.code_dim)
        if not projection.is_meta:  # where a checkpoint is to fill them there is nothing to draw
            for own in projection:
                nn.init.xavier_uniform_(own)
            codebook = F.normalize(torch.randn(codebook.shape), dim=-1)
        self.projection: Tensor
        self.codebook: Tensor
        self.register_buffer("projection", projection)
        self.register_buffer("codebook", codebook)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        """(M, codebooks) the code of each row of (M, inputs): the one at the smallest angle to its projection.

        Of vectors of length 1 the nearest is that of the largest product: no differences of all pairs are held.
        """
        with torch.autocast(x.device.type, enabled=False):
            found = [self._nearest(rows.float()) for rows in x.split(_ROWS)]
        return torch.cat(found) if found else x.new_empty(0, len(self.codebook), dtype=torch.long)

    def _nearest(self, x: Tensor) -> Tensor:
        projected = F.normalize(x @ self.projection, dim=-1)  # (codebooks, M, code_dim)
        return torch.stack(
            [(own @ codes.t()).argmax(-1) for own, codes in zip(projected, self.codebook, strict=True)], 1
        )


class BestRq(nn.Module):
    """An encoder, the quantiser, and the layer that tells codes."""

    def __init__(self, config: BestRqConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder: Encoder = config.encoder()
        self.quantiser = Quantiser(SUBSAMPLING * config.idim, config)
        self.head = nn.Linear(config.d_model, config.codebooks * config.codes)

    @classmethod
    def load(cls, path: Path) -> "BestRq":
        """The model of a checkpoint, on the CPU.

        Raises:
            ModelError: it cannot be read or is of another kind.
        """
        args, state = load_checkpoint(path)
        config = BestRqConfig.from_args(args, path)
        return load_network(lambda: cls(config), config, state, path, table_names)

    def forward(self, feats: Tensor, lengths: Tensor, masked: Tensor) -> Tensor:
        """(M, codebooks, codes) logits at the masked places, utterance after utterance.

        Args:
            feats: (N, T, idim) features, masked frames replaced.
            lengths: (N,) frames.
            masked: (N, T // 4), True where stacks of frames were replaced.
        """
        encoded, _ = self.encoder(feats, lengths)
        return self.head(encoded[:, : masked.shape[1]][masked]).unflatten(-1, (self.config.codebooks, -1))

    def codes(self, feats: Tensor, lengths: Tensor, masked: Tensor) -> Tensor:
        """(M, codebooks) codes of the features (N, T, idim) that were at the masked places."""
        return self.quantiser(stacked(feats, lengths)[masked])

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """A checkpoint with this state dict, in the published layout."""
        return {"args": self.config.args(), "model_state_dict": state}


def load_encoder(path: Path) -> tuple[EncoderConfig, Encoder]:
    """The encoder of a checkpoint, of a pre-training or of any encoder-decoder, and its sizes; on the CPU.

    Raises:
        ModelError: it cannot be read, has no encoder, or one of other sizes than it says.
    """
    args, state = load_checkpoint(path)
    config = EncoderConfig.from_args(args, path)
    weights = {name.removeprefix("encoder."): value for name, value in state.items() if name.startswith("encoder.")}
    return config, load_network(config.encoder, config, weights, path, table_names)
