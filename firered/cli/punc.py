"""firered-punc."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import script, use_threads
from firered.errors import OptionError
from firered.hub.catalogue import MODELS
from firered.hub.find import find_model
from firered.punc.config import PuncConfig
from firered.runs.config import RunConfig
from firered.runtime.config import ComputeConfig

_FORMATS = ("auto", "kaldi", "plain")


def punc_command(
    text: Annotated[
        str,
        typer.Argument(metavar="TEXT", help="Kaldi text, plain text file, or - (standard input)", show_default=False),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="directory to write", show_default=False)],
    config: PuncConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Annotated[Path, typer.Option(help="model directory, or one that holds FireRedPunc")] = MODELS,
    ctm: Annotated[
        Path | None,
        typer.Option(help="word times of the utterances of TEXT: sentences with times are written as well"),
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            "--format",
            help="kaldi: an id and its text a line; plain: a text a line, whose ids are made of the file's name and "
            "the line's number; auto: kaldi for a file named text, plain for any other and for standard input",
        ),
    ] = "auto",
    own_marks: Annotated[
        bool,
        typer.Option(
            "--own-marks",
            help="TEXT has its punctuation, as Fun-ASR-Nano writes it: it stays as it is, in sentences that end with "
            "its own marks; no model is needed, and the options of one do nothing",
        ),
    ] = False,
) -> None:
    """Put punctuation into recognised text, and with word times cut it into sentences.

    Marks stand after whole words, and all that the text has stays, its spaces, marks and capitals included; with
    --published the rules of the published code hold instead.

    OUT/text is a Kaldi text. Of a Kaldi TEXT the other tables of its directory (segments, wav.scp, utt2spk, ...) are
    written to OUT too. With --ctm, OUT/sentences.jsonl has the sentences of each utterance with start and end in
    seconds from the start of its recording; the lines of CTM name recordings or utterances.
    """
    if kind not in _FORMATS:
        raise OptionError(f"format: {kind!r} is not one of {', '.join(_FORMATS)}")
    directory = None if own_marks else find_model(model, "FireRedPunc")
    use_threads(compute)

    from firered.punc.own_marks import OwnMarks
    from firered.punc.punctuate import Punc
    from firered.runs.punc import run_punc

    marker = Punc.from_pretrained(directory, config, compute.device) if directory else OwnMarks(config)
    command = "firered-punc" if directory else "firered-punc --own-marks"
    sys.exit(run_punc(text, out, directory, marker, job, kind, ctm, command))


punc = script(punc_command)
