"""A model over the utterances of a data directory, with resume and a list of failures."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from firered.audio.config import AudioConfig
from firered.audio.frames import of_utterance
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.data.datadir import read_table
from firered.data.utterance import Utterance
from firered.errors import OptionError, Outcome
from firered.hotwords.lists import HotwordList
from firered.options import Options, write_settings
from firered.results import Result
from firered.runs.config import RunConfig
from firered.runs.depends import fingerprint
from firered.runs.features import refuse_unfit
from firered.runs.inputs import Inputs
from firered.runs.journal import Run
from firered.runtime.batches import plan, run_batch
from firered.runtime.context import Context
from firered.runtime.speech import Speech

CONTEXT_TABLES = {"utt2lang": "language", "utt2prompt": "prompt"}  # fields of Context by the tables that hold them

log = logging.getLogger(__name__)
In = TypeVar("In")
Out = TypeVar("Out")
R = TypeVar("R", bound=Result)

Load = Callable[[Utterance], Outcome[Speech]]
Process = Callable[[list[Speech]], Sequence[Outcome[Out]]]


@dataclass(frozen=True)
class ModelRun(Generic[R]):
    """One command's run of a model over utterances: what determines its results, and how it processes them."""

    command: str
    model: Path | None  # None: of another library, which `options` name
    files: Sequence[Path]  # that decide the results as well as those of the model's directory
    options: Options
    batch_seconds: float
    audio: AudioConfig
    config: RunConfig
    kind: type[R]  # of the results
    front_end: FrontEnd = PUBLISHED  # of the model
    context: Context = field(default_factory=Context)  # of the utterances, where the data directory says nothing else
    more_options: tuple[Options, ...] = ()  # that decide the results as well
    check: Callable[[Context], None] | None = None  # raises OptionError for a context that the model has no use for
    utt2lang: Path | None = None  # a table of languages, where the data directory's own has none
    hotwords: Mapping[str, HotwordList] = field(default_factory=dict)  # of utterances that have a list of their own

    def over(
        self,
        inputs: Inputs,
        out: Path,
        process: Callable[[list[Speech]], Sequence[Outcome[R]]],
        write: Callable[[Mapping[str, R]], None],
        also: Callable[[str], str] = lambda _: "",
        begin: Callable[[dict[str, R]], None] = lambda _: None,
        batches: Sequence[Sequence[Utterance]] | None = None,
    ) -> int:
        """Exit status; `out` gets the tables of the inputs, what `write` makes of the results by id, and settings.

        Args:
            inputs: the utterances.
            out: the folder.
            process: outcomes of a batch.
            write: writes what is particular to the command.
            also: what else an utterance's result depends on, beside its audio and its context.
            begin: is given the results of an earlier run, to leave out what is not to be taken over.
            batches: of all utterances, in the order in which they are processed; None: by length.

        Raises:
            FireRedError: `out` cannot be written.
        """
        model = [self.model] if self.model else []
        identity = fingerprint(self.command, self.options, self.audio, *self.more_options, *model, *self.files)
        if self.model and not self.front_end.plain:
            refuse_unfit(inputs, self.front_end, self.model)
        contexts = contexts_of(inputs, self.context, self.check, self.utt2lang, self.hotwords)
        loader = Loader(self.audio, self.front_end, contexts)

        def given(key: str) -> str:
            own = contexts[key]
            return f"{'' if own == self.context else own} {also(key)}".strip()

        with Run(out, identity, self.config, "utterances", self.kind.from_dict) as run:
            run.take(inputs, given)
            begin(run.results)
            run_utterances(inputs.utterances, loader, run, self.batch_seconds, process, batches=batches)
            ids = [utterance.id for utterance in inputs.utterances]
            results = {key: run.results[key] for key in ids if key in run.results}
            inputs.write_tables(results, out)
            write(results)
            settings = self.options, *self.more_options, self.audio
            command = f"{self.command} --model {self.model}" if self.model else self.command
            write_settings(out / "config.yaml", command, *settings)
            return run.finish()


def context_tables(inputs: Inputs) -> list[Path]:
    """The paths of a data directory's tables of context, as far as they exist."""
    places = [inputs.data.path / name for name in CONTEXT_TABLES] if inputs.data is not None else []
    return [path for path in places if path.exists()]


