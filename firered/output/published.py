"""Results as the published system writes them: its JSON fields, with milliseconds in transcripts, and back."""

from collections.abc import Mapping, Sequence
from functools import singledispatch
from typing import Any

from firered.results import (
    AlignResult,
    AsrResult,
    Event,
    Hotword,
    LanguageGuess,
    LidResult,
    MvadResult,
    NBest,
    PuncResult,
    Result,
    Sentence,
    StreamEvent,
    StreamFrame,
    StreamVadResult,
    Transcript,
    Trouble,
    VadResult,
    Word,
)


def milliseconds(time_s: float) -> int:
    """Whole milliseconds."""
    return round(1000 * time_s)


@singledispatch
def published(result: Result) -> dict[str, Any]:
    """The JSON fields of a result, in the published order.

    Raises:
        TypeError: this kind of result has no published fields.
    """
    raise TypeError(f"{type(result).__name__} has no published fields")


@published.register
def _(event: StreamEvent) -> dict[str, Any]:
    """Type, place in seconds, when it was known, and the frames behind them."""
    return {
        "event": f"speech_{event.kind}",
        "time": event.time_s,
        "known_at": event.known_at_s,
        "frame": event.frame,
        "start_frame": event.start_frame,
        "end_frame": event.end_frame,
    }


@published.register
def _(frame: StreamFrame) -> dict[str, Any]:
    """Numbers rounded to 3 decimals, as published."""
    return {
        "frame_idx": frame.frame,
        "is_speech": frame.speech,
        "raw_prob": round(frame.prob, 3),
        "smoothed_prob": round(frame.smoothed, 3),
    }


@published.register
def _(result: VadResult) -> dict[str, Any]:
    return {"uttid": result.uttid, "dur": result.dur, "timestamps": [list(span) for span in result.timestamps]}


@published.register
def _(result: StreamVadResult) -> dict[str, Any]:
    """The fields of the other detector and the events, the end of speech that is on to the last included."""
    return {**published.dispatch(VadResult)(result), "events": [published(event) for event in result.all_events()]}


@published.register
def _(result: MvadResult) -> dict[str, Any]:
    spans = {event: [list(span) for span in found] for event, found in result.event2timestamps.items()}
    ratios = dict(result.event2ratio)
    return {"uttid": result.uttid, "dur": result.dur, "event2timestamps": spans, "event2ratio": ratios}


@published.register
def _(guess: LanguageGuess) -> dict[str, Any]:
    """`dialects` only where there are any; probabilities rounded to 4 decimals."""
    out: dict[str, Any] = {"language": guess.language, "probability": round(guess.probability, 4)}
    if guess.dialects:
        out["dialects"] = {name: round(probability, 4) for name, probability in guess.dialects.items()}
    return out


@published.register
def _(result: LidResult) -> dict[str, Any]:
    """The published fields, language and dialect apart, and the likeliest languages."""
    return {
        "uttid": result.uttid,
        "lang": result.lang,
        "language": result.language,
        "dialect": result.dialect,
        "confidence": round(result.confidence, 3),
        "dur_s": round(result.dur_s, 3),
        "top": [published(guess) for guess in result.top],
    }


@published.register
def _(hypothesis: NBest) -> dict[str, Any]:
    """The parts of the score by name; numbers rounded to 4 decimals, the confidence to 3 as everywhere."""
    return {
        "text": hypothesis.text,
        "tokens": list(hypothesis.tokens),
        "score": round(hypothesis.score, 4),
        **{name: round(score, 4) for name, score in hypothesis.scores.items()},
        "length": round(hypothesis.length, 4),
        "confidence": round(hypothesis.confidence, 3),
    }


@published.register
def _(result: AsrResult) -> dict[str, Any]:
    """Times where they were requested; `text_tn`, `ctc_text`, `lang`, `flags`, `dropped`, `replaced`, `hotwords`.

    `text_tn` is published of Fun-ASR-Nano: the text without marks.
    """
    out: dict[str, Any] = {
        "uttid": result.uttid,
        "text": result.text,
        "confidence": round(result.confidence, 3),
        "dur_s": round(result.dur_s, 3),
    }
    if result.words is not None:
        out["timestamp"] = [[word.text, word.start_s, word.end_s] for word in result.words]
    if result.token_times is not None:
        out["token_timestamp"] = [[token.token, token.start_s, token.end_s] for token in result.token_times]
    if result.plain_text is not None:
        out["text_tn"] = result.plain_text
    if result.ctc_text is not None:
        out["ctc_text"] = result.ctc_text
    if result.lang is not None:
        out["lang"] = result.lang
    if result.flags:
        out["flags"] = list(result.flags)
    if result.dropped:
        out["dropped"] = result.dropped
    if result.replaced:
        out["replaced"] = [{**found.to_dict(), "score": round(found.score, 3)} for found in result.replaced]
    if result.hotwords:
        out["hotwords"] = [_hotword(found) for found in result.hotwords]
    return out


