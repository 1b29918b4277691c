"""What a window decodes to, of any family: `Window`."""

from dataclasses import dataclass

from firered.asr.biasing import Told


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a window decodes to, of any family; `told` is what its search was told of hotwords."""

    told: Told | None = None
