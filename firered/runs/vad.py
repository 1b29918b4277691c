"""A detector over many recordings: the data directory that the VAD commands write."""

import contextlib
import logging
import shutil
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import soundfile

from firered.audio.config import AudioConfig
from firered.audio.frames import Frames, of_utterance
from firered.audio.frontend import SAMPLE_RATE, frame_range
from firered.audio.load import read_blocks
from firered.data.archives import MatrixWriter, place_in, read_matrix, rows_of
from firered.data.datadir import Segment, format_segment, spk2utt_of, write_lines, write_table
from firered.data.names import file_names, write_file_names
from firered.data.utterance import Utterance
from firered.data.write import Labelled, json_line, rttm, seconds, segment_id, textgrid
from firered.errors import DataError, FireRedError, writing
from firered.options import Options, write_settings
from firered.output.published import published
from firered.results import MvadResult, Result, StreamVadResult, VadResult
from firered.runs.config import RunConfig, VadOutputConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import Inputs, resolve, write_channels
from firered.runs.journal import Run
from firered.vad.detect import EVENTS, Detector, Mvad

log = logging.getLogger(__name__)

ARK = "probs.ark"


@dataclass(frozen=True)
class Detected(Result):
    """A recording's result, its length, which the result has rounded, and where in probs.ark its posteriors are."""

    result: VadResult | StreamVadResult | MvadResult
    frames: int
    duration_s: float
    offset: str  # without the archive's path, which may change between two runs; empty where there are none

    @property
    def segments(self) -> list[Labelled]:
        """(start, end, label) of every segment, in order."""
        return self.result.labelled()


class Settled(Protocol):
    """What is written of a detector: its settings, which have the thresholds of its posteriors."""

    @property
    def config(self) -> Options: ...  # noqa: D102


def run_detector(
    command: str,
    paths: Sequence[str],
    out: Path,
    model: Path,
    detector: Detector,
    output: VadOutputConfig,
    audio: AudioConfig,
    config: RunConfig,
) -> int:
    """Exit status of a run over all recordings of `paths`, with everything the commands promise written to `out`.

    Raises:
        DataError: there is no input to process.
        FireRedError: `out` cannot be written.
    """
    inputs = resolve(paths, audio, by_segment=False, durations=False)
    identity = fingerprint(command, detector.config, audio, model)
    with Run(out, identity, config, read=Detected.from_dict, archive=ARK, grouped=True) as run:
        run.take(inputs)
        _detect_all(detector, inputs, audio, run)
        write_results(f"{command} --model {model}", detector, inputs, output, audio, run)
        return run.finish()


def write_results(
    command: str,
    detector: Settled,
    inputs: Inputs,
    output: VadOutputConfig,
    audio: AudioConfig,
    run: Run[Detected],
    kept: str = "",
) -> None:
    """Write everything that the commands promise of a run whose recordings are done.

    Args:
        command: with its model, for the settings.
        detector: whose results these are.
        inputs: the recordings.
        output: what else is written.
        audio: how the recordings are read.
        run: with their results.
        kept: of live audio, which cannot be read again: a file of it as the models took it.
    """
    probs_scp = {key: place_in(run.out / ARK, found.offset) for key, found in run.results.items() if found.offset}
    _write_data_dir(run.out, inputs, run)
    if probs_scp or not run.results:
        write_table(run.out / "probs.scp", probs_scp)
    else:  # a detector without posteriors: scores are of its segments alone
        (run.out / "probs.scp").unlink(missing_ok=True)
    readable = [replace(recording, rxfilename=kept) for recording in inputs.utterances] if kept else inputs.utterances
    _write_extras(detector, readable, output, AudioConfig() if kept else audio, run, probs_scp)
    write_settings(run.out / "config.yaml", command, detector.config, audio)


def _detect_all(detector: Detector, inputs: Inputs, audio: AudioConfig, run: Run[Detected]) -> None:
    """Run the detector on recordings that no earlier run has done."""
    ids = [recording.id for recording in inputs.utterances]
    begin = ids.index(run.through) + 1 if run.through in ids else 0
    # What failed, or has changed since, comes after the others, which are then in the groups of an uninterrupted run.
    with MatrixWriter(run.out / ARK, append_at=run.mark if run.mark else None) as probs:
        for part, again in ((inputs.utterances[begin:], False), (inputs.utterances[:begin], True)):
            left = deque(recording for recording in part if recording.id not in run.results)
            while left:
                group = _Group(left, audio, detector.classifier.block)
                for frames, result in detector.detect(group):
                    if isinstance(result, Exception):
                        run.fail_with(frames.key, result)
                    else:
                        _store(frames, result, probs, run)
                run.end_group(ids[-1] if again else group.last, probs.tell())


