"""Test sets made of another one and of recordings of noise, at chosen signal-to-noise ratios."""

import logging
import math
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from firered.audio.config import AudioConfig
from firered.audio.load import read_blocks
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.environments import TABLE, Transcribed, plain_name
from firered.data.datadir import read_table, write_lines
from firered.data.names import file_names, write_file_names
from firered.data.utterance import Utterance
from firered.errors import AudioError, DataError, OptionError
from firered.options import Options, option
from firered.runs.noise import Noise, find_noises, write_mixed

log = logging.getLogger(__name__)

LIST = "mixes.tsv"  # in the data directory: what was mixed with what
_HEADING = ("utterance", "noise", "offset_s", "snr_db", "gain_db")


@dataclass(frozen=True)
class MixConfig(Options):
    """Noise mixed with a test set."""

    noise: str = option("", "folder of noise recordings, a folder each place in it, or a data directory with utt2env")
    snrs: str = option("20 15 10 5 0", "signal-to-noise ratios in dB, a set each")
    noise_seed: int = option(0, "of the draw: which noise, and from where on", low=0)


@dataclass(frozen=True)
class MixedSet:
    """The set `sim-PLACE-SNR`: every utterance of another set with noise of a place.

    An utterance has the same stretch of the same noise at every ratio.
    """

    source: Transcribed
    place: str
    noises: Sequence[Noise]
    snr_db: float
    seed: int

    @property
    def name(self) -> str:
        """`sim-`, the place and the ratio."""
        return f"sim-{self.place}-{self.snr_db:g}"

    def write(self, out: Path, *, allow_missing: bool) -> None:
        """Write the data directory, its audio to `wav/`, and `mixes.tsv`.

        Raises:
            DataError: audio or noise cannot be read, or an utterance has no transcript, and `allow_missing` is False.
        """
        found = CorpusSet(self.name, self.source.folder)
        for key, reason in self.source.problems:
            found.miss(key, reason)
        folder = out.absolute() / "wav"
        folder.mkdir(parents=True, exist_ok=True)
        names = file_names(self.source.utterances)
        write_file_names(folder, names)
        keys = sorted(self.source.utterances)
        drawn = self._noise_of(keys)
        with ThreadPoolExecutor() as pool:
            made = pool.map(lambda key: self._make(key, drawn[key], folder / f"{names[key]}.wav"), keys)
            rows = ["\t".join(_HEADING)]
            for key, row in zip(keys, made, strict=True):
                if isinstance(row, AudioError):
                    found.miss(key, str(row))
                else:
                    found.add(self._entry(key, folder / f"{names[key]}.wav"))
                    rows.append(row)
        write_lines(out / LIST, rows)
        found.write(out, allow_missing=allow_missing)

    def _entry(self, key: str, wav: Path) -> Entry:
        entry = self.source.entry(key, wav)
        return replace(entry, labels={**entry.labels, "env": self.place, "snr": f"{self.snr_db:g}"})

    def _noise_of(self, keys: Sequence[str]) -> dict[str, Noise]:
        """The noise of each utterance: in turn, in a new random order each time that all were used."""
        rng = np.random.default_rng([self.seed, zlib.crc32(self.place.encode())])
        rounds = math.ceil(len(keys) / len(self.noises))
        order = [int(number) for _ in range(rounds) for number in rng.permutation(len(self.noises))]
        if len(keys) < len(self.noises):
            log.warning("%s: %d of %d noise recordings are used", self.name, len(keys), len(self.noises))
        return {key: self.noises[number] for key, number in zip(keys, order, strict=False)}

    def _make(self, key: str, noise: Noise, wav: Path) -> str | AudioError:
        """Write an utterance with its noise; its row of the list."""
        rng = np.random.default_rng([self.seed, zlib.crc32(self.place.encode()), zlib.crc32(key.encode())])
        try:
            speech = _samples(self.source.utterances[key])
            excerpt, offset_s = noise.drawn_excerpt(len(speech), rng)
        except AudioError as error:
            return error
        gain = write_mixed(wav, speech, excerpt, self.snr_db)
        return "\t".join(
            (
                key,
                noise.key,
                f"{offset_s:.4f}",
                f"{self.snr_db:g}",
                f"{20 * math.log10(gain):.4f}".replace("-0.0000", "0.0000"),
            )
        )


def mixes(folder: Path, config: MixConfig) -> Iterator[MixedSet]:
    """A set for every place of the noise and every ratio, of a data directory or of what a recipe has made of a set.

    Raises:
        DataError: a folder does not hold what it should.
        OptionError: a ratio is no number.
    """
    prepared = folder / "data"
    source = Transcribed.read(prepared if (prepared / "text").is_file() else folder)
    ratios = _ratios(config.snrs)
    for place, noises in sorted(_by_place(Path(config.noise)).items()):
        for snr_db in ratios:
            yield MixedSet(source, place, noises, snr_db, config.noise_seed)


def _ratios(listed: str) -> list[float]:
    try:
        ratios = [float(word) for word in listed.replace(",", " ").split()]
    except ValueError:
        ratios = []
    if not ratios or not all(map(math.isfinite, ratios)):
        raise OptionError(f"snrs: {listed!r} is no list of ratios in dB such as '20 10 0'")
    return list(dict.fromkeys(ratios))


def _by_place(folder: Path) -> dict[str, list[Noise]]:
    """The recordings of noise by place: of utt2env, else of the first folder below; those in none are of `folder`."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder of noise")
    table = read_table(folder / TABLE) if (folder / TABLE).is_file() else None
    places: dict[str, list[Noise]] = {}
    for noise in find_noises(str(folder)):
        if table is not None and noise.key not in table:
            raise DataError(f"{folder / TABLE}: it has no place for {noise.key}")
        place = _first_folder(noise, folder) if table is None else table[noise.key]
        places.setdefault(plain_name(place) or "noise", []).append(noise)
    return places


def _first_folder(noise: Noise, folder: Path) -> str:
    path, root = Path(noise.audio).absolute(), folder.absolute()
    below = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    return below[0] if below else root.name


def _samples(utterance: Utterance) -> np.ndarray:
    """(n,) float32 on the int16 scale."""
    blocks = read_blocks(
        utterance.audio, AudioConfig(), channel=utterance.channel, start_s=utterance.start_s, end_s=utterance.end_s
    )
    return np.concatenate(list(blocks)).astype(np.float32)
