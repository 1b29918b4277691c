"""The confidence of an utterance, from the probabilities of its tokens (FireRedASR2S paper, section 3.1.1)."""

from collections.abc import Sequence

import numpy as np

KINDS = ("mean", "geometric", "trimmed")
# Of `trimmed`. The paper names neither; with fewer tokens than this there is no telling what is an outlier.
OUTLIER_DEVIATIONS = 2.0
CLIP = (0.01, 1.0)
_FEWEST = 4


def confidence(probs: Sequence[float], kind: str) -> float:
    """The confidence of an utterance, 0.0 without tokens.

    `mean` is the arithmetic mean, as the published system reports; `geometric` the geometric one, as the paper
    describes; `trimmed` the geometric mean of probabilities that are first clipped to `CLIP`, without those whose
    logarithm is more than `OUTLIER_DEVIATIONS` standard deviations from the mean logarithm.

    Args:
        probs: of the tokens, special ones left out. With a language model they may exceed 1.
        kind: one of `KINDS`.
    """
    if not len(probs):
        return 0.0
    if kind == "mean":
        return float(np.mean(probs))
    logs = np.log(probs if kind == "geometric" else np.clip(probs, *CLIP))
    if kind == "trimmed" and len(logs) >= _FEWEST:
        logs = logs[np.abs(logs - logs.mean()) <= OUTLIER_DEVIATIONS * logs.std()]
    return float(np.exp(logs.mean()))
