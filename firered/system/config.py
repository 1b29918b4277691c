"""Options of the whole system."""

from dataclasses import dataclass

from firered.asr.families import FAMILIES
from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class ModulesConfig(Options):
    """Which modules run on speech, and which recogniser."""

    lid: bool = option(True, "identify the language of every segment")
    asr: bool = option(True, "transcribe every segment")
    punc: bool = option(True, "punctuate the text and cut it into sentences")
    asr_type: str = option("", f"kind of recognition model ({', '.join(FAMILIES)}), if not that of the directory")
    asr_model: str | None = option(
        None,
        "recognition model that lies elsewhere: its directory, or its name on Hugging Face",
        model="",
    )
    route: str = option("", "other recognition models for some languages: 'yue=DIR,en=DIR'")

    def __post_init__(self) -> None:
        if isinstance(self.route, dict):  # YAML's `route: {yue: DIR}`
            object.__setattr__(self, "route", ",".join(f"{code}={path}" for code, path in self.route.items()))
        super().__post_init__()
        if any("=" not in part for part in self.route.split(",") if part):
            raise OptionError(f"route: {self.route!r} is not of the form 'yue=DIR,en=DIR'")

    def routes(self) -> dict[str, str]:
        """Model directory by language or dialect."""
        return dict(part.split("=", 1) for part in self.route.split(",") if part)


@dataclass(frozen=True)
class SystemConfig(ModulesConfig):
    """The whole system over recordings: how they are cut into segments, and how these are combined."""

    vad: bool = option(True, "cut recordings into segments of voice; without it each is one segment")
    events: bool = option(False, "also find stretches of speech, singing and music (FireRedVAD/AED)")
    share_seconds: float = option(
        1200.0, "recordings share batches until they hold so many seconds of speech; 0: one at a time", low=0
    )
