"""Fun-ASR-Nano's streaming pass: what of a text the next one has to begin with."""

from dataclasses import dataclass

import torch

from firered.asr.families.fun_asr_stream import streamed
from firered.asr.window import Window
from firered.audio.frontend import PUBLISHED
from firered.runtime.context import Context
from firered.runtime.speech import Speech


@dataclass(frozen=True)
class Decoded(Window):
    text: str
    truncated: bool = False


class Characters:
    """A tokenizer whose tokens are characters."""

    ids_of, decode = staticmethod(list), staticmethod("".join)


def stream(*answers, prefix=""):
    """What a stream of as many steps decodes to, and the beginning that each step is given."""
    given, rest = [], iter(answers)

    def decode(batch):
        given.append(batch[0].context.prefix)
        return [next(rest)]

    duration_s = 0.5 * len(answers)
    speech = Speech(
        "u", torch.zeros(PUBLISHED.num_frames(round(16000 * duration_s)), 80), duration_s, Context(prefix=prefix)
    )
    (found,) = streamed([speech], 0.5, decode, lambda own: own.text, lambda own: own.truncated, Characters)
    return found, given


def test_a_text_but_its_last_tokens_is_how_the_next_one_begins():
    found, given = stream(Decoded("abc"), Decoded("abxdefg"), Decoded("abxdefgh"))
    assert (found.text, given) == ("abxdefgh", ["", "", "ab"])
    assert [(one.text, one.heard_s) for one in found.shown] == [("abc", 0.5), ("abxdefg", 1.0), ("abxdefgh", 1.5)]


def test_a_text_that_goes_round_in_circles_is_not_gone_on_with():
    circles = Decoded("abcd" + "ef" * 20, truncated=True)
    found, given = stream(Decoded("abcdefg"), circles, circles, Decoded("abxyz"))
    assert (found.text, given) == ("abxyz", ["", "ab", "ab", "ab"])
    found, given = stream(circles, circles, prefix="a")
    assert (found.truncated, given) == (True, ["a", "a"])  # what the caller has given stays
