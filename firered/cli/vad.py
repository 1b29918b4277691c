"""firered-vad, firered-mvad and firered-stream-vad."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from firered.audio.config import AudioConfig
from firered.cli.flags import Paths, script, split_paths, use_threads
from firered.hub.catalogue import MODELS
from firered.hub.find import find_model
from firered.runs.config import RunConfig, VadOutputConfig
from firered.runtime.config import ComputeConfig
from firered.vad.config import STREAM_MODES, MvadConfig, StreamVadConfig, VadConfig


def vad_command(
    paths: Paths,
    config: VadConfig,
    output: VadOutputConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Annotated[Path, typer.Option(help="model directory, or one that holds FireRedVAD/VAD")] = MODELS,
) -> None:
    """Find voice (speech or singing) in recordings and write it as segments of a Kaldi data directory."""
    inputs, out = split_paths(paths)
    directory = find_model(model, "FireRedVAD/VAD")

    from firered.runs.vad import run_detector
    from firered.vad.detect import Vad

    use_threads(compute)
    detector = Vad.from_pretrained(directory, config, compute.device)
    sys.exit(run_detector("firered-vad", inputs, out, directory, detector, output, audio, job))


def mvad_command(
    paths: Paths,
    config: MvadConfig,
    output: VadOutputConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Annotated[Path, typer.Option(help="model directory, or one that holds FireRedVAD/AED")] = MODELS,
) -> None:
    """Find speech, singing and music in recordings, each independently, and write them as segments."""
    inputs, out = split_paths(paths)
    directory = find_model(model, "FireRedVAD/AED")

    from firered.runs.vad import run_detector
    from firered.vad.detect import Mvad

    use_threads(compute)
    detector = Mvad.from_pretrained(directory, config, compute.device)
    sys.exit(run_detector("firered-mvad", inputs, out, directory, detector, output, audio, job))


def stream_vad_command(
    paths: Paths,
    config: StreamVadConfig,
    output: VadOutputConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Annotated[Path, typer.Option(help="model directory, or one that holds FireRedVAD/Stream-VAD")] = MODELS,
    mode: Annotated[
        int | None, typer.Option(help="preset: 0 finds most speech ... 3 raises fewest false alarms", min=0, max=3)
    ] = None,
) -> None:
    """Find voice with the streaming model.

    With IN `-`, raw 16-bit little-endian mono PCM at 16 kHz is read from standard input, and every event is printed the
    moment it is known, as a line of JSON.
    """
    inputs, out = split_paths(paths)
    directory = find_model(model, "FireRedVAD/Stream-VAD")

    from firered.runs.vad import run_detector
    from firered.vad.detect import StreamVad

    use_threads(compute)
    detector = StreamVad.from_pretrained(directory, config, compute.device)
    if inputs == ["-"]:
        from firered.cli.live import detect_live

        detect_live(detector, out)
    else:
        sys.exit(run_detector("firered-stream-vad", inputs, out, directory, detector, output, audio, job))


def _stream_preset(mode: int | None = None, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - the command's other arguments
    return {} if mode is None else STREAM_MODES[mode]


vad = script(vad_command)
mvad = script(mvad_command)
stream_vad = script(stream_vad_command, _stream_preset)
