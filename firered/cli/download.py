"""firered-download."""

import os
from pathlib import Path
from typing import Annotated

import typer

from firered.cli.flags import script
from firered.cli.frame import interruptible
from firered.errors import OptionError
from firered.hub.catalogue import MODELS, PUBLISHED


def download_command(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME", help=f"any of {', '.join(PUBLISHED)}", show_default=False)
    ],
    hub: Annotated[str, typer.Option(help="hf (Hugging Face) or modelscope")] = "hf",
    to: Annotated[Path, typer.Option(help="folder for the folders of these names")] = MODELS,
) -> None:
    """Fetch published models by name, and check them by size and hash.

    An interrupted download resumes. HF_ENDPOINT and MODELSCOPE_ENDPOINT name mirrors, as for the hubs' own tools.
    """
    from firered.hub.download import download
    from firered.hub.hubs import HUBS

    if hub not in HUBS:
        raise OptionError(f"hub: {hub!r} is not one of {', '.join(HUBS)}")
    # Without this, huggingface_hub makes one more request to the mirror, to identify the program that calls it.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    with interruptible(resumes=True):
        download(names, HUBS[hub](), to)


download = script(download_command)
