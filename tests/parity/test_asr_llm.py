"""Recognition by the language model: the published cases, and what goes with them."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.close import assert_same
from support.paths import GOLDENS
from support.tiny_llm import write_tiny_llm

from firered.align.aligner import Aligner
from firered.align.config import AlignConfig
from firered.asr.families.speech_llm import LlmAsr
from firered.asr.llm_config import LlmConfig
from firered.audio.like import as_frames
from firered.errors import AudioError, ModelError
from firered.runtime.speech import Speech

CASES = ["default", "script", "greedy", "maxlen4"]


def speech_of(path: Path, key: str = "") -> Speech:
    return Speech.of(as_frames(str(path), key))


@pytest.fixture(scope="module")
def tiny():
    return GOLDENS / "tiny"


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A model of random weights, whose results differ from the published ones."""
    return write_tiny_llm(tmp_path_factory.mktemp("llm") / "FireRedASR2-LLM")


def golden_asr(tiny: Path, **options: object) -> LlmAsr:
    return LlmAsr.from_pretrained(tiny / "FireRedASR2-LLM", LlmConfig(dtype="float32", **options), "cpu")


@pytest.mark.parametrize("name", CASES)
def test_every_published_case_single_and_in_one_batch(name, tiny):
    case = json.loads((tiny / "llm_expected.json").read_text())[name]
    options = {key: value for key, value in case["config"].items() if key != "batch_size"}
    asr = golden_asr(tiny, **options)
    speech = [speech_of(tiny / golden["wav"], golden["uttid"]) for golden in case["results"]]
    assert len(speech) == 12
    single = [asr.recognise([utterance])[0] for utterance in speech]
    assert [result.text for result in single] == [golden["text"] for golden in case["results"]]
    assert_same(asr.recognise(speech), single)


def test_the_cases_are_all_there(tiny):
    assert json.loads((tiny / "llm_expected.json").read_text()).keys() == set(CASES)


def test_bfloat16_says_the_same(tiny):
    case = json.loads((tiny / "llm_expected.json").read_text())["default"]
    config = LlmConfig(dtype="bfloat16", encoder_dtype="bfloat16")
    asr = LlmAsr.from_pretrained(tiny / "FireRedASR2-LLM", config, "cpu")
    results = asr.recognise([speech_of(tiny / golden["wav"]) for golden in case["results"]])
    differing = [
        golden["text"] for golden, got in zip(case["results"], results, strict=True) if got.text != golden["text"]
    ]
    assert len(differing) <= 1, differing


def test_confidence_and_n_best(tiny):
    asr = golden_asr(tiny, nbest=3, llm_length_penalty=1.0)
    result = asr(tiny / "wav/utt00.wav")
    assert result.text == result.nbest[0].text == "你好世界"
    assert "".join(result.tokens).startswith("你好世")
    assert len(result.tokens) == len(result.token_confidence)
    assert all(0 < prob <= 1 for prob in result.token_confidence)
    assert result.confidence == pytest.approx(np.mean(result.token_confidence)) == result.nbest[0].confidence
    scores = [hypothesis.score for hypothesis in result.nbest]
    assert scores == sorted(scores, reverse=True)
    for hypothesis in result.nbest:
        assert hypothesis.score == pytest.approx(hypothesis.scores["llm"] / hypothesis.length)
        assert hypothesis.length == len(hypothesis.tokens) + 1  # the end counts


def test_call_with_a_path_or_an_array(tiny):
    asr = golden_asr(tiny)
    path = tiny / "wav/utt08.wav"
    samples, _ = soundfile.read(path, dtype="int16")
    assert asr(path).text == "我在用 python 写代码"
    assert asr(samples, "x").tokens == asr(path).tokens
    with pytest.raises(AudioError):
        asr(np.zeros(16000, np.int16))


@pytest.mark.parametrize("timestamps", ["pauses", "reference"])
def test_word_times_are_those_of_the_aligner(timestamps, tiny):
    model = tiny / "FireRedASR2-AED"
    asr = golden_asr(tiny, align_model=str(model), timestamps=timestamps)
    speech = [speech_of(tiny / f"wav/utt0{number}.wav") for number in (0, 8, 3)]
    results = asr.recognise(speech)
    assert [word.text for word in results[1].words] == ["我", "在", "用", "python", "写", "代", "码"]
    aligner = Aligner.from_pretrained(model, AlignConfig(timestamps=timestamps), "cpu")
    aligned = aligner.align(speech, [result.text for result in results])
    assert [result.words for result in results] == [alignment.words for alignment in aligned]
    assert results[0].ctc_text == "你世界"  # what this small head makes of it
    assert golden_asr(tiny)(tiny / "wav/utt00.wav").words is None


def test_what_cannot_be_aligned_still_has_words(tiny, model_dir):
    aligner = Aligner.from_pretrained(tiny / "FireRedASR2-AED", device="cpu")
    speech = speech_of(tiny / "wav/utt00.wav")
    spread, none = aligner.word_times([speech, speech], ["你好" * 400, ""])
    assert len(spread.words) == 800
    assert spread.words[0].start_s == 0.0
    assert spread.words[-1].end_s == pytest.approx(speech.duration_s, abs=1e-3)
    assert none.words == []


def test_the_guard_uses_the_ctc_head(tiny):
    """utt05's golden text is not what is spoken: the other model's CTC head decodes the English sentence."""
    asr = golden_asr(tiny, align_model=str(tiny / "FireRedASR2-AED"), guard="drop")
    right, wrong = asr(tiny / "wav/utt03.wav"), asr(tiny / "wav/utt05.wav")
    assert (right.text, right.flags) == ("语音识别系统可以把声音变成文字", ())
    assert (wrong.text, wrong.dropped, wrong.words) == ("", "八百标兵奔北坡", ())
    assert wrong.flags[0].startswith("disagreement: 100% differs from what the CTC head reads: the quick")


def test_what_decides_the_results(tiny, tmp_path):
    plain = golden_asr(tiny)
    names = {path.name for path in plain.sources}
    assert {"model.pth.tar", "asr_encoder.pth.tar", "cmvn.ark", "model.safetensors", "config.json"} <= names
    timed = golden_asr(tiny, align_model=str(tiny / "FireRedASR2-AED"))
    assert {path for path in timed.sources if path not in plain.sources} == {
        tiny / "FireRedASR2-AED" / name for name in ("model.pth.tar", "cmvn.ark", "dict.txt")
    }
    with pytest.raises(ModelError, match="no FireRedASR2-AED model here"):
        golden_asr(tiny, align_model=str(tmp_path / "nowhere"))
