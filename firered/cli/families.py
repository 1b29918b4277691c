"""The kinds of recognition models: by which files each is known, its options and how it is loaded."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from firered.asr.config import AsrConfig, GuardConfig, LlmConfig
from firered.errors import ModelError, OptionError
from firered.pretrained import MODELS, find_model


@dataclass(frozen=True)
class Family:
    """A kind of recognition model: the name that `--type` gives it, its options, loader and published directory."""

    name: str
    config: type[AsrConfig] | type[LlmConfig]
    load: Callable[[Path, Any, str], Any]  # directory, options, device
    published: str
    files: tuple[str, ...]

    def recognises(self, directory: Path) -> bool:
        """Whether a directory has all the files that this kind is known by."""
        return all((directory / name).exists() for name in self.files)


def _load_aed(directory: Path, config: AsrConfig, device: str) -> Any:  # noqa: ANN401 - a recogniser
    from firered.asr.aed import Asr

    return Asr.from_pretrained(directory, _with_detector(config), device)


def _load_llm(directory: Path, config: LlmConfig, device: str) -> Any:  # noqa: ANN401
    from firered.asr.llm import LlmAsr

    config = _with_detector(config)
    if config.align_model:
        config = replace(config, align_model=str(find_model(Path(config.align_model), "FireRedASR2-AED")))
    return LlmAsr.from_pretrained(directory, config, device)


def _with_detector(config: Any) -> Any:  # noqa: ANN401 - options of either kind
    """The same with the place of the guard's voice detector, which may be given as one that holds it."""
    assert isinstance(config, GuardConfig)
    if config.guard == "off" or not config.guard_vad:
        return config
    return replace(config, guard_vad=str(find_model(Path(config.guard_vad), "FireRedVAD/VAD")))


FAMILIES = {
    "aed": Family("aed", AsrConfig, _load_aed, "FireRedASR2-AED", ("model.pth.tar", "dict.txt")),
    "llm": Family("llm", LlmConfig, _load_llm, "FireRedASR2-LLM", ("model.pth.tar", "asr_encoder.pth.tar")),
}


def find(given: str | Path, wanted: str | None = None) -> tuple[Path, Family]:
    """A recogniser's directory and its kind: the one that is wanted, or else what the directory says.

    Raises:
        ModelError: it is not there; says how to get it.
        OptionError: there is no kind of the name `wanted`.
    """
    if wanted:
        if wanted not in FAMILIES:
            raise OptionError(f"type: {wanted!r} is not {' or '.join(FAMILIES)}")
        family = FAMILIES[wanted]
        return find_model(given, family.published), family
    for family in FAMILIES.values():
        try:
            directory = find_model(given, family.published)
        except ModelError:
            continue
        if family.recognises(directory):
            return directory, family
    family = FAMILIES["aed"]
    return find_model(given, family.published), family


def options_of(given: str | Path | None, wanted: str | None = None) -> type[AsrConfig] | type[LlmConfig]:
    """The options of the recogniser that `find` would find; where it finds none, those of the first kind."""
    if wanted in FAMILIES:
        return FAMILIES[wanted].config
    try:
        return find(given or MODELS)[1].config
    except ModelError:
        return FAMILIES["aed"].config
