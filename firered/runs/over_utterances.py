"""A model over the utterances of a data directory, with resume and a list of failures."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from firered.audio.config import AudioConfig
from firered.audio.frames import of_utterance
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.data.datadir import read_table
from firered.data.utterance import Utterance
from firered.options import Options, write_settings
from firered.runs.config import JobConfig
from firered.runs.inputs import Inputs
from firered.runs.journal import Job, fingerprint
from firered.runtime.batches import Record, isolated, plan
from firered.runtime.context import Context
from firered.runtime.speech import Speech

CONTEXT_TABLES = {"utt2lang": "language", "utt2prompt": "prompt"}  # fields of Context by the tables that hold them

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
    front_end: FrontEnd = PUBLISHED  # of the model
    context: Context = field(default_factory=Context)  # of utterances of which the data tell nothing else
    more_options: tuple[Options, ...] = ()  # that decide the results as well

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
        files = [*(self.model / name for name in self.files), *self.more_files, *context_tables(inputs)]
        identity = fingerprint(self.command, self.options, self.audio, *self.more_options, *files)
        with Job(out, identity, self.job, "utterances") as job:
            job.take(inputs)
            loader = Loader(self.audio, self.front_end, contexts_of(inputs, self.context))
            run_utterances(inputs.utterances, loader, job, self.options.batch_seconds, process)
            records = {one.id: job.results[one.id] for one in inputs.utterances if one.id in job.results}
            inputs.write_tables(records, out)
            write(records)
            settings = self.options, *self.more_options, self.audio
            write_settings(out / "config.yaml", f"{self.command} --model {self.model}", *settings)
            return job.finish()


def context_tables(inputs: Inputs) -> list[Path]:
    """The tables of a data directory that say what is known of its utterances beforehand, as far as they are there."""
    places = [inputs.data.path / name for name in CONTEXT_TABLES] if inputs.data is not None else []
    return [path for path in places if path.exists()]


def contexts_of(inputs: Inputs, default: Context) -> dict[str, Context]:
    """The context of each utterance: the language of utt2lang and the prompt of utt2prompt, where there are any."""
    contexts = {utterance.id: default for utterance in inputs.utterances}
    for path in context_tables(inputs):
        for key, value in read_table(path, inputs.problems).items():
            if key in contexts:
                known: dict[str, Any] = {CONTEXT_TABLES[path.name]: value}
                contexts[key] = replace(contexts[key], **known)
    return contexts


@dataclass(frozen=True)
class Loader:
    """How utterances are read: their audio, the front end that they are for, and the context of each by its id."""

    audio: AudioConfig
    front_end: FrontEnd = PUBLISHED
    contexts: Mapping[str, Context] = field(default_factory=dict)

    def __call__(self, utterance: Utterance) -> Speech | tuple[str, Exception]:
        """The utterance, or its id and what went wrong."""
        try:
            frames = of_utterance(utterance, self.audio, self.front_end)
            return Speech.of(frames, self.contexts.get(utterance.id))
        except Exception as error:  # whatever is wrong with one utterance stays with it; the caller reports it
            return utterance.id, error


def run_utterances(
    utterances: Sequence[Utterance],
    load: Loader,
    job: Job,
    batch_seconds: float,
    process: Callable[[list[Speech]], Sequence[Record | Exception]],
    mark: Callable[[], int] = lambda: 0,
) -> None:
    """Put every utterance that no earlier run has done through `process`, and note each result or failure.

    Batches depend on the utterances alone, not on what is done, so that a run that is resumed computes what it would
    have. `mark` says how long the run's archive is once a result's record is made.
    """
    batches = plan([(one, one.duration_s) for one in utterances], batch_seconds)
    left = [batch for batch in batches if any(one.id not in job.results for one in batch)]
    for loaded in _ahead(lambda batch: [load(one) for one in batch], left):
        speech = [one for one in loaded if isinstance(one, Speech)]
        for key, error in (one for one in loaded if not isinstance(one, Speech)):
            job.fail_with(key, error)
        for one, result in zip(speech, isolated(process, speech) if speech else [], strict=True):
            if isinstance(result, Exception):
                job.fail_with(one.key, result)
            else:
                record = result.to_record()
                job.done(one.key, record, one.duration_s, mark())


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
