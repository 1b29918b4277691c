"""firered transcribe."""

import functools
import glob
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firered.asr.config import RecogniserConfig
from firered.asr.families import options_of
from firered.audio.config import AudioConfig
from firered.cli.flags import flag_value, run, use_threads
from firered.errors import OptionError
from firered.lid.config import LidConfig
from firered.output.config import SubtitleConfig
from firered.pretrained import MODELS
from firered.runs.config import JobConfig
from firered.runtime.config import ComputeConfig
from firered.system.config import SystemConfig
from firered.vad.config import VadConfig

if TYPE_CHECKING:
    from firered.system.system import System

log = logging.getLogger(__name__)

_STDIN = "-"


def _preset(**_: Any) -> dict[str, Any]:  # noqa: ANN401 - the command's other arguments
    """Word times are on here, for subtitles."""
    return {"timestamps": "pauses"}


def transcribe_command(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="audio and video files, folders (searched to the bottom), 'patterns*.mp3', a wav.scp, a data "
            "directory, or - for an audio file on standard input",
            show_default=False,
        ),
    ],
    config: SystemConfig,
    vad: VadConfig,
    lid: LidConfig,
    asr: RecogniserConfig,
    subtitles: SubtitleConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: JobConfig,
    out: Annotated[Path, typer.Option("-o", "--output-dir", help="where everything is written")] = Path("transcripts"),
    models: Annotated[Path, typer.Option(help="directory that holds the models under their published names")] = MODELS,
    formats: Annotated[
        str,
        typer.Option("--format", help="any of jsonl,srt,vtt,textgrid,ctm,rttm,txt,tsv; result.jsonl is always written"),
    ] = "srt,txt",
    nj: Annotated[int, typer.Option(help="processes side by side; 0: one a GPU, or one", min=0)] = 0,
    report: Annotated[
        bool, typer.Option("--report", help="an HTML page a recording: listen, read along, see what to check")
    ] = False,
) -> None:
    """Transcribe recordings: voice, language, text, word times and punctuation, as subtitles and other files."""
    from firered.output.formats import FORMATS
    from firered.runs.inputs import resolve
    from firered.runs.journal import fingerprint
    from firered.runs.transcribe import Transcription, run_transcribe
    from firered.system.system import model_dirs, recogniser_of

    wanted = tuple(name.strip() for name in formats.split(",") if name.strip())
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown:
        raise OptionError(f"format: {', '.join(unknown)} unknown; known are {', '.join(FORMATS)}")
    if config.asr:
        family = recogniser_of(models, config)[1]
        if not isinstance(asr, family.config):
            raise OptionError("asr_type: give it as a flag (--asr-type llm), since the options depend on it")
        config = replace(config, asr_type=family.name)
    places = model_dirs(models, config)
    devices = _devices(compute, nj)
    options = (config, vad, lid, asr)
    files = [path for place in places.values() for path in sorted(place.glob("*")) if path.is_file()]
    how = Transcription(
        build=functools.partial(_build, places, options, compute.num_threads or _threads(len(devices))),
        devices=devices,
        identity=fingerprint("firered transcribe", *options, subtitles, audio, *files) + f" {wanted} {report}",
        formats=wanted,
        subtitles=subtitles,
        audio=audio,
        job=job,
        share_seconds=config.share_seconds,
        report=report,
    )
    out.mkdir(parents=True, exist_ok=True)
    inputs = resolve(_expanded(paths, out), audio, by_segment=False)
    sys.exit(run_transcribe(inputs, out, how))


def _build(places: dict[str, Path], options: tuple, threads: int, device: str) -> "System":
    """The system on a device; runs in each process."""
    from firered.system.system import System

    use_threads(ComputeConfig(num_threads=threads))
    config, vad, lid, asr = options
    return System.from_pretrained(places, config, device=device, vad=vad, lid=lid, asr=asr)


def _devices(compute: ComputeConfig, nj: int) -> tuple[str, ...]:
    """A device for each process."""
    import torch

    gpus = torch.cuda.device_count() if compute.device == "auto" else 0
    names = [f"cuda:{number}" for number in range(gpus)] or [compute.device]
    return tuple(names[number % len(names)] for number in range(nj or len(names)))


def _threads(processes: int) -> int:
    """Threads of each of several processes; 0, torch's own choice, for one."""
    return 0 if processes == 1 else max(1, (os.cpu_count() or 1) // processes)


def _expanded(paths: list[str], out: Path) -> list[str]:
    """The inputs with patterns replaced by what they match, and standard input by a file."""
    found: list[str] = []
    for path in paths:
        matches = [] if Path(path).exists() else sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - absolute ones too
        if path == _STDIN:
            held = out / "stdin"
            held.write_bytes(sys.stdin.buffer.read())
            found.append(str(held))
        else:
            found += matches or [path]
    return found


@functools.wraps(transcribe_command)
def transcribe() -> None:
    """Console script; recognition's options are those of the kind that `--asr-type` names."""
    run(transcribe_command, _preset, asr=options_of(flag_value("--models"), flag_value("--asr-type")))
