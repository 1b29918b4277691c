"""firered-prepare-data: a data directory of recordings."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from firered.audio.config import AudioConfig
from firered.audio.probe import probe_all
from firered.data.datadir import write_table
from firered.data.utterance import OVERSHOOT_TOLERANCE_S, Utterance
from firered.data.write import seconds
from firered.runs.config import RunConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import durations_of, resolve
from firered.runs.journal import Run

log = logging.getLogger(__name__)


def prepare(paths: Sequence[str], out: Path, audio: AudioConfig, config: RunConfig) -> int:
    """Exit status of making a data directory of `paths`: recordings that cannot be opened are listed and left out."""
    inputs = resolve(paths, audio, by_segment=True, durations=False)
    with Run[None](out, fingerprint("firered-prepare-data", audio), replace(config, resume=False), noted=False) as run:
        run.take(inputs)
        files = (utterance.audio for utterance in inputs.utterances if utterance.rxfilename)
        headers = probe_all(files, audio)
        known_s = durations_of(inputs)  # by recording: many segments may come from one
        refused: set[str] = set()
        for utterance in inputs.utterances:
            header = headers.get(utterance.audio)
            if isinstance(header, Exception):
                if utterance.recording not in refused:
                    run.fail(utterance.recording, header)
                refused.add(utterance.recording)
                continue
            if header is not None and header.duration_s is not None:
                known_s[utterance.recording] = header.duration_s
            if reason := _beyond(utterance, known_s.get(utterance.recording), audio):
                run.fail(utterance.id, reason)
                continue
            run.done(utterance.id, None, 0.0)
        inputs.write_tables(run.results, out)
        kept = {utterance.recording for utterance in inputs.utterances if utterance.id in run.results}
        _write_durations(out / "reco2dur", {key: known_s.get(key) for key in kept})
        return run.finish()


def _beyond(utterance: Utterance, duration_s: float | None, audio: AudioConfig) -> str:
    """Why a segment is not in its recording, as far as that one's length is known."""
    if duration_s is None:
        return ""
    where = f"the recording {utterance.recording} at {duration_s:.3f} s"
    if utterance.start_s >= duration_s:
        return f"the segment starts at {utterance.start_s:.3f} s, after {where.replace(' at ', ' has ended at ')}"
    late_s = utterance.end_s - duration_s if math.isfinite(utterance.end_s) else 0.0
    if late_s > audio.overshoot_s + OVERSHOOT_TOLERANCE_S:
        return f"the segment ends at {utterance.end_s:.3f} s, {where}; --max-overshoot and --allow-truncated cut such"
    return ""


def _write_durations(path: Path, known_s: Mapping[str, float | None]) -> None:
    """Write reco2dur; a table of some recordings only would be no valid one, so that there is none then."""
    durations = {key: seconds(value) for key, value in known_s.items() if value is not None}
    if len(durations) == len(known_s):
        write_table(path, durations)
    else:
        path.unlink(missing_ok=True)
        log.info("%s: not written, the headers of %d recordings state no length", path, len(known_s) - len(durations))
