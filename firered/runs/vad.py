"""A detector over many recordings: the data directory that the VAD commands write."""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from firered.audio.config import AudioConfig
from firered.audio.frames import of_utterance
from firered.audio.frontend import SAMPLE_RATE, frame_range
from firered.audio.load import read_blocks
from firered.data.archives import MatrixWriter, read_matrix, rows_of
from firered.data.datadir import Segment, format_segment, spk2utt_of, write_lines, write_table
from firered.data.utterance import Utterance
from firered.data.write import Labelled, json_line, rttm, seconds, segment_id, textgrid
from firered.errors import FireRedError
from firered.hub.catalogue import CHECKPOINT
from firered.options import write_settings
from firered.runs.config import JobConfig, VadOutputConfig
from firered.runs.inputs import Inputs, resolve, write_channels
from firered.runs.journal import Job, fingerprint
from firered.vad.detect import EVENTS, Detector, Mvad

log = logging.getLogger(__name__)


def run_detector(
    command: str,
    paths: Sequence[str],
    out: Path,
    model: Path,
    detector: Detector,
    output: VadOutputConfig,
    audio: AudioConfig,
    config: JobConfig,
) -> int:
    """Exit status of a run over all recordings of `paths`, with everything the commands promise written to `out`.

    Raises:
        DataError: there is nothing to work on.
        FireRedError: `out` cannot be written.
    """
    inputs = resolve(paths, audio, by_segment=False, durations=False)
    groups = (detector.config, audio)
    identity = fingerprint(command, *groups, model / CHECKPOINT, model / "cmvn.ark")
    with Job(out, identity, config) as job:
        job.take(inputs)
        probs_scp = _detect_all(detector, inputs, audio, job)
        _write_data_dir(out, inputs, job)
        write_table(out / "probs.scp", probs_scp)
        _write_extras(detector, inputs, output, audio, job, probs_scp)
        write_settings(out / "config.yaml", f"{command} --model {model}", *groups)
        return job.finish()


def _detect_all(detector: Detector, inputs: Inputs, audio: AudioConfig, job: Job) -> dict[str, str]:
    """Detect in what no earlier run has done; probs.scp lines of all."""
    todo = [one for one in inputs.utterances if one.id not in job.results]
    ark = job.out / "probs.ark"
    with MatrixWriter(ark, append_at=job.mark if job.mark else None) as probs:
        for frames, result in detector.detect(of_utterance(one, audio) for one in todo):
            if isinstance(result, Exception):
                job.fail_with(frames.key, result)
                continue
            place, _ = probs.write(frames.key, [result.probs])
            # The archive may have moved between two runs; only the offset is kept.
            entry = {"offset": place.rpartition(":")[2], "dur": frames.duration_s, "frames": frames.count}
            entry["json"] = result.to_json()
            entry["segments"] = [list(part) for part in result.labelled()]
            job.done(frames.key, entry, frames.duration_s, probs.tell())
    return {key: f"{ark}:{entry['offset']}" for key, entry in job.results.items()}


def _segments(entry: dict[str, Any]) -> list[Labelled]:
    return [(start, end, label) for start, end, label in entry["segments"]]


