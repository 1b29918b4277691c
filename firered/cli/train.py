"""firered-train and firered-tokens."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import script, split_paths
from firered.cli.frame import interruptible
from firered.train.data.config import TokensConfig


def train_command(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, see conf/train", show_default=False)],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="set section.name (or a name of only one)")
    ] = None,
) -> None:
    """Train or fine-tune a model by a YAML file, into a folder that the other commands take as --model.

    The same command resumes an interrupted training. Several GPUs or machines: accelerate launch (or torchrun)
    -m firered.cli.train CONFIG.
    """
    from firered.train.run import train
    from firered.train.settings import load_settings

    with interruptible(resumes=True):
        train(load_settings(config, changes or ()))
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        _end_at_once()


def _end_at_once() -> None:
    """End one process of several without the interpreter's own cleanup, which can abort a training that is done.

    DistributedDataParallel never lets go of its process group (torch 2.11), so the threads of gloo outlive even
    `destroy_process_group`. One that is only now dropping the tensors of the last exchange needs the interpreter's
    lock for it, and a thread that asks for the lock while the interpreter ends is unwound: "terminate called without
    an active exception", and the launcher calls the whole training failed.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def tokens_command(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT... OUT",
            help="TEXT: data directories with `text`, or plain text files. OUT: the folder to write.",
            show_default=False,
        ),
    ],
    config: TokensConfig,
) -> None:
    """Make a dictionary and a SentencePiece model of text: what new recognition and language models start from."""
    from firered.train.data.tokens import make_tokens

    inputs, out = split_paths(paths)
    make_tokens(" ".join(inputs), out, config)


train = script(train_command)
tokens = script(tokens_command)


if __name__ == "__main__":
    train()
