"""firered-asr and firered-align."""

import functools
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from firered.align.config import AlignConfig
from firered.asr.config import AsrConfig, GuardConfig, LlmConfig
from firered.audio.config import AudioConfig
from firered.cli.flags import Paths, flag_value, run, script, split_paths, use_threads
from firered.errors import OptionError
from firered.hub.catalogue import MODELS
from firered.hub.find import find_model
from firered.runs.config import JobConfig
from firered.runtime.config import ComputeConfig

Guarded = TypeVar("Guarded", bound=GuardConfig)

_AED, _LLM, _VAD = "FireRedASR2-AED", "FireRedASR2-LLM", "FireRedVAD/VAD"
Model = Annotated[Path, typer.Option("--model", help=f"model directory, or one that holds {_AED}")]
LlmModel = Annotated[Path, typer.Option("--model", help=f"model directory, or one that holds {_LLM}")]
Kind = Annotated[
    str,
    typer.Option("--type", help="kind of model, aed or llm; each has options of its own (see --type llm --help)"),
]


def aed_command(
    paths: Paths,
    config: AsrConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: JobConfig,
    model: Model = MODELS,
    kind: Kind = "aed",
) -> None:
    """Transcribe the utterances of a data directory (its segments where it has any), or recordings."""
    if kind != "aed":
        raise OptionError(f"type: {kind!r} is not aed or llm")
    inputs, out = split_paths(paths)
    directory, config = find_model(model, _AED), _with_detector(config)
    use_threads(compute)

    from firered.asr.aed import Asr
    from firered.runs.asr import run_asr

    sys.exit(run_asr(inputs, out, directory, Asr.from_pretrained(directory, config, compute.device), audio, job))


def llm_command(
    paths: Paths,
    config: LlmConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: JobConfig,
    model: LlmModel = MODELS,
    kind: Kind = "llm",
) -> None:
    """Transcribe the utterances of a data directory (its segments where it has any), or recordings, with an LLM."""
    inputs, out = split_paths(paths)
    directory, config = find_model(model, _LLM), _with_detector(config)
    if config.align_model:
        config = replace(config, align_model=str(find_model(Path(config.align_model), _AED)))
    use_threads(compute)

    from firered.asr.llm import LlmAsr
    from firered.runs.asr import run_asr

    sys.exit(run_asr(inputs, out, directory, LlmAsr.from_pretrained(directory, config, compute.device), audio, job))


def _with_detector(config: Guarded) -> Guarded:
    """The same with the place of the guard's voice detector, which may be given as one that holds it."""
    if config.guard == "off" or not config.guard_vad:
        return config
    return replace(config, guard_vad=str(find_model(Path(config.guard_vad), _VAD)))


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

    from firered.align.aligner import Aligner
    from firered.runs.align import run_align

    sys.exit(
        run_align(data, text, out, directory, Aligner.from_pretrained(directory, config, compute.device), audio, job)
    )


@functools.wraps(aed_command)
def asr() -> None:
    """Console script of either kind: what `--type` says decides which options there are."""
    run(llm_command if flag_value("--type") == "llm" else aed_command)


align = script(align_command)