def _write_data_dir(out: Path, inputs: Inputs, job: Job) -> None:
    """Segments and what belongs to it for recordings that hold any, and the per-recording result files for all."""
    recordings = {one.id: one for one in inputs.utterances if one.id in job.results}
    segments, utt2spk, voiced = {}, {}, {}
    for key, recording in recordings.items():
        for start, end, label in _segments(job.results[key]):
            segments[_utterance_id(key, start, end, label)] = Segment(key, start, end)
            utt2spk[_utterance_id(key, start, end, label)] = recording.speaker or key
            voiced[key] = recording
    write_table(out / "segments", {key: format_segment(part) for key, part in segments.items()})
    write_table(out / "utt2spk", utt2spk)
    write_table(out / "spk2utt", spk2utt_of(utt2spk))
    write_table(out / "utt2dur", {key: f"{part.end_s - part.start_s:.3f}" for key, part in segments.items()})
    write_table(out / "wav.scp", {key: one.rxfilename for key, one in voiced.items() if one.rxfilename})
    write_table(out / "reco2dur", {key: seconds(job.results[key]["dur"]) for key in voiced})
    write_channels(out, voiced.values())
    _write_feats(out, recordings, segments, {key: entry["frames"] for key, entry in job.results.items()})
    ordered = sorted(recordings)
    write_lines(out / "rttm", [line for key in ordered for line in rttm(key, _segments(job.results[key])).splitlines()])
    write_lines(out / "vad.jsonl", [json_line(job.results[key]["json"]) for key in ordered])
    silent = len(recordings) - len(voiced)
    if silent:
        log.info("%d recordings hold nothing that was looked for; they are in vad.jsonl only", silent)


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
    detector: Detector,
    inputs: Inputs,
    output: VadOutputConfig,
    audio: AudioConfig,
    job: Job,
    probs_scp: dict[str, str],
) -> None:
    """What `--textgrid`, `--save-segments` and `--plot` ask for."""
    labels = EVENTS if isinstance(detector, Mvad) else EVENTS[:1]
    done = [one for one in inputs.utterances if one.id in job.results]
    if output.textgrid:
        for one in done:
            entry = job.results[one.id]
            path = job.out / "textgrid" / f"{_file_name(one.id)}.TextGrid"
            write_lines(path, textgrid(entry["dur"], _segments(entry), labels).splitlines())
    if not (output.save_segments or output.plot):
        return
    for one in done:
        if not one.rxfilename:
            job.fail(one.id, "--save-segments and --plot need audio; there are only features here")
            continue
        try:
            if output.save_segments:
                _save_segments(Path(output.save_segments), one, _segments(job.results[one.id]), audio)
            if output.plot:
                _plot(Path(output.plot), detector, one, job.results[one.id], probs_scp[one.id], labels, audio)
        except FireRedError as error:
            job.fail_with(one.id, error)


def _samples(one: Utterance, audio: AudioConfig) -> Iterator[np.ndarray]:
    return read_blocks(one.rxfilename, audio, channel=one.channel)


def _save_segments(folder: Path, one: Utterance, segments: Sequence[Labelled], audio: AudioConfig) -> None:
    """Write every segment as a 16-bit wav; the recording passes by in blocks, once."""
    folder.mkdir(parents=True, exist_ok=True)
    todo = [
        (round(s * SAMPLE_RATE), round(e * SAMPLE_RATE), _utterance_id(one.id, s, e, name)) for s, e, name in segments
    ]
    files: dict[str, soundfile.SoundFile] = {}
    at = 0
    try:
        for block in _samples(one, audio):
            for start, end, key in todo:
                if start >= at + len(block) or end <= at:
                    continue
                if key not in files:
                    path = folder / f"{_file_name(key)}.wav"
                    files[key] = soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16")
                piece = block[max(0, start - at) : end - at]
                files[key].write(np.clip(np.round(piece), -32768, 32767).astype(np.int16))
            at += len(block)
            for key in [key for _, end, key in todo if end <= at and key in files]:
                files.pop(key).close()
            todo = [part for part in todo if part[1] > at]
    finally:
        for file in files.values():
            file.close()


def _plot(
    folder: Path,
    detector: Detector,
    one: Utterance,
    entry: dict[str, Any],
    probs: str,
    labels: Sequence[str],
    audio: AudioConfig,
) -> None:
    from firered.output.plot import draw  # takes a second to load

    folder.mkdir(parents=True, exist_ok=True)
    thresholds = [getattr(detector.config, f"{label}_threshold") for label in labels]
    path = folder / f"{_file_name(one.id)}.png"
    draw(path, one.id, _samples(one, audio), read_matrix(probs), labels, thresholds, _segments(entry))


def _file_name(key: str) -> str:
    return key.replace("/", "_")
