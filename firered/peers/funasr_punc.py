"""FunASR's punctuation, CT-Transformer, through its package funasr."""

from typing import Any

from firered.errors import DataError
from firered.peers.funasr_model import open_model, text_of


class CtPunc:
    """Text by text with the package's defaults. It sets spaces and capitals anew; scores compare without either."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - funasr.AutoModel
        self._model = model

    def __call__(self, text: str) -> str:
        """The text with punctuation.

        Raises:
            DataError: the package would take the text for an address, and fetch it.
        """
        if not text.strip():
            return text
        if text.startswith(("http://", "https://")):
            raise DataError("FunASR fetches a text that begins like an address; it is not given to it")
        return text_of(self._model.generate(input=[text]))


def load(model: str | None, device: str) -> CtPunc:
    """The adapter; `model` is the directory of its weights."""
    return CtPunc(open_model(model, device))
