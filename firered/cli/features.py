"""firered-prepare-data, firered-fbank and firered-cmvn."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.audio.config import AudioConfig
from firered.cli.flags import Paths, script, split_paths
from firered.runs.config import FbankConfig, RunConfig


def prepare_command(paths: Paths, audio: AudioConfig, job: RunConfig) -> None:
    """Make a Kaldi data directory of recordings: wav.scp, speakers, durations; what cannot be opened is listed."""
    from firered.runs.prepare import prepare

    inputs, out = split_paths(paths)
    sys.exit(prepare(inputs, out, audio, job))


def fbank_command(
    paths: Paths,
    fbank: FbankConfig,
    audio: AudioConfig,
    job: RunConfig,
    model: Annotated[
        Path | None,
        typer.Option("--for", help="model directory or published name whose front end is used, if not FireRedASR2S's"),
    ] = None,
) -> None:
    """Write 80-bin log mel filterbanks of a data directory (of its segments where it has any) as a Kaldi archive."""
    import torch

    from firered.runs.fbank import make_fbank

    torch.set_num_threads(1)  # run.sh --nj is how this goes parallel
    inputs, out = split_paths(paths)
    sys.exit(make_fbank(inputs, out, audio, fbank, job, model))


def cmvn_command(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="data directory with feats.scp", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="folder for cmvn.ark, or *.ark", show_default=False)],
) -> None:
    """Write global mean and variance statistics of a data directory's features, in Kaldi's format."""
    from firered.runs.cmvn import make_cmvn

    sys.exit(make_cmvn(data, out))


prepare = script(prepare_command)
fbank = script(fbank_command)
cmvn = script(cmvn_command)
