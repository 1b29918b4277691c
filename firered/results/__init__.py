"""What the modules return: frozen dataclasses with times in seconds.

Sequences are annotated as such and held as tuples. The published JSON fields, some of them in milliseconds, are made
where files are written (`firered.output.published`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from firered.results.hotword import Hotword as Hotword
from firered.results.plain import LEFT_OUT
from firered.results.plain import Result as Result
from firered.results.replacement import Replacement as Replacement

Seconds = tuple[float, float]  # start and end


@dataclass(frozen=True)
class Word(Result):
    """A word, or a Chinese character, in seconds from the start of its utterance or, in a transcript, recording.

    `score` is the mean log-probability of its tokens, None where none of them could be aligned, as of words that the
    dictionary lacks, and where it was not looked at. It does not count when words are compared.
    """

    text: str
    start_s: float
    end_s: float
    score: float | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class TokenTime(Result):
    """A token of an utterance in seconds from its start.

    `score` is the mean log-probability over the frames that carry it, natural logarithm; None where it was not aligned,
    as a character that the dictionary lacks, whose time is that between its neighbours.
    """

    token: str
    start_s: float
    end_s: float
    score: float | None = None


_SHIFT_MS = 10
_WINDOW_REST_S = 0.025  # the published models let the last frame of a recording stand for this long after its shift


@dataclass(frozen=True)
class StreamEvent(Result):
    """A start or an end of speech, known at `frame`. Frames count from 1; an end names the start it belongs to."""

    kind: str  # "start" or "end"
    frame: int
    start_frame: int
    end_frame: int = -1

    @property
    def time_s(self) -> float:
        """The event's place on the time axis, in seconds."""
        return ((self.start_frame if self.kind == "start" else self.end_frame) - 1) / 100

    @property
    def known_at_s(self) -> float:
        """End of the window of the frame at which the event was known, in seconds."""
        return round((self.frame - 1) * _SHIFT_MS / 1000 + _WINDOW_REST_S, 3)


@dataclass(frozen=True)
class StreamFrame(Result):
    """What the streaming detector says of a frame, counted from 1: posterior, smoothed posterior, speech or not."""

    frame: int
    prob: float
    smoothed: float
    speech: bool

    @property
    def time_s(self) -> float:
        """The frame's place on the time axis, in seconds."""
        return (self.frame - 1) / 100


def _no_probs() -> np.ndarray:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True)
class VadResult(Result):
    """Voice segments of one recording, in seconds; `probs` are the frame posteriors, (T, 1) float32."""

    uttid: str
    dur: float
    timestamps: Sequence[Seconds]
    probs: np.ndarray = field(default_factory=_no_probs, repr=False, compare=False, metadata=LEFT_OUT)

    def labelled(self) -> list[tuple[float, float, str]]:
        """(start, end, label) of every segment, in order."""
        return [(start_s, end_s, "speech") for start_s, end_s in self.timestamps]


@dataclass(frozen=True)
class MvadResult(Result):
    """Segments of each event in seconds and the share of frames with it; `probs` (T, 3) float32."""

    uttid: str
    dur: float
    event2timestamps: Mapping[str, Sequence[Seconds]]
    event2ratio: Mapping[str, float]
    probs: np.ndarray = field(default_factory=_no_probs, repr=False, compare=False, metadata=LEFT_OUT)

    def labelled(self) -> list[tuple[float, float, str]]:
        """(start, end, event) of every segment, in order of time."""
        return sorted((*span, event) for event, spans in self.event2timestamps.items() for span in spans)


@dataclass(frozen=True)
class StreamVadResult(VadResult):
    """Voice segments as the streaming detector found them, and its events in the order they became known.

    As published, a segment that is still open when the audio ends has no end among the events; `all_events` has it.
    """

    events: Sequence[StreamEvent] = ()

    def all_events(self) -> list[StreamEvent]:
        """The events, and the end, at the last frame, of a segment that is open when the audio ends."""
        if not self.events or self.events[-1].kind != "start":
            return list(self.events)
        last_frame = round(100 * self.timestamps[-1][1]) + 1
        return [*self.events, StreamEvent("end", last_frame, self.events[-1].start_frame, last_frame)]


@dataclass(frozen=True)
class LanguageGuess(Result):
    """One of an utterance's likeliest languages; of Chinese also its likeliest dialects with their probabilities."""

    language: str
    probability: float
    dialects: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class LidResult(Result):
    """The language of one utterance: `lang` as decoded, such as `zh mandarin`, and what else it may have been."""

    uttid: str
    lang: str
    language: str
    dialect: str | None
    confidence: float
    dur_s: float
    top: Sequence[LanguageGuess]


@dataclass(frozen=True)
class NBest(Result):
    """One of an utterance's best hypotheses: `score` is the sum of `scores`, by what gave them, over `length`."""

    text: str
    tokens: Sequence[str]
    score: float
    scores: Mapping[str, float]  # such as `aed` and `lm`, or `llm`
    length: float
    confidence: float


@dataclass(frozen=True)
class Shown(Result):
    """The text of an utterance so far, known when `heard_s` of it had been heard."""

    text: str
    heard_s: float


TRUNCATED = "truncated: the text ends at the limit of its length (max_length)"  # a flag


