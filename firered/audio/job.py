"""Data directories gain features: preparation, filterbank archives, and global statistics over many utterances."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from firered.audio.feats import CmvnStats
from firered.audio.frames import Frames, of_utterance
from firered.audio.load import header
from firered.config import AudioConfig, FbankConfig, JobConfig
from firered.data.datadir import DataDir, write_table
from firered.data.inputs import Utterance, resolve
from firered.data.kaldi_io import MatrixWriter, feature_blocks
from firered.data.write import seconds
from firered.errors import AudioError, DataError, Problem
from firered.jobs.batch import Job, fingerprint
from firered.options import write_settings

log = logging.getLogger(__name__)


def prepare(paths: Sequence[str], out: Path, audio: AudioConfig, config: JobConfig) -> int:
    """Exit status of making a data directory of `paths`: recordings that cannot be opened are listed and left out."""
    inputs = resolve(paths, audio, by_segment=True)
    with Job(out, fingerprint("firered-prepare-data", audio), replace(config, resume=False)) as job:
        job.take(inputs)
        checked: dict[str, float | AudioError | None] = {}  # by recording: many segments may come from one
        for one in inputs.utterances:
            if one.recording not in checked:
                checked[one.recording] = _duration(one, audio)
                if isinstance(checked[one.recording], AudioError):
                    job.fail(one.recording, checked[one.recording])
            if not isinstance(checked[one.recording], AudioError):
                job.done(one.id, None, 0.0)
        inputs.write_tables(job.results, out)
        kept = {one.recording for one in inputs.utterances if one.id in job.results}
        write_table(out / "reco2dur", {key: seconds(checked[key]) for key in kept if checked[key] is not None})
        return job.finish()


def _duration(one: Utterance, audio: AudioConfig) -> float | AudioError | None:
    """Seconds of the recording, as far as they can be had without reading it through or running its pipe."""
    if not one.rxfilename or one.rxfilename.endswith("|"):
        return None
    try:
        return header(one.rxfilename, audio)[1]
    except AudioError as error:
        return error


def make_fbank(paths: Sequence[str], out: Path, audio: AudioConfig, fbank: FbankConfig, config: JobConfig) -> int:
    """Exit status of writing feats.scp, utt2num_frames and utt2dur of all utterances beside their tables."""
    inputs = resolve(paths, audio, by_segment=True)
    with Job(out, fingerprint("firered-fbank", audio, fbank), config, "utterances") as job:
        job.take(inputs)
        ark = out / "feats.ark"
        with MatrixWriter(ark, fbank.compress, job.mark if job.mark else None) as writer:
            for one in inputs.utterances:
                if one.id not in job.results:
                    _write_one(replace(one, feats=""), audio, writer, job)
        wanted = [one.id for one in inputs.utterances if one.id in job.results]
        inputs.write_tables(wanted, out)
        entries = {key: job.results[key] for key in wanted}
        write_table(out / "feats.scp", {key: f"{ark}:{entry['offset']}" for key, entry in entries.items()})
        write_table(out / "utt2num_frames", {key: str(entry["frames"]) for key, entry in entries.items()})
        write_table(out / "utt2dur", {key: seconds(entry["dur"]) for key, entry in entries.items()})
        write_settings(out / "config.yaml", "firered-fbank", audio, fbank)
        return job.finish()


def _write_one(one: Utterance, audio: AudioConfig, writer: MatrixWriter, job: Job) -> None:
    reading: list[Exception] = []
    frames = of_utterance(one, audio)
    try:
        place, rows = writer.write(one.id, _watched(frames, reading))
    except Exception as error:
        if not reading:
            raise  # the archive cannot be written: that is not this utterance's fault
        job.fail_with(one.id, error)
        return
    entry = {"offset": place.rpartition(":")[2], "frames": rows, "dur": frames.duration_s}
    job.done(one.id, entry, frames.duration_s, writer.tell())


def _watched(frames: Frames, errors: list[Exception]) -> Iterator[np.ndarray]:
    """The blocks of an utterance; an error in reading them is noted before it goes on its way."""
    try:
        for block in frames:
            yield block.numpy()
    except Exception as error:
        errors.append(error)
        raise


def make_cmvn(data: Path, out: Path) -> int:
    """Exit status of writing global statistics over feats.scp of `data` to `out` (a folder, or a file `*.ark`).

    Raises:
        DataError: there is no feats.scp, or no matrix of it can be read.
    """
    problems: list[Problem] = []
    feats = DataDir(data, problems=problems).feats_scp
    if feats is None:
        raise DataError(f"{data}: no feats.scp here; make one with firered-fbank")
    stats, used = CmvnStats(), 0
    for key in sorted(feats):
        try:
            one = CmvnStats()  # an utterance that breaks off half-way must not count with its first half
            for block in feature_blocks(feats, key):
                one.add(block)
            stats.stats += one.stats
            used += 1
        except DataError as error:
            problems.append(Problem(key, str(error)))
    for problem in problems:
        log.error("%s", problem)
    if used == 0:
        raise DataError(f"{data}: no features could be read, no statistics written")
    path = out if out.suffix == ".ark" else out / "cmvn.ark"
    path.parent.mkdir(parents=True, exist_ok=True)
    stats.write(path)
    log.info("%s: statistics of %d frames of %d utterances", path, int(stats.stats[0, -1]), used)
    return 1 if problems else 0
