"""A model over the utterances of a data directory, with resume and a list of failures."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from firered.audio.config import AudioConfig
from firered.audio.frames import of_utterance
from firered.audio.load import header
from firered.data.utterance import Utterance
from firered.errors import AudioError
from firered.options import Options, write_settings
from firered.runs.config import JobConfig
from firered.runs.inputs import Inputs
from firered.runs.journal import Job, fingerprint
from firered.runtime.batches import Record, isolated, plan
from firered.runtime.speech import Speech

In = TypeVar("In")
Out = TypeVar("Out")


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
    more_options: tuple[Options, ...] = ()

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
        identity = fingerprint(self.command, self.options, self.audio, *self.more_options, *files)
        with Job(out, identity, self.job, "utterances") as job:
            job.take(inputs)
            run_utterances(inputs.utterances, self.audio, job, self.options.batch_seconds, process)
            records = {one.id: job.results[one.id] for one in inputs.utterances if one.id in job.results}
            inputs.write_tables(records, out)
            write(records)
            settings = self.options, *self.more_options, self.audio
            write_settings(out / "config.yaml", f"{self.command} --model {self.model}", *settings)
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