def _hotword(found: Hotword) -> dict[str, Any]:
    """What there is to say: no place of one that is not in the text."""
    score = None if found.score is None else round(found.score, 3)
    return {name: value for name, value in {**found.to_dict(), "score": score}.items() if value is not None}


@published.register
def _(result: AlignResult) -> dict[str, Any]:
    """Words and tokens as [text, start, end, score], the score null where there is none, and that of the utterance."""
    return {
        "uttid": result.uttid,
        "score": round(result.alignment.mean_log_prob, 4),
        "timestamp": [[word.text, word.start_s, word.end_s, word.score] for word in result.words],
        "token_timestamp": [[token.token, token.start_s, token.end_s, token.score] for token in result.token_times],
    }


@published.register
def _(result: PuncResult) -> dict[str, Any]:
    """The text or the sentences."""
    if result.sentences is None:
        return {"punc_text": result.punc_text, "origin_text": result.origin_text, "uttid": result.uttid}
    sentences = [
        {"punc_text": sentence.text, "start_s": sentence.start_s, "end_s": sentence.end_s}
        for sentence in result.sentences
    ]
    return {"punc_sentences": sentences, "uttid": result.uttid}


@published.register
def _(transcript: Transcript) -> dict[str, Any]:
    """The published fields and `status`; `troubles` and `events` only where there are any."""
    out = {
        "uttid": transcript.uttid,
        "text": transcript.text,
        "sentences": [_sentence(sentence) for sentence in transcript.sentences],
        "vad_segments_ms": [[milliseconds(start_s), milliseconds(end_s)] for start_s, end_s in transcript.segments],
        "dur_s": transcript.dur_s,
        "words": [{**_span_ms(word), "text": word.text} for word in transcript.words],
        "wav_path": transcript.wav_path,
        "status": transcript.status,
    }
    if transcript.troubles:
        out["troubles"] = [
            {**_span_ms(trouble), "reason": trouble.reason, "text": trouble.text, "kind": trouble.kind}
            for trouble in transcript.troubles
        ]
    if transcript.events:
        out["events"] = [{**_span_ms(event), "kind": event.kind} for event in transcript.events]
    if transcript.hotwords:
        out["hotwords"] = list(transcript.hotwords)
    return out


def _span_ms(result: Sentence | Word | Trouble | Event) -> dict[str, int]:
    return {"start_ms": milliseconds(result.start_s), "end_ms": milliseconds(result.end_s)}


def _sentence(sentence: Sentence) -> dict[str, Any]:
    return {
        **_span_ms(sentence),
        "text": sentence.text,
        "asr_confidence": round(sentence.asr_confidence, 3),
        "lang": sentence.lang,
        "lang_confidence": round(sentence.lang_confidence, 3),
    }


def read_transcript(values: Mapping[str, Any]) -> Transcript:
    """The transcript of a line of result.jsonl."""
    parts: dict[str, Sequence[Mapping[str, Any]]] = {
        name: [_in_seconds(item) for item in values.get(name, ())]
        for name in ("sentences", "words", "troubles", "events")
    }
    return Transcript(
        uttid=values["uttid"],
        text=values["text"],
        sentences=[Sentence(**item) for item in parts["sentences"]],
        segments=[(start / 1000, end / 1000) for start, end in values["vad_segments_ms"]],
        dur_s=values["dur_s"],
        words=[Word(**item) for item in parts["words"]],
        wav_path=values["wav_path"],
        troubles=[Trouble(**item) for item in parts["troubles"]],
        events=[Event(**item) for item in parts["events"]],
        hotwords=list(values.get("hotwords", ())),
    )


def _in_seconds(item: Mapping[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in item.items() if name not in ("start_ms", "end_ms")}
    return {**rest, "start_s": item["start_ms"] / 1000, "end_s": item["end_ms"] / 1000}
