"""Options of hotwords: how a recogniser makes use of a list."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.hotwords.lists import THRESHOLD
from firered.options import Options, option

GRAPH, PROMPT, CORRECTION = WAYS = ("graph", "prompt", "correction")


@dataclass(frozen=True)
class HotwordConfig(Options):
    """How hotwords are used; without a list none of this has any effect."""

    hotword_use: str = option(
        "auto",
        "how hotwords are used: auto (every way that the recogniser has), none, or some of graph (a bonus in the "
        "search), prompt and correction (of finished text), with commas between",
    )
    hotword_score: float = option(
        1.0,
        "bonus of a hotword for a Chinese character or three letters, in the search and where a CTC head judges a "
        "correction; its own weight multiplies it",
    )
    hotword_depth: float = option(
        0.0, "above 0, later parts of a hotword earn more: the first 1, the nth 1 + this * ln n", low=0
    )
    hotword_candidates: int = option(
        10, "entries that an utterance is decoded with at most; of longer lists those that a first pass suggests", low=1
    )
    hotword_threshold: float = option(
        THRESHOLD, "how likely by its sound an entry was said to be one of these, at least", low=0, high=1
    )
    hotword_units: str = option(
        "phonemes",
        "what words in letters are compared by: phonemes, or pieces of words as published (paper)",
        choices=("phonemes", "paper"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [way for way in self._named if way not in (*WAYS, "auto", "none")]
        if unknown or (len(self._named) > 1 and {"auto", "none"} & set(self._named)):
            raise OptionError(f"hotword_use: {self.hotword_use!r} is not auto, none, or some of {','.join(WAYS)}")

    @property
    def _named(self) -> list[str]:
        return [way.strip() for way in self.hotword_use.split(",")]

    @property
    def ways(self) -> tuple[str, ...]:
        """The ways that are asked for."""
        return WAYS if self._named == ["auto"] else tuple(way for way in WAYS if way in self._named)
