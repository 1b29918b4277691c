"""What a speech-LLM's checkpoint says of its encoder, where that is not a Conformer; read without loading libraries."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from firered.audio.frontend import PUBLISHED, SAMPLES, FrontEnd
from firered.errors import ModelError
from firered.models.checkpoint import arg, config_from_args, shown

SANM, WHISPER = "sanm", "whisper"
KINDS = (SANM, WHISPER)


@dataclass(frozen=True)
class _Stacking:
    """What an SANM encoder's arguments say of its features."""

    bins: int = arg(80, low=1, high=1000)
    stack: int = arg(7, low=1, high=100)
    skip: int = arg(6, low=1, high=100)


def kind_of(args: Namespace, path: Path) -> str | None:
    """The kind of encoder that a checkpoint's arguments are of; None: a Conformer.

    Raises:
        ModelError: it is not known.
    """
    kind = getattr(args, "encoder", None)
    if kind is not None and kind not in KINDS:
        raise ModelError(f"{path}: an encoder of the kind {shown(str(kind))}; known are {', '.join(KINDS)}")
    return kind


def front_end_of(args: Namespace, path: Path) -> FrontEnd:
    """The features of an encoder by its checkpoint's arguments.

    Raises:
        ModelError: they are missing or wrong.
    """
    kind = kind_of(args, path)
    if kind != SANM:
        return PUBLISHED if kind is None else SAMPLES
    own = config_from_args(_Stacking, args, "an SANM encoder", source=path)
    return FrontEnd("hamming", own.bins, stack=own.stack, skip=own.skip, cmvn=False, shrinks=True)
