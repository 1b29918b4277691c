"""Many utterances through a model in batches: planned by length, each on its own when something goes wrong."""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from firered.audio.feats import FRAME_SHIFT_S
from firered.audio.frames import Frames, of_utterance
from firered.audio.load import header
from firered.config import AudioConfig, JobConfig
from firered.data.inputs import Inputs, Utterance
from firered.errors import AudioError
from firered.jobs.batch import Job, fingerprint
from firered.options import Options, write_settings

log = logging.getLogger(__name__)

SUBSAMPLING = 4  # filterbank frames to an encoder frame

In = TypeVar("In")
Out = TypeVar("Out")


@dataclass(frozen=True)
class Speech:
    """What models take: an utterance's filterbank (T, 80), not normalised, and its duration in seconds."""

    key: str
    feats: Tensor
    duration_s: float

    @classmethod
    def of(cls, frames: Frames) -> "Speech":
        """The whole of what comes in blocks; raises what reading raises."""
        feats = torch.cat(list(frames))
        return cls(frames.key, feats, frames.duration_s)


class Record(Protocol):
    """A result that can be noted in the journal."""

    def to_record(self) -> dict:
        """Plain JSON values."""


def plan(lengths: Sequence[tuple[In, float]], cap: float) -> list[list[In]]:
    """Batches, longest first, of which none is more than `cap` when all are padded to the longest.

    One that is longer than `cap`, or of unknown length (NaN), goes alone.
    """
    unknown = [[item] for item, length in lengths if math.isnan(length)]
    known = sorted((pair for pair in lengths if not math.isnan(pair[1])), key=lambda pair: -pair[1])
    batches: list[list[In]] = []
    longest = 0.0
    for item, length in known:
        if batches and (len(batches[-1]) + 1) * longest <= cap:
            batches[-1].append(item)
        else:
            batches.append([item])
            longest = length
    return batches + unknown


@dataclass(frozen=True)
class ModelRun:
    """One command's run of a model over utterances: what decides its results, and how it goes through them."""

    command: str
    model: Path
    files: tuple[str, ...]  # of the model directory: a change in one of them makes earlier results stale
    options: Options  # with `batch_seconds`
    audio: AudioConfig
    job: JobConfig
    more_files: tuple[Path, ...] = ()  # the same, from elsewhere

    def over(
        self,
        inputs: Inputs,
        out: Path,
        process: Callable[[list[Speech]], Sequence[Record | Exception]],
        write: Callable[[dict[str, dict]], None],
    ) -> int:
        """Exit status; `out` gets the tables of the inputs, what `write` makes of the records by id, and settings.

        Raises:
            FireRedError: `out` cannot be written.
        """
        files = [*(self.model / name for name in self.files), *self.more_files]
        identity = fingerprint(self.command, self.options, self.audio, *files)
        with Job(out, identity, self.job, "utterances") as job:
            job.take(inputs)
            run_utterances(inputs.utterances, self.audio, job, self.options.batch_seconds, process)
            records = {one.id: job.results[one.id] for one in inputs.utterances if one.id in job.results}
            inputs.write_tables(records, out)
            write(records)
            write_settings(out / "config.yaml", f"{self.command} --model {self.model}", self.options, self.audio)
            return job.finish()


def run_utterances(
    utterances: Sequence[Utterance],
    audio: AudioConfig,
    job: Job,
    batch_seconds: float,
    process: Callable[[list[Speech]], Sequence[Record | Exception]],
) -> None:
    """Put every utterance that no earlier run has done through `process`, and note each result or failure.

    Batches depend on the utterances alone, not on what is done, so that a run that goes on computes what it would have.
    """
    batches = plan([(one, length_s(one, audio)) for one in utterances], batch_seconds)
    left = [batch for batch in batches if any(one.id not in job.results for one in batch)]
    for loaded in _ahead(lambda batch: [_load(one, audio) for one in batch], left):
        speech = [one for one in loaded if isinstance(one, Speech)]
        for key, error in (one for one in loaded if not isinstance(one, Speech)):
            job.fail_with(key, error)
        for one, result in zip(speech, isolated(process, speech) if speech else [], strict=True):
            if isinstance(result, Exception):
                job.fail_with(one.key, result)
            else:
                job.done(one.key, result.to_record(), one.duration_s)


