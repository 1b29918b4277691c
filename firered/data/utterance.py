"""One utterance of a data directory: where its audio or its features are."""

import math
from dataclasses import dataclass
from pathlib import Path

MAX_OVERSHOOT_S = 0.5  # so much may a segment end after its recording, as in Kaldi's extract-segments
OVERSHOOT_TOLERANCE_S = 0.002  # a segment's end is rounded to milliseconds


@dataclass(frozen=True)
class Utterance:
    """A recording, or a stretch of one; from audio or from stored features."""

    id: str
    recording: str
    rxfilename: str = ""  # of the recording's audio; empty where there are only features
    channel: int | None = None  # from 1
    start_s: float = 0.0
    end_s: float = math.inf
    speaker: str = ""
    feats: str = ""  # of the utterance's features in an archive; empty where there are none
    duration_s: float = math.nan  # as the data directory states it
    is_file: bool = False  # `rxfilename` is the path of a file, whatever it looks like; else it may be a pipe

    @property
    def audio(self) -> str | Path:
        """What is opened: the path of a file, or an extended file name."""
        return Path(self.rxfilename) if self.is_file else self.rxfilename


def make_id(name: str) -> str:
    """A name as an id: no white space."""
    return "_".join(name.split()) or "_"
