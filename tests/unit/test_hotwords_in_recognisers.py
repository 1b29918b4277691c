"""Hotwords in the bundled recognisers: what they change and leave; no utterance hears another's list."""

from dataclasses import replace

import pytest
from support.paths import EGS

import firered
from firered.runtime.context import Context

MINI = EGS / "mini"
WAVS = [MINI / f"test/wav/{name}.flac" for name in ("f3-zh-00003", "f3-zh-00000", "f3-zh-00003", "f3-zh-00003")]
LISTS = [["星期六"], [], ["公司", "星期四"], ["你好水"]]
MODELS = ("FireRedASR2-AED", "FireRedASR2-LLM")


@pytest.fixture(scope="module", params=MODELS)
def asr(request):
    return firered.load(MINI / "models" / request.param, device="cpu", hotword_score=3.0, hotword_use="graph")


def test_a_hotword_takes_the_place_of_what_sounds_like_it(asr):
    plain, told = asr(WAVS[0]), asr(WAVS[0], context=Context(hotwords=["星期六"]))
    assert plain.text == "你好谁星期三去公园"
    assert told.text == "你好谁星期六去公园"
    (found,) = told.hotwords
    assert (found.text, found.used, found.start, found.end) == ("星期六", ("graph",), 3, 6)
    assert told.confidence < plain.confidence <= 1
    assert all(prob <= 1 for prob in told.token_confidence)
    assert told.nbest[0].scores["hotwords"] == pytest.approx(9.0)


@pytest.mark.parametrize("nothing", [None, "", [], (), [" "]])
def test_no_list_is_no_list_whatever_it_is_called(asr, nothing):
    assert asr(WAVS[0], context=Context(hotwords=nothing)) == asr(WAVS[0])


@pytest.mark.parametrize("use", ["none", "correction"])
def test_a_search_that_is_not_to_use_hotwords_gives_what_it_gives_without(use):
    asr = firered.load(MINI / "models" / MODELS[0], device="cpu", hotword_score=3.0, hotword_use=use)
    found = asr(WAVS[0], context=Context(hotwords=["星期六", "不在这里"]))
    assert replace(found, hotwords=(), ctc_text=None) == asr(WAVS[0])


def test_each_utterance_of_a_batch_has_its_own_list(asr):
    contexts = [Context(hotwords=own) for own in LISTS]
    single = [asr(wav, context=context) for wav, context in zip(WAVS, contexts, strict=True)]
    together = asr.batch(WAVS, context=contexts)
    assert [result.text for result in together] == [result.text for result in single]
    assert [result.hotwords for result in together] == [result.hotwords for result in single]
    plain = asr(WAVS[1])
    assert (together[1].text, together[1].confidence) == (plain.text, pytest.approx(plain.confidence, abs=1e-5))
    assert len({result.text for result in together}) == 4


def test_an_entry_earns_wherever_it_stands_in_the_list(asr):
    others = ["苹果", "牛米", "老师", "上海站", "学校", "电脑", "咖啡", "飞机", "音月"]
    for place in (0, 4, 9):
        hotwords = [*others[:place], "星期六", *others[place:]]
        assert "星期六" in asr(WAVS[0], context=Context(hotwords=hotwords)).text


def test_of_a_long_list_the_entries_that_sound_alike_are_used():
    asr = firered.load(MINI / "models" / MODELS[0], device="cpu", hotword_score=3.0, hotword_use="graph")
    others = [f"{one}{other}" for one in "苹果牛米老师上海学校" for other in "电脑咖啡飞机音月"]
    found = asr(WAVS[0], context=Context(hotwords=[*others, "你好水"]))
    assert found.text == "你好水星期三去公园"
    assert "你好水" in {hotword.text for hotword in found.hotwords if hotword.used}
    assert len({hotword.text for hotword in found.hotwords if hotword.used}) <= 10
