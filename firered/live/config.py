"""Options of live recognition."""

from dataclasses import dataclass

from firered.asr.aed_config import STREAM_CHUNK_S, chunk_frames
from firered.errors import OptionError
from firered.options import Options, option

AGREEMENT, HOLD = "agreement", "hold"
BREATH_S = 0.5  # silence that ends no sentence: what commands take for `silence_s` (docs/live.md has the numbers)


@dataclass(frozen=True)
class LiveConfig(Options):
    """Live recognition: when segments end, how often the open one is recognised, and what of its text is stable."""

    lead_s: float = option(
        0.2, "seconds kept before the detector's start of speech, which itself lies 50 ms early", low=0, high=5
    )
    silence_s: float = option(
        0.0, "seconds of silence that end a segment, if more than the detector's min_silence_frame", low=0
    )
    falling_silence: bool = option(
        False,
        "silence that ends a segment falls with its length, as in Fun-ASR's published service: 2 s up to 5 s, 1.5 s up "
        "to 10 s, 1 s up to 15 s, 0.8 s up to 30 s, 0.4 s up to 45 s, then 0.1 s; at least silence_s",
    )
    max_segment_s: float = option(15.0, "a longer segment is cut where it is quietest, and goes on", low=2)
    cut_s: float = option(5.0, "the last seconds of such a segment, in which that place is looked for", low=0.5)
    tail_s: float = option(
        0.2,
        "seconds of silence put after what is recognised while speech goes on, in partial text and at the end of the "
        "stream: models write on, or stop early, where speech breaks off",
        low=0,
        high=2,
    )
    interval_s: float = option(0.6, "seconds of new speech after which the open segment is recognised", low=0.1)
    chunk_s: float = option(
        STREAM_CHUNK_S,
        "with a recogniser that streams: seconds of the chunks in which it takes the open segment, such as 0.32; its "
        "partial text comes with them, at least interval_s apart",
        low=0.04,
    )
    lid_s: float = option(1.0, "seconds of a segment after which its language is identified, for partial text", low=0.1)
    final_lid: bool = option(
        True,
        "identify the language of the whole closed segment for its final text, as in recordings; if not, the one of "
        "its first seconds counts",
    )
    stable: str = option(
        AGREEMENT,
        "text that does not change any more: what two passes agree on, or all but the last words (hold)",
        choices=(AGREEMENT, HOLD),
    )
    hold_tokens: int = option(5, "words, or Chinese characters, that hold leaves unstable at the end", low=0)
    drafts: bool = option(
        True,
        "the text of one pass over an open segment is the draft of the next, where the recogniser takes drafts: it "
        "saves steps, the text stays the same",
    )
    behind_s: float | None = option(
        1.0, "seconds that computing may be behind the audio before partial text is skipped; inf: it never is", low=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        chunk_frames(self.chunk_s, "chunk_s")
        if self.cut_s > self.max_segment_s / 2:
            raise OptionError(f"cut_s: {self.cut_s} s is more than half of max_segment_s, {self.max_segment_s} s")
