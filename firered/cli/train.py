"""firered-train, firered-tokens and firered-rl-data."""

import logging
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import script, split_paths
from firered.cli.frame import interruptible
from firered.train.data.config import TokensConfig
from firered.train.data.rl_config import PromptConfig


def train_command(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, see conf/train", show_default=False)],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="set section.name (or a name of only one)")
    ] = None,
    mix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DIR:SHARE",
            help="old data, so that a model that is fine-tuned does not forget: DIR gets this share (0.3) of the hours "
            "of every epoch, and data.train the others",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="show batches, steps and an estimate of the memory; train nothing")
    ] = False,
    preview: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="write N augmented examples to listen to, to OUT/preview; train nothing"),
    ] = None,
    merged: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="write the speech-LLM that was trained with LoRA merged into its language model to DIR, LoRA and the "
            "adapter alone beside it; train nothing",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Train or fine-tune a model by a YAML file, into a folder that the other commands take as --model.

    The same command resumes an interrupted training. Several GPUs or machines: accelerate launch (or torchrun)
    -m firered.cli.train CONFIG.
    """
    from firered.corpora.indexed import training_sets
    from firered.train.settings import load_settings

    settings = load_settings(config, changes or (), mix or ())
    if merged is not None:
        from firered.train.merged import write_merged

        write_merged(settings, merged)
        return
    if dry_run or preview:
        from firered.train import rehearsal

        settings = training_sets(settings, lambda write: write())
        if dry_run:
            typer.echo("\n".join(rehearsal.dry_run(settings)))
        if preview:
            rehearsal.preview(settings, preview)
        return
    from firered.train.run import train

    with interruptible(resumes=True):
        train(settings, training_sets)
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


def rl_data_command(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="a data directory", show_default=False)],
    ours: Annotated[
        Path,
        typer.Argument(
            metavar="OURS",
            help="what the model to be trained makes of it: a file or directory with `text`",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="the data directory to write", show_default=False)],
    config: PromptConfig,
) -> None:
    """Choose utterances for task grpo: hard, long, prone to invention, with keywords, and regular ones."""
    from firered.train.prompts import choose_prompts

    sys.exit(choose_prompts(data, ours, out, config))


train = script(train_command)
tokens = script(tokens_command)
rl_data = script(rl_data_command)


if __name__ == "__main__":
    train()
