"""The Conformer encoder over speech that has not ended: `StreamingEncoder` gives its frames chunk by chunk.

What it gives is what the encoder gives for the whole utterance with the same chunks (the masked pass), up to rounding:
each layer keeps keys, values and the last frames of its convolution (`Past`), so that nothing is computed twice.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from firered.models.chunks import Chunk
from firered.models.conformer import ConformerEncoder
from firered.models.encoder_config import Encoder
from firered.models.frame_encoder import CONTEXT, SUBSAMPLING
from firered.models.frames import Frames, beyond_grid
from firered.models.past import Past

BEYOND = CONTEXT + 1 - SUBSAMPLING  # feature frames that a chunk needs beyond its own
_STEP = 512  # frames by which the keys of positions grow


class PositionKeys:
    """The keys of relative positions of each layer, which all streams of an encoder share.

    Args:
        encoder: in evaluation mode; its weights stay as they are.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._size = 0
        self._tables: list[Tensor] = []

    def of(self, size: int, like: Tensor) -> list[Tensor]:
        """(H, d_k, 2T + 1) of each layer, for a stretch of so many frames, or a longer one."""
        size += beyond_grid(size)
        if size > self._size:
            longest = -(-size // _STEP) * _STEP
            assert isinstance(self._encoder, ConformerEncoder)  # no other streams
            positions = self._encoder.positional_encoding(longest + 1, like)
            self._tables = [block.mhsa.table(positions) for block in self._encoder.blocks()]
            self._size = longest
        return self._tables


class StreamingEncoder:
    """One stream of an encoder with causal convolutions, in evaluation mode.

    A chunk is given when the last feature frame has come that its last encoder frame sees: 30 ms beyond its own.

    Args:
        encoder: what computes.
        chunk: what its frames see.
        positions: of the same encoder, where several streams share them.

    Raises:
        ValueError: the encoder's convolutions are not causal.
    """

    def __init__(self, encoder: Encoder, chunk: Chunk, positions: PositionKeys | None = None) -> None:
        if not isinstance(encoder, ConformerEncoder) or not encoder.causal:
            raise ValueError("the convolutions of this encoder are not causal, it cannot stream")
        self._encoder, self._chunk = encoder, chunk
        self._positions = positions or PositionKeys(encoder)
        self._past = [Past(chunk.past) for _ in encoder.blocks()]
        self._feats: Tensor | None = None  # from the first frame of the next chunk on
        self.frames = 0  # encoder frames given so far

    @torch.inference_mode()
    def accept(self, feats: Tensor) -> Tensor:
        """(T', d_model) the encoder frames of the chunks that feature frames (T, idim), the next ones, complete."""
        self._feats = feats if self._feats is None else torch.cat([self._feats, feats])
        size, done = self._chunk.size, []
        while len(self._feats) >= SUBSAMPLING * size + BEYOND:
            done.append(self._next(size))
        return self._joined(done)

    @torch.inference_mode()
    def finish(self) -> Tensor:
        """(T', d_model) the rest, as the utterance ends here; more cannot follow."""
        if self._feats is None:
            return torch.empty(0, self._encoder.input_preprocessor.out.out_features)
        rest = -(-len(self._feats) // SUBSAMPLING)
        self._feats = F.pad(self._feats, (0, 0, 0, CONTEXT))  # zeros, as behind whole utterances
        done = []
        while rest > 0:
            count = min(rest, self._chunk.size)
            done.append(self._next(count))
            rest -= count
        self._feats = self._feats[:0]
        return self._joined(done)

    def _joined(self, done: list[Tensor]) -> Tensor:
        assert self._feats is not None
        width = self._encoder.input_preprocessor.out.out_features
        return torch.cat(done) if done else self._feats.new_empty(0, width)

    def _next(self, count: int) -> Tensor:
        """(C, d_model) the next so many encoder frames, a chunk or what is left of one."""
        assert self._feats is not None
        given = self._feats[None, : SUBSAMPLING * count + BEYOND]
        self._feats = self._feats[SUBSAMPLING * count :]
        x = self._encoder.input_preprocessor.whole(given)  # (1, C, d_model)
        past = self._chunk.past
        seen = self.frames if past is None else min(past, self.frames)
        alone = Frames(None)
        tables = self._positions.of(seen + count, x)
        for block, table, own in zip(self._encoder.blocks(), tables, self._past, strict=True):
            x = block(x, table, alone, own)
        self.frames += count
        return x[0]
