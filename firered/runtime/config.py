"""Device and context of a model, and options that several modules share."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from firered.errors import OptionError
from firered.hotwords.lists import HotwordList
from firered.options import Options, option
from firered.runtime.context import Context

if TYPE_CHECKING:
    from firered.hotwords.reading import Form


# Options that several modules have in the same words; each needs a field of its own.
def dtype_option() -> Any:  # noqa: ANN401 - stands where the field's own type is declared
    """The number format of a model, as a field."""
    return option(
        "float32",
        "number format: float16 is for CUDA, int8 for the processor",
        choices=("float32", "bfloat16", "float16", "int8"),
    )


def batch_seconds_option() -> Any:  # noqa: ANN401
    """The size of batches, as a field."""
    return option(120.0, "seconds of a batch, padded to its longest utterance; bounds memory", low=0.1)


@dataclass(frozen=True)
class ComputeConfig(Options):
    """What a model runs on."""

    device: str = option("auto", "cpu, cuda, cuda:N, or auto: cuda where there is one")
    num_threads: int = option(0, "processor threads; 0: one a core", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not re.fullmatch(r"auto|cpu|cuda(:[0-9]+)?", self.device):
            raise OptionError(f"device: {self.device!r} is not auto, cpu, cuda or cuda:N")


@dataclass(frozen=True)
class ContextConfig(Options):
    """Context that the recogniser is given with every utterance."""

    language: str | None = option(
        None, "spoken language by code or name (en, English, 英文), several it may be in (zh,en), or auto"
    )
    prompt: str = option("", "text for the language model's prompt; for models that take one")
    hotword: tuple[str, ...] = option((), "word or phrase that is likely to come; may be given several times")
    hotwords: str | None = option(
        None, "file of such words, one a line, then, behind tabs, its weight and how it is said, if wanted", model=""
    )
    hotwords_format: str = option(
        "tabs",
        "of that file; paraformer: a weight behind a space, as in FunASR's lists for Paraformer",
        choices=("tabs", "paraformer"),
    )

    context_carry: int = option(
        0,
        "sentences before a segment, of the same recording, that the model is told of, if it takes such: segments are "
        "then recognised one after the other",
        low=0,
    )

    def context(self) -> Context:
        """The same for models.

        Raises:
            DataError: the file of hotwords cannot be read, or lines of it are wrong.
        """
        from firered.hotwords.reading import read_list  # with what it imports, the slow part of every command's start

        form = cast("Form", self.hotwords_format)
        listed = read_list(Path(self.hotwords), form) if self.hotwords else ()
        return Context(
            hotwords=HotwordList([*self.hotword, *listed]),
            language=self.language,
            prompt=self.prompt,
        )
