"""firered-noisy, firered-shards, and what is made for training: firered-context, firered-mixed-text, firered-speak."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.audio.config import AudioConfig
from firered.cli.flags import script
from firered.corpora.made.context_config import ContextConfig
from firered.corpora.made.mixed_config import MixedTextConfig, SpeakConfig
from firered.runs.config import NoisyConfig, RunConfig, ShardConfig

Data = Annotated[str, typer.Argument(metavar="DATA", help="a data directory", show_default=False)]


def noisy_command(
    data: Data,
    noise: Annotated[
        str,
        typer.Argument(metavar="NOISE", help="folder of noise, a wav.scp, or a data directory", show_default=False),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the data directory to write", show_default=False)],
    config: NoisyConfig,
    audio: AudioConfig,
    job: RunConfig,
) -> None:
    """Write a noisy copy of every utterance, with utt2noise and utt2snr; train on it beside the clean data."""
    from firered.runs.noisy import make_noisy

    sys.exit(make_noisy(data, noise, out, config, audio, job))


def shards_command(
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="a data directory; manifests of lhotse; parquet files; or shards of others, which are indexed",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the folder to write", show_default=False)],
    config: ShardConfig,
    audio: AudioConfig,
    job: RunConfig,
) -> None:
    """Pack a data directory into tar files (WebDataset), for training; OUT is a data directory again."""
    from firered.corpora.shards import make_shards

    sys.exit(make_shards(data, out, config, audio, job))


def context_command(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="a data directory with text", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the data directory to write", show_default=False)],
    config: ContextConfig,
    job: RunConfig,
) -> None:
    """Find keywords of transcripts and write contexts that hold them, for training with contexts."""
    from firered.corpora.made.contexts import make_contexts

    sys.exit(make_contexts(data, out, config, job))


def mixed_text_command(
    phrases: Annotated[
        Path, typer.Argument(metavar="PHRASES", help="lines: a domain, a tab and a phrase", show_default=False)
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="the folder to write train and test to", show_default=False)
    ],
    config: MixedTextConfig,
    job: RunConfig,
) -> None:
    """Write sentences that mix two languages, of phrases for training and of others for testing."""
    from firered.corpora.made.mixed_text import write_mixed_text

    sys.exit(write_mixed_text(phrases, out, config, job))


def speak_command(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="a data directory with text", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the data directory to write", show_default=False)],
    config: SpeakConfig,
    job: RunConfig,
) -> None:
    """Have texts spoken by a synthesiser in voices that are drawn, as a data directory."""
    from firered.corpora.made.speak import speak

    sys.exit(speak(data, out, config, job))


noisy = script(noisy_command)
shards = script(shards_command)
context = script(context_command)
mixed_text = script(mixed_text_command)
spoken = script(speak_command)
