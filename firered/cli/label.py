"""firered-pseudo-label."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.audio.config import AudioConfig
from firered.cli.flags import Paths, script, split_paths, use_threads
from firered.hub.catalogue import MODELS
from firered.hub.find import find_model
from firered.labelling.config import LabelConfig
from firered.runs.config import RunConfig
from firered.runtime.config import ComputeConfig
from firered.scoring.config import NormalizerConfig
from firered.vad.config import VadConfig


def pseudo_label_command(
    paths: Paths,
    labels: LabelConfig,
    scoring: NormalizerConfig,
    vad: VadConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    system: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SYSTEM",
            help="a recogniser's directory or published name, NAME=DIR, or a system of `firered-peer --list`, "
            "PEER=WEIGHTS; repeat it. The texts of the first are the labels",
            show_default=False,
        ),
    ] = None,
    vad_model: Annotated[Path, typer.Option(help="model directory, or one that holds FireRedVAD/VAD")] = MODELS,
    models: Annotated[Path, typer.Option(help="folder of the weights of other systems")] = MODELS,
) -> None:
    """Label recordings with what several systems agree on: OUT is a data directory to train on.

    Recordings are cut into segments of speech of at most 30 s and recognised by every system; a segment is kept where
    the other systems' texts are near the first one's. With --check the labels are the transcripts of IN.
    """
    from firered.labelling.run import Labelling, check_options, label
    from firered.labelling.systems import systems_of

    inputs, out = split_paths(paths)
    words = system or []
    check_options(labels, vad, len(words), inputs)
    systems = systems_of(words, models)
    detector = find_model(vad_model, "FireRedVAD/VAD") if labels.vad and not labels.check else None
    use_threads(compute)
    how = Labelling(systems, labels, scoring, vad, audio, compute, job, detector, models)
    sys.exit(label(inputs, out, how))


pseudo_label = script(pseudo_label_command, modules={"vad": "vad"})