@dataclass(frozen=True)
class AsrResult(Result):
    """The text of one utterance.

    `words` and `token_times`, which has an item for each of `tokens` or, of Fun-ASR-Nano, of those that its CTC head
    has, are in seconds from its start, None where no time stamps were requested; `nbest` is empty for an utterance that
    was decoded in windows. `flags` are reasons to doubt the text (see `firered.asr.guard`); `dropped` is the text where
    it was removed for them; `ctc_text` what a CTC head decodes in the utterance, where one was used. `context_used`
    names the fields of the utterance's context that the recogniser made use of. `plain_text` is the text without marks
    where the recogniser writes marks itself. `lang` is the language that the recogniser was told or found out, where it
    knows of languages. `replaced` is what `--replace` has changed in text, tokens and words; `hotwords` what became of
    those that the recogniser was told to expect, or that are in its text by their sound. `shown` are the texts of a
    streaming pass whenever they changed, the last one at its end; empty where there was none.
    """

    uttid: str
    text: str
    confidence: float
    dur_s: float
    tokens: Sequence[str]
    token_confidence: Sequence[float]
    words: Sequence[Word] | None = None
    nbest: Sequence[NBest] = ()
    flags: Sequence[str] = ()
    dropped: str = ""
    ctc_text: str | None = None
    context_used: Sequence[str] = ()
    token_times: Sequence[TokenTime] | None = None
    plain_text: str | None = None
    replaced: Sequence[Replacement] = ()
    hotwords: Sequence[Hotword] = ()
    lang: str | None = None
    shown: Sequence[Shown] = ()

    @property
    def truncated(self) -> bool:
        """Whether the text ends at the limit of its length, as one that goes round in circles does."""
        return TRUNCATED in self.flags


@dataclass(frozen=True)
class TokenSpan(Result):
    """The frames [first_frame, end_frame) that carry one token; `log_prob` is the mean over them, natural logarithm."""

    token: int
    first_frame: int
    end_frame: int
    log_prob: float


@dataclass(frozen=True)
class Alignment(Result):
    """The likeliest CTC path through an utterance's T encoder frames that gives its tokens.

    `labels` (T,) holds a token id or the blank for every frame, `spans` one item for every token, in order. `score` is
    the path's log-probability, natural logarithm, summed over the frames.
    """

    labels: Sequence[int]
    spans: Sequence[TokenSpan]
    score: float
    blank: int = 0

    @property
    def mean_log_prob(self) -> float:
        """Mean log-probability a frame of the path, at most 0: comparable between utterances of any length.

        Low values mean that text and audio do not belong together; ranking by it finds wrong transcripts. Blank frames
        count, so a few wrong words in a long utterance hardly change it: for those see the spans' own.
        """
        return self.score / len(self.labels)

    def to_kaldi(self) -> list[int]:
        """The T labels as Kaldi writes alignments, an integer vector (`copy-int-vector`): token ids, blank included."""
        return list(self.labels)


@dataclass(frozen=True)
class AlignResult(Result):
    """Words and tokens in seconds from the utterance's start, and the path through its frames they were read from.

    The path is of the tokens that the dictionary has; `token_times` has the others, too, without a score.
    """

    uttid: str
    words: Sequence[Word]
    alignment: Alignment
    token_times: Sequence[TokenTime] = ()


@dataclass(frozen=True)
class Sentence(Result):
    """A punctuated sentence, from its first word's start to its last word's end.

    Seconds count from the utterance's start or, in a transcript, from the recording's; there it also has what is known
    of the segment it was spoken in: the confidence of the recognition, 0 where there was none, and the language as
    decoded, such as `zh mandarin`, None where no language was identified.
    """

    text: str
    start_s: float
    end_s: float
    asr_confidence: float = 0.0
    lang: str | None = None
    lang_confidence: float = 0.0


@dataclass(frozen=True)
class PuncResult(Result):
    """A text with punctuation; of words with times also its `sentences`, else None."""

    uttid: str
    origin_text: str
    punc_text: str
    sentences: Sequence[Sentence] | None = None


@dataclass(frozen=True)
class Trouble(Result):
    """Speech that gave no text, or whose text is in doubt, and why.

    `kind` is `failed` where a module could not do its work, `no text` or `doubt`.
    """

    start_s: float
    end_s: float
    reason: str
    text: str = ""  # what was left out of the transcript
    kind: str = "doubt"


@dataclass(frozen=True)
class Event(Result):
    """A stretch of `speech`, `singing` or `music` on the recording's time axis."""

    start_s: float
    end_s: float
    kind: str


@dataclass(frozen=True)
class Transcript(Result):
    """One recording's sentences and words in seconds from its start, and the troubles of parts of it.

    `segments` are the stretches of voice; times are whole milliseconds, cut off as published. `hotwords` are the
    entries of the list that the recogniser was given which are in the text.
    """

    uttid: str
    text: str
    sentences: Sequence[Sentence]
    segments: Sequence[Seconds]
    dur_s: float
    words: Sequence[Word]
    wav_path: str
    troubles: Sequence[Trouble] = ()
    events: Sequence[Event] = ()
    hotwords: Sequence[str] = ()

    @property
    def status(self) -> str:
        """`ok`, `partial` where `troubles` are listed, or `no speech` where nothing was found to transcribe."""
        if self.troubles:
            return "partial"
        return "ok" if self.segments else "no speech"
