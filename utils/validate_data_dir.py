#!/usr/bin/env python3
"""Check a Kaldi data directory."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.data.validate import validate
from firered.errors import FireRedError

NAME = "validate_data_dir.py"


def main(
    directory: Annotated[Path, typer.Argument(metavar="DIR", show_default=False)],
    no_feats: Annotated[bool, typer.Option("--no-feats", help="feats.scp need not be there")] = False,
    no_text: Annotated[bool, typer.Option("--no-text", help="text need not be there")] = False,
    no_wav: Annotated[bool, typer.Option("--no-wav", help="wav.scp need not be there")] = False,
    non_print: Annotated[bool, typer.Option("--non-print", help="non-printable characters are fine")] = False,
    no_spk_sort: Annotated[bool, typer.Option("--no-spk-sort", help="utt2spk may be in any order of speakers")] = False,
) -> None:
    """Check a Kaldi data directory: every error is printed to stderr as file:line: what is wrong.

    A file that an option says need not be there is still checked when it is. The exit status is 1 after any error.
    """
    try:
        errors = validate(
            directory,
            feats=not no_feats,
            text=not no_text,
            wav=not no_wav,
            non_print=non_print,
            spk_sort=not no_spk_sort,
        )
    except FireRedError as error:
        sys.exit(f"{NAME}: {error}")
    for error in errors:
        print(error, file=sys.stderr)
    if errors:
        sys.exit(f"{NAME}: {directory} is not valid, errors: {len(errors)}")
    print(f"{NAME}: Successfully validated data-directory {directory}")


if __name__ == "__main__":
    typer.run(main)
