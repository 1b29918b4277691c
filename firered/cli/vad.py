"""firered-vad, firered-mvad and firered-stream-vad."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from firered.audio.config import AudioConfig
from firered.cli.flags import Paths, script, split_paths, use_threads
from firered.errors import OptionError
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
    frames: Annotated[bool, typer.Option(help="of live audio: print a line of JSON for every frame as well")] = False,
) -> None:
    """Find voice with the streaming model.

    With IN `-`, live audio is read from standard input: raw 16-bit little-endian mono PCM at 16 kHz, or a WAV of any
    rate and number of channels. Every event is printed the moment it is known, as a line of JSON; speech that is on
    when the audio ends, or is interrupted by Ctrl-C, ends there. OUT gets the files of a recording named stdin;
    without OUT nothing is written.
    """
    live = paths[0] == "-" and len(paths) <= 2
    if frames and not live:
        raise OptionError("frames: of live audio alone (IN -); the posteriors of recordings are in OUT/probs.scp")
    directory = find_model(model, "FireRedVAD/Stream-VAD")

    from firered.data.temporary import named_folder
    from firered.runs.live import run_live
    from firered.runs.vad import run_detector
    from firered.vad.detect import StreamVad

    use_threads(compute)
    detector = StreamVad.from_pretrained(directory, config, compute.device)
    if not live:
        inputs, out = split_paths(paths)
        sys.exit(run_detector("firered-stream-vad", inputs, out, directory, detector, output, audio, job))
    with named_folder() as nowhere:
        out = Path(paths[1] if len(paths) == 2 else nowhere)
        sys.exit(run_live("firered-stream-vad", out, directory, detector, output, audio, job, frames=frames))


def _stream_preset(mode: int | None = None, **_: Any) -> dict[str, Any]:  # noqa: ANN401 - the command's other arguments
    return {} if mode is None else STREAM_MODES[mode]


vad = script(vad_command)
mvad = script(mvad_command)
stream_vad = script(stream_vad_command, _stream_preset)
