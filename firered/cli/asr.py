"""firered-asr and firered-align."""

import functools
import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.align.config import AlignConfig
from firered.asr.config import RecogniserConfig
from firered.asr.families import FAMILIES, find, options_of
from firered.audio.config import AudioConfig
from firered.cli.flags import Paths, flag_value, run, script, split_paths, use_threads
from firered.pretrained import MODELS, find_model
from firered.runs.config import JobConfig
from firered.runtime.config import ComputeConfig

_AED = "FireRedASR2-AED"
Model = Annotated[
    Path, typer.Option("--model", help="model directory, one that holds it under its published name, or that name")
]
AlignModel = Annotated[Path, typer.Option("--model", help=f"model directory, or one that holds {_AED}")]
Kind = Annotated[
    str,
    typer.Option(
        "--type",
        help=f"kind of model, {' or '.join(FAMILIES)}, if not what the directory says itself; each has options of its "
        "own (see --type llm --help)",
        show_default=False,
    ),
]


def asr_command(
    paths: Paths,
    config: RecogniserConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: JobConfig,
    model: Model = MODELS,
    kind: Kind = "",
) -> None:
    """Transcribe the utterances of a data directory (its segments where it has any), or recordings."""
    inputs, out = split_paths(paths)
    directory, family = find(model, kind)
    use_threads(compute)

    from firered.runs.asr import run_asr

    sys.exit(run_asr(inputs, out, directory, family.load(directory, config, compute.device), audio, job))


def align_command(
    data: Annotated[
        str, typer.Argument(metavar="IN", help="data directory, wav.scp, folder or file", show_default=False)
    ],
    text: Annotated[Path, typer.Argument(metavar="TEXT", help="Kaldi text: an utterance a line", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="directory to write", show_default=False)],
    config: AlignConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: JobConfig,
    model: AlignModel = MODELS,
) -> None:
    """Align any given text (references, or another recogniser's output) to its audio with the CTC head."""
    directory = find_model(model, _AED)
    use_threads(compute)

    from firered.align.aligner import Aligner
    from firered.runs.align import run_align

    sys.exit(
        run_align(data, text, out, directory, Aligner.from_pretrained(directory, config, compute.device), audio, job)
    )


@functools.wraps(asr_command)
def asr() -> None:
    """Console script: its options are those of the kind of model."""
    run(asr_command, config=options_of(flag_value("--model"), flag_value("--type")))


align = script(align_command)
