"""The whole system over many recordings: the files that `firered transcribe` writes."""

import logging
import math
import multiprocessing
import os
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import ClassVar

from firered.audio.config import AudioConfig
from firered.audio.frames import of_utterance
from firered.audio.like import Rxfilename
from firered.data.datadir import write_lines
from firered.data.names import file_names, write_file_names
from firered.data.partition import share_out
from firered.data.utterance import Utterance
from firered.data.write import json_line
from firered.errors import FireRedError, Outcome
from firered.output.config import SubtitleConfig
from firered.output.formats import FORMATS, SUFFIXES
from firered.output.published import milliseconds, published
from firered.processes import end_with_creator
from firered.results import AsrResult, LidResult, Result, Transcript
from firered.runs.config import RunConfig
from firered.runs.depends import Identity
from firered.runs.inputs import Inputs
from firered.runs.journal import Journal, Run
from firered.runtime.batches import shares
from firered.system.system import System

RESULT = "result.jsonl"
_MEMO = ".segments.jsonl"
_PARTS = ".parts"
_SHOWN = 20  # ids in a message

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Transcription:
    """How recordings are transcribed, and what is written of them."""

    build: Callable[[str], System]  # the system on a device
    devices: tuple[str, ...]  # one for each parallel process
    identity: Identity
    formats: tuple[str, ...]
    subtitles: SubtitleConfig
    audio: AudioConfig
    job: RunConfig
    share_seconds: float
    report: bool = False


class _Segments(MutableMapping[tuple[str, str], Result]):
    """The modules' results for segments, in a journal, so that a run resumes in the middle of a long recording."""

    _KINDS: ClassVar[dict[str, type[Result]]] = {"lid": LidResult, "asr": AsrResult}  # by the module's first word

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._results = {
            (entry["module"], entry["segment"]): self._KINDS[entry["module"].split()[0]].from_dict(entry["result"])
            for entry in journal.entries
        }

    def __getitem__(self, key: tuple[str, str]) -> Result:
        return self._results[key]

    def __setitem__(self, key: tuple[str, str], result: Result) -> None:
        self._results[key] = result
        self._journal.note({"module": key[0], "segment": key[1], "result": result.to_dict()})

    def __delitem__(self, key: tuple[str, str]) -> None:
        del self._results[key]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)


def run_transcribe(inputs: Inputs, out: Path, how: Transcription) -> int:
    """Exit status of transcribing all recordings into `out`, in parallel processes where `how` has several devices."""
    names = file_names(recording.id for recording in inputs.utterances)
    if len(how.devices) == 1:
        with _transcribed(inputs, out, out, names, how) as run:
            return _finish(run, out, names)
    with Run(out, how.identity, how.job, read=Transcript.from_dict) as run:
        run.take(inputs)
        parts = _parts(inputs.utterances, len(how.devices))
        with _workers(len(parts)) as pool:
            waiting = [
                pool.submit(_part, Inputs(own), out, out / _PARTS / f"{number}", names, replace(how, devices=(device,)))
                for number, (own, device) in enumerate(zip(parts, how.devices, strict=False))
            ]
            for part in waiting:
                results, problems = part.result()
                for key, result in results.items():
                    run.done(key, result, result.dur_s)
                for key, reason in problems:
                    run.fail(key, reason)
        return _finish(run, out, names)


