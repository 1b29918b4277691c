"""firered-lid."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.audio.config import AudioConfig
from firered.cli.flags import Paths, script, split_paths, use_threads
from firered.hub.catalogue import MODELS
from firered.hub.find import find_model
from firered.lid.config import LidConfig
from firered.runs.config import RunConfig
from firered.runtime.config import ComputeConfig

_LID = "FireRedLID"


def _list_labels(wanted: bool) -> None:
    if not wanted:
        return
    from firered.lid.labels import labels

    for label in labels():
        typer.echo(f"{label.level}\t{label.code}\t{label.english}\t{label.chinese}")
    raise typer.Exit


def lid_command(
    paths: Paths,
    config: LidConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Annotated[Path, typer.Option("--model", help=f"model directory, or one that holds {_LID}")] = MODELS,
    show: Annotated[
        bool,
        typer.Option(
            "--list", help="Print the languages and dialects with their names.", callback=_list_labels, is_eager=True
        ),
    ] = False,
) -> None:
    """Identify language and Chinese dialect of the utterances of a data directory (its segments), or of recordings."""
    inputs, out = split_paths(paths)
    directory = find_model(model, _LID)
    use_threads(compute)

    from firered.lid.identify import Lid
    from firered.runs.lid import run_lid

    sys.exit(run_lid(inputs, out, directory, Lid.from_pretrained(directory, config, compute.device), audio, job))


lid = script(lid_command)
