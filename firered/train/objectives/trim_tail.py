"""TrimTail: the ends of training utterances are cut off, so that a streaming model writes words earlier.

Song et al., TrimTail: Low-Latency Streaming ASR with Simple but Effective Spectrogram-Level Length Penalty, 2022. The
text stays whole: what is missing has to be known from what came before, and the frames of CTC's labels move ahead.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from firered.models.frame_encoder import SUBSAMPLING


def trimmed(tensors: Mapping[str, Tensor], most: int) -> dict[str, Tensor]:
    """A batch whose utterances end up to `most` feature frames earlier, each as it is drawn.

    Half of an utterance stays, and as many frames as CTC needs for its tokens; `labelled` ends with it.

    Args:
        tensors: of `TokenCorpus.collate`.
        most: frames; 0 changes nothing.
    """
    if most == 0:
        return dict(tensors)
    lengths, needed = tensors["lengths"], needed_frames(tensors)
    least = torch.maximum(SUBSAMPLING * (needed - 1) + 1, -(-lengths // 2))
    room = (lengths - least).clamp(0, most)
    cut = (torch.rand(len(lengths)).to(lengths.device) * (room + 1)).long()
    lengths = lengths - cut
    frames = -(-lengths // SUBSAMPLING)
    first, end = tensors["labelled"].T
    end = torch.minimum(end, frames)
    whole = end - first < needed  # too few are left of those that may have labels
    labelled = torch.stack([first.masked_fill(whole, 0), torch.where(whole, frames, end)], 1)
    return {**tensors, "lengths": lengths, "labelled": labelled}


def needed_frames(tensors: Mapping[str, Tensor]) -> Tensor:
    """(N,) encoder frames that CTC needs for the tokens: one each, and a blank between two equal ones."""
    tokens, counts = tensors["tokens"][:, 1:], tensors["token_lengths"]  # without sos
    following = tokens[:, 1:]
    places = 1 + torch.arange(following.shape[1], device=tokens.device)
    repeats = (following == tokens[:, : following.shape[1]]) & (places < counts[:, None])
    return counts + repeats.sum(1)
