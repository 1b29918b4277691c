"""firered-score; its first word may be text, vad, lid, punc or live."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from firered.cli.flags import Script, script
from firered.cli.frame import Chooser, glance
from firered.scoring.config import (
    ErrorRateConfig,
    HotwordScoreConfig,
    LidScoreConfig,
    LiveScoreConfig,
    NormalizerConfig,
    PuncScoreConfig,
    SampleConfig,
    SourceConfig,
    VadScoreConfig,
)


def _argument(metavar: str, text: str) -> Any:  # noqa: ANN401 - what typer makes of it
    return typer.Argument(metavar=metavar, help=text, show_default=False)


Out = Annotated[Path, _argument("OUT", "folder for the report")]


def text_command(
    ref: Annotated[Path, _argument("REF", "Kaldi text, or a data directory that holds one")],
    hyp: Annotated[Path, _argument("HYP", "what is scored, likewise")],
    out: Out,
    rule: NormalizerConfig,
    config: ErrorRateConfig,
    hotwords: HotwordScoreConfig,
    sample: SampleConfig,
    source: SourceConfig,
) -> None:
    """Score recognised text: error rate over characters (Han, kana) and words in one stream, with a page of the errors.

    Other scores: `firered score vad`, `lid`, `punc` and `live`, each with REF HYP OUT and its own --help. `firered
    score text` is this one; without a name before REF it is meant as well.
    """
    from firered.scoring.commands import run_error_rate

    sys.exit(run_error_rate((ref, hyp, out), rule, config, sample, source, hotwords))


def vad_command(
    ref: Annotated[
        Path,
        _argument("REF", "data directory, folder of *.TextGrid, *.rttm, *.lab or *.txt, or one segments or RTTM file"),
    ],
    hyp: Annotated[Path, _argument("HYP", "data directory with probs.scp, segments, or both; or labels as in REF")],
    out: Out,
    config: VadScoreConfig,
    sample: SampleConfig,
    source: SourceConfig,
) -> None:
    """Score voice activity frame by frame: AUC-ROC, F1, false alarms, misses; of all and of each language."""
    from firered.scoring.commands import run_vad

    sys.exit(run_vad((ref, hyp, out), config, sample, source))


def lid_command(
    ref: Annotated[Path, _argument("REF", "utt2lang, or a data directory that holds one")],
    hyp: Annotated[Path, _argument("HYP", "what is scored, likewise")],
    out: Out,
    config: LidScoreConfig,
    sample: SampleConfig,
    source: SourceConfig,
) -> None:
    """Score languages: accuracy over utterances and of each language, confusion matrix, calibration."""
    from firered.scoring.commands import run_lid

    sys.exit(run_lid((ref, hyp, out), config, sample, source))


def punc_command(
    ref: Annotated[Path, _argument("REF", "Kaldi text with punctuation, or a data directory that holds one")],
    hyp: Annotated[Path, _argument("HYP", "what is scored, likewise")],
    out: Out,
    config: PuncScoreConfig,
    sample: SampleConfig,
    source: SourceConfig,
) -> None:
    """Score punctuation: precision, recall and F1 of each mark and over all."""
    from firered.scoring.commands import run_punc

    sys.exit(run_punc((ref, hyp, out), config, sample, source))


def live_command(
    ref: Annotated[Path, _argument("REF", "directory with ctm (word times), text, or both, and perhaps rttm")],
    hyp: Annotated[Path, _argument("HYP", "live.jsonl of live recognition, or the folder that holds it")],
    out: Out,
    rule: NormalizerConfig,
    config: LiveScoreConfig,
    sample: SampleConfig,
    source: SourceConfig,
) -> None:
    """Score live recognition: delays of words, flicker, stable parts, ends of speech, error rate of the finals."""
    from firered.scoring.commands import run_live

    sys.exit(run_live((ref, hyp, out), rule, config, sample, source))


_SCORES = {
    "text": script(text_command),
    "vad": script(vad_command),
    "lid": script(lid_command),
    "punc": script(punc_command),
    "live": script(live_command),
}


def _choose(args: list[str]) -> tuple[TyperCommand, str, list[str]]:
    """The score that the first word names; `text` without such a word, or where a path of that name is REF."""
    text = _SCORES["text"].command
    named = _SCORES.get(args[0]) if args else None
    if named is None or (Path(args[0]).exists() and _is_complete(text, args)):
        return text, "", args
    return named.command, args[0], args[1:]


def _is_complete(command: TyperCommand, args: list[str]) -> bool:
    """Whether the words are exactly REF HYP OUT."""
    context = glance(command, args)
    return context.params["out"] is not None and not context.args


score = Script(lambda: Chooser("score", _choose), text_command.__doc__)