def isolated(process: Callable[[list[Speech]], Sequence[Record | Exception]], batch: list[Speech]) -> list:
    """Results of a batch; where it fails as a whole, each is tried alone, so that only the culprit is lost."""
    try:
        return list(process(batch))
    except Exception as error:  # reported with the utterance's id by the caller
        if len(batch) == 1:
            return [error]
        log.warning("a batch of %d utterances failed (%s); each is tried alone", len(batch), error)
        return [result for one in batch for result in isolated(process, [one])]


def by_parts(
    utterances: Sequence[Speech],
    parts_of: Callable[[Speech], list[Speech]],
    batch_seconds: float,
    process: Callable[[list[Speech]], list[Out]],
) -> list[list[tuple[Speech, Out | Exception]]]:
    """For each utterance its parts, each with what `process` made of it; parts of all utterances share batches."""
    owned = [(number, part) for number, one in enumerate(utterances) for part in parts_of(one)]
    found: dict[int, Out | Exception] = {}
    lengths = [(index, len(part.feats) * FRAME_SHIFT_S) for index, (_, part) in enumerate(owned)]
    for batch in plan(lengths, batch_seconds):
        found.update(zip(batch, halving([owned[index][1] for index in batch], process), strict=True))
    grouped: list[list[tuple[Speech, Out | Exception]]] = [[] for _ in utterances]
    for index, (number, part) in enumerate(owned):
        grouped[number].append((part, found[index]))
    return grouped


def length_s(one: Utterance, audio: AudioConfig) -> float:
    """Seconds of an utterance as far as can be told without decoding it; NaN where that is not possible."""
    if math.isfinite(one.duration_s):
        return one.duration_s
    if math.isfinite(one.end_s):
        return one.end_s - one.start_s
    if not one.rxfilename or one.rxfilename.endswith("|"):
        return math.nan
    try:
        known = header(one.rxfilename, audio)[1]
    except AudioError:
        return math.nan  # reading it will say what is wrong
    return math.nan if known is None else known - one.start_s


def _load(one: Utterance, audio: AudioConfig) -> Speech | tuple[str, Exception]:
    try:
        return Speech.of(of_utterance(one, audio))
    except Exception as error:  # whatever is wrong with one utterance stays with it; the caller reports it
        return one.id, error


def _ahead(load: Callable[[In], Out], items: Iterable[In]) -> Iterator[Out]:
    """Each item loaded, the next one while the caller works on this one."""
    with ThreadPoolExecutor(1) as pool:
        waiting = None
        for item in items:
            following = pool.submit(load, item)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


def halving(items: list[In], process: Callable[[list[In]], list[Out]]) -> list[Out | Exception]:
    """Results of `process`; out of memory, half of the items at a time, down to one, whose result is then the error."""
    try:
        return list(process(items))
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if len(items) == 1:
        return [MemoryError(f"out of memory even on its own ({reason})")]
    log.warning("out of memory with %d utterances at once; trying half of them at a time", len(items))
    middle = len(items) // 2
    return halving(items[:middle], process) + halving(items[middle:], process)


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)


def windows(speech: Speech, longest_s: float) -> list[tuple[int, int]]:
    """(first frame, frame after the last) of the windows an utterance is worked on in.

    One of at most `longest_s` is one window. A longer one is cut where it is quietest (mean log energy over 0.3 s) in
    the second half of each stretch of `longest_s`.
    """
    longest, total = round(longest_s / FRAME_SHIFT_S), len(speech.feats)
    found, start = [], 0
    if total > longest:
        loudness = speech.feats.mean(1)
        smooth = torch.nn.functional.avg_pool1d(loudness[None, None], 31, 1, 15, count_include_pad=False)[0, 0]
    while total - start > longest:
        first = start + longest // 2
        cut = first + int(smooth[first : start + longest].argmin())
        cut -= (cut - start) % SUBSAMPLING  # whole encoder frames, so that windows join on the time axis
        found.append((start, cut))
        start = cut
    if found:
        log.warning("%s: longer than %g s, worked on in %d windows", speech.key, longest_s, len(found) + 1)
    return [*found, (start, total)]


def window_parts(speech: Speech, longest_s: float) -> list[Speech]:
    """An utterance's windows, each as an utterance of its own."""
    return [part_of(speech, window) for window in windows(speech, longest_s)]


def part_of(speech: Speech, window: tuple[int, int]) -> Speech:
    """The frames of one window as an utterance of its own."""
    start, end = window
    if (start, end) == (0, len(speech.feats)):
        return speech
    rest = speech.duration_s - start * FRAME_SHIFT_S if end == len(speech.feats) else (end - start) * FRAME_SHIFT_S
    return replace(speech, feats=speech.feats[start:end], duration_s=rest)
