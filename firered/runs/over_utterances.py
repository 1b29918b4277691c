"""A model over the utterances of a data directory, with resume and a list of failures."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

from firered.audio.config import AudioConfig
from firered.audio.frames import of_utterance
from firered.audio.load import header
from firered.data.utterance import Utterance
from firered.errors import AudioError, Outcome
from firered.options import Options, write_settings
from firered.results import Result
from firered.runs.config import JobConfig
from firered.runs.inputs import Inputs
from firered.runs.journal import Run, fingerprint
from firered.runtime.batches import plan, run_batch
from firered.runtime.speech import Speech

In = TypeVar("In")
Out = TypeVar("Out")
R = TypeVar("R", bound=Result)

Process = Callable[[list[Speech]], Sequence[Outcome[R]]]


@dataclass(frozen=True)
class ModelRun(Generic[R]):
    """One command's run of a model over utterances: what decides its results, and how it goes through them."""

    command: str
    model: Path
    files: Sequence[Path]  # a change in one of them makes earlier results stale
    options: Options
    batch_seconds: float
    audio: AudioConfig
    config: JobConfig
    kind: type[R]  # of the results

    def over(self, inputs: Inputs, out: Path, process: Process[R], write: Callable[[Mapping[str, R]], None]) -> int:
        """Exit status; `out` gets the tables of the inputs, what `write` makes of the results by id, and settings.

        Raises:
            FireRedError: `out` cannot be written.
        """
        identity = fingerprint(self.command, self.options, self.audio, *self.files)
        with Run(out, identity, self.config, "utterances", self.kind.from_dict) as run:
            run.take(inputs)
            run_utterances(with_durations(inputs.utterances, self.audio), self.audio, run, self.batch_seconds, process)
            ids = [utterance.id for utterance in inputs.utterances]
            results = {key: run.results[key] for key in ids if key in run.results}
            inputs.write_tables(results, out)
            write(results)
            write_settings(out / "config.yaml", f"{self.command} --model {self.model}", self.options, self.audio)
            return run.finish()


def run_utterances(
    utterances: Sequence[Utterance], audio: AudioConfig, run: Run[R], batch_seconds: float, process: Process[R]
) -> None:
    """Put every utterance that no earlier run has done through `process`, and note each result or failure.

    Batches depend on the utterances alone, not on what is done, so that a resumed run computes what it would have.

    Args:
        utterances: with their durations, as far as they are known (see `with_durations`).
        audio: how recordings are read.
        run: gets the results and failures.
        batch_seconds: largest size of a batch, padded.
        process: outcomes of a batch, in its order.
    """
    batches = plan([(utterance, utterance.duration_s) for utterance in utterances], batch_seconds)
    left = [batch for batch in batches if any(utterance.id not in run.results for utterance in batch)]
    for loaded in _ahead(lambda batch: [(utterance.id, _load(utterance, audio)) for utterance in batch], left):
        for key, outcome in loaded:
            if isinstance(outcome, Exception):
                run.fail_with(key, outcome)
        batch = [outcome for _, outcome in loaded if isinstance(outcome, Speech)]
        for speech, result in zip(batch, run_batch(batch, process), strict=True):
            if isinstance(result, Exception):
                run.fail_with(speech.key, result)
            else:
                run.done(speech.key, result, speech.duration_s)


def with_durations(utterances: Iterable[Utterance], audio: AudioConfig) -> list[Utterance]:
    """The utterances with `duration_s` as far as it can be told; asked here, once, and nowhere later."""
    return [replace(utterance, duration_s=length_s(utterance, audio)) for utterance in utterances]


def length_s(utterance: Utterance, audio: AudioConfig) -> float:
    """Seconds of an utterance as far as can be told without decoding it; NaN where that is not possible."""
    if math.isfinite(utterance.duration_s):
        return utterance.duration_s
    if math.isfinite(utterance.end_s):
        return utterance.end_s - utterance.start_s
    if not utterance.rxfilename or utterance.rxfilename.endswith("|"):
        return math.nan
    try:
        known = header(utterance.rxfilename, audio)[1]
    except AudioError:
        return math.nan  # reading it will say what is wrong
    return math.nan if known is None else known - utterance.start_s


def _load(utterance: Utterance, audio: AudioConfig) -> Outcome[Speech]:
    try:
        return Speech.of(of_utterance(utterance, audio))
    except Exception as error:  # whatever is wrong with one utterance stays with it; the caller reports it
        return error


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
