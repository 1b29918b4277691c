"""firered-prepare-data: a data directory of recordings."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from firered.audio.config import AudioConfig
from firered.audio.load import header
from firered.data.datadir import write_table
from firered.data.utterance import Utterance
from firered.data.write import seconds
from firered.errors import AudioError
from firered.runs.config import JobConfig
from firered.runs.inputs import resolve
from firered.runs.journal import Run, fingerprint


def prepare(paths: Sequence[str], out: Path, audio: AudioConfig, config: JobConfig) -> int:
    """Exit status of making a data directory of `paths`: recordings that cannot be opened are listed and left out."""
    inputs = resolve(paths, audio, by_segment=True)
    with Run[None](out, fingerprint("firered-prepare-data", audio), replace(config, resume=False)) as run:
        run.take(inputs)
        checked: dict[str, float | AudioError | None] = {}  # by recording: many segments may come from one
        for one in inputs.utterances:
            if one.recording not in checked:
                checked[one.recording] = _duration(one, audio)
                if isinstance(checked[one.recording], AudioError):
                    run.fail(one.recording, checked[one.recording])
            if not isinstance(checked[one.recording], AudioError):
                run.done(one.id, None, 0.0)
        inputs.write_tables(run.results, out)
        kept = {one.recording for one in inputs.utterances if one.id in run.results}
        write_table(out / "reco2dur", {key: seconds(checked[key]) for key in kept if checked[key] is not None})
        return run.finish()


def _duration(one: Utterance, audio: AudioConfig) -> float | AudioError | None:
    """Seconds of the recording, as far as they can be had without reading it through or running its pipe."""
    if not one.rxfilename or one.rxfilename.endswith("|"):
        return None
    try:
        return header(one.rxfilename, audio)[1]
    except AudioError as error:
        return error
