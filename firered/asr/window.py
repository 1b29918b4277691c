"""What a window decodes to, of any family: `Window`."""

from dataclasses import dataclass

from firered.asr.biasing import Told


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a window decodes to, of any family.

    `told` is what its search was told of hotwords, `read` what a CTC head reads in it, where results do not show that.
    """

    told: Told | None = None
    read: str | None = None
