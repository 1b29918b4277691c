"""What all results share: frozen, in seconds, as plain values and back."""

import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firered import results
from firered.output.published import milliseconds, published, read_transcript
from firered.results import (
    AsrResult,
    MvadResult,
    NBest,
    Result,
    Sentence,
    StreamEvent,
    StreamVadResult,
    TokenTime,
    Transcript,
    VadResult,
    Word,
)

KINDS = [kind for kind in vars(results).values() if isinstance(kind, type) and issubclass(kind, Result)]
KINDS.remove(Result)

TIMES = st.floats(0, 1e5, allow_nan=False)
PLAIN = {
    bool: st.booleans(),
    str: st.text(max_size=5),
    int: st.integers(-1, 10**6),
    float: st.floats(allow_nan=False, allow_infinity=False),
}


def values_of(hint):
    """Any value of a field with this annotation."""
    if hint in PLAIN:
        return PLAIN[hint]
    if isinstance(hint, type) and issubclass(hint, Result):
        return results_of(hint)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(st.none() if part is types.NoneType else values_of(part) for part in inner)
    if origin is Mapping:
        return st.dictionaries(values_of(inner[0]), values_of(inner[1]), max_size=3)
    if origin is Sequence:
        return st.lists(values_of(inner[0]), max_size=3)
    assert origin is tuple, hint
    return st.tuples(*map(values_of, inner))


def results_of(kind):
    """Results of a kind with anything in their fields, arrays aside."""
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{name: values_of(hint) for name, hint in hints.items() if hint is not np.ndarray})


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_kind_comes_back_from_json(kind, data):
    result = data.draw(results_of(kind))
    assert kind.from_dict(json.loads(json.dumps(result.to_dict()))) == result


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_kind_is_frozen(kind, data):
    result = data.draw(results_of(kind))
    for field in fields(kind):
        with pytest.raises(FrozenInstanceError):
            setattr(result, field.name, None)
        assert not isinstance(getattr(result, field.name), list)


def test_arrays_are_left_out():
    result = VadResult("a", 1.0, [(0.1, 0.9)], np.ones((98, 1), np.float32))
    assert result.to_dict() == {"uttid": "a", "dur": 1.0, "timestamps": [[0.1, 0.9]]}
    assert VadResult.from_dict(result.to_dict()) == result
    assert VadResult.from_dict(result.to_dict()).probs.shape == (0, 0)


def test_nested_results_as_plain_values():
    best = NBest("a", ["a"], -1.0, {"aed": -0.5, "lm": -0.5}, 1.0, 0.9)
    times = [TokenTime("a", 0.1, 0.2, -0.5)]
    result = AsrResult("u", "a", 0.9, 1.0, ["a"], [0.9], [Word("a", 0.1, 0.2)], [best], token_times=times)
    assert AsrResult.from_dict(result.to_dict()) == result
    assert result.to_dict() == {
        "uttid": "u",
        "text": "a",
        "confidence": 0.9,
        "dur_s": 1.0,
        "tokens": ["a"],
        "token_confidence": [0.9],
        "words": [{"text": "a", "start_s": 0.1, "end_s": 0.2, "score": None}],
        "nbest": [
            {
                "text": "a",
                "tokens": ["a"],
                "score": -1.0,
                "scores": {"aed": -0.5, "lm": -0.5},
                "length": 1.0,
                "confidence": 0.9,
            }
        ],
        "flags": [],
        "dropped": "",
        "ctc_text": None,
        "context_used": [],
        "plain_text": None,
        "replaced": [],
        "hotwords": [],
        "lang": None,
        "shown": [],
        "token_times": [{"token": "a", "start_s": 0.1, "end_s": 0.2, "score": -0.5}],
    }


def test_fields_that_do_not_belong_are_refused():
    for fields_ in ({"text": "a", "start_s": 0.0}, {"text": "a", "start_s": 0.0, "end_s": 1.0, "start_ms": 0}):
        with pytest.raises(TypeError):
            Word.from_dict(fields_)


@dataclass(frozen=True)
class _Either(Result):
    found: VadResult | StreamVadResult | MvadResult


@pytest.mark.parametrize(
    "found",
    [
        VadResult("a", 1.0, [(0.0, 1.0)]),
        StreamVadResult("a", 1.0, [(0.0, 1.0)], events=[StreamEvent("start", 3, 1)]),
        MvadResult("a", 1.0, {"speech": [(0.0, 1.0)]}, {"speech": 0.5}),
    ],
)
def test_one_of_several_kinds_is_told_by_its_fields(found):
    again = _Either.from_dict(json.loads(json.dumps(_Either(found).to_dict()))).found
    assert type(again) is type(found)
    assert again == found


def test_none_of_several_kinds():
    with pytest.raises(TypeError, match="none of VadResult, StreamVadResult, MvadResult has the fields uttid"):
        _Either.from_dict({"found": {"uttid": "a"}})


@given(st.integers(0, 10**10))
def test_milliseconds_are_exact(ms):
    assert milliseconds(ms / 1000) == ms


@given(st.lists(st.integers(0, 10**8), min_size=2, max_size=2))
def test_published_transcripts_come_back(span):
    start_s, end_s = (ms / 1000 for ms in span)
    sentence = Sentence("好。", start_s, end_s, 0.8125, "zh mandarin", 0.5)
    words = [Word("好", start_s, end_s)]
    transcript = Transcript("a", "好。", [sentence], [(start_s, end_s)], 1.5, words, "a.wav")
    fields_ = published(transcript)
    assert (fields_["words"][0]["start_ms"], fields_["words"][0]["end_ms"]) == tuple(span)
    assert fields_["sentences"][0]["asr_confidence"] == 0.812
    again = read_transcript(fields_)
    assert again == replace(transcript, sentences=[replace(sentence, asr_confidence=0.812)])


def test_what_has_no_published_fields_says_so():
    with pytest.raises(TypeError, match="Word has no published fields"):
        published(Word("a", 0.0, 1.0))
