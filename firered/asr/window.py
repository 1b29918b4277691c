"""What a window decodes to, of any family: `Window`; and the texts of an utterance's streaming pass."""

from collections.abc import Sequence
from dataclasses import dataclass

from firered.asr.biasing import Told
from firered.results import Shown
from firered.runtime.speech import Speech
from firered.text.joining import join_texts


@dataclass(frozen=True, kw_only=True)
class Window:
    """What a window decodes to, of any family.

    `told` is what its search was told of hotwords, `read` what a CTC head reads in it, where results do not show that,
    `shown` the texts of its streaming pass, if there was one.
    """

    told: Told | None = None
    read: str | None = None
    shown: Sequence[Shown] = ()


def shown_of(parts: Sequence[tuple[Speech, Window]]) -> list[Shown]:
    """The texts of an utterance's streaming pass from those of its windows."""
    found: list[Shown] = []
    before, start_s = "", 0.0
    for speech, decoded in parts:
        own = [Shown(join_texts([before, one.text]), round(start_s + one.heard_s, 3)) for one in decoded.shown]
        before = own[-1].text if own else before
        found += own
        start_s += len(speech.feats) * speech.front_end.frame_shift_s
    return found
