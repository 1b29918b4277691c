"""firered-shards: data directories packed into tar files that are read in one go, in the layout of WebDataset.

A shard has for each utterance KEY.flac (or .wav), KEY.txt and KEY.json. The folder is a data directory itself: wav.scp
has the place of every utterance's audio, `SHARD.tar:BYTE`, and utt2dur its length, so that every command reads it, and
any utterance without those before it.
"""

import io
import json
import logging
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from firered.audio.config import AudioConfig
from firered.audio.frames import samples_of
from firered.audio.framing import SAMPLE_RATE
from firered.corpora.indexed import in_tars, indexed
from firered.corpora.tars import add_file
from firered.data.atomic import replacing
from firered.data.datadir import KNOWN_FILES, LINES, UTTERANCE, write_table
from firered.data.names import file_names
from firered.data.partition import known_files
from firered.data.utterance import Utterance
from firered.data.write import seconds
from firered.errors import OptionError, Outcome
from firered.options import write_settings
from firered.runs.config import RunConfig, ShardConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import Inputs, resolve
from firered.runs.journal import Run

log = logging.getLogger(__name__)

# What the packed audio, which is cut and has one channel, has no use for.
_NOT_KEPT: tuple[str, ...] = (
    "segments",
    "reco2dur",
    "reco2file_and_channel",
    "reco2hotwords",
    "feats.scp",
    "vad.scp",
    "ali.scp",
)
_NOT_KEPT += ("utt2num_frames", "cmvn.scp", "probs.scp")
_NAMES = {"utt2spk": "speaker", "utt2lang": "language", "utt2dialect": "dialect"}  # in the JSON


def make_shards(data: str, out: Path, config: ShardConfig, audio: AudioConfig, job: RunConfig) -> int:
    """Exit status of packing a data directory, or whatever `indexed` can index.

    What is in tar files already is not packed again: `out` gets the index alone.

    Raises:
        DataError: there is nothing to pack.
    """
    place = out / "source"  # of what is no data directory
    source = indexed(Path(data), place)
    if in_tars(source) and (source == place or _is_same(source, out)):
        if source == place:
            indexed(Path(data), out)
            shutil.rmtree(place)
        log.info("%s: the recordings are in tar files already, which are left where they are; this is their index", out)
        return 0
    if _is_same(source, out):
        raise OptionError(f"{out}: OUT is DATA; give another folder")
    inputs = resolve([str(source)], audio, by_segment=True)
    order = [utterance.id for utterance in inputs.utterances]
    if config.shuffle:
        order = [order[number] for number in np.random.default_rng(config.seed).permutation(len(order)).tolist()]
    plan = [order[first : first + config.per_shard] for first in range(0, len(order), config.per_shard)]
    digest = zlib.crc32("\n".join(order).encode())
    identity = fingerprint("firered-shards", config, audio, f"order {digest}")
    with Run[dict[str, Any]](out, identity, job, "utterances") as run:
        run.take(inputs)
        packer = _Packer(inputs, config, audio)
        for number, keys in enumerate(plan):
            path = out.absolute() / f"shard-{number:06d}.tar"
            if not path.is_file() or not all(key in run.results for key in keys):
                _write_shard(path, keys, packer, run)
        wanted = [key for key in order if key in run.results]
        _write_tables(inputs, {key: run.results[key] for key in wanted}, out)
        write_settings(out / "config.yaml", "firered-shards", config, audio)
        status = run.finish()
    if not run.problems:
        shutil.rmtree(place, ignore_errors=True)
    return status


def _is_same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


class _Packer:
    """Makes the files of an utterance."""

    def __init__(self, inputs: Inputs, config: ShardConfig, audio: AudioConfig) -> None:
        self._utterances = {utterance.id: utterance for utterance in inputs.utterances}
        self._tables = _tables_of(inputs)
        self._format, self._audio = config.format, audio
        self._names = _plain_names(self._utterances)

    def files(self, keys: Sequence[str]) -> Iterator[tuple[str, Outcome[tuple[dict[str, bytes], float]]]]:
        """For each utterance its files by name, and its seconds; or the error."""
        with ThreadPoolExecutor() as pool:
            yield from zip(keys, pool.map(self._files_or_error, keys), strict=True)

    def _files_or_error(self, key: str) -> Outcome[tuple[dict[str, bytes], float]]:
        try:
            return self._files(self._utterances[key])
        except Exception as error:
            return error

    def _files(self, utterance: Utterance) -> tuple[dict[str, bytes], float]:
        samples = np.concatenate(list(samples_of(utterance, self._audio)))
        whole = np.clip(np.round(samples), -32768, 32767).astype(np.int16)
        file = io.BytesIO()
        soundfile.write(file, whole, SAMPLE_RATE, subtype="PCM_16", format=self._format.upper())
        known = {name: table[utterance.id] for name, table in self._tables.items() if utterance.id in table}
        duration_s = len(whole) / SAMPLE_RATE
        content = {"key": utterance.id, "duration": duration_s, "speaker": utterance.speaker or utterance.id, **known}
        name = self._names[utterance.id]
        files = {f"{name}.{self._format}": file.getvalue()}  # first: its place is what wav.scp has
        if "text" in known:
            files[f"{name}.txt"] = known["text"].encode()
        return files | {f"{name}.json": json.dumps(content, ensure_ascii=False).encode()}, duration_s


def _tables_of(inputs: Inputs) -> dict[str, Mapping[str, str]]:
    """What the data directory has of each utterance, by the names in the JSON."""
    if inputs.data is None:
        return {}
    names = [name for name in known_files(inputs.data.path) if KNOWN_FILES.get(name, LINES) == UTTERANCE]
    kept = [name for name in names if name not in _NOT_KEPT and name != "utt2dur"]
    return {_NAMES.get(name, name): inputs.data.table(name) or {} for name in kept}


def _plain_names(ids: Mapping[str, Utterance]) -> dict[str, str]:
    """Names of the files in a shard; the dots of an id would end the key for other readers of WebDataset."""
    marked = {key: key.replace(".", "/") for key in ids}  # a slash makes `file_names` give it a name of its own
    names = file_names(marked.values())
    return {key: names[mark] for key, mark in marked.items()}


def _write_shard(path: Path, keys: Sequence[str], packer: _Packer, run: Run[dict[str, Any]]) -> None:
    """Write a shard, and then note all of its utterances."""
    found: dict[str, dict[str, Any]] = {}
    failed: dict[str, Exception] = {}
    with (
        replacing(path, only_writer=True) as unfinished,
        tarfile.open(unfinished, "w:", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for key, made in packer.files(keys):
            if isinstance(made, Exception):
                failed[key] = made
                continue
            files, duration_s = made
            places = [add_file(tar, name, content) for name, content in files.items()]
            found[key] = {"place": f"{path.name}:{places[0]}", "seconds": duration_s}
    for key in keys:
        run.results.pop(key, None)
        if key in failed:
            run.fail_with(key, failed[key])
        else:
            run.done(key, found[key], found[key]["seconds"])


def _write_tables(inputs: Inputs, made: Mapping[str, Mapping[str, Any]], out: Path) -> None:
    cut = inputs.data is not None and inputs.data.segments is not None
    inputs.write_tables(made, out)
    for name in (*_NOT_KEPT, *(("rttm", "ctm") if cut else ())):
        (out / name).unlink(missing_ok=True)
    write_table(out / "wav.scp", {key: f"{out.absolute()}/{of['place']}" for key, of in made.items()})
    write_table(out / "utt2dur", {key: seconds(of["seconds"]) for key, of in made.items()})
