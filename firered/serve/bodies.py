"""What was heard in the API's forms of answers."""

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

from firered.output.config import SubtitleConfig
from firered.output.formats import srt, vtt
from firered.results import Sentence
from firered.serve.heard import Heard, Part
from firered.serve.params import JSON, SRT, TEXT, VTT, Asked
from firered.text.languages import code_of, english_name
from firered.text.tokenizer import WORD_START

_HUNDREDTHS = 100  # frames of 10 ms a second, the unit of `seek`


def answer_of(heard: Heard, asked: Asked) -> str | dict[str, Any]:
    """The answer's body: text, or what becomes JSON."""
    if asked.format == JSON:
        return json_body(heard, log_probs=asked.log_probs)
    if asked.format == TEXT:
        return f"{heard.transcript.text}\n"
    if asked.format in (SRT, VTT):
        return (srt if asked.format == SRT else vtt)(heard.transcript, SubtitleConfig())
    return verbose_body(heard, asked.context.language, words=asked.words, segments=asked.segments)


def json_body(heard: Heard, *, log_probs: bool = False) -> dict[str, Any]:
    """Text, languages and usage, and the tokens' log-probabilities where they are asked for."""
    return {**text_body(heard, log_probs=log_probs), "usage": _usage(heard)}


def text_body(heard: Heard, *, log_probs: bool) -> dict[str, Any]:
    """The same without the usage: in streams the API counts tokens alone, which are not comparable here."""
    body: dict[str, Any] = {"text": heard.transcript.text}
    if log_probs:
        body["logprobs"] = log_probs_of(heard.parts)
    return {**body, "languages": _languages(heard)}


def _usage(heard: Heard) -> dict[str, Any]:
    """Of the kind that counts seconds."""
    return {"type": "duration", "seconds": round(heard.transcript.dur_s, 3)}


def log_probs_of(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Each token as the recogniser wrote it, which is without punctuation where another model puts that in."""
    found = []
    for part in parts:
        for token, log_prob in zip(part.tokens, part.log_probs, strict=True):
            shown = token.replace(WORD_START, " ")
            found.append({"token": shown, "logprob": round(log_prob, 6), "bytes": list(shown.encode())})
    return found


def _languages(heard: Heard) -> list[dict[str, str]]:
    """The languages that were heard, the one with the most speech first."""
    seconds: Counter[str] = Counter()
    for part in heard.parts:
        if part.lang and (code := code_of(part.lang)):
            seconds[code] += part.end_s - part.start_s  # type: ignore[assignment]
    return [{"code": code} for code, _ in seconds.most_common()]


def verbose_body(heard: Heard, language: str | None, *, words: bool, segments: bool) -> dict[str, Any]:
    """The transcript with the times of words and segments; segments are sentences.

    Args:
        heard: what was heard.
        language: that the recogniser was told.
        words: whether there are words.
        segments: whether there are segments.
    """
    transcript = heard.transcript
    codes = [entry["code"] for entry in _languages(heard)] or [language or ""]
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": english_name(codes[0]) or "unknown",
        "duration": round(transcript.dur_s, 3),
        "text": transcript.text,
    }
    if segments:
        body["segments"] = [_segment(*pair) for pair in enumerate(zip_parts(heard))]
    if words:
        body["words"] = [{"word": word.text, "start": word.start_s, "end": word.end_s} for word in transcript.words]
    if transcript.troubles:
        body["troubles"] = [trouble.to_dict() for trouble in transcript.troubles]
    return {**body, "usage": _usage(heard)}


def zip_parts(heard: Heard) -> list[tuple[Sentence, Part]]:
    """Each sentence with the stretch of voice that it was said in."""
    found = []
    for sentence in heard.transcript.sentences:
        inside = [
            part for part in heard.parts if part.start_s <= sentence.start_s < max(part.end_s, part.start_s + 1e-3)
        ]
        found.append((sentence, inside[-1]))
    return found


def _segment(number: int, said: tuple[Sentence, Part]) -> dict[str, Any]:
    """A sentence; what a decoder knows of it is known of the stretch of voice, which may hold several."""
    sentence, part = said
    raw = sentence.text.encode()
    return {
        "id": number,
        "seek": round(_HUNDREDTHS * part.start_s),
        "start": sentence.start_s,
        "end": sentence.end_s,
        "text": sentence.text,
        "tokens": [],  # numbers of this model's own, which tell nobody anything
        "temperature": 0.0,
        "avg_logprob": round(part.mean_log_prob, 6),
        "compression_ratio": round(len(raw) / max(1, len(zlib.compress(raw))), 6),
        "no_speech_prob": 0.0 if part.voice is None else round(1 - part.voice, 6),
    }
