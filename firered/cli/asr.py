"""firered-asr and firered-align."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import Paths, run, split_paths, use_threads
from firered.cli.models import MODELS, find_model
from firered.config import AlignConfig, AsrConfig, AudioConfig, ComputeConfig, JobConfig
from firered.errors import OptionError

_AED = "FireRedASR2-AED"
Model = Annotated[Path, typer.Option("--model", help=f"model directory, or one that holds {_AED}")]


def asr_command(
    paths: Paths,
    config: AsrConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: JobConfig,
    model: Model = MODELS,
    kind: Annotated[str, typer.Option("--type", help="kind of model; there is only aed so far")] = "aed",
) -> None:
    """Transcribe the utterances of a data directory (its segments where it has any), or recordings."""
    if kind != "aed":
        raise OptionError(f"type: {kind!r} is not aed, the only kind so far")
    inputs, out = split_paths(paths)
    directory = find_model(model, _AED)
    use_threads(compute)

    from firered.asr import Asr
    from firered.asr_job import run_asr

    sys.exit(run_asr(inputs, out, directory, Asr.from_pretrained(directory, config, compute.device), audio, job))


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
    model: Model = MODELS,
) -> None:
    """Align any given text (references, or another recogniser's output) to its audio with the CTC head."""
    directory = find_model(model, _AED)
    use_threads(compute)

    from firered.align_job import run_align
    from firered.aligner import Aligner

    sys.exit(
        run_align(data, text, out, directory, Aligner.from_pretrained(directory, config, compute.device), audio, job)
    )


def asr() -> None:
    """Console script."""
    run(asr_command)


def align() -> None:
    """Console script."""
    run(align_command)
