"""NIST RTTM lines read, and the labels that say that nobody speaks."""

from typing import NamedTuple

# In lower case. `music` is among them: it is what a detector of speech has to leave out.
NON_SPEECH = ("sil", "silence", "noise", "music", "nonspeech", "non-speech")

_LABELLED = ("SPEAKER", "SPEECH")  # the types of lines that have times and a label
_FIELDS = 8  # type, recording, channel, start, duration, two that are not used here, label; more may follow


class RttmLine(NamedTuple):
    """The recording that a line is about, and the stretch that it labels: (start_s, end_s, label), None without one."""

    recording: str
    span: tuple[float, float, str] | None


def parse_rttm(line: str) -> RttmLine:
    """A line's recording and labelled stretch; other types of lines, such as SPKR-INFO, have no stretch.

    Raises:
        ValueError: it has too few fields, or its times are not numbers.
    """
    fields = line.split()
    if len(fields) < _FIELDS:
        raise ValueError(f"{len(fields)} fields where {_FIELDS} are needed")
    kind, recording, _, start, duration, _, _, label, *_ = fields
    if kind not in _LABELLED:
        return RttmLine(recording, None)
    start_s = float(start)
    return RttmLine(recording, (start_s, start_s + float(duration), label))
