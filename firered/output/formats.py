"""A transcript in the formats that other tools read: a function each, text out."""

from collections.abc import Callable, Iterable

from firered.data.write import Labelled, as_field, ctm_line, in_turn, json_line, one_line, rttm, textgrid_of_tiers
from firered.output.config import SubtitleConfig
from firered.output.published import milliseconds, published
from firered.output.subtitles import Cue, cues
from firered.output.timed_text import piece_of
from firered.results import Event, Seconds, Sentence, Transcript, Trouble, Word

VTT_HEAD = "WEBVTT\n"
_SPEECH = "speech"


def jsonl(transcript: Transcript, _: SubtitleConfig) -> str:
    """The published fields and `status`, as one line of JSON."""
    return json_line(published(transcript)) + "\n"


def srt(transcript: Transcript, config: SubtitleConfig) -> str:
    """SubRip subtitles."""
    return "".join(srt_cue(number, cue) for number, cue in enumerate(cues(transcript, config), 1))


def srt_cue(number: int, cue: Cue) -> str:
    """One of them; they are counted from 1."""
    text = "\n".join(cue.lines).replace("-->", "→")  # which would look like a line of times
    return f"{number}\n{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}\n{text}\n\n"


def vtt(transcript: Transcript, config: SubtitleConfig) -> str:
    """WebVTT subtitles."""
    return VTT_HEAD + "".join(map(vtt_cue, cues(transcript, config)))


def vtt_cue(cue: Cue) -> str:
    """One of them."""
    text = "\n".join(cue.lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"\n{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}\n{text}\n"


def _clock(ms: int, point: str) -> str:
    return f"{ms // 3600000:02d}:{ms // 60000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"


def txt(transcript: Transcript, _: SubtitleConfig) -> str:
    """A sentence a line."""
    return "".join(f"{text}\n" for sentence in transcript.sentences if (text := one_line(sentence.text)))


def tsv(transcript: Transcript, _: SubtitleConfig) -> str:
    """Whisper's columns, a row a sentence: start and end in milliseconds, text; and the language behind them."""
    rows = ["start\tend\ttext\tlang\n"]
    for sentence in transcript.sentences:
        start, end, text = piece_of(sentence)
        rows.append(f"{start}\t{end}\t{one_line(text)}\t{sentence.lang or ''}\n")
    return "".join(rows)


def ctm(transcript: Transcript, _: SubtitleConfig) -> str:
    """NIST CTM of the words: recording, channel, start and duration in seconds, word.

    Empty where no word times were requested. The optional field of the confidence is left out: confidences are of
    segments, not of words.
    """
    lines = [
        ctm_line(transcript.uttid, "1", word.start_ms, word.end_ms - word.start_ms, word.text)
        for word in sorted(map(piece_of, transcript.words), key=lambda word: word.start_ms)
    ]
    return "".join(f"{line}\n" for line in lines if line)


def to_rttm(transcript: Transcript, _: SubtitleConfig) -> str:
    """NIST RTTM of the voice segments as `speech`, and of stretches of singing and music where they were looked for."""
    spans = [(*_ms(segment), _SPEECH) for segment in transcript.segments]
    spans += [(*_span_ms(event), event.kind) for event in transcript.events if event.kind != _SPEECH]
    return rttm(as_field(transcript.uttid), _in_seconds(sorted(spans)))


def to_textgrid(transcript: Transcript, _: SubtitleConfig) -> str:
    """Praat TextGrid: sentences, words, segments and languages; events and troubles where there are any."""
    sentences = in_turn(((*_span_ms(sentence), sentence) for sentence in transcript.sentences), 1)
    tiers: dict[str, list[tuple[int, int, str]]] = {
        "sentences": [(start, end, sentence.text) for start, end, sentence in sentences],
        "words": [(*_span_ms(word), word.text) for word in transcript.words],
        "segments": [(*_ms(segment), _SPEECH) for segment in transcript.segments],
        "languages": [(start, end, sentence.lang or "") for start, end, sentence in sentences],
    }
    for event in transcript.events:
        tiers.setdefault(event.kind, []).append((*_span_ms(event), event.kind))
    if transcript.troubles:
        tiers["troubles"] = [(*span, "; ".join(reasons)) for span, reasons in _reasons(transcript).items()]
    placed = {name: in_turn(spans, 1) for name, spans in tiers.items()}
    last_ms = max((spans[-1][1] for spans in placed.values() if spans), default=0)
    # Milliseconds may lie a rounding behind the last sample; that is cut off.
    duration_s = transcript.dur_s if last_ms < 1000 * transcript.dur_s + 1 else last_ms / 1000
    return textgrid_of_tiers(duration_s, {name: _in_seconds(spans) for name, spans in placed.items()})


def _reasons(transcript: Transcript) -> dict[tuple[int, int], list[str]]:
    """What went wrong with each stretch."""
    reasons: dict[tuple[int, int], list[str]] = {}
    for trouble in transcript.troubles:
        reasons.setdefault(_span_ms(trouble), []).append(trouble.reason)
    return reasons


def _ms(span: Seconds) -> tuple[int, int]:
    return milliseconds(span[0]), milliseconds(span[1])


def _span_ms(part: Sentence | Word | Event | Trouble) -> tuple[int, int]:
    return milliseconds(part.start_s), milliseconds(part.end_s)


def _in_seconds(spans: Iterable[tuple[int, int, str]]) -> list[Labelled]:
    return [(start / 1000, end / 1000, one_line(label)) for start, end, label in spans]


FORMATS: dict[str, Callable[[Transcript, SubtitleConfig], str]] = {
    "jsonl": jsonl,
    "srt": srt,
    "vtt": vtt,
    "textgrid": to_textgrid,
    "ctm": ctm,
    "rttm": to_rttm,
    "txt": txt,
    "tsv": tsv,
}
SUFFIXES = {name: ".TextGrid" if name == "textgrid" else f".{name}" for name in FORMATS}
