"""firered-asr and firered-align."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from firered.align.config import AlignConfig
from firered.asr.config import RecogniserConfig
from firered.asr.families import FAMILIES, find, find_aligner, options_of
from firered.audio.config import AudioConfig
from firered.cli.flags import Kinds, Paths, script, split_paths, use_threads
from firered.hub.catalogue import MODELS
from firered.runs.config import RunConfig
from firered.runtime.config import ComputeConfig, ContextConfig

Model = Annotated[
    Path, typer.Option("--model", help="model directory, one that holds it under its published name, or that name")
]
Kind = Annotated[
    str | None,
    typer.Option(
        "--type",
        help=f"kind of model ({', '.join(FAMILIES)}), if not that of the directory; each kind has its own options: "
        "see --type llm --help",
    ),
]


def asr_command(
    paths: Paths,
    config: RecogniserConfig,
    context: ContextConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Model = MODELS,
    kind: Kind = None,
    utt2lang: Annotated[
        Path | None,
        typer.Option(
            help="table of languages, as firered-lid writes it, where neither --language nor the data directory's own "
            "utt2lang gives one; for models that can be told",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Transcribe the utterances of a data directory (its segments where it has any), or recordings."""
    inputs, out = split_paths(paths)
    directory, family = find(model, kind)
    use_threads(compute)

    from firered.runs.asr import run_asr

    recogniser = family.load(directory, config, compute.device)
    sys.exit(run_asr(inputs, out, directory, recogniser, audio, job, context, utt2lang))


def kinds_of_model(given: Mapping[str, Any]) -> Kinds:
    """The options of the model's kind."""
    return {"config": options_of(given.get("model"), given.get("kind"))}


def align_command(
    data: Annotated[
        str, typer.Argument(metavar="IN", help="data directory, wav.scp, folder or file", show_default=False)
    ],
    text: Annotated[Path, typer.Argument(metavar="TEXT", help="Kaldi text: an utterance a line", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="directory to write", show_default=False)],
    config: AlignConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Model = MODELS,
    kind: Annotated[
        str | None,
        typer.Option(
            "--type",
            help=f"kind of model ({', '.join(FAMILIES)}), if not that of the directory; one without a CTC head takes "
            "that of FireRedASR2-AED",
        ),
    ] = None,
) -> None:
    """Align any given text (references, or another recogniser's output) to its audio with the CTC head of a model."""
    directory, family = find_aligner(model, kind)
    use_threads(compute)

    from firered.runs.align import run_align

    assert family.load_aligner is not None, family.name  # find_aligner finds no other
    aligner = family.load_aligner(directory, config, compute.device)
    sys.exit(run_align(data, text, out, directory, aligner, audio, job))


asr = script(asr_command, kinds=kinds_of_model)
align = script(align_command)
