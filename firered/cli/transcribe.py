"""firered transcribe."""

import functools
import glob
import logging
import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firered.asr.config import RecogniserConfig
from firered.asr.families import FAMILIES, Family, find, register
from firered.audio.config import AudioConfig
from firered.cli.flags import script, use_threads
from firered.cli.kinds import asr_kinds
from firered.errors import OptionError, writing
from firered.hub.catalogue import MODELS
from firered.lid.config import LidConfig
from firered.options import write_sections
from firered.output.config import SubtitleConfig
from firered.punc.config import PuncConfig
from firered.runs.config import RunConfig
from firered.runtime.config import ComputeConfig, ContextConfig
from firered.system.config import SystemConfig
from firered.vad.config import MvadConfig, VadConfig

if TYPE_CHECKING:
    from firered.system.system import System

log = logging.getLogger(__name__)

_STDIN = "-"


def transcribe_command(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="audio and video files, folders (searched recursively), 'patterns*.mp3', a wav.scp, a data "
            "directory, or - for an audio file on standard input",
            show_default=False,
        ),
    ],
    system: SystemConfig,
    vad: VadConfig,
    mvad: MvadConfig,
    lid: LidConfig,
    asr: RecogniserConfig,
    context: ContextConfig,
    punc: PuncConfig,
    subtitles: SubtitleConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    out: Annotated[Path, typer.Option("-o", "--output-dir", help="where everything is written")] = Path("transcripts"),
    models: Annotated[Path, typer.Option(help="directory that holds the models under their published names")] = MODELS,
    formats: Annotated[
        str,
        typer.Option("--format", help="any of jsonl,srt,vtt,textgrid,ctm,rttm,txt,tsv; result.jsonl is always written"),
    ] = "srt,txt",
    nj: Annotated[int, typer.Option(help="parallel processes; 0: one per GPU, one without GPUs", min=0)] = 0,
    report: Annotated[
        bool, typer.Option("--report", help="write an HTML page per recording: its audio, its text, and what to check")
    ] = False,
) -> None:
    """Transcribe recordings: segments, language, text, word times and punctuation, as subtitles and other files."""
    from firered.output.formats import FORMATS
    from firered.runs.depends import fingerprint
    from firered.runs.inputs import resolve
    from firered.runs.transcribe import Transcription, run_transcribe
    from firered.system.system import PUNC, model_dirs, recogniser_of

    wanted = tuple(name.strip() for name in formats.split(",") if name.strip())
    unknown = [name for name in wanted if name not in FORMATS]
    if unknown:
        raise OptionError(f"format: {', '.join(unknown)} unknown; known are {', '.join(FORMATS)}")
    if system.asr:
        system = replace(system, asr_type=recogniser_of(models, system)[1].name)
    places = model_dirs(models, system, asr)
    if system.asr and system.punc and PUNC not in places:
        log.info("the recogniser writes its own punctuation: FireRedPunc is not used")
    devices = _devices(compute, nj)
    families = passed_on("nj") if len(devices) > 1 else []
    options = {"vad": vad, "mvad": mvad, "lid": lid, "asr": asr, "punc": punc}
    build = functools.partial(
        build_system, places, system, options, context, compute.num_threads or _threads(len(devices)), families
    )
    routes = [find(path)[0] for path in system.routes().values()]
    groups = system, *options.values(), context, subtitles, audio
    identity = fingerprint("firered transcribe", *groups, str((wanted, report)), *places.values(), *routes)
    how = Transcription(
        build=build,
        devices=devices,
        identity=identity,
        formats=wanted,
        subtitles=subtitles,
        audio=audio,
        job=job,
        share_seconds=system.share_seconds,
        report=report,
    )
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    inputs = resolve(_expanded(paths, out), audio, by_segment=False, tables=False)
    sections = [("system", system), *options.items(), ("asr", context), ("subtitles", subtitles), ("audio", audio)]
    write_sections(out / "config.yaml", f"firered transcribe --models {models}", sections)
    sys.exit(run_transcribe(inputs, out, how))


def build_system(
    places: dict[str, Path],
    system: SystemConfig,
    options: dict[str, Any],
    context: ContextConfig,
    threads: int,
    families: Sequence[Family],
    device: str,
) -> "System":
    """The system on a device; runs in each process, where of the families only the package's own are known."""
    from firered.system.system import System

    for family in families:
        register(family)
    use_threads(ComputeConfig(num_threads=threads))
    known, carry = context.context(), context.context_carry
    return System.from_pretrained(places, system, device=device, context=known, context_carry=carry, **options)


def passed_on(option: str) -> list[Family]:
    """All families, for other processes.

    Args:
        option: that wants these.

    Raises:
        OptionError: one has a function that another process cannot find by its module and name.
    """
    for family in FAMILIES.values():
        try:
            pickle.dumps(family)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise OptionError(
                f"{option}: the family {family.name} cannot be passed on to other processes ({error}); define its "
                "functions at the top of a module, or take one process"
            ) from error
    return list(FAMILIES.values())


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
        # Path has no glob for absolute patterns, and raises where a name is too long to exist.
        matches = [] if os.path.lexists(path) else sorted(glob.glob(path, recursive=True))  # noqa: PTH207
        if path == _STDIN:
            copy = out / "stdin"
            with writing(copy):
                copy.write_bytes(sys.stdin.buffer.read())
            found.append(str(copy))
        else:
            found += matches or [path]
    return found


PRESET = {"timestamps": "pauses"}  # word times are on here, for subtitles
# Parameter and module whose name its flags carry.
MODULES = {"vad": "vad", "mvad": "mvad", "lid": "lid", "asr": "asr", "context": "asr", "punc": "punc"}

transcribe = script(transcribe_command, PRESET, MODULES, asr_kinds)
