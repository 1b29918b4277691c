"""firered-score; its first word may be vad, lid or punc."""

import functools
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from firered.cli.flags import script
from firered.scoring.config import (
    ErrorRateConfig,
    LidScoreConfig,
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
    sample: SampleConfig,
    source: SourceConfig,
) -> None:
    """Score recognised text: error rate over characters (Han, kana) and words in one stream, with a page of the errors.

    Other scores: `firered-score vad`, `firered-score lid`, `firered-score punc`, each with REF HYP OUT and its --help.
    """
    from firered.scoring.commands import run_error_rate

    sys.exit(run_error_rate((ref, hyp, out), rule, config, sample, source))


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


_text = script(text_command)
_OTHERS = {"vad": script(vad_command), "lid": script(lid_command), "punc": script(punc_command)}


@functools.wraps(text_command)
def score() -> None:
    """Console script, which its first argument may send to another command."""
    other = _OTHERS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if other:
        sys.argv[:2] = [" ".join(sys.argv[:2])]  # the name that help and messages show
    (other or _text)()
