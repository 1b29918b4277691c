"""The whole system over many recordings: the files that `firered transcribe` writes."""

import logging
import multiprocessing
import shutil
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firered.audio.config import AudioConfig
from firered.audio.frames import of_utterance
from firered.data.datadir import write_lines
from firered.data.utterance import Utterance
from firered.data.write import json_line
from firered.errors import FireRedError
from firered.output.config import SubtitleConfig
from firered.output.formats import FORMATS, SUFFIXES
from firered.runs.config import JobConfig
from firered.runs.inputs import Inputs
from firered.runs.journal import Job, Journal
from firered.system.system import System
from firered.system.transcript import Transcript

RESULT = "result.jsonl"
_MEMO = ".segments.jsonl"
_PARTS = ".parts"
_SHOWN = 20  # ids in a message

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Transcription:
    """How recordings are transcribed, and what is written of them."""

    build: Callable[[str], System]  # the system on a device
    devices: tuple[str, ...]  # of the processes side by side
    identity: str
    formats: tuple[str, ...]
    subtitles: SubtitleConfig
    audio: AudioConfig
    job: JobConfig
    share_seconds: float
    report: bool = False


class _Segments(MutableMapping):
    """What modules said of segments, in a journal, so that a long recording is gone on with in its middle."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._records = {(entry["module"], entry["segment"]): entry["record"] for entry in journal.entries}

    def __getitem__(self, key: tuple[str, str]) -> dict[str, Any]:
        return self._records[key]

    def __setitem__(self, key: tuple[str, str], record: dict[str, Any]) -> None:
        self._records[key] = record
        self._journal.note({"module": key[0], "segment": key[1], "record": record})

    def __delitem__(self, key: tuple[str, str]) -> None:
        del self._records[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)


def run_transcribe(inputs: Inputs, out: Path, how: Transcription) -> int:
    """Exit status of transcribing all recordings into `out`, several processes side by side where `how` says so."""
    if len(how.devices) == 1:
        with _transcribed(inputs, out, out, how) as job:
            return _finish(job, out)
    parts = _balanced(inputs.utterances, len(how.devices))
    with Job(out, how.identity, how.job) as job:
        job.take(inputs)
        context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        with ProcessPoolExecutor(len(parts), context) as pool:
            waiting = [
                pool.submit(_part, Inputs(own), out, out / _PARTS / f"{number}", replace(how, devices=(device,)))
                for number, (own, device) in enumerate(zip(parts, how.devices, strict=False))
            ]
            for part in waiting:
                results, problems = part.result()
                for key, result in results.items():
                    job.done(key, result, result["dur_s"])
                for key, reason in problems:
                    job.fail(key, reason)
        shutil.rmtree(out / _PARTS)
        return _finish(job, out)


def _part(inputs: Inputs, out: Path, own: Path, how: Transcription) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """One process's results and failures; its journals lie in `own`."""
    with _transcribed(inputs, out, own, how) as job:
        return job.results, [(problem.key, problem.reason) for problem in job.problems.values()]


@contextmanager
def _transcribed(inputs: Inputs, out: Path, own: Path, how: Transcription) -> Iterator[Job]:
    """The job with all recordings transcribed."""
    with Job(own, how.identity, how.job) as job:
        job.take(inputs)
        by_id = {one.id: one for one in inputs.utterances}
        journal = Journal(own / _MEMO, how.identity, resume=how.job.resume)
        for key, result in _results(inputs.utterances, how, _Segments(journal), job):
            if isinstance(result, Exception):
                job.fail_with(key, result)
                continue
            try:
                _write(result, by_id[key], out, how)
            except FireRedError as error:  # such as audio that could not be read a second time, for its page
                job.fail_with(key, error)
            else:
                job.done(key, result.to_json(), result.dur_s)
        for key, result in job.results.items():
            for trouble in result.get("troubles", ()):
                if trouble["kind"] == "failed":
                    job.fail(key, f"{trouble['start_ms']}-{trouble['end_ms']} ms: {trouble['reason']}")
        yield job
        journal.remove()


def _results(
    utterances: Sequence[Utterance], how: Transcription, memo: _Segments, job: Job
) -> Iterator[tuple[str, Transcript | Exception]]:
    """Results of the recordings that are not done.

    Groups depend on the recordings alone, not on what is done, so that a run that goes on computes what it would have.
    """
    system = None
    for group in _groups(utterances, how.share_seconds):
        if any(one.id not in job.results for one in group):
            system = system or how.build(how.devices[0])
            yield from system.together(((of_utterance(one, how.audio), one.rxfilename) for one in group), memo)


def _groups(utterances: Sequence[Utterance], seconds: float) -> Iterator[list[Utterance]]:
    """Recordings one after the other until they last so long; of unknown length: one by one."""
    group, total = [], 0.0
    for one in utterances:
        group.append(one)
        total += one.duration_s if one.duration_s >= 0 else seconds
        if total >= seconds:
            yield group
            group, total = [], 0.0
    if group:
        yield group


def _write(result: Transcript, source: Utterance, out: Path, how: Transcription) -> None:
    """The files of one recording."""
    name = result.uttid.replace("/", "_")
    for kind in how.formats:
        if kind != "jsonl":
            write_lines(out / f"{name}{SUFFIXES[kind]}", FORMATS[kind](result, how.subtitles).splitlines())
    if how.report:
        from firered.output.report import report

        report(result, source.rxfilename or None, out / f"{name}.html", how.audio, source.channel)


def _finish(job: Job, out: Path) -> int:
    for status, meaning in (("no speech", "nothing to transcribe"), ("partial", f"see `troubles` in {RESULT}")):
        keys = sorted(key for key, result in job.results.items() if result["status"] == status)
        if keys:
            shown = " ".join(keys[:_SHOWN]) + " ..." * (len(keys) > _SHOWN)
            log.warning("%d recordings are %r (%s): %s", len(keys), status, meaning, shown)
    write_lines(out / RESULT, [json_line(result) for _, result in sorted(job.results.items())])
    return job.finish()


def _balanced(utterances: Sequence[Utterance], count: int) -> list[list[Utterance]]:
    """The recordings in at most `count` parts of about the same duration."""
    parts: list[list[Utterance]] = [[] for _ in range(count)]
    loads = [0.0] * count
    for one in sorted(utterances, key=lambda one: -(one.duration_s if one.duration_s > 0 else 0.0)):
        least = loads.index(min(loads))
        parts[least].append(one)
        loads[least] += one.duration_s if one.duration_s > 0 else 1.0
    return [part for part in parts if part]
