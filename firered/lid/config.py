"""Options of language identification."""

from dataclasses import dataclass

from firered.options import Options, option
from firered.runtime.config import batch_seconds_option, dtype_option


@dataclass(frozen=True)
class LidConfig(Options):
    """Language and dialect identification."""

    beam_size: int = option(3, "hypotheses kept per utterance", low=1)
    constrain: bool = option(False, "a dialect after zh, always, and after no other language")
    languages: str = option(
        "",
        "only these may win, such as 'zh,en,yue'; probabilities are of these alone. A dialect stands for Chinese with "
        "that dialect; empty: all",
    )
    max_seconds: float = option(30.0, "of longer utterances only a stretch of this length is used", low=1)
    stretch: str = option(
        "both",
        "stretch of a longer utterance: the first, the best (loudest), or both and the more confident result",
        choices=("both", "first", "best"),
    )
    batch_seconds: float = batch_seconds_option()
    dtype: str = dtype_option()
