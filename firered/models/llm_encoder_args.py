"""What a speech-LLM's checkpoint says of its encoder, if that is of another system; read without loading libraries."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from firered.audio.frontend import PUBLISHED, SAMPLES, FrontEnd
from firered.models.checkpoint import arg, config_from_args

SANM, WHISPER = "sanm", "whisper"
KINDS = (SANM, WHISPER)


@dataclass(frozen=True)
class _Stacking:
    """What an SANM encoder's arguments say of its features."""

    bins: int = arg(80, low=1, high=1000)
    stack: int = arg(7, low=1, high=100)
    skip: int = arg(6, low=1, high=100)


def kind_of(args: Namespace) -> str | None:
    """The kind of encoder that a checkpoint's arguments are of; None: one of recognition models (`EncoderConfig`)."""
    kind = getattr(args, "encoder_type", None)
    return kind if kind in KINDS else None


def front_end_of(args: Namespace, path: Path) -> FrontEnd:
    """The features of an encoder by its checkpoint's arguments.

    Raises:
        ModelError: they are missing or wrong.
    """
    kind = kind_of(args)
    if kind != SANM:
        return PUBLISHED if kind is None else SAMPLES
    own = config_from_args(_Stacking, args, "an SANM encoder", source=path)
    return FrontEnd("hamming", own.bins, stack=own.stack, skip=own.skip, cmvn=False, shrinks=True)
