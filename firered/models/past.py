"""What a layer of a streaming encoder keeps of the frames before the next chunk: `Past`."""

import torch
from torch import Tensor


class Past:
    """The past of one stream in one layer: keys and values that are seen, and what the convolution was given last.

    Args:
        most: frames whose keys and values are kept; None: all.
    """

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._keys: Tensor | None = None  # (1, T, H, d_k)
        self._values: Tensor | None = None
        self._frames: Tensor | None = None  # (1, K - 1, 2d)

    def with_keys(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of all that is seen, the next chunk (1, C, H, d_k) last; it is part of the past then."""
        if self._keys is not None and self._values is not None:
            keys = torch.cat([self._keys, keys], 1)
            values = torch.cat([self._values, values], 1)
        first = 0 if self._most is None else max(0, keys.shape[1] - self._most)
        self._keys, self._values = (part[:, first:] if first else part for part in (keys, values))
        return keys, values

    def with_frames(self, frames: Tensor, count: int) -> Tensor:
        """(1, count + C, 2d) the frames that the convolution is given, (1, C, 2d), behind so many of those before."""
        before = frames.new_zeros(1, count, frames.shape[2]) if self._frames is None else self._frames
        frames = torch.cat([before, frames], 1)
        self._frames = frames[:, frames.shape[1] - count :]
        return frames
