"""firered-prepare-data: a data directory of recordings."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from firered.audio.config import AudioConfig
from firered.audio.probe import probe_all
from firered.data.datadir import write_table
from firered.data.write import seconds
from firered.runs.config import RunConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import resolve
from firered.runs.journal import Run


def prepare(paths: Sequence[str], out: Path, audio: AudioConfig, config: RunConfig) -> int:
    """Exit status of making a data directory of `paths`: recordings that cannot be opened are listed and left out."""
    inputs = resolve(paths, audio, by_segment=True, durations=False)
    with Run[None](out, fingerprint("firered-prepare-data", audio), replace(config, resume=False)) as run:
        run.take(inputs)
        files = (utterance.rxfilename for utterance in inputs.utterances if utterance.rxfilename)
        headers = probe_all(files, audio)
        known_s: dict[str, float] = {}  # by recording: many segments may come from one
        refused: set[str] = set()
        for utterance in inputs.utterances:
            header = headers.get(utterance.rxfilename)
            if isinstance(header, Exception):
                if utterance.recording not in refused:
                    run.fail(utterance.recording, header)
                refused.add(utterance.recording)
                continue
            if header is not None and header.duration_s is not None:
                known_s[utterance.recording] = header.duration_s
            run.done(utterance.id, None, 0.0)
        inputs.write_tables(run.results, out)
        kept = {utterance.recording for utterance in inputs.utterances if utterance.id in run.results}
        write_table(out / "reco2dur", {key: seconds(known_s[key]) for key in kept if key in known_s})
        return run.finish()
