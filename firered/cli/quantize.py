"""firered-quantize."""

from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import script
from firered.errors import OptionError
from firered.hub.find import find_model

DTYPES = ("int8", "bfloat16")


def quantize_command(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="directory of a FireRedASR-AED or FireRedLID, or its name", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="directory to write", show_default=False)],
    dtype: Annotated[str, typer.Option(help=f"number format of the weights ({', '.join(DTYPES)})")] = "int8",
    keep: Annotated[
        list[str] | None,
        typer.Option(
            help="pattern of names of layers that stay in float32, such as 'encoder.layer_stack.0.*'; may be given "
            "several times",
            show_default=False,
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace OUT where there is one")] = False,
) -> None:
    """Write a model whose weights are in a reduced number format, once: it loads faster and takes less disk.

    Every command takes OUT as --model. Results are those of the published model with --dtype, bit by bit.
    """
    if dtype not in DTYPES:
        raise OptionError(f"dtype: {dtype!r} is not one of {', '.join(DTYPES)}")

    from firered.runs.quantise import quantise_model

    quantise_model(find_model(model), out, dtype, keep or (), overwrite=overwrite)


quantize = script(quantize_command)
