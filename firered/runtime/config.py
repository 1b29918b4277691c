"""What a model runs on, and options that several modules have in the same words."""

from dataclasses import dataclass
from typing import Any

from firered.options import Options, option


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
