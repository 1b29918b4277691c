"""The family `transformers`: models that write token by token, beside what transformers' own `generate` gives."""

import importlib.util

import numpy as np
import pytest
import transformers
from support import tiny_speech_llms as tiny
from support.tiny_transformers import write_parakeet

import firered
from firered.errors import ModelError, OptionError
from firered.runtime.context import Context

LIMIT = 30
NO_VISION = pytest.mark.skipif(
    importlib.util.find_spec("torchvision") is None, reason="its processor needs torchvision: pip install torchvision"
)
NO_LIBROSA = pytest.mark.skipif(
    importlib.util.find_spec("librosa") is None, reason="its features need librosa: pip install librosa"
)
KINDS = {
    "moonshine": tiny.write_moonshine,
    "seamless": tiny.write_seamless,
    "qwen2_audio": tiny.write_qwen2_audio,
    "qwen3_asr": tiny.write_qwen3_asr,
    "glm_asr": tiny.write_glm_asr,
    "granite_speech": tiny.write_granite_speech,
    "qwen2_5_omni": tiny.write_qwen2_5_omni,
}
NAMES = [name if name != "qwen2_5_omni" else pytest.param(name, marks=NO_VISION) for name in KINDS]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A directory of each kind, made when it is asked for."""
    root, there = tmp_path_factory.mktemp("models"), {}

    def directory(name):
        if name not in there:
            there[name] = KINDS[name](root / name)
        return there[name]

    return directory


def speech(seconds, seed=0):
    count = round(16000 * seconds)
    return (np.random.default_rng(seed).normal(0, 2000, count) * (1 + np.sin(np.arange(count) / 3000))).astype(np.int16)


def by_hand(name, directory, samples, language=None, prompt=None):
    """The text by the processor and `generate` as transformers' documentation calls them."""
    audio, rate = samples.astype(np.float32) / 32768, 16000
    processor = transformers.AutoProcessor.from_pretrained(directory)
    more = {}
    if name in ("qwen3_asr", "glm_asr"):
        told = {} if name == "glm_asr" else {"language": language}
        inputs = processor.apply_transcription_request(audio=audio, prompt=prompt, return_tensors="pt", **told)
    elif name in ("qwen2_audio", "qwen2_5_omni"):
        question = prompt or {"qwen2_audio": "Detect the language and recognize the speech."}.get(
            name, "Transcribe the audio into text."
        )
        turn = [{"type": "audio", "audio_url": "x"}, {"type": "text", "text": question}]
        chat = [{"role": "user", "content": turn}]
        text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
        inputs = processor(text=text, audio=[audio], sampling_rate=rate, return_tensors="pt")
    elif name == "granite_speech":
        question = prompt or "can you transcribe the speech into a written format?"
        chat = [{"role": "user", "content": f"<|audio|>{question}"}]
        text = processor.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        inputs = processor(text, audio, return_tensors="pt")
    elif name == "seamless":
        inputs, more = processor(audio=audio, sampling_rate=rate, return_tensors="pt"), {"tgt_lang": "eng"}
    else:
        inputs = processor(audio, sampling_rate=rate, return_tensors="pt")
    kinds = {
        "moonshine": transformers.AutoModelForSpeechSeq2Seq,
        "seamless": transformers.SeamlessM4Tv2ForSpeechToText,
        "granite_speech": transformers.AutoModelForSpeechSeq2Seq,
        "qwen3_asr": transformers.AutoModelForSpeechSeq2Seq,
        "qwen2_5_omni": transformers.Qwen2_5OmniThinkerForConditionalGeneration,
    }
    network = kinds.get(name, transformers.AutoModelForMultimodalLM).from_pretrained(directory).eval()
    out = network.generate(**inputs, **more, max_new_tokens=LIMIT, do_sample=False)
    before = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
    return processor.batch_decode(out[:, before:], skip_special_tokens=True)[0].strip()


def loaded(directory, **options):
    return firered.load(directory, device="cpu", split_truncated=False, max_length=LIMIT, **options)


@pytest.mark.parametrize("name", NAMES)
def test_the_text_is_that_of_transformers_own_generate_in_any_batch(name, made):
    asr = loaded(made(name))
    context = Context(language="en") if asr.kind.languages else Context()
    audio = [speech(1.5, 1), speech(3.2, 2)]
    for samples, result in zip(audio, asr.batch(audio, context=context), strict=True):
        assert result.text == by_hand(name, made(name), samples, context.language)
        assert result.text
        assert len(result.tokens) == len(result.token_confidence)
        assert 0 < result.confidence <= 1
        assert result.words is None
        again = asr(samples, context=context)
        assert (again.text, again.confidence) == (result.text, pytest.approx(result.confidence, abs=1e-5))


@pytest.mark.parametrize("name", ["qwen3_asr", "glm_asr", "granite_speech", "qwen2_audio"])
def test_a_prompt_reaches_the_model(name, made):
    asr, samples = loaded(made(name)), speech(1.5, 1)
    context = Context(prompt="names: Ada", language="en" if asr.kind.languages else None)
    result = asr(samples, context=context)
    assert result.text == by_hand(name, made(name), samples, context.language, "names: Ada")
    assert "prompt" in result.context_used


@pytest.mark.parametrize("name", NAMES)
def test_long_audio_is_heard_to_its_end(name, made):
    """What was heard is all of the audio, in windows of no more than the model's extractor keeps."""
    asr = loaded(made(name), window_seconds=40.0)
    heard, decode = [], asr.kind.decode

    def spied(batch, contexts, graphs):
        heard.extend(batch)
        return decode(batch, contexts, graphs)

    asr.kind.decode = spied
    context = Context(language="en") if asr.kind.languages else Context()
    asr(speech(65.5), context=context)
    assert sum(map(len, heard)) == round(65.5 * 16000)
    assert max(map(len, heard)) <= asr.longest_s * 16000
    assert len(heard) >= 2


