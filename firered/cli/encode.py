"""firered-encode."""

import sys

from firered.asr.config import RecogniserConfig
from firered.asr.families import find
from firered.audio.config import AudioConfig
from firered.cli.asr import Kind, Model, kinds_of_model
from firered.cli.flags import Paths, script, split_paths, use_threads
from firered.hub.catalogue import MODELS
from firered.runs.config import EncodeConfig, RunConfig
from firered.runtime.config import ComputeConfig


def encode_command(
    paths: Paths,
    encode: EncodeConfig,
    config: RecogniserConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Model = MODELS,
    kind: Kind = None,
) -> None:
    """Write what a recogniser's encoder makes of utterances as a Kaldi archive of (T, D) matrices."""
    inputs, out = split_paths(paths)
    directory, family = find(model, kind)
    use_threads(compute)

    from firered.runs.encode import run_encode

    sys.exit(run_encode(inputs, out, directory, family.encoder(directory, config, compute.device), encode, audio, job))


encode = script(encode_command, kinds=kinds_of_model)
