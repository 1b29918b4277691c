"""firered-fbank: filterbank archives of a data directory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from firered.audio.config import AudioConfig
from firered.audio.fbank_conf import write_fbank_conf
from firered.audio.frames import Frames, of_utterance
from firered.audio.frontend import PUBLISHED
from firered.data.archives import MatrixWriter, place_in
from firered.data.datadir import write_table
from firered.data.utterance import Utterance
from firered.data.write import seconds
from firered.options import write_settings
from firered.results import Result
from firered.runs.config import FbankConfig, RunConfig
from firered.runs.depends import fingerprint
from firered.runs.features import front_end_of
from firered.runs.inputs import resolve
from firered.runs.journal import Run

ARCHIVE = "feats.ark"


@dataclass(frozen=True)
class _Features(Result):
    """How many frames an utterance has, its duration, and where in feats.ark they are."""

    frames: int
    duration_s: float
    offset: str  # without the archive's path, which may change between two runs


def make_fbank(
    paths: Sequence[str],
    out: Path,
    audio: AudioConfig,
    fbank: FbankConfig,
    config: RunConfig,
    model: str | Path | None = None,
) -> int:
    """Exit status of writing feats.scp, utt2num_frames and utt2dur of all utterances, with their tables.

    `fbank.conf` beside them says what features they are: those of `model`, by default of the FireRed models.
    """
    front_end = PUBLISHED if model is None else front_end_of(model)
    command = "firered-fbank" if model is None else f"firered-fbank --for {model}"
    inputs = resolve(paths, audio, by_segment=True, durations=False)
    inputs.utterances = [replace(utterance, feats="") for utterance in inputs.utterances]
    identity = fingerprint("firered-fbank", audio, fbank, repr(front_end.filterbank))
    with Run(out, identity, config, "utterances", _Features.from_dict, ARCHIVE) as run:
        run.take(inputs)
        ark = out / ARCHIVE
        write_fbank_conf(out, front_end, command)
        with MatrixWriter(ark, fbank.compress, run.mark if run.mark else None) as writer:
            for utterance in inputs.utterances:
                if utterance.id not in run.results:
                    _write_one(utterance, of_utterance(utterance, audio, front_end), writer, run)
        wanted = [utterance.id for utterance in inputs.utterances if utterance.id in run.results]
        inputs.write_tables(wanted, out)
        stored = {key: run.results[key] for key in wanted}
        write_table(out / "feats.scp", {key: place_in(ark, features.offset) for key, features in stored.items()})
        write_table(out / "utt2num_frames", {key: str(features.frames) for key, features in stored.items()})
        write_table(out / "utt2dur", {key: seconds(features.duration_s) for key, features in stored.items()})
        write_settings(out / "config.yaml", command, audio, fbank)
        # What others read stays as it is where a rerun finds nothing new: they would do their work again.
        return run.finish(keep_journal=bool(run.problems))


def _write_one(utterance: Utterance, frames: Frames, writer: MatrixWriter, run: Run[_Features]) -> None:
    reading: list[Exception] = []
    try:
        place, rows = writer.write(utterance.id, _watched(frames, reading))
    except Exception as error:
        if not reading:
            raise  # the archive cannot be written, which ends the run rather than this utterance
        run.fail_with(utterance.id, error)
        return
    features = _Features(rows, frames.duration_s, place.rpartition(":")[2])
    run.done(utterance.id, features, frames.duration_s, writer.tell())


def _watched(frames: Frames, errors: list[Exception]) -> Iterator[np.ndarray]:
    """The blocks of an utterance; an error in reading them is noted before it is raised."""
    try:
        for block in frames:
            yield block.numpy()
    except Exception as error:
        errors.append(error)
        raise
