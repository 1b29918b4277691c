"""How likely it is that a phrase was said which sounds like what stands in a text: `likelihood`.

The odds are those of a search in a data base (as of BLAST for sequences): what is alike speaks for the phrase, what is
not speaks against it, and each further place of the text and each further entry of the list is one more occasion for
it to be there by chance.

The numbers are from `python tests/bench/hotword_retrieval.py --fit`: lists of 10 to 100,000 entries, texts of 2.5 to
20 seconds of which up to half is misheard, an entry in every other text. They take that for granted: where entries are
said more often, more of what is found was said than a score tells.
"""

import numpy as np

_WRITTEN, _WRITTEN_SINGLE = 0.9, 0.82  # shares of entries that a text has as they are written; of one character
NUMBERS = np.array([1.8, 1.8, 15.5, 2.0, 1.36])  # as `features` has them
_FEWEST = 10  # entries of the lists that the numbers are fitted to
_LEAST_PART = 1.6  # weight of what may begin or end within a word: `pan` sounds exactly like a part of `panda`
FITTED = 0.45  # distances up to here are fitted, above is all but nothing


def of_written(characters: int) -> float:
    """The share of entries of so many characters that were said, where the text has them as they are written."""
    return _WRITTEN if characters > 1 else _WRITTEN_SINGLE


def likelihood(weights: np.ndarray, distances: np.ndarray, cut: np.ndarray, entries: int, sounds: int) -> np.ndarray:
    """(N,) the share of phrases found like this that were said.

    Args:
        weights: (N,) of the phrases: about their syllables.
        distances: (N,) of their alignments, as shares of the weight.
        cut: (N,) how many of the alignment's ends are within a word; a short phrase with any is not there.
        entries: of the list.
        sounds: of the text.
    """
    odds = features(weights, distances, cut, entries, sounds) @ NUMBERS
    return np.where((cut > 0) & (weights < _LEAST_PART), 0.0, 1 / (1 + np.exp(-odds)))


def features(weights: np.ndarray, distances: np.ndarray, cut: np.ndarray, entries: int, sounds: int) -> np.ndarray:
    """(N, 5) what the logarithm of the odds is made of, see `likelihood`.

    A constant, what is alike, the distance, ends within words, and the order of magnitude of list and text together.
    """
    ones = np.ones(len(weights))
    occasions = -np.log10(max(entries, _FEWEST) * max(sounds, 1)) * ones
    return np.stack([ones, weights * (1 - distances), -distances, -cut, occasions], 1)
