"""firered serve."""

import functools
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from firered.asr.config import RecogniserConfig
from firered.asr.families import find
from firered.cli.flags import script
from firered.cli.kinds import asr_kinds
from firered.cli.transcribe import MODULES, PRESET, build_system, passed_on
from firered.errors import ModelError, OptionError
from firered.hub.catalogue import MODELS
from firered.hub.find import find_model
from firered.lid.config import LidConfig
from firered.live.config import BREATH_S, LiveConfig
from firered.punc.config import PuncConfig
from firered.runtime.config import ComputeConfig, ContextConfig
from firered.serve.config import ServeConfig
from firered.serve.ray_config import RayConfig
from firered.system.config import SystemConfig
from firered.vad.config import MvadConfig, VadConfig

if TYPE_CHECKING:
    from firered.vad.detect import StreamVad

log = logging.getLogger(__name__)


def serve_command(
    server: ServeConfig,
    system: SystemConfig,
    vad: VadConfig,
    mvad: MvadConfig,
    lid: LidConfig,
    asr: RecogniserConfig,
    context: ContextConfig,
    punc: PuncConfig,
    live: LiveConfig,
    ray: RayConfig,
    compute: ComputeConfig,
    models: Annotated[Path, typer.Option(help="directory that holds the models under their published names")] = MODELS,
) -> None:
    """Serve transcripts, as OpenAI's API has them, of recordings and of live audio, and jobs for long recordings."""
    if not system.asr:
        raise OptionError("asr: a server without recognition has nothing to serve")
    if context.context_carry:
        raise OptionError("context_carry: not in a server, where segments of many recordings take turns")

    from firered.system.system import model_dirs, recogniser_of

    directory, family = recogniser_of(models, system)
    system = replace(system, asr_type=family.name)
    places = model_dirs(models, system, asr)
    for path in system.routes().values():
        find(path)
    families = passed_on("ray") if ray.ray else ()
    options = {"vad": vad, "mvad": mvad, "lid": lid, "asr": asr, "punc": punc}
    build = functools.partial(
        build_system, places, system, options, context, compute.num_threads, families, compute.device
    )
    about = directory.name, family.languages, context.context(), vad
    detector = _detector(models, compute.device)
    if ray.ray:
        from firered.serve.replicas import Plan, serve_replicas

        sys.exit(serve_replicas(Plan(server, build, *about, detector, live), ray))
    from firered.serve.server import serve_until_told

    sys.exit(serve_until_told(server, build, *about, detector=detector, live=live))


def _detector(models: Path, device: str) -> "Callable[[], StreamVad] | None":
    """Makes the voice detector of live streams; None where its model is not there, which the log says."""
    from firered.live.system import STREAM_VAD
    from firered.vad.detect import StreamVad

    try:
        place = find_model(models, STREAM_VAD)
    except ModelError as error:
        log.warning("no live streams: %s", error)
        return None
    return functools.partial(StreamVad.from_pretrained, place, None, device)


serve = script(serve_command, {**PRESET, "silence_s": BREATH_S}, MODULES, asr_kinds)
