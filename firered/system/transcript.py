"""What the whole system returns for a recording: `Transcript`, with the published JSON fields."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class TimedWord:
    """A word (or Chinese character) on the recording's time axis."""

    start_ms: int
    end_ms: int
    text: str


@dataclass
class Sentence:
    """A sentence on the recording's time axis, with what is known of the segment it was said in."""

    start_ms: int
    end_ms: int
    text: str
    asr_confidence: float
    lang: str | None = None  # as decoded, such as `zh mandarin`; None where no language was asked for
    lang_confidence: float = 0.0


@dataclass
class Trouble:
    """Speech that gave no text, or whose text is in doubt, and why.

    `kind` is `failed` where a module could not do its work, `no text` or `doubt`.
    """

    start_ms: int
    end_ms: int
    reason: str
    text: str = ""  # what was left out of the transcript
    kind: str = "doubt"


@dataclass
class Event:
    """A stretch of `speech`, `singing` or `music` on the recording's time axis."""

    start_ms: int
    end_ms: int
    kind: str


@dataclass
class Transcript:
    """One recording's sentences and words, and all that went wrong with parts of it.

    `status` is `ok`, `partial` where `troubles` are listed, or `no speech` where nothing was found to transcribe.
    """

    uttid: str
    text: str
    sentences: list[Sentence]
    vad_segments_ms: list[tuple[int, int]]
    dur_s: float
    words: list[TimedWord]
    wav_path: str
    troubles: list[Trouble] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def status(self) -> str:
        """One word on how it went."""
        return "partial" if self.troubles else "ok" if self.vad_segments_ms else "no speech"

    def to_json(self) -> dict[str, Any]:
        """The published fields and `status`; `troubles` and `events` only where there are any."""
        out = {
            "uttid": self.uttid,
            "text": self.text,
            "sentences": [asdict(one) for one in self.sentences],
            "vad_segments_ms": [list(one) for one in self.vad_segments_ms],
            "dur_s": self.dur_s,
            "words": [asdict(one) for one in self.words],
            "wav_path": self.wav_path,
            "status": self.status,
        }
        for name in ("troubles", "events"):
            if getattr(self, name):
                out[name] = [asdict(one) for one in getattr(self, name)]
        return out

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Transcript":
        """The transcript that `to_json` gave these values."""
        kinds = {"sentences": Sentence, "words": TimedWord, "troubles": Trouble, "events": Event}
        parts = {name: [kind(**one) for one in values.get(name, ())] for name, kind in kinds.items()}
        spans = [tuple(span) for span in values["vad_segments_ms"]]
        plain = {name: values[name] for name in ("uttid", "text", "dur_s", "wav_path")}
        return cls(**plain, **parts, vad_segments_ms=spans)
