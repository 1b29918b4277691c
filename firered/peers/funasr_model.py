"""Models of FunASR through the AutoModel of its package, with its manners kept in check.

AutoModel fetches what it does not find, runs with random weights where `model.pt` is missing, and sets the number of
threads to four and the level of all messages: so the files are looked at before, and threads and messages stay as they
are.
"""

from collections.abc import Mapping
from typing import Any

from firered.errors import ModelError
from firered.peers.directory import check_directory, log_left_alone

_NEEDED = ("config.yaml", "model.pt")


def open_model(directory: str | None, device: str) -> Any:  # noqa: ANN401 - a class of the package
    """The package's AutoModel of a directory as published.

    Raises:
        ModelError: a file that it needs is not there, empty, or a pointer.
    """
    import torch

    with log_left_alone():
        from funasr import AutoModel

        place = check_directory(directory, _NEEDED)
        options: dict[str, object] = {} if device == "auto" else {"device": device}
        quiet = {"disable_update": True, "disable_pbar": True, "disable_log": True, "log_level": "ERROR"}
        return AutoModel(model=str(place), ncpu=torch.get_num_threads(), **quiet, **options)


def text_of(answer: Any) -> str:  # noqa: ANN401 - a list of dictionaries, it is hoped
    """The text of what AutoModel gives for one input; empty where it found nothing to write.

    Raises:
        ModelError: it is of another form.
    """
    if isinstance(answer, list) and not answer:
        return ""  # Paraformer: no token in the audio
    if isinstance(answer, list) and len(answer) == 1 and isinstance(answer[0], Mapping):
        text = answer[0].get("text")
        if isinstance(text, str):
            return text
    raise ModelError(f"FunASR gave no text but {str(answer)[:80]!r}")