def _store(
    frames: Frames, result: VadResult | StreamVadResult | MvadResult, probs: MatrixWriter, run: Run[Detected]
) -> None:
    place, _ = probs.write(frames.key, [result.probs])
    # Posteriors are in the archive now; those of hours of audio would not fit in memory.
    kept = replace(result, probs=np.zeros((0, 0), np.float32))
    found = Detected(kept, frames.count, frames.duration_s, place.rpartition(":")[2])
    run.done(frames.key, found, frames.duration_s, probs.tell())


class _Group:
    """Takes recordings from `left` as the detector asks for them, until they fill one of its blocks.

    They share the detector's blocks, whose sizes decide the last bits of posteriors. So a run that was killed in a
    group does it again as a whole, and groups depend on the recordings alone.
    """

    def __init__(self, left: deque[Utterance], audio: AudioConfig, frames: int) -> None:
        self._left, self._audio, self._frames = left, audio, frames
        self.last = ""

    def __iter__(self) -> Iterator[Frames]:
        taken = 0
        while self._left and taken < self._frames:
            recording = self._left.popleft()
            frames = of_utterance(recording, self._audio)
            self.last = recording.id
            yield frames
            taken += frames.count


def _write_data_dir(out: Path, inputs: Inputs, run: Run[Detected]) -> None:
    """Write segments and their tables for recordings that have any, and the per-recording result files for all."""
    recordings = {recording.id: recording for recording in inputs.utterances if recording.id in run.results}
    segments, utt2spk, voiced = {}, {}, {}
    for key, recording in recordings.items():
        for start, end, label in run.results[key].segments:
            segments[_utterance_id(key, start, end, label)] = Segment(key, start, end)
            utt2spk[_utterance_id(key, start, end, label)] = recording.speaker or key
            voiced[key] = recording
    write_table(out / "segments", {key: format_segment(part) for key, part in segments.items()})
    write_table(out / "utt2spk", utt2spk)
    write_table(out / "spk2utt", spk2utt_of(utt2spk))
    write_table(out / "utt2dur", {key: f"{part.end_s - part.start_s:.3f}" for key, part in segments.items()})
    write_table(
        out / "wav.scp", {key: recording.rxfilename for key, recording in voiced.items() if recording.rxfilename}
    )
    write_table(out / "reco2dur", {key: seconds(run.results[key].duration_s) for key in voiced})
    write_channels(out, voiced.values())
    _write_feats(out, recordings, segments, {key: found.frames for key, found in run.results.items()})
    ordered = sorted(recordings)
    write_lines(out / "rttm", [line for key in ordered for line in rttm(key, run.results[key].segments).splitlines()])
    write_lines(out / "vad.jsonl", [json_line(published(run.results[key].result)) for key in ordered])
    silent = len(recordings) - len(voiced)
    if silent:
        log.info("%d recordings have no segments; they are in vad.jsonl only", silent)


def _write_feats(
    out: Path, recordings: dict[str, Utterance], segments: dict[str, Segment], frames: dict[str, int]
) -> None:
    """Where recordings have stored features, feats.scp and utt2num_frames of the segments: ranges of their rows."""
    scp, counts = {}, {}
    for key, part in segments.items():
        stored = recordings[part.recording].feats
        first, count = frame_range(part.start_s, part.end_s, frames[part.recording])
        if stored and not stored.endswith("]") and count > 0:
            scp[key], counts[key] = rows_of(stored, first, count), str(count)
    for name, table in (("feats.scp", scp), ("utt2num_frames", counts)):
        if table:
            write_table(out / name, table)
        else:
            (out / name).unlink(missing_ok=True)


def _utterance_id(recording: str, start: float, end: float, label: str) -> str:
    # Events of different kinds may share their times; plain speech keeps the plain id.
    return segment_id(recording, start, end) + ("" if label == "speech" else f"-{label}")


