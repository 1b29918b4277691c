"""What the modules found in a recording's segments, put together as its transcript (FireRedASR2S paper, section 2)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from firered.audio.spool import Spool
from firered.results import PuncResult, Seconds, Word
from firered.system.transcript import Event, Sentence, TimedWord, Transcript, Trouble
from firered.text.joining import join_sentences
from firered.text.tokenizer import is_speech


@dataclass
class Spoken:
    """One segment and what each module said of it: a record, what went wrong, or None where it was not asked."""

    span: Seconds
    lid: dict[str, Any] | Exception | None = None
    asr: dict[str, Any] | Exception | None = None
    words: list[Word] | None = None  # in seconds from the segment's start
    punc: PuncResult | Exception | None = None
    text: str = field(init=False, default="")

    def take_text(self) -> None:
        """Take the text, and the word times that came with it, from the recognition's record."""
        if not isinstance(self.asr, dict):
            return
        if is_speech("".join(self.asr["tokens"])):
            self.text = self.asr["json"]["text"]
        stamps = self.asr["json"].get("timestamp")
        if self.text and stamps is not None:
            self.words = [Word(*stamp) for stamp in stamps]

    @property
    def timed(self) -> bool:
        """Whether there are words with times."""
        return bool(self.words)

    @property
    def start_ms(self) -> int:
        """Of the segment, cut off as published."""
        return int(1000 * self.span[0])

    @property
    def end_ms(self) -> int:
        """The same."""
        return int(1000 * self.span[1])

    def troubles(self) -> list[Trouble]:
        """What is missing or in doubt."""
        modules = {"language": self.lid, "recognition": self.asr, "punctuation": self.punc}
        failed = [f"{name} failed: {given}" for name, given in modules.items() if isinstance(given, Exception)]
        found = [Trouble(self.start_ms, self.end_ms, reason, kind="failed") for reason in failed]
        if isinstance(self.asr, dict):
            dropped, flags = self.asr["json"].get("dropped", ""), self.asr["json"].get("flags", [])
            found += [Trouble(self.start_ms, self.end_ms, reason, dropped) for reason in flags]
            if not self.text and not flags:
                found.append(Trouble(self.start_ms, self.end_ms, "speech, but no text was recognised", kind="no text"))
        return found


def transcript(recording: Spool, spoken: Sequence[Spoken], events: Sequence[Event]) -> Transcript:
    """The transcript of one recording from its segments in order of time."""
    sentences = [sentence for one in spoken for sentence in _sentences(one)]
    words = [word for one in spoken for word in _words(one)]
    return Transcript(
        uttid=recording.key,
        text=join_sentences(one.text for one in sentences),
        sentences=sentences,
        vad_segments_ms=[(one.start_ms, one.end_ms) for one in spoken],
        dur_s=recording.duration_s,
        words=words,
        wav_path=recording.wav_path,
        troubles=[trouble for one in spoken for trouble in one.troubles()],
        events=list(events),
    )


def _sentences(one: Spoken) -> list[Sentence]:
    """A segment's sentences; the first begins with the segment, the last ends with it."""
    if one.asr is not None and not one.text:
        return []
    if not isinstance(one.punc, PuncResult):
        return [_sentence(one, one.text, one.start_ms, one.end_ms)]
    if not one.punc.sentences:
        return [_sentence(one, one.punc.punc_text, one.start_ms, one.end_ms)]
    found = [
        _sentence(one, part.text, _in_recording(one, part.start_s), _in_recording(one, part.end_s))
        for part in one.punc.sentences
    ]
    found[0].start_ms, found[-1].end_ms = one.start_ms, one.end_ms
    return found


def _sentence(one: Spoken, text: str, start_ms: int, end_ms: int) -> Sentence:
    confidence = one.asr["json"]["confidence"] if isinstance(one.asr, dict) else 0.0
    if not isinstance(one.lid, dict):
        return Sentence(start_ms, end_ms, text, confidence)
    return Sentence(start_ms, end_ms, text, confidence, one.lid["lang"], one.lid["confidence"])


def _words(one: Spoken) -> list[TimedWord]:
    words = one.words if one.timed else []
    return [TimedWord(_in_recording(one, word.start_s), _in_recording(one, word.end_s), word.text) for word in words]


def _in_recording(one: Spoken, time_s: float) -> int:
    """Milliseconds on the recording's axis: cut off after adding, as published."""
    return int(1000 * time_s + one.start_ms)
