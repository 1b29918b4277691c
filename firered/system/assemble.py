"""The modules' results for a recording's segments assembled as its transcript (FireRedASR2S paper, section 2)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from firered.audio.spool import Spool
from firered.errors import Outcome
from firered.results import (
    AsrResult,
    Event,
    LidResult,
    PuncResult,
    Seconds,
    Sentence,
    Transcript,
    Trouble,
    Word,
)
from firered.text.joining import join_texts
from firered.text.tokenizer import is_speech


@dataclass
class Segment:
    """A stretch of voice and each module's outcome for it: a result, an error, or None where it did not run."""

    span: Seconds
    lid: Outcome[LidResult] | None = None
    asr: Outcome[AsrResult] | None = None
    punc: Outcome[PuncResult] | None = None

    @property
    def text(self) -> str:
        """The recognised text; empty where it has no tokens of speech."""
        if isinstance(self.asr, AsrResult) and is_speech("".join(self.asr.tokens)):
            return self.asr.text
        return ""

    @property
    def words(self) -> Sequence[Word]:
        """The words of the text in seconds from the segment's start; none where they have no times."""
        return (self.asr.words or ()) if isinstance(self.asr, AsrResult) and self.text else ()

    @property
    def hotwords(self) -> list[str]:
        """Entries of the list that the recogniser was given which are in the text."""
        found = self.asr.hotwords if isinstance(self.asr, AsrResult) and self.text else ()
        return [hotword.text for hotword in found if hotword.start is not None]

    @property
    def start_ms(self) -> int:
        """Start, cut off as published."""
        return int(1000 * self.span[0])

    @property
    def end_ms(self) -> int:
        """End, cut off as published."""
        return int(1000 * self.span[1])

    @property
    def whole_ms(self) -> Seconds:
        """The span in seconds, cut off to whole milliseconds."""
        return self.start_ms / 1000, self.end_ms / 1000

    def in_recording(self, time_s: float) -> float:
        """Seconds on the recording's axis, cut off to whole milliseconds after adding, as published."""
        return int(1000 * time_s + self.start_ms) / 1000

    def troubles(self) -> list[Trouble]:
        """What is missing or in doubt."""
        outcomes = {"language": self.lid, "recognition": self.asr, "punctuation": self.punc}
        failed = [f"{name} failed: {outcome}" for name, outcome in outcomes.items() if isinstance(outcome, Exception)]
        found = [Trouble(*self.whole_ms, reason, kind="failed") for reason in failed]
        if isinstance(self.asr, AsrResult):
            found += [Trouble(*self.whole_ms, reason, self.asr.dropped) for reason in self.asr.flags]
            if not self.text and not self.asr.flags:
                found.append(Trouble(*self.whole_ms, "speech, but no text was recognised", kind="no text"))
        return found


def transcript(recording: Spool, segments: Sequence[Segment], events: Sequence[Event]) -> Transcript:
    """The transcript of one recording from its segments in order of time."""
    sentences = [sentence for segment in segments for sentence in sentences_of(segment)]
    return Transcript(
        uttid=recording.key,
        text=join_texts(sentence.text for sentence in sentences),
        sentences=sentences,
        segments=[segment.whole_ms for segment in segments],
        dur_s=recording.duration_s,
        words=[word for segment in segments for word in words_of(segment)],
        wav_path=recording.wav_path,
        troubles=[trouble for segment in segments for trouble in segment.troubles()],
        events=events,
        hotwords=list(dict.fromkeys(entry for segment in segments for entry in segment.hotwords)),
    )


def sentences_of(segment: Segment) -> list[Sentence]:
    """A segment's sentences in the recording's seconds; the first begins with the segment, the last ends with it."""
    if segment.asr is not None and not segment.text:
        return []
    start_s, end_s = segment.whole_ms
    if not isinstance(segment.punc, PuncResult):
        return [_with_context(segment, Sentence(segment.text, start_s, end_s))]
    if not segment.punc.sentences:
        return [_with_context(segment, Sentence(segment.punc.punc_text, start_s, end_s))]
    found = [
        _with_context(
            segment, Sentence(part.text, segment.in_recording(part.start_s), segment.in_recording(part.end_s))
        )
        for part in segment.punc.sentences
    ]
    found[0] = replace(found[0], start_s=start_s)
    found[-1] = replace(found[-1], end_s=end_s)
    return found


def _with_context(segment: Segment, sentence: Sentence) -> Sentence:
    """The sentence with what is known of its segment."""
    if isinstance(segment.asr, AsrResult):
        sentence = replace(sentence, asr_confidence=segment.asr.confidence)
    if isinstance(segment.lid, LidResult):
        sentence = replace(sentence, lang=segment.lid.lang, lang_confidence=segment.lid.confidence)
    return sentence


def words_of(segment: Segment) -> list[Word]:
    """A segment's words in the recording's seconds."""
    return [
        Word(word.text, segment.in_recording(word.start_s), segment.in_recording(word.end_s)) for word in segment.words
    ]
