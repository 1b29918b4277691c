"""firered-encode."""

import functools
import sys

from firered.asr.config import RecogniserConfig
from firered.asr.families import find, options_of
from firered.audio.config import AudioConfig
from firered.cli.asr import Kind, Model
from firered.cli.flags import Paths, flag_value, run, split_paths, use_threads
from firered.pretrained import MODELS
from firered.runs.config import EncodeConfig, JobConfig
from firered.runtime.config import ComputeConfig


def encode_command(
    paths: Paths,
    encode: EncodeConfig,
    config: RecogniserConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: JobConfig,
    model: Model = MODELS,
    kind: Kind = "",
) -> None:
    """Write what a recogniser's encoder makes of utterances as a Kaldi archive of (T, D) matrices."""
    inputs, out = split_paths(paths)
    directory, family = find(model, kind)
    use_threads(compute)

    from firered.runs.encode import run_encode

    sys.exit(run_encode(inputs, out, directory, family.load(directory, config, compute.device), encode, audio, job))


@functools.wraps(encode_command)
def encode() -> None:
    """Console script: its options are those of the kind of model."""
    run(encode_command, config=options_of(flag_value("--model"), flag_value("--type")))