@contextmanager
def _workers(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this one, however it ends: they see the end of a pipe of which it has the other end."""
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    watched, held = context.Pipe(duplex=False)
    try:
        with ProcessPoolExecutor(count, context, _end_with, (watched,)) as pool:
            try:
                yield pool
            except BaseException:  # an interrupt, say, which is not to wait for hours of work
                held.close()
                raise
    except BrokenProcessPool:
        raise FireRedError(
            "a worker process has died, perhaps for want of memory (--nj says how many there are); the same command "
            "resumes"
        ) from None
    finally:
        held.close()
        watched.close()


def _end_with(watched: Connection) -> None:
    """Have this process end when the other end of a pipe is closed; an interrupt is for the process that has it."""

    def end() -> None:
        with suppress(EOFError, OSError):
            watched.recv()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_creator()  # at once, where there is such a thing
    threading.Thread(target=end, name="parent", daemon=True).start()


def _parts(recordings: Sequence[Utterance], count: int) -> list[list[Utterance]]:
    """The recordings in at most `count` parts of about the same duration."""
    known = {recording.id: recording.duration_s for recording in recordings if math.isfinite(recording.duration_s)}
    mean_s = sum(known.values()) / len(known) if known else 1.0
    by_id = {recording.id: recording for recording in recordings}
    parts = share_out({key: known.get(key, mean_s) for key in by_id}, count)
    return [[by_id[key] for key in part] for part in parts]


def _part(
    inputs: Inputs, out: Path, own: Path, names: Mapping[str, str], how: Transcription
) -> tuple[dict[str, Transcript], list[tuple[str, str]]]:
    """One process's results and failures; its journals lie in `own`."""
    with _transcribed(inputs, out, own, names, how) as run:
        return run.results, [(problem.key, problem.reason) for problem in run.problems.values()]


@contextmanager
def _transcribed(
    inputs: Inputs, out: Path, own: Path, names: Mapping[str, str], how: Transcription
) -> Iterator[Run[Transcript]]:
    """The run with all recordings transcribed."""
    with Run(own, how.identity, how.job, read=Transcript.from_dict) as run:
        run.take(inputs)
        journal = Journal(own / _MEMO, how.identity, resume=how.job.resume)
        _write_missing(inputs.utterances, run, out, names, how)
        for recording, outcome in _outcomes(inputs.utterances, how, _Segments(journal), run):
            if isinstance(outcome, Exception):
                run.fail_with(recording.id, outcome)
                continue
            try:
                _write(outcome, recording, out, names[recording.id], how)
            except FireRedError as error:  # such as audio that could not be read a second time, for its page
                run.fail_with(recording.id, error)
            else:
                run.done(recording.id, outcome, outcome.dur_s)
        for key, result in run.results.items():
            for trouble in result.troubles:
                if trouble.kind == "failed":
                    span = f"{milliseconds(trouble.start_s)}-{milliseconds(trouble.end_s)} ms"
                    run.fail(key, f"{span}: {trouble.reason}")
        yield run
        journal.remove()


def _write_missing(
    recordings: Sequence[Utterance], run: Run[Transcript], out: Path, names: Mapping[str, str], how: Transcription
) -> None:
    """Write what an earlier run has done, but what is not there: somebody has removed it."""
    for recording in recordings:
        name = names[recording.id]
        if recording.id in run.results and not all(path.exists() for path in _paths(name, out, how).values()):
            try:
                _write(run.results[recording.id], recording, out, name, how)
            except FireRedError as error:
                run.fail_with(recording.id, error)
                del run.results[recording.id]


def _outcomes(
    recordings: Sequence[Utterance], how: Transcription, memo: _Segments, run: Run[Transcript]
) -> Iterator[tuple[Utterance, Outcome[Transcript]]]:
    """Outcomes of the recordings that are not done.

    Which of them share batches depends on the recordings alone, not on what is done, so that a resumed run gives the
    same results.
    """
    system = None
    for group in shares(recordings, lambda recording: recording.duration_s, how.share_seconds):
        if any(recording.id not in run.results for recording in group):
            system = system or how.build(how.devices[0])
            frames = ((of_utterance(recording, how.audio), recording.rxfilename) for recording in group)
            yield from zip(group, system.transcribe_frames(frames, memo), strict=True)
    for recogniser in system.modules.recognisers if system else ():
        recogniser.drafting.report()


def _write(result: Transcript, source: Utterance, out: Path, name: str, how: Transcription) -> None:
    """The files of one recording, of this name."""
    for kind, path in _paths(name, out, how).items():
        if kind in FORMATS:
            write_lines(path, FORMATS[kind](result, how.subtitles).splitlines())
        else:
            from firered.output.report import report

            audio = source.audio if source.is_file else Rxfilename(source.rxfilename)
            report(result, audio if source.rxfilename else None, path, how.audio, source.channel)


def _paths(name: str, out: Path, how: Transcription) -> dict[str, Path]:
    """The files of this name by format, and `page`."""
    paths = {kind: out / f"{name}{SUFFIXES[kind]}" for kind in how.formats if kind != "jsonl"}
    return paths | ({"page": out / f"{name}.html"} if how.report else {})


def _finish(run: Run[Transcript], out: Path, names: Mapping[str, str]) -> int:
    write_file_names(out, {key: names[key] for key in run.results})
    for status, meaning in (("no speech", "nothing to transcribe"), ("partial", f"see `troubles` in {RESULT}")):
        keys = sorted(key for key, result in run.results.items() if result.status == status)
        if keys:
            shown = " ".join(keys[:_SHOWN]) + " ..." * (len(keys) > _SHOWN)
            log.warning("%d recordings are %r (%s): %s", len(keys), status, meaning, shown)
    doubts = Counter(
        trouble.reason.partition(":")[0]
        for result in run.results.values()
        for trouble in result.troubles
        if trouble.kind == "doubt"
    )
    if doubts:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(doubts.items()))
        log.warning("segments in doubt: %s (see `troubles` in %s)", kinds, RESULT)
    write_lines(out / RESULT, [json_line(published(run.results[key])) for key in sorted(run.results)])
    shutil.rmtree(out / _PARTS, ignore_errors=True)  # perhaps those of an earlier run with more processes
    return run.finish()
