"""firered-train and firered-tokens."""

from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import script, split_paths
from firered.train.config import TokensConfig


def train_command(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, see conf/train", show_default=False)],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="set section.name (or a name of only one)")
    ] = None,
) -> None:
    """Train or fine-tune a model as a YAML file says, into a folder that the other commands take as --model.

    The same command goes on with a training that was interrupted. Several GPUs or machines: accelerate launch
    (or torchrun) -m firered.cli.train CONFIG.
    """
    from firered.train.run import train
    from firered.train.settings import load_settings

    train(load_settings(config, changes or ()))


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
    from firered.train.tokens import make_tokens

    inputs, out = split_paths(paths)
    make_tokens(" ".join(inputs), out, config)


train = script(train_command)
tokens = script(tokens_command)


if __name__ == "__main__":
    train()
