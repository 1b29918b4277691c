"""The guard against hallucinated text: what it flags, what it leaves alone, and what is done about it."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.signals import noise
from support.tiny_vad import write_tiny_model

from firered.asr.aed_config import AsrConfig
from firered.asr.config import GuardConfig
from firered.asr.guard import Evidence, Guard, reasons
from firered.asr.llm_config import LlmConfig
from firered.audio.like import as_frames
from firered.errors import ModelError
from firered.output.published import published
from firered.results import AsrResult, Word
from firered.runtime.speech import Speech
from firered.search.ctc import ctc_texts
from firered.vad.detect import Vad

FLAG = GuardConfig(guard="flag")


def found(text, dur_s=60.0, speech_ratio=None, ctc_text=None, **options):
    return reasons(text, dur_s, GuardConfig(**options), Evidence(speech_ratio, ctc_text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("整体的" * 45, "repeated: 整体的 45 times in a row"),
        ("嗯" * 10, "repeated: 嗯 10 times in a row"),
        ("嗯" * 9, None),  # people do say so
        ("thank you " * 5, "repeated: thank you 5 times in a row"),
        ("thank you " * 4, None),
        ("Thank You thank you THANK YOU thank you thank you", "repeated: thank you 5 times in a row"),
        ("我们说 " + "好的谢谢" * 6 + "再见", "repeated: 好的谢谢 6 times in a row"),
        ("八百标兵奔北坡炮兵并排北边跑", None),
        ("row row row your boat gently down the stream", None),
        ("", None),
        ("   ", None),
    ],
)
def test_repeated_phrases(text, expected):
    assert found(text) == ([] if expected is None else [expected])


def test_how_often_is_an_option():
    assert found("哈哈哈哈", guard_repeats=2) == ["repeated: 哈 4 times in a row"]
    assert found("哈哈哈", guard_repeats=2) == []


@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=4), st.integers(5, 9), st.text("xyz ", max_size=8))
def test_a_phrase_five_times_is_always_found(phrase, times, around):
    text = " ".join([*around.split(), *phrase * (times * 2), *around.split()])
    assert any(reason.startswith("repeated: ") for reason in found(text))


@given(st.lists(st.sampled_from("天地玄黄宇宙洪荒"), min_size=1, max_size=30, unique=True))
def test_what_has_no_token_twice_is_not_repeated(tokens):
    assert found("".join(tokens)) == []


@pytest.mark.parametrize(
    ("text", "dur_s", "expected"),
    [
        ("今天天气很好我们去公园散步", 0.5, ["too fast: 26.0 characters a second"]),
        ("今天天气很好我们去公园散步", 2.0, []),
        ("please turn on the light", 1.0, []),  # 20 letters count as 10 characters
        ("please turn on the light", 0.5, ["too fast: 20.0 characters a second"]),
    ],
)
def test_characters_a_second(text, dur_s, expected):
    assert found(text, dur_s) == expected


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        ({}, None),
        ({"speech_ratio": 0.0}, "no speech: the voice detector finds it in 0.0% of the utterance"),
        ({"speech_ratio": 0.049}, "no speech: the voice detector finds it in 4.9% of the utterance"),
        ({"speech_ratio": 0.05}, None),
        ({"ctc_text": ""}, "no speech: the CTC head reads nothing"),
        ({"ctc_text": "今天天气很好"}, None),
        ({"ctc_text": "今天天很好"}, None),
        ({"ctc_text": "这是完全不同的话"}, "disagreement: 100% differs from what the CTC head reads: 这是完全不同的话"),
    ],
)
def test_what_others_hear(evidence, expected):
    assert found("今天天气很好", **evidence) == ([] if expected is None else [expected])


def test_two_tokens_may_always_differ():
    assert found("你好", ctc_text="再见") == []
    assert found("你好吗", ctc_text="再见了") == ["disagreement: 100% differs from what the CTC head reads: 再见了"]


def test_nothing_is_held_against_an_empty_text():
    assert found("", 0.0, speech_ratio=0.0, ctc_text="你好") == []


def test_reasons_add_up():
    flags = found("谢谢观看" * 9, 1.0, speech_ratio=0.0, ctc_text="")
    assert [flag.split(":")[0] for flag in flags] == ["repeated", "too fast", "no speech"]


# What is done


def result(text, **changes):
    values = {"confidence": 0.9, "dur_s": 9.0, "tokens": list(text), "token_confidence": [0.9] * len(text), **changes}
    return AsrResult("u", text, **values)


SPEECH = Speech("u", torch.zeros(898, 80), 9.0)
LOOP = "整体的" * 12


def test_off_hands_on_what_it_is_given():
    guard = Guard(GuardConfig())
    assert not guard.on
    assert guard([SPEECH], [result(LOOP)]) == [result(LOOP)]


def test_flagged_texts_stay_and_dropped_ones_are_on_record():
    words = [Word("整体的", 0.0, 1.0)]
    error = MemoryError("x")
    good, bad = result("你好"), result(LOOP, words=words)
    flagged = Guard(FLAG)([SPEECH] * 3, [good, error, bad])
    assert flagged[:2] == [good, error]
    assert (flagged[2].text, flagged[2].words, flagged[2].dropped) == (LOOP, tuple(words), "")
    assert published(flagged[2])["flags"] == ["repeated: 整体的 12 times in a row"]
    assert "dropped" not in published(flagged[2])
    dropped = Guard(GuardConfig(guard="drop"))([SPEECH] * 3, [good, error, bad])
    assert dropped[:2] == [good, error]
    assert published(dropped[2]) == {
        "uttid": "u",
        "text": "",
        "confidence": 0.0,
        "dur_s": 9.0,
        "timestamp": [],
        "flags": ["repeated: 整体的 12 times in a row"],
        "dropped": LOOP,
    }
    assert dropped[2].tokens == dropped[2].token_confidence == ()


@pytest.mark.parametrize(("guard", "low"), [("off", "flag"), ("off", "drop"), ("flag", "drop"), ("drop", "flag")])
def test_texts_of_low_confidence_are_flagged_or_dropped_and_never_silently(guard, low):
    check = Guard(GuardConfig(guard=guard, min_confidence=0.5, low_confidence=low))
    sure, unsure, empty = result("你好"), result("你好", confidence=0.499), result("", confidence=0.0)
    at_bound, error = result("你好", confidence=0.5), MemoryError("x")
    got = check([SPEECH] * 5, [sure, unsure, empty, at_bound, error])
    assert [got[0], *got[2:]] == [sure, empty, at_bound, error]
    assert got[1].flags == ("unsure: its confidence of 0.499 is below 0.5",)
    assert (got[1].text, got[1].dropped) == (("", "你好") if low == "drop" else ("你好", ""))


def test_low_confidence_and_the_guard_each_have_their_own_way():
    loop = result(LOOP, confidence=0.1)
    both = Guard(GuardConfig(guard="drop", min_confidence=0.5))([SPEECH], [loop])[0]
    assert [flag.split(":")[0] for flag in both.flags] == ["repeated", "unsure"]
    assert (both.text, both.dropped) == ("", LOOP)
    assert Guard(GuardConfig(min_confidence=0.5))([SPEECH], [result(LOOP)]) == [result(LOOP)]  # the guard is off


def test_the_voice_detector_is_asked_about_the_same_frames(tmp_path):
    write_tiny_model(tmp_path / "VAD", 1, 2)
    config = GuardConfig(guard="flag", guard_vad=str(tmp_path / "VAD"), guard_speech_ratio=1.0)
    guard = Guard.load(config, "cpu")
    assert [path.name for path in guard.sources] == ["model.pth.tar", "cmvn.ark"]
    samples = (noise(3 * 16000) * 2**15).astype(np.int16)
    vad = Vad.from_pretrained(tmp_path / "VAD", device="cpu")
    probs = vad(samples, "u").probs
    share = 100 * float(np.mean(probs >= vad.config.speech_threshold))
    speech = Speech.of(as_frames(samples, "u"))
    silence = Speech("s", torch.zeros(50, 80), 0.5)
    _, checked, _ = guard([silence, speech, silence], [result("你好"), result("你好"), result("你好")])
    assert len(probs) == len(speech.feats)
    expected = f"no speech: the voice detector finds it in {share:.1f}% of the utterance"
    assert checked.flags == ((expected,) if share < 100 else ())


def test_a_detector_that_is_not_there(tmp_path):
    config = GuardConfig(guard="flag", guard_vad=str(tmp_path / "VAD"))
    with pytest.raises(ModelError, match="no FireRedVAD/VAD model here"):
        Guard.load(config, "cpu")
    assert Guard.load(GuardConfig(guard_vad=str(tmp_path / "VAD")), "cpu").sources == []  # off: not needed


def test_both_kinds_of_recognition_have_the_options():
    assert GuardConfig.names() <= AsrConfig.names()
    assert GuardConfig.names() <= LlmConfig.names()


def test_what_a_ctc_head_reads():
    frames = [[0, 3, 3, 0, 3, 4, 0, 0], [5, 5, 0, 4, 4, 4, 7, 7]]
    log_probs = torch.nn.functional.one_hot(torch.tensor(frames), 8).float().log()
    read = ctc_texts(log_probs, torch.tensor([8, 6]), lambda ids: "".join(map(str, ids)))
    assert read == ["334", "54"]


# With the models
