"""How likely it is that a phrase was said which sounds like what stands in a text: `likelihood`."""

import numpy as np

OF_WRITTEN = 0.96
_CONSTANT, _ALIKE, _UNLIKE, _CUT, _ENTRIES = -1.91, 2.86, 7.56, 1.81, 1.07


def likelihood(weights: np.ndarray, distances: np.ndarray, cut: np.ndarray, entries: int) -> np.ndarray:
    """(N,) the share of phrases found like this that were said.

    Args:
        weights: (N,) of the phrases: about their syllables.
        distances: (N,) of their alignments, as shares of the weight.
        cut: (N,) how many of the alignment's ends are within a word.
        entries: of the list.
    """
    unlike = weights * distances
    odds = (
        _CONSTANT + _ALIKE * (weights - unlike) - _UNLIKE * unlike - _CUT * cut - _ENTRIES * np.log10(max(entries, 1))
    )
    return 1 / (1 + np.exp(-odds))
