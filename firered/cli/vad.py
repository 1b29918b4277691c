"""firered-vad, firered-mvad and firered-stream-vad."""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firered.cli.flags import Paths, run, split_paths, use_threads
from firered.config import (
    STREAM_MODES,
    AudioConfig,
    ComputeConfig,
    JobConfig,
    MvadConfig,
    StreamVadConfig,
    VadConfig,
    VadOutputConfig,
)
from firered.errors import ModelError

if TYPE_CHECKING:
    from firered.vad import Detector

log = logging.getLogger(__name__)

_MODELS = "pretrained_models"


def find_model(given: Path, name: str) -> Path:
    """The directory of one of FireRedVAD's models: the one given, or `name` inside it.

    Raises:
        ModelError: neither is there; says how to get the models.
    """
    for path in (given, given / name, given / "FireRedVAD" / name):
        if (path / "model.pth.tar").exists():
            return path
    if given.is_dir() and given.name == name:
        return given  # incomplete: loading it names what is missing
    raise ModelError(
        f"{given}: no {name} model here. Download the released ones with\n"
        "  pip install -U huggingface_hub && hf download FireRedTeam/FireRedVAD --local-dir pretrained_models/FireRedVAD\n"
        "or\n"
        "  pip install modelscope && modelscope download --model xukaituo/FireRedVAD"
        " --local_dir pretrained_models/FireRedVAD"
    )


def vad_command(
    paths: Paths,
    config: VadConfig,
    output: VadOutputConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: JobConfig,
    model: Annotated[Path, typer.Option(help="model directory, or one that holds FireRedVAD/VAD")] = Path(_MODELS),
) -> None:
    """Find voice (speech or singing) in recordings and write it as segments of a Kaldi data directory."""
    from firered.vad import Vad

    directory = find_model(model, "VAD")
    use_threads(compute)
    detector = Vad.from_pretrained(directory, config, compute.device)
    _detect("firered-vad", paths, directory, detector, output, audio, job)


def mvad_command(
    paths: Paths,
    config: MvadConfig,
    output: VadOutputConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: JobConfig,
    model: Annotated[Path, typer.Option(help="model directory, or one that holds FireRedVAD/AED")] = Path(_MODELS),
) -> None:
    """Find speech, singing and music in recordings, each on its own, and write them as segments."""
    from firered.vad import Mvad

    directory = find_model(model, "AED")
    use_threads(compute)
    detector = Mvad.from_pretrained(directory, config, compute.device)
    _detect("firered-mvad", paths, directory, detector, output, audio, job)


def stream_vad_command(
    paths: Paths,
    config: StreamVadConfig,
    output: VadOutputConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: JobConfig,
    model: Annotated[Path, typer.Option(help="model directory, or one that holds FireRedVAD/Stream-VAD")] = Path(
        _MODELS
    ),
    mode: Annotated[
        int | None, typer.Option(help="preset: 0 finds most speech ... 3 raises fewest false alarms", min=0, max=3)
    ] = None,
) -> None:
    """Find voice with the streaming model.

    With IN `-`, raw 16-bit little-endian mono PCM at 16 kHz is read from standard input, and every event is printed the
    moment it is known, as a line of JSON.
    """
    from firered.vad import StreamVad

    directory = find_model(model, "Stream-VAD")
    use_threads(compute)
    detector = StreamVad.from_pretrained(directory, config, compute.device)
    if split_paths(paths)[0] == ["-"]:
        from firered.cli.live import listen

        listen(detector, split_paths(paths)[1])
    else:
        _detect("firered-stream-vad", paths, directory, detector, output, audio, job)


def _stream_preset(mode: int | None = None, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - the command's other arguments
    return {} if mode is None else STREAM_MODES[mode]


def _detect(
    command: str,
    paths: list[str],
    model: Path,
    detector: "Detector",
    output: VadOutputConfig,
    audio: AudioConfig,
    job: JobConfig,
) -> None:
    from firered.vad_job import run_detector

    inputs, out = split_paths(paths)
    sys.exit(run_detector(command, inputs, out, model, detector, output, audio, job))


def vad() -> None:
    """Console script."""
    run(vad_command)


def mvad() -> None:
    """Console script."""
    run(mvad_command)


def stream_vad() -> None:
    """Console script."""
    run(stream_vad_command, _stream_preset)
