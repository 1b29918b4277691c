"""firered-download."""

from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import script
from firered.errors import OptionError
from firered.pretrained import MODELS, PUBLISHED


def download_command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help=f"any of {', '.join(PUBLISHED)}", show_default=False)
    ],
    hub: Annotated[str, typer.Option(help="hf (Hugging Face) or modelscope")] = "hf",
    to: Annotated[Path, typer.Option(help="folder for the folders of these names")] = MODELS,
) -> None:
    """Fetch published models by name, and check them by size and hash.

    Interrupted downloads are resumed. Mirrors are named as for the hubs' own tools: HF_ENDPOINT, MODELSCOPE_ENDPOINT.
    """
    from firered.download import download
    from firered.hubs import HUBS

    if hub not in HUBS:
        raise OptionError(f"hub: {hub!r} is not one of {', '.join(HUBS)}")
    download(names, HUBS[hub](), to)


download = script(download_command)
