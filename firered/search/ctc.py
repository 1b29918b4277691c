"""Greedy decoding of a CTC head."""

from collections.abc import Callable

import torch
from torch import Tensor

from firered.errors import NoNumbersError
from firered.search.beams import Hypothesis
from firered.text.tokenizer import BLANK_ID


def ctc_tokens(log_probs: Tensor, lengths: Tensor, blank: int = BLANK_ID) -> list[list[int]]:
    """The greedily decoded tokens of a CTC head for each utterance of a batch.

    Args:
        log_probs: (N, T, V).
        lengths: (N,) frames.
        blank: id of the blank.
    """
    best = log_probs.argmax(-1).cpu()
    read = [torch.unique_consecutive(row[:length]) for row, length in zip(best, lengths.tolist(), strict=True)]
    return [row[row != blank].tolist() for row in read]


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
    return [text_of(tokens) for tokens in ctc_tokens(log_probs, lengths, blank)]


def ctc_greedy(log_probs: Tensor, lengths: Tensor, blank: int = BLANK_ID) -> list[Hypothesis]:
    """What the likeliest path of a CTC head reads as, for each utterance of a batch.

    `log_probs` of a hypothesis are the highest of each token among its frames, `score` is the path's.

    Args:
        log_probs: (N, T, V).
        lengths: (N,) frames.
        blank: id of the blank.

    Raises:
        NoNumbersError: an utterance has NaN among its frames.
    """
    scores, labels = (part.cpu() for part in log_probs.max(-1))
    found = []
    for own, path, length in zip(scores.double(), labels, lengths.tolist(), strict=True):
        if bool(own[:length].isnan().any()):
            raise NoNumbersError
        tokens, counts = torch.unique_consecutive(path[:length], return_counts=True)
        peaks = [part.max() for part in own[:length].split(counts.tolist())]
        spoken = [(token, float(peak)) for token, peak in zip(tokens.tolist(), peaks, strict=True) if token != blank]
        total = float(own[:length].sum())
        ids, log_peaks = tuple(token for token, _ in spoken), tuple(peak for _, peak in spoken)
        found.append(Hypothesis(ids, total, total, 0.0, 1.0, log_peaks, finished=True))
    return found
