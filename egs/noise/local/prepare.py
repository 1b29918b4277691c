"""Test sets in noise: recordings made in noisy places, or mixes of another set with recordings of noise."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import Writable, prepare
from firered.corpora.environments import recorded
from firered.corpora.mixes import MixConfig, mixes


def read(corpus: Path, options: MixConfig = MixConfig()) -> Iterator[Writable]:  # noqa: B008 - it is frozen
    """A set each place of CORPUS/utt2env; with --noise, mixes of the set in CORPUS with that noise."""
    yield from mixes(corpus, options) if options.noise else recorded(corpus)


if __name__ == "__main__":
    prepare(read)
