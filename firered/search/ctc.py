"""Greedy decoding of a CTC head."""

from collections.abc import Callable

import torch
from torch import Tensor

from firered.text.tokenizer import BLANK_ID


def ctc_texts(
    log_probs: Tensor, lengths: Tensor, text_of: Callable[[list[int]], str], blank: int = BLANK_ID
) -> list[str]:
    """The greedily decoded text of a CTC head for each utterance of a batch.

    Args:
        log_probs: (N, T, V).
        lengths: (N,) frames.
        text_of: token ids to text.
        blank: id of the blank.
    """
    best = log_probs.argmax(-1).cpu()
    read = [torch.unique_consecutive(row[:length]) for row, length in zip(best, lengths.tolist(), strict=True)]
    return [text_of(row[row != blank].tolist()) for row in read]