def test_an_extractor_that_cuts_is_measured_and_one_that_does_not_is_not(made):
    assert loaded(made("qwen2_audio"), window_seconds=50.0).longest_s == pytest.approx(30.0, abs=0.05)
    assert loaded(made("glm_asr"), window_seconds=50.0).longest_s == 50.0  # it takes several pieces of 30 s
    assert loaded(made("qwen3_asr"), window_seconds=50.0).longest_s == 50.0
    assert loaded(made("moonshine"), window_seconds=50.0).longest_s == 50.0
    asr = loaded(made("qwen2_audio"))
    with pytest.raises(ModelError, match=r"kept 30\.00 of 45\.00 s"):
        asr.kind.decode([speech(45.0).astype(np.float32) / 32768], [Context()], [None])


def test_languages_that_a_model_does_not_know_are_errors_with_its_own(made):
    asr = loaded(made("qwen3_asr"))
    for name in ("Chinese", "zh", "中文"):
        assert asr(speech(1.0), context=Context(language=name)).lang == "zh"
    with pytest.raises(OptionError, match=r"Klingon is not known to .*; it knows ar \(Arabic\), .*zh \(Chinese\)"):
        asr.check(Context(language="Klingon"))
    seamless = loaded(made("seamless"))
    assert seamless(speech(1.0), context=Context(language="zh")).lang == "cmn"
    with pytest.raises(OptionError, match=r"ja is not known to .*; it knows cmn, eng"):
        seamless.check(Context(language="ja"))
    with pytest.raises(OptionError, match="has to be told it; give --language"):
        seamless(speech(1.0))
    for name in ("glm_asr", "granite_speech", "moonshine"):
        with pytest.raises(OptionError, match="takes none"):
            loaded(made(name)).check(Context(language="en"))
    with pytest.raises(OptionError, match=r"prompt: .* takes none"):
        loaded(made("moonshine")).check(Context(prompt="hello"))


@pytest.mark.parametrize(
    ("written", "text", "lang"),
    [
        ("language Chinese<asr_text>你好世界", "你好世界", "zh"),
        ("language English<asr_text> Hello, language world.", "Hello, language world.", "en"),
        ("language None<asr_text>", "", None),
        ("language Chi", "", None),
        ("language Chinese<asr", "", None),
        ("language", "", None),
        ("Plain text that names no language", "Plain text that names no language", None),
    ],
)
def test_the_header_of_qwen3_asr_is_no_text_and_its_language_is_kept(made, monkeypatch, written, text, lang):
    asr = loaded(made("qwen3_asr"))
    ids = asr.loaded.tokenizer(written, add_special_tokens=False)["input_ids"]
    answer = asr.kind._answer(ids, [0.5] * len(ids), True, Context())
    assert (answer.text, answer.lang) == (text, lang)
    assert len(answer.tokens) == len(answer.probs)
    assert "language" not in "".join(answer.tokens) or text


def test_each_window_has_its_header_stripped(made, monkeypatch):
    asr = loaded(made("qwen3_asr"))
    ids = asr.loaded.tokenizer("language Chinese<asr_text>你好", add_special_tokens=False)["input_ids"]
    monkeypatch.setattr(asr.kind, "_read", lambda out, before: (ids, [0.5] * len(ids), True))
    result = asr(speech(40.0))
    assert (result.text, result.lang) == ("你好你好", "zh")


def test_several_beams_are_those_of_transformers(made):
    asr, samples = loaded(made("glm_asr"), beam_size=3), speech(1.5, 1)
    processor = transformers.AutoProcessor.from_pretrained(made("glm_asr"))
    inputs = processor.apply_transcription_request(audio=samples.astype(np.float32) / 32768)
    network = transformers.AutoModelForMultimodalLM.from_pretrained(made("glm_asr"))
    out = network.generate(**inputs, max_new_tokens=LIMIT, do_sample=False, num_beams=3)
    result = asr(samples)
    assert result.text == processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0]
    assert 0 < result.confidence <= 1
    assert len(result.tokens) == len(result.token_confidence)


def test_text_that_ends_at_the_limit_is_flagged_and_decoded_again_in_two(made):
    flagged = loaded(made("moonshine"))(speech(6.0))
    assert flagged.flags == ("truncated: the text ends at the limit of its length (max_length)",)
    split = firered.load(made("moonshine"), device="cpu", max_length=LIMIT)(speech(6.0))
    assert len(split.tokens) > len(flagged.tokens)


@pytest.mark.skipif(
    importlib.util.find_spec("librosa") is None, reason="its features need librosa: pip install librosa"
)
def test_parakeet_is_that_of_transformers_in_any_batch(tmp_path):
    directory = write_parakeet(tmp_path / "parakeet")
    asr = firered.load(directory, device="cpu")
    processor = transformers.AutoProcessor.from_pretrained(directory)
    network = transformers.AutoModelForCTC.from_pretrained(directory).eval()
    audio = [speech(seconds, seed) for seed, seconds in enumerate((2.0, 5.0, 3.3))]
    for samples, result in zip(audio, asr.batch(audio), strict=True):
        inputs = processor(samples.astype(np.float32) / 32768, sampling_rate=16000, return_tensors="pt")
        assert result.text == processor.batch_decode(network.generate(**inputs))[0]
        assert asr(samples).text == result.text
        assert all(0 <= word.start_s < word.end_s <= result.dur_s for word in result.words)
