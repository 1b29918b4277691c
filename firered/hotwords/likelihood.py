"""How likely it is that a phrase was said which sounds like what stands in a text: `likelihood`.

The odds are those of a search in a data base (as of BLAST for sequences): what is alike speaks for the phrase, what is
not speaks against it, and each further place of the text and each further entry of the list is one more occasion for
it to be there by chance.
"""

import numpy as np

OF_WRITTEN = 0.96
_SHORT = 2.0  # syllables; shorter phrases are there by chance more often than each syllable less would make them
NUMBERS = np.array([0.0, 2.86, 7.56, 1.81, 0.0, 1.07, 1.0])  # as `features` has them


def likelihood(weights: np.ndarray, distances: np.ndarray, cut: np.ndarray, entries: int, sounds: int) -> np.ndarray:
    """(N,) the share of phrases found like this that were said.

    Args:
        weights: (N,) of the phrases: about their syllables.
        distances: (N,) of their alignments, as shares of the weight.
        cut: (N,) how many of the alignment's ends are within a word.
        entries: of the list.
        sounds: of the text.
    """
    return 1 / (1 + np.exp(-features(weights, distances, cut, entries, sounds) @ NUMBERS))


def features(weights: np.ndarray, distances: np.ndarray, cut: np.ndarray, entries: int, sounds: int) -> np.ndarray:
    """(N, 7) what the logarithm of the odds is made of, see `likelihood`.

    A constant, what is alike, what is not, ends within words, what a short phrase lacks to two syllables, and the
    orders of magnitude of the list and of the text.
    """
    unlike = weights * distances
    ones = np.ones(len(weights))
    short = np.maximum(_SHORT - weights, 0)
    sizes = (-np.log10(max(size, 1)) * ones for size in (entries, sounds))
    return np.stack([ones, weights - unlike, -unlike, -cut, -short, *sizes], 1)
