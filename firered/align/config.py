"""Options of forced alignment."""

from dataclasses import dataclass

from firered.options import Options, option
from firered.runtime.config import batch_seconds_option, dtype_option


@dataclass(frozen=True)
class AlignConfig(Options):
    """Forced alignment of given text by the CTC head."""

    timestamps: str = option(
        "pauses", "word times as published (pauses swallowed), or with pauses", choices=("reference", "pauses")
    )
    batch_seconds: float = batch_seconds_option()
    window_seconds: float = option(
        60.0, "longer utterances go through the encoder in windows cut at quiet places", low=2
    )
    dtype: str = dtype_option()
