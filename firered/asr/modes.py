"""Ways to decode an attention encoder-decoder with a CTC head: their names, and which options each has a use for."""

from collections.abc import Mapping
from typing import Any

from firered.errors import OptionError

ATTENTION, CTC, CTC_PREFIX, RESCORE, JOINT, CTC_RESCORE_LOW = MODES = (
    "attention",
    "ctc",
    "ctc_prefix",
    "rescore",
    "joint",
    "ctc_rescore_low",
)
BEAM_MODES = (ATTENTION, JOINT)  # the decoder writes
PREFIX_MODES = (CTC_PREFIX, RESCORE)  # the head writes several texts
SEARCHED = (*BEAM_MODES, *PREFIX_MODES)  # hotwords and a language model have a place in the search
_DECODER_MODES = (ATTENTION, JOINT, RESCORE)
HEAD_MODES = (CTC, CTC_PREFIX)  # the decoder has no say

# The modes in which an option makes a difference; in the others it has to be as it is by itself.
_USED_IN = {
    "beam_size": BEAM_MODES,
    "draft": (ATTENTION,),  # in joint the CTC head's scores of prefixes would be computed again with every pass
    "decode_max_len": BEAM_MODES,
    "softmax_smoothing": (*_DECODER_MODES, CTC_RESCORE_LOW),
    "aed_length_penalty": _DECODER_MODES,
    "eos_penalty": _DECODER_MODES,
    "elm_dir": SEARCHED,
    "elm_weight": SEARCHED,
    "nbest": SEARCHED,
    "ctc_weight": (RESCORE, JOINT),
    "ctc_beam_size": PREFIX_MODES,
    "ctc_sure": (CTC_RESCORE_LOW,),
}


def check_mode(mode: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Raise OptionError for an option that was given, and of which a mode would make no use.

    Args:
        mode: one of `MODES`.
        values: of all options.
        defaults: theirs where nothing is given.
    """
    for name, modes in _USED_IN.items():
        if not takes(mode, name) and values[name] != defaults[name]:
            raise OptionError(f"{name}: has no effect with mode {mode}, only with {', '.join(modes)}")


def takes(mode: str, name: str) -> bool:
    """Whether an option makes a difference in a mode."""
    return mode in _USED_IN.get(name, MODES)
