"""Text that gives the context back where nothing was said, and what is done about it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.parrot import Parrot
from support.signals import noise, sine

from firered.asr.config import GuardConfig, RecogniserConfig
from firered.asr.echo import Echo, Support, far, is_quiet, unlike, unsupported
from firered.audio.frontend import SAMPLES, fbank
from firered.hotwords.lists import HotwordList
from firered.hotwords.retrieval import retriever_of
from firered.runtime.context import Context
from firered.runtime.speech import Speech

NAMES = ("Kubernetes", "阿尔山", "Grafana", "GPT-4o", "乌鲁木齐", "C++")
CONFIG = GuardConfig()


def long_list(count):
    """So many entries, half of them Chinese."""
    return [f"word{number}" if number % 2 else f"第{number}中学" for number in range(count)]


def echo(text, hotwords=NAMES, **context):
    words = HotwordList(hotwords)
    return Echo.of(text, Context(**context), retriever_of(words) if words else None, "热词列表")


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Kubernetes, 阿尔山, Grafana.", 1.0),  # in the list's order
        ("grafana 阿尔山 kubernetes", 1.0),  # or not, whatever case and marks
        ("Kubernetes Kubernetes Kubernetes", 1.0),
        ("嗯 阿尔山", 3 / 4),
        ("今天我们去阿尔山", 3 / 8),
        ("GPT-4o 和 C++", 5 / 6),
        ("今天我们去北京", None),
        ("", None),
        ("。", None),
    ],
)
def test_how_much_of_a_text_is_of_the_list(text, share):
    found = echo(text)
    assert (None if found is None else found.share) == (share if share is None else pytest.approx(share, abs=0.05))


@pytest.mark.parametrize(
    ("text", "context", "source"),
    [
        ("names of stations follow", {"prompt": "The names of stations follow."}, "its prompt"),
        ("我们明天下午开会", {"history": "好的。我们明天下午开会。"}, "the text before it"),
        ("热词列表", {"prompt": "x"}, "the instruction"),
        ("the stations are far", {"prompt": "The names of stations follow."}, None),  # a word here and there
        ("follow", {"prompt": "The names of stations follow."}, "its prompt"),  # all of a short one
    ],
)
def test_running_text_counts_by_several_words_in_a_row(text, context, source):
    found = echo(text, (), **context)
    assert (None if found is None else found.sources) == (None if source is None else (source,))


@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6), st.sampled_from([" ", ", ", "，", "\n"]))
def test_entries_in_any_order_are_all_of_a_text(entries, between):
    assert echo(between.join(entries)).share == 1.0


WHOLE, PART = "Kubernetes, 阿尔山, Grafana", "今天我们去阿尔山"


@pytest.mark.parametrize(
    ("text", "known", "reason"),
    [
        (PART, {"quiet": True}, "the sound is silent"),
        (PART, {"speech_ratio": 0.01}, "the voice detector finds speech in 1.0% of the sound"),
        (PART, {"ctc_text": " "}, "the CTC head reads nothing"),
        (PART, {"ctc_text": "今天我们去"}, "the CTC head reads nothing like them: 今天我们去"),
        (PART, {"ctc_text": "今天我们去阿尔三"}, None),  # little of it is of the list
        (PART, {"ctc_text": "we go to our sun today"}, None),  # which may be that, in other letters
        (PART, {"duration_s": 0.1}, None),  # the guard's own reason
        (WHOLE, {"speech_ratio": 0.9, "ctc_text": "cooper netties 阿二山 gra fauna"}, None),
        (WHOLE, {"ctc_text": "嗯"}, "the CTC head reads something else: 嗯"),
        (WHOLE, {"duration_s": 0.5}, "that is 27.0 characters a second"),
        (WHOLE, {"speech_ratio": 0.9}, None),
    ],
)
def test_what_speaks_against_a_text(text, known, reason):
    assert unsupported(echo(text), Support(**{"duration_s": 3.0, **known}), CONFIG) == reason


def test_what_is_heard_without_the_context_decides_where_nothing_else_is_known():
    assert unlike(echo(WHOLE), "", CONFIG) == "nothing is heard without them"
    assert unlike(echo(WHOLE), "thank you", CONFIG) == "without them something else is heard: thank you"
    assert unlike(echo("Kubernetes"), "cooper netties", CONFIG) is None
    assert unlike(echo("阿尔山"), "二三", CONFIG) is None
    assert not far("。", "", 0.7)


def test_a_text_that_others_hear_among_more_was_said():
    """Such as one that its recogniser has ended early."""
    assert not far("我们去阿尔山", "今天天气非常好我们去阿二山明天下午大家再一起开会", 0.3)
    assert far("我们去阿尔山", "今天天气非常好明天下午大家再一起开会", 0.7)
    assert far("今天天气非常好我们去阿尔山明天再说", "我们去", 0.7)  # but not the other way round


def test_other_scripts_are_compared_by_their_length():
    assert not far("Kubernetes", "库伯内提斯", 0.7)
    assert far("Kubernetes Grafana Prometheus", "嗯", 0.7)


@pytest.mark.parametrize("kind", ["filterbank", "samples"])
@pytest.mark.parametrize(("rms", "quiet"), [(0, True), (3, True), (300, False)])
def test_silence_is_known_by_its_energy(kind, rms, quiet):
    samples = np.round(np.random.default_rng(0).normal(0, rms, 32000)).astype(np.float32)
    if kind == "samples":
        frames = torch.from_numpy(samples).reshape(-1, SAMPLES.bins)
        assert is_quiet(Speech("u", frames, 2.0, front_end=SAMPLES)) == quiet
    else:
        assert is_quiet(Speech("u", fbank(samples), 2.0)) == quiet


# A whole recogniser

SOUNDS = {
    "silence": np.zeros(48000),
    "hiss": noise(48000, 1e-4),
    "noise": noise(48000),
    "music": sum(sine(3.0, hertz=hertz, amplitude=0.2) for hertz in (262.0, 330.0, 392.0)),
    "clip": noise(3200, 0.1),
}


def speech(key, **context):
    samples = (np.asarray(SOUNDS[key]) * 32767).astype(np.float32)
    return Speech(key, fbank(samples), len(samples) / 16000, Context(**context))


@pytest.mark.parametrize("count", [3, 50, 1000])
@pytest.mark.parametrize("guard", ["off", "flag", "drop"])
@pytest.mark.parametrize("reads", [False, True])
def test_no_word_of_a_list_gets_into_the_text_of_what_is_not_speech(count, guard, reads):
    words = long_list(count)
    asr = Parrot({}, {} if reads else None, config=RecogniserConfig(guard=guard))
    for result in asr.recognise([speech(key, hotwords=words) for key in SOUNDS]):
        assert result.text == ""
        (flag,) = result.flags
        assert flag.startswith("prompt_echo: 100% of '")
        assert result.context_used == ()
        assert result.hotwords == ()


@pytest.mark.parametrize("context", [{"prompt": "Names of stations follow."}, {"history": "我们明天下午去北京开会。"}])
def test_neither_a_prompt_nor_the_text_before_does(context):
    asr = Parrot({}, {})
    (result,) = asr.recognise([speech("noise", language="zh", **context)])
    assert (result.text, result.context_used) == ("", ("language",))
    assert "the CTC head reads nothing; decoded again without them" in result.flags[0]


def test_without_the_check_it_would():
    asr = Parrot({}, config=RecogniserConfig(guard_echo=False))
    (result,) = asr.recognise([speech("noise", hotwords=NAMES)])
    assert (result.text, result.flags) == (", ".join(NAMES), ())
    assert result.context_used == ("hotwords",)


def test_what_was_said_stays_with_its_context():
    said = {"noise": "Kubernetes, 阿尔山", "music": "今天我们去阿尔山"}
    asr = Parrot(said, {"noise": "cooper netties 阿二山", "music": "今天我们去阿二三"})
    results = asr.recognise([speech(key, hotwords=NAMES) for key in said])
    assert {result.uttid: result.text for result in results} == said
    assert all((result.flags, result.context_used) == ((), ("hotwords",)) for result in results)
    assert asr.decoded == [("noise", True), ("music", True)]  # once each


def test_what_is_recognised_without_the_context_too_is_no_echo():
    asr = Parrot({"noise": "Kubernetes"})
    (result,) = asr.recognise([speech("noise", hotwords=NAMES)])
    assert (result.text, result.flags, result.context_used) == ("Kubernetes", (), ("hotwords",))
    assert asr.decoded == [("noise", True), ("noise", False)]


def test_a_silent_window_of_a_long_utterance_is_found_on_its_own():
    loud, still = noise(16000 * 40, 0.3), np.zeros(16000 * 40)
    samples = (np.concatenate([loud, still]) * 32767).astype(np.float32)
    whole = Speech("u", fbank(samples), 80.0, Context(hotwords=NAMES))

    def heard(window):
        return ", ".join(window.context.hotwords.texts) if is_quiet(window) else "我们今天讨论的是另外一件事情"

    asr = Parrot({}, echoes=heard, config=RecogniserConfig(window_seconds=20.0))
    (result,) = asr.recognise([whole])
    assert not any(name in result.text for name in NAMES)
    assert "另外一件事情" in result.text
    assert result.context_used == ("hotwords",)  # by the other windows
    assert len(result.flags) == 1
    assert "the sound is silent" in result.flags[0]


def test_one_echo_leaves_the_others_of_its_batch_alone():
    asr = Parrot({"music": "我们去阿尔山"}, {"music": "我们去阿尔山"})
    batch = [speech(key, hotwords=NAMES) for key in ("noise", "music")]
    alone = [asr.recognise([one])[0] for one in batch]
    assert asr.recognise(batch) == alone
    assert [result.text for result in alone] == ["", "我们去阿尔山"]


@pytest.mark.parametrize("nothing", [None, "", [], (), [""], " "])
def test_no_hotwords_are_none_in_any_way(nothing):
    asr = Parrot({"noise": "你好"})
    plain = asr.recognise([speech("noise")])
    assert asr.recognise([speech("noise", hotwords=nothing)]) == plain
    assert asr.decoded == [("noise", False)] * 2


def test_an_echo_that_fails_without_its_context_is_an_error_of_its_own():
    class Failing(Parrot):
        def _heard(self, speech):
            if not speech.context.hotwords:
                raise MemoryError("x")
            return super()._heard(speech)

    asr = Failing({"music": "你好"}, {"music": "你好"})
    noisy, music = asr.recognise([speech(key, hotwords=NAMES) for key in ("noise", "music")])
    assert isinstance(noisy, MemoryError)
    assert music.text == "你好"


def test_windows_after_the_first_are_not_told_what_was_said_before_the_utterance():
    seen = []

    def heard(window):
        seen.append(window.context.history)
        return "另外一件事情"

    samples = (noise(16000 * 40, 0.3) * 32767).astype(np.float32)
    context = Context(history="好的。", hotwords=NAMES)
    asr = Parrot({}, echoes=heard, config=RecogniserConfig(window_seconds=20.0))
    asr.recognise([replace(speech("noise"), feats=fbank(samples), duration_s=40.0, context=context)])
    assert seen[0] == "好的。"
    assert len(seen) > 1
    assert not any(seen[1:])
