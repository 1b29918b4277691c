"""What OpenAI's API promises of its answers, checked without mercy: names, types, and what belongs together."""

import json
import math


def _is_number(value):
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_error(body, *, param=..., code=...):
    """The four keys, and no others."""
    assert list(body) == ["error"], body
    error = body["error"]
    assert set(error) == {"message", "type", "param", "code"}, error
    assert isinstance(error["message"], str)
    assert error["message"]
    assert isinstance(error["type"], str)
    assert error["param"] is None or isinstance(error["param"], str)
    assert error["code"] is None or isinstance(error["code"], str)
    if param is not ...:
        assert error["param"] == param, error
    if code is not ...:
        assert error["code"] == code, error
    return error


def check_usage(usage):
    assert set(usage) == {"type", "seconds"}
    assert usage["type"] == "duration"
    assert _is_number(usage["seconds"])


def check_log_probs(found):
    assert isinstance(found, list)
    for entry in found:
        assert set(entry) == {"token", "logprob", "bytes"}
        assert isinstance(entry["token"], str)
        assert _is_number(entry["logprob"])
        assert entry["logprob"] <= 0
        assert bytes(entry["bytes"]).decode() == entry["token"]


def check_json(body, *, log_probs=False, usage=True):
    assert set(body) == {"text", "languages"} | ({"usage"} if usage else set()) | ({"logprobs"} if log_probs else set())
    assert isinstance(body["text"], str)
    if usage:
        check_usage(body["usage"])
    assert all(set(entry) == {"code"} for entry in body["languages"])
    if log_probs:
        check_log_probs(body["logprobs"])


def check_verbose(body, *, words=False, segments=True):
    """A `verbose_json` body."""
    required = {"task", "language", "duration", "text", "usage"}
    assert set(body) - {"troubles"} == required | ({"words"} if words else set()) | (
        {"segments"} if segments else set()
    )
    assert body["task"] == "transcribe"
    assert isinstance(body["language"], str)
    assert _is_number(body["duration"])
    check_usage(body["usage"])
    if segments:
        assert [segment["id"] for segment in body["segments"]] == list(range(len(body["segments"])))
        for segment in body["segments"]:
            _check_segment(segment, body["duration"])
    if words:
        for word in body["words"]:
            assert set(word) == {"word", "start", "end"}
            assert 0 <= word["start"] <= word["end"] <= body["duration"] + 0.01


def _check_segment(segment, duration):
    numbers = {"start", "end", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob"}
    assert set(segment) == numbers | {"id", "seek", "text", "tokens"}
    assert all(_is_number(segment[name]) for name in numbers)
    assert type(segment["id"]) is int
    assert type(segment["seek"]) is int
    assert all(type(token) is int for token in segment["tokens"])
    assert 0 <= segment["start"] <= segment["end"] <= duration + 0.01
    assert segment["avg_logprob"] <= 0
    assert 0 <= segment["no_speech_prob"] <= 1


def events_of(stream):
    """The events of a body of server-sent events."""
    found = []
    for block in stream.split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith(":")]
        if not lines:
            continue
        named = dict(line.split(": ", 1) for line in lines)
        event = json.loads(named["data"])
        assert named.get("event") == event.get("type")
        found.append(event)
    return found


def check_events(events, *, log_probs=False):
    """The text of a stream: deltas, and exactly one done at the end, whose text they join to."""
    assert [event["type"] for event in events].count("transcript.text.done") == 1
    *deltas, done = events
    assert done["type"] == "transcript.text.done"
    check_json({name: value for name, value in done.items() if name != "type"}, log_probs=log_probs, usage=False)
    for event in deltas:
        assert event["type"] == "transcript.text.delta"
        assert set(event) == {"type", "delta", "segment_id"} | ({"logprobs"} if log_probs else set())
        if log_probs:
            check_log_probs(event["logprobs"])
    assert "".join(event["delta"] for event in deltas) == done["text"]
    return done["text"]