def contexts_of(
    inputs: Inputs,
    default: Context,
    check: Callable[[Context], None] | None = None,
    utt2lang: Path | None = None,
    hotwords: Mapping[str, HotwordList] | None = None,
) -> dict[str, Context]:
    """The context of each utterance: the language of utt2lang and the prompt of utt2prompt, where there are any.

    Args:
        inputs: the utterances.
        default: what is known of all of them.
        check: raises OptionError for a language that the model cannot be told; then it gets the default one.
        utt2lang: languages of utterances to which neither the default nor the data directory gives one.
        hotwords: lists of utterances that have one of their own.

    Raises:
        OptionError: the default is not accepted.
        DataError: there is no such table of languages.
    """
    contexts = {utterance.id: default for utterance in inputs.utterances}
    languages = {} if utt2lang is None else read_table(utt2lang, inputs.problems)
    if not default.language:
        contexts |= {key: replace(default, language=languages[key]) for key in contexts.keys() & languages.keys()}
    for path in context_tables(inputs):
        for key, value in read_table(path, inputs.problems).items():
            if key in contexts:
                known: dict[str, Any] = {CONTEXT_TABLES[path.name]: value}
                contexts[key] = replace(contexts[key], **known)
    contexts |= {key: replace(contexts[key], hotwords=own) for key, own in (hotwords or {}).items()}
    return contexts if check is None else _accepted(contexts, default, check)


def _accepted(
    contexts: Mapping[str, Context], default: Context, check: Callable[[Context], None]
) -> dict[str, Context]:
    """The contexts, with the default's language for one that the model cannot be told."""
    check(default)
    accepted: dict[str, Context] = {}
    refused: list[str] = []
    for key, context in contexts.items():
        try:
            check(context)
        except OptionError as error:
            refused.append(f"{key}: {error}")
            context = replace(context, language=default.language)
        accepted[key] = context
    if refused:
        log.warning("utt2lang: %d utterances get no language of their own (%s)", len(refused), refused[0])
    return accepted


@dataclass(frozen=True)
class Loader:
    """How utterances are read: their audio, the front end that they are for, and the context of each by its id."""

    audio: AudioConfig
    front_end: FrontEnd = PUBLISHED
    contexts: Mapping[str, Context] = field(default_factory=dict)

    def __call__(self, utterance: Utterance) -> Outcome[Speech]:
        """The utterance, or what went wrong."""
        try:
            frames = of_utterance(utterance, self.audio, self.front_end)
            return Speech.of(frames, self.contexts.get(utterance.id))
        except Exception as error:  # any failure is the outcome of this utterance alone; the caller reports it
            return error


def _as_it_is(result: Any) -> Any:  # noqa: ANN401 - any result
    return result


def run_utterances(
    utterances: Sequence[Utterance],
    load: Load,
    run: Run[R],
    batch_seconds: float,
    process: Process[Out],
    store: Callable[[Out], R] = _as_it_is,
    mark: Callable[[], int] = lambda: 0,
    batches: Sequence[Sequence[Utterance]] | None = None,
) -> None:
    """Pass every utterance that no earlier run has done to `process`, and note each result or failure.

    Batches depend on the utterances alone, not on what is done, so that a resumed run gives the same results.

    Args:
        utterances: with their durations, as far as they are known.
        load: reads an utterance.
        run: gets the results and failures.
        batch_seconds: largest size of a batch, padded.
        process: outcomes of a batch, in its order.
        store: the result that is noted of an outcome, which is written to the run's archive here if there is one.
        mark: how long the run's archive is after that.
        batches: of all utterances; None: those of `plan`.
    """
    if batches is None:
        batches = plan([(utterance, utterance.duration_s) for utterance in utterances], batch_seconds)
    left = [batch for batch in batches if any(utterance.id not in run.results for utterance in batch)]
    for loaded in _ahead(lambda batch: [(utterance.id, load(utterance)) for utterance in batch], left):
        for key, outcome in loaded:
            if isinstance(outcome, Exception):
                run.fail_with(key, outcome)
        batch = [outcome for _, outcome in loaded if not isinstance(outcome, Exception)]
        for speech, found in zip(batch, run_batch(batch, process), strict=True):
            if isinstance(found, Exception):
                run.fail_with(speech.key, found)
            else:
                result = store(found)
                run.done(speech.key, result, speech.duration_s, mark())


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
