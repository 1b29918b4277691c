"""Options of language identification."""

from dataclasses import dataclass

from firered.options import Options, option
from firered.runtime.config import batch_seconds_option, dtype_option


@dataclass(frozen=True)
class LidConfig(Options):
    """Language and dialect identification."""

    beam_size: int = option(3, "hypotheses kept an utterance", low=1)
    constrain: bool = option(False, "a dialect after zh, always, and after no other language")
    languages: str = option(
        "",
        "only these may win, such as 'zh,en,yue'; probabilities are of these alone. A dialect stands for Chinese with "
        "that dialect; empty: all",
    )
    max_seconds: float = option(30.0, "of longer utterances a stretch of this length is heard", low=1)
    stretch: str = option(
        "both",
        "which stretch of a longer utterance: its first, its best (the loudest), or both, and the surer answer counts",
        choices=("both", "first", "best"),
    )
    batch_seconds: float = batch_seconds_option()
    dtype: str = dtype_option()
