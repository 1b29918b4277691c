"""firered-fbank: filterbank archives of a data directory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from firered.audio.config import AudioConfig
from firered.audio.frames import Frames, of_utterance
from firered.data.archives import MatrixWriter
from firered.data.datadir import write_table
from firered.data.utterance import Utterance
from firered.data.write import seconds
from firered.options import write_settings
from firered.runs.config import FbankConfig, JobConfig
from firered.runs.inputs import resolve
from firered.runs.journal import Job, fingerprint


def make_fbank(paths: Sequence[str], out: Path, audio: AudioConfig, fbank: FbankConfig, config: JobConfig) -> int:
    """Exit status of writing feats.scp, utt2num_frames and utt2dur of all utterances beside their tables."""
    inputs = resolve(paths, audio, by_segment=True, durations=False)
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
