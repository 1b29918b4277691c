"""firered serve."""

import functools
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from firered.asr.config import RecogniserConfig
from firered.asr.families import find
from firered.cli.flags import script
from firered.cli.kinds import asr_kinds
from firered.cli.transcribe import MODULES, PRESET, build_system
from firered.errors import OptionError
from firered.hub.catalogue import MODELS
from firered.lid.config import LidConfig
from firered.punc.config import PuncConfig
from firered.runtime.config import ComputeConfig, ContextConfig
from firered.serve.config import ServeConfig
from firered.system.config import SystemConfig
from firered.vad.config import MvadConfig, VadConfig


def serve_command(
    server: ServeConfig,
    system: SystemConfig,
    vad: VadConfig,
    mvad: MvadConfig,
    lid: LidConfig,
    asr: RecogniserConfig,
    context: ContextConfig,
    punc: PuncConfig,
    compute: ComputeConfig,
    models: Annotated[Path, typer.Option(help="directory that holds the models under their published names")] = MODELS,
) -> None:
    """Serve transcripts over HTTP: OpenAI's POST /v1/audio/transcriptions, and jobs for long recordings."""
    if not system.asr:
        raise OptionError("asr: a server without recognition has nothing to serve")
    if context.context_carry:
        raise OptionError("context_carry: not in a server, where segments of many recordings take turns")

    from firered.serve.server import serve_until_told
    from firered.system.system import model_dirs, recogniser_of

    directory, family = recogniser_of(models, system)
    system = replace(system, asr_type=family.name)
    places = model_dirs(models, system, asr)
    for path in system.routes().values():
        find(path)
    options = {"vad": vad, "mvad": mvad, "lid": lid, "asr": asr, "punc": punc}
    build = functools.partial(build_system, places, system, options, context, compute.num_threads, (), compute.device)
    sys.exit(serve_until_told(server, build, directory.name, family.languages, context.context(), vad))


serve = script(serve_command, PRESET, MODULES, asr_kinds)