def _write_extras(
    detector: Settled,
    recordings: Sequence[Utterance],
    output: VadOutputConfig,
    audio: AudioConfig,
    run: Run[Detected],
    probs_scp: dict[str, str],
) -> None:
    """What `--textgrid`, `--save-segments` and `--plot` ask for."""
    labels = EVENTS if isinstance(detector, Mvad) else EVENTS[:1]
    done = [recording for recording in recordings if recording.id in run.results]
    names = file_names(recording.id for recording in recordings)
    own = {key: names[key] for key in run.results}
    segments = {key: _segment_ids(key, found) for key, found in run.results.items()}
    pieces = file_names(key for ids in segments.values() for key in ids)
    folders = [(run.out / "textgrid", own)] if output.textgrid else []
    folders += [(Path(name), kept) for name, kept in ((output.plot, own), (output.save_segments, pieces)) if name]
    try:
        for folder, kept in folders:
            with writing(folder):
                folder.mkdir(parents=True, exist_ok=True)
            write_file_names(folder, kept)
    except FireRedError as error:
        for recording in done:
            run.fail_with(recording.id, error)
        return
    for recording in done:
        found, name = run.results[recording.id], names[recording.id]
        try:
            if output.textgrid:
                lines = textgrid(found.duration_s, found.segments, labels).splitlines()
                write_lines(run.out / "textgrid" / f"{name}.TextGrid", lines)
            if (output.save_segments or output.plot) and not recording.rxfilename:
                raise DataError("--save-segments and --plot need audio; there are only features here")
            if output.plot and recording.id not in probs_scp:
                raise DataError("--plot needs posteriors, which this detector does not give")
            if output.save_segments:
                files = [Path(output.save_segments) / f"{pieces[key]}.wav" for key in segments[recording.id]]
                _save_segments(files, recording, found.segments, audio)
            if output.plot:
                path = Path(output.plot) / f"{name}.png"
                _plot(path, detector, recording, found, probs_scp[recording.id], labels, audio)
        except FireRedError as error:
            run.fail_with(recording.id, error)


def _segment_ids(recording: str, found: Detected) -> list[str]:
    return [_utterance_id(recording, start, end, label) for start, end, label in found.segments]


def _samples(recording: Utterance, audio: AudioConfig) -> Iterator[np.ndarray]:
    return read_blocks(recording.audio, audio, channel=recording.channel)


def _save_segments(
    paths: Sequence[Path], recording: Utterance, segments: Sequence[Labelled], audio: AudioConfig
) -> None:
    """Write every segment as a 16-bit wav; the recording is read once, in blocks."""
    todo = [
        (round(start * SAMPLE_RATE), round(end * SAMPLE_RATE), path)
        for (start, end, _), path in zip(segments, paths, strict=True)
    ]
    files: dict[Path, soundfile.SoundFile] = {}
    at = 0
    try:
        for block in _samples(recording, audio):
            for start, end, path in todo:
                if start >= at + len(block) or end <= at:
                    continue
                with writing_sound(path):
                    if path not in files:
                        files[path] = soundfile.SoundFile(path.absolute(), "w", SAMPLE_RATE, 1, "PCM_16")
                    piece = block[max(0, start - at) : end - at]
                    files[path].write(np.clip(np.round(piece), -32768, 32767).astype(np.int16))
            at += len(block)
            for path in [path for _, end, path in todo if end <= at and path in files]:
                with writing_sound(path):
                    files.pop(path).close()
            todo = [part for part in todo if part[1] > at]
    finally:
        for file in files.values():
            with contextlib.suppress(soundfile.LibsndfileError):  # the error before it says more
                file.close()


@contextlib.contextmanager
def writing_sound(path: Path) -> Iterator[None]:
    """The block in which a sound file is written: errors are FireRedErrors that name it and the room that there is."""
    try:
        with writing(path):
            yield
    except (soundfile.LibsndfileError, AssertionError) as error:  # the latter of fewer samples than given
        room = shutil.disk_usage(path.parent).free
        raise FireRedError(f"{path}: cannot be written ({error or 'not all of it'}; {room} bytes are free)") from error


def _plot(
    path: Path,
    detector: Settled,
    recording: Utterance,
    found: Detected,
    probs: str,
    labels: Sequence[str],
    audio: AudioConfig,
) -> None:
    from firered.output.plot import draw  # takes a second to load

    thresholds = [getattr(detector.config, f"{label}_threshold") for label in labels]
    draw(path, recording.id, _samples(recording, audio), read_matrix(probs), labels, thresholds, found.segments)
