"""Punctuation of many texts: the files that firered-punc writes."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from firered.data.datadir import DataDir, write_lines, write_table
from firered.data.texts import STDIN, Texts, read_texts
from firered.data.utterance import Utterance
from firered.data.write import json_line
from firered.errors import OptionError, Outcome
from firered.options import Options, write_settings
from firered.results import PuncResult, Sentence, Word
from firered.runs.config import RunConfig
from firered.runs.ctm import TimedTexts, utterance_words
from firered.runs.depends import fingerprint
from firered.runs.inputs import Inputs
from firered.runs.journal import Run
from firered.runtime.batches import plan

log = logging.getLogger(__name__)

SENTENCES = "sentences.jsonl"
_GROUP = 16  # batches that are sorted, cut into tokens and noted in the journal as a group

Given = TypeVar("Given", str, Sequence[Word])


class Punctuator(Protocol):
    """What punctuates: this project's `Punc`, or another system behind an adapter."""

    @property
    def config(self) -> Options: ...  # noqa: D102
    @property
    def batch_size(self) -> int: ...  # noqa: D102 - tokens of a batch, padded to its longest text

    def punctuate(self, texts: Sequence[str], uttids: Sequence[str]) -> Sequence[Outcome[PuncResult]]: ...  # noqa: D102
    def sentences(  # noqa: D102
        self, utterances: Sequence[Sequence[Word]], uttids: Sequence[str], texts: Sequence[str]
    ) -> Sequence[Outcome[PuncResult]]: ...


def run_punc(
    source: str,
    out: Path,
    model: Path | None,
    punc: Punctuator,
    config: RunConfig,
    kind: str = "auto",
    ctm: Path | None = None,
    command: str = "firered-punc",
) -> int:
    """Exit status of punctuating all texts of `source` (see `read_texts`) into `out`.

    `model` is the directory of the punctuation model, None where the texts have their marks.

    The other tables of a Kaldi text's directory are copied, so that `out` is as much of a data directory as that is.

    Raises:
        DataError: `source` or `ctm` cannot be read.
        OptionError: the two do not fit each other, or `out` is the folder of `source`.
        FireRedError: `out` cannot be written.
    """
    texts = read_texts(source, kind)
    log.info("%s: %d texts, read as %s", source, len(texts.by_id), "Kaldi text" if texts.kaldi else "a text a line")
    data = _folder(source, texts, out)
    timed = _timed(ctm, texts, data)
    identity = fingerprint(command, punc.config, *(path for path in (model, ctm) if path))
    with Run(out, identity, config, "texts", PuncResult.from_dict) as run:
        inputs = Inputs([Utterance(key, key) for key in texts.by_id], texts.problems, data)
        run.take(inputs, texts.by_id.__getitem__)
        for key, reason in timed.reasons.items():
            run.fail(key, f"{reason}; punctuated without times")
        untimed = {key: text for key, text in texts.by_id.items() if key not in timed.words}

        def in_sentences(utterances: list[Sequence[Word]], keys: list[str]) -> Sequence[Outcome[PuncResult]]:
            return punc.sentences(utterances, keys, [texts.by_id[key] for key in keys])

        _work(in_sentences, timed.words, lambda words: sum(len(word.text) for word in words), punc, run)
        _work(punc.punctuate, untimed, len, punc, run)
        if data is not None:
            _write_tables(inputs, data, source, run)
        write_table(out / "text", {key: result.punc_text for key, result in run.results.items()})
        _write_sentences(out, run, ctm)
        write_settings(out / "config.yaml", f"{command} --model {model}" if model else command, punc.config)
        return run.finish()


def _folder(source: str, texts: Texts, out: Path) -> DataDir | None:
    """The data directory that a Kaldi text lies in."""
    if not texts.kaldi or source == STDIN:
        return None
    folder = Path(source).parent
    if out.resolve() == folder.resolve():
        raise OptionError(f"{out}: the folder of {source}, whose text would be lost; write into another one")
    return DataDir(folder, [])


def _timed(ctm: Path | None, texts: Texts, data: DataDir | None) -> TimedTexts:
    if ctm is None:
        return TimedTexts()
    if not texts.kaldi:
        raise OptionError("ctm: its times go by utterance id, so the text must have ids (--format kaldi)")
    return utterance_words(ctm, texts.by_id, data, texts.problems)


def _work(
    process: Callable[[list[Given], list[str]], Sequence[Outcome[PuncResult]]],
    given: Mapping[str, Given],
    length: Callable[[Given], int],
    punc: Punctuator,
    run: Run[PuncResult],
) -> None:
    """Pass every text that no earlier run has done to `process`, and note each result or failure."""
    left = [(key, 1 + length(text)) for key, text in given.items() if key not in run.results]
    for keys in plan(left, _GROUP * punc.batch_size):
        for key, result in zip(keys, process([given[key] for key in keys], keys), strict=True):
            if isinstance(result, Exception):
                run.fail_with(key, result)
            else:
                run.done(key, result, 0.0)


def _write_tables(inputs: Inputs, data: DataDir, source: str, run: Run[PuncResult]) -> None:
    """Copy the other tables of the text's directory, cut down to what was punctuated; bad lines count as failures."""
    inputs.write_tables(run.results, run.out)
    for problem in data.problems or ():
        if not problem.reason.startswith(f"{source}:"):  # those of the text are reported already
            run.fail(problem.key, problem.reason)


def _write_sentences(out: Path, run: Run[PuncResult], ctm: Path | None) -> None:
    if ctm is None:
        (out / SENTENCES).unlink(missing_ok=True)  # of an earlier run, or of the text's folder
        return
    found = {key: run.results[key].sentences for key in sorted(run.results)}
    lines = [{"uttid": key, "sentences": _times(own)} for key, own in found.items() if own is not None]
    write_lines(out / SENTENCES, [json_line(line) for line in lines])


def _times(sentences: Sequence[Sentence]) -> list[dict[str, str | float]]:
    return [{"text": sentence.text, "start": sentence.start_s, "end": sentence.end_s} for sentence in sentences]
