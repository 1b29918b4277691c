"""What a request may ask for: each parameter is honoured, or refused by name."""

import pytest
from support.api_check import check_error

from firered.runtime.context import Context
from firered.vad.config import VadConfig

pytest.importorskip("fastapi")

from firered.serve.errors import ApiError
from firered.serve.loaded import Able
from firered.serve.params import FORMATS, Defaults, asked_for

AED = Able("aed", frozenset({"hotwords"}), ("zh", "en", "yue"), finds_voice=True, times_words=True)
TOLD = Able("told", frozenset({"hotwords", "language", "prompt"}), (), finds_voice=False, times_words=False)
DEFAULTS = Defaults(("aed", "whisper-1"), Context(hotwords=["House"]), VadConfig(min_silence_frame=30))


def asked(*fields, able=AED):
    return asked_for(fields, able, DEFAULTS)


def refused(*fields, able=AED, status=400):
    with pytest.raises(ApiError) as error:
        asked(*fields, able=able)
    assert error.value.status == status
    return check_error(error.value.body)


def test_nothing_but_a_file_is_json():
    found = asked()
    assert (found.format, found.stream, found.words, found.segments, found.log_probs) == (
        "json",
        False,
        False,
        True,
        False,
    )
    assert found.context == DEFAULTS.context
    assert found.vad is None


@pytest.mark.parametrize("form", FORMATS)
def test_formats(form):
    assert asked(("response_format", form)).format == form


def test_names_of_lists_have_brackets_or_not():
    for name in ("timestamp_granularities[]", "timestamp_granularities"):
        found = asked(("response_format", "verbose_json"), (name, "word"))
        assert (found.words, found.segments) == (True, False)
    both = asked(
        ("response_format", "verbose_json"), *[("timestamp_granularities[]", unit) for unit in ("word", "segment")]
    )
    assert (both.words, both.segments) == (True, True)


def test_keywords_come_before_those_of_the_server():
    for name in ("keywords[]", "keywords", "hotwords", "hotwords[]"):
        assert asked((name, "b"), (name, "a\n c ")).context.hotwords.texts == ("b", "a", "c", "House")


def test_language_is_told_where_it_can_be():
    assert asked(("language", "English"), able=TOLD).context.language == "en"
    assert asked(("languages[]", "zh-CN"), ("languages[]", "en"), able=TOLD).context.language == "zh,en"
    assert asked(("language", "auto"), able=TOLD).context.language is None
    assert asked(("prompt", "Names of plants."), able=TOLD).context.prompt == "Names of plants."


def test_a_model_that_finds_the_language_takes_those_that_it_writes():
    assert asked(("language", "zh")).context.language is None
    assert refused(("language", "fr"))["message"] == (
        "language: aed finds it out itself and writes zh (Chinese), en (English), yue (Cantonese), not fr"
    )
    assert refused(("languages[]", "zh"), ("languages[]", "de"))["param"] == "languages"


def test_the_voice_detector_takes_settings():
    assert asked(("chunking_strategy", "auto")).vad is None
    text = '{"type": "server_vad", "threshold": 0.6, "silence_duration_ms": 500, "prefix_padding_ms": 300}'
    assert asked(("chunking_strategy", text)).vad == VadConfig(
        speech_threshold=0.6, min_silence_frame=50, extend_speech_frame=30
    )
    assert asked(("chunking_strategy", '{"type": "server_vad"}')).vad == DEFAULTS.vad
    apart = ("chunking_strategy[type]", "server_vad"), ("chunking_strategy[threshold]", "0.5")
    assert asked(*apart).vad == VadConfig(speech_threshold=0.5, min_silence_frame=30)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ([("response_format", "xml")], "response_format", "invalid_value"),
        ([("response_format", "diarized_json")], "response_format", "unsupported_parameter"),
        ([("response_format", "json"), ("response_format", "srt")], "response_format", "invalid_value"),
        ([("known_speaker_names[]", "a")], "known_speaker_names", "unsupported_parameter"),
        ([("temperature", "0.2")], "temperature", "unsupported_parameter"),
        ([("temperature", "1.5")], "temperature", "invalid_value"),
        ([("temperature", "warm")], "temperature", "invalid_value"),
        ([("temperature", "nan")], "temperature", "invalid_value"),
        ([("stream", "maybe")], "stream", "invalid_value"),
        ([("stream", "true"), ("response_format", "srt")], "response_format", "unsupported_parameter"),
        ([("timestamp_granularities[]", "word")], "timestamp_granularities", "invalid_value"),
        (
            [("timestamp_granularities[]", "phone"), ("response_format", "verbose_json")],
            "timestamp_granularities",
            "invalid_value",
        ),
        ([("include[]", "logprobs"), ("response_format", "verbose_json")], "include", "invalid_value"),
        ([("include[]", "item")], "include", "invalid_value"),
        ([("prompt", "a b c")], "prompt", "unsupported_parameter"),
        ([("language", "Klingon")], "language", "unsupported_parameter"),
        ([("language", "zh"), ("languages[]", "en")], "language", "invalid_value"),
        ([("chunking_strategy", "manual")], "chunking_strategy", "invalid_value"),
        ([("chunking_strategy", '{"type": "server_vad", "eagerness": 1}')], "chunking_strategy", "invalid_value"),
        ([("chunking_strategy", '{"type": "server_vad", "threshold": 7}')], "chunking_strategy", "invalid_value"),
        ([("chunking_strategy", '{"type": "server_vad", "threshold": "a"}')], "chunking_strategy", "invalid_value"),
        ([("chunking_strategy", '{"type": "server_vad", "threshold": 1e999}')], "chunking_strategy", "invalid_value"),
        ([("chunking_strategy", "[" * 100_000)], "chunking_strategy", "invalid_value"),
        ([("best_of", "5")], "best_of", "unknown_parameter"),
        ([("keywords[]", "\n".join(map(str, range(10_001))))], "keywords", "invalid_value"),
    ],
)
def test_refused(fields, param, code):
    error = refused(*fields)
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")
    assert error["message"].startswith(f"{param}: ")
    assert len(error["message"]) < 300


def test_what_the_models_do_not_give():
    words = ("response_format", "verbose_json"), ("timestamp_granularities[]", "word")
    assert refused(*words, able=TOLD)["code"] == "unsupported_parameter"
    settings = ("chunking_strategy", '{"type": "server_vad"}')
    assert refused(settings, able=TOLD)["param"] == "chunking_strategy"


def test_a_model_that_is_not_here():
    assert refused(("model", "gpt-4o-transcribe"), status=404)["code"] == "model_not_found"
    assert asked(("model", "whisper-1"))
    assert asked(("model", "aed"))
