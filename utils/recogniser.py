#!/usr/bin/env python3
"""What recipes have to know of a recogniser before a stage: a line on standard output."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.asr.families import find, find_aligner
from firered.errors import FireRedError, ModelError
from firered.options import read_yaml

app = typer.Typer(add_completion=False)
Models = Annotated[Path, typer.Argument(metavar="MODELS", show_default=False)]
Kind = Annotated[str, typer.Argument(metavar="TYPE", show_default=False)]


@app.command()
def language(models: Models, kind: Kind = "") -> None:
    """`yes` if it can be told the language of an utterance."""
    print("yes" if find(models, kind or None)[1].told_language else "no")


@app.command()
def times(models: Models, kind: Kind = "") -> None:
    """Why texts cannot be aligned with these models; nothing if they can."""
    recogniser = find(models, kind or None)[1]
    try:
        directory, family = find_aligner(models, kind or None)
    except ModelError as error:
        if recogniser.load_aligner:
            raise
        print(f"{recogniser.about}, has no CTC head of its own; {str(error).splitlines()[0]}")
        return
    print(family.lacks_aligner(directory) if family.lacks_aligner else "")


@app.command()
def marks(models: Models, kind: Kind, settings: Annotated[Path, typer.Argument(metavar="CONFIG.YAML")]) -> None:
    """`yes` if its text has punctuation with the settings that firered-asr has written beside it."""
    directory, family = find(models, kind or None)
    values = read_yaml(settings) if settings.is_file() else {}
    options = family.config.of({name: value for name, value in values.items() if name in family.config.names()})
    print("yes" if family.punctuates(directory, options) else "no")


@app.command()
def streams(models: Models, kind: Kind = "") -> None:
    """Why it has no streaming pass; nothing if it has one."""
    directory, family = find(models, kind or None)
    print(family.why_no_stream(directory))


if __name__ == "__main__":
    try:
        app()
    except FireRedError as error:
        sys.exit(f"recogniser.py: {error}")
