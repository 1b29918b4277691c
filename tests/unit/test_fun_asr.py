"""Fun-ASR-Nano of either form: what it is given, what it says, and what is wrong with a damaged one."""

import logging
import shutil
from collections import Counter

import numpy as np
import pytest
import torch
from support.close import assert_same
from support.tiny_fun_asr import AUDIO, tiny_model, write_config, write_published_form, write_transformers_form

from firered.asr import families
from firered.asr.families.fun_asr import FunAsr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.audio.frontend import fbank
from firered.errors import ModelError, OptionError
from firered.models.fun_asr_checkpoint import published_shapes
from firered.models.fun_asr_config import CheckpointConfig
from firered.runtime.context import Context
from firered.runtime.speech import Speech


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_published_form(tmp_path_factory.mktemp("fun") / "any name")


@pytest.fixture(scope="module")
def transformers_form(tmp_path_factory):
    return write_transformers_form(tmp_path_factory.mktemp("fun") / "other")


@pytest.fixture
def copy(published, tmp_path):
    return shutil.copytree(published, tmp_path / "copy")


def loaded(directory, **options):
    config = FunAsrConfig(**{"dtype": "float32", "max_length": 24, **options})
    return families.FUN_ASR.load(directory, config, "cpu")


def speech(asr, seconds=1.5, seed=0, context=None):
    noise = np.random.default_rng(seed).normal(0, 3000, round(16000 * seconds))
    feats = fbank(noise.astype(np.float32), asr.front_end)
    return Speech(f"utt{seed}", feats, seconds, context or Context(), asr.front_end)


def test_found_by_its_files_whatever_its_name(published, transformers_form):
    assert families.family_of(published).name == "fun-asr"
    assert families.family_of(transformers_form).name == "fun-asr"
    assert families.find(published.parent / "any name")[1].name == "fun-asr"


def test_batch_equals_single(published):
    asr = loaded(published)
    utterances = [speech(asr, seconds, seed) for seed, seconds in enumerate([0.3, 2.0, 1.1])]
    single = [asr.recognise([utterance])[0] for utterance in utterances]
    assert any(result.text for result in single)
    assert_same(asr.recognise(utterances), single)


def test_both_forms_have_the_same_networks(published, transformers_form):
    ours, theirs = (loaded(directory).loaded for directory in (published, transformers_form))
    feats = torch.randn(1, 17, 560)
    lengths = torch.tensor([17])
    one, other = (part.encoder.encode(feats, lengths) for part in (ours, theirs))
    assert torch.equal(one, other)


def test_the_form_of_transformers_answers_as_there(transformers_form):
    """A recording at a time: there, the adaptor looks at a batch's padding."""
    asr = loaded(transformers_form)
    processor = asr.loaded.processor
    model = tiny_model()
    model.model.multi_modal_projector.config._attn_implementation = "sdpa"
    for seed, context in enumerate([Context(), Context(hotwords=("a", "b")), Context(language="en")]):
        samples = np.random.default_rng(seed).normal(0, 0.1, 24000).astype(np.float32)
        inputs = processor.apply_transcription_request(
            [samples], language=context.language, keywords=list(context.hotwords.texts) or None, sampling_rate=16000
        )
        with torch.inference_mode():
            ids = model.generate(**inputs, max_new_tokens=24, do_sample=False, eos_token_id=2, pad_token_id=0)
        told = asr.loaded.tokenizer.decode(ids[0, inputs["input_ids"].shape[1] :].tolist())
        feats = fbank(samples * 32768, asr.front_end)
        (result,) = asr.recognise([Speech("u", feats, 1.5, context, asr.front_end)])
        assert result.text.split() == told.split()


def test_the_form_of_transformers_is_given_all_rows(published, transformers_form):
    assert loaded(transformers_form).loaded.heard(40) == 40
    assert loaded(published).loaded.heard(40) == 5


def test_the_template_has_no_switch_for_itn(transformers_form):
    asr = loaded(transformers_form, itn=False)
    (outcome,) = asr.recognise([speech(asr)])
    assert isinstance(outcome, OptionError)
    assert AUDIO not in str(outcome)


@pytest.mark.parametrize("name", ["en", "English", "英文", "EN", "en-US", " en "])
def test_languages_by_any_name(published, name):
    asr = loaded(published)
    before, _ = asr.loaded.prompt(Context(language=asr._candidates(Context(language=name))[0]), itn=True)
    assert before.endswith("语音转写成英文：")


@pytest.mark.parametrize("name", ["auto", "", None])
def test_no_language(published, name):
    asr = loaded(published)
    assert asr._candidates(Context(language=name)) == [None]
    asr.check(Context(language=name))


@pytest.mark.parametrize("name", ["fr", "klingon", "zh,th"])
def test_a_language_that_it_does_not_know(published, name):
    asr = loaded(published)
    with pytest.raises(OptionError, match=r"zh \(Chinese\), en \(English\), ja \(Japanese\)"):
        asr.check(Context(language=name))


def test_languages_named_in_the_config(tmp_path):
    asr = loaded(write_published_form(tmp_path / "m", languages=["th", "ko"]))
    assert asr.languages == ("th", "ko")
    before, _ = asr.loaded.prompt(Context(language="th"), itn=True)
    assert before.endswith("语音转写成泰语：")


def test_dialects_as_language_identification_writes_them(published, tmp_path):
    asr = loaded(published)
    assert asr._candidates(Context(language="zh yue")) == ["zh"]
    many = loaded(write_published_form(tmp_path / "m", languages=["zh", "yue"]))
    assert many._candidates(Context(language="zh yue")) == ["yue"]
    assert many._candidates(Context(language="zh mandarin")) == ["zh"]


def test_of_several_languages_the_likeliest_answer(published):
    asr = loaded(published)

    def answer(language):
        utterance = speech(asr, context=Context(language=language))
        return asr._decode([utterance])[0].hypotheses[0]

    def mean(hypothesis):
        return sum(hypothesis.log_probs) / len(hypothesis.log_probs)

    apart = [answer(language) for language in ("zh", "en", "ja")]
    assert answer("zh,en,ja").tokens == max(apart, key=mean).tokens


def test_hotwords_may_stay_out_of_the_prompt(published):
    context = Context(hotwords=("python",))
    with_them, without = loaded(published), loaded(published, hotwords_in_prompt=False)
    plain = with_them.recognise([speech(with_them)])[0]
    assert without.recognise([speech(without, context=context)])[0].text == plain.text
    assert with_them.recognise([speech(with_them, context=context)])[0].text != plain.text


def test_a_text_that_ends_at_the_limit_is_decoded_again_in_parts(published, caplog):
    asr = loaded(published, max_length=4)
    with caplog.at_level(logging.WARNING):
        (result,) = asr.recognise([speech(asr, 6.0)])
    assert "in two parts" in caplog.text
    assert len(result.tokens) > 4
    whole = loaded(published, max_length=4, split_truncated=False)
    (result,) = whole.recognise([speech(whole, 6.0)])
    assert len(result.tokens) == 4
    assert [flag.partition(":")[0] for flag in result.flags] == ["truncated"]


def test_the_limit_follows_the_seconds(published):
    asr = loaded(published, max_length=512)
    assert [asr._limit(speech(asr, seconds)) for seconds in (0.5, 3.0, 20.0)] == [52, 152, 512]


def test_only_the_first_window_has_the_prefix(published):
    asr = loaded(published, window_seconds=2.0)
    (result,) = asr.recognise([speech(asr, 5.0, context=Context(prefix="abc"))])
    assert result.text.startswith("abc")
    assert result.text.count("abc") == 1
    assert result.context_used == ("prefix",)


def test_the_longest_segment_that_the_model_is_given(published, monkeypatch):
    asr = loaded(published)
    lengths = []
    rows = asr.loaded.rows

    def watched(batch):
        lengths.extend(utterance.duration_s for utterance in batch)
        return rows(batch)

    monkeypatch.setattr(asr.loaded, "rows", watched)
    asr.recognise([speech(asr, 70.0)])
    assert len(lengths) >= 3
    assert max(lengths) <= 30.0


def test_float16_computes_in_another_format_and_says_so(published, caplog):
    with caplog.at_level(logging.WARNING):
        asr = loaded(published, dtype="float16")
    assert "overflows in float16" in caplog.text
    assert asr.loaded.llm.dtype in (torch.bfloat16, torch.float32)


def test_encoder_and_adapter_output(published):
    asr = loaded(published)
    utterance = speech(asr)
    encoded, adapted = asr.encode([utterance])[0], asr.encode([utterance], adapter=True)[0]
    rows = len(asr.front_end.stacked(utterance.feats))
    assert encoded.feats.shape == (rows, 32)
    assert adapted.feats.shape == (asr.loaded.heard(rows), 64)
    assert asr.encode([utterance], layer=0)[0].feats.shape == (rows, 560)
    assert torch.equal(asr.encode([utterance], layer=asr.layers)[0].feats, encoded.feats)


@pytest.mark.parametrize(
    "name", ["audio_encoder.encoders.0.norm1.weight", "audio_adaptor.linear1.bias", "llm.model.norm.weight"]
)
@pytest.mark.parametrize("fault", ["missing", "shape", "unknown"])
def test_tensors_that_do_not_fit(copy, name, fault):
    state = torch.load(copy / "model.pt", weights_only=True)["state_dict"]
    if fault == "missing":
        del state[name]
    elif fault == "shape":
        state[name] = state[name][..., :-1]
    else:
        name = f"{name}.more"
        state[name] = torch.zeros(1)
    torch.save({"state_dict": state}, copy / "model.pt")
    with pytest.raises(ModelError, match=name) as caught:
        loaded(copy)
    assert "model.pt" in str(caught.value)


@pytest.mark.parametrize("fault", ["missing", "shape"])
def test_an_incomplete_ctc_head_is_none(copy, fault):
    state = torch.load(copy / "model.pt", weights_only=True)["state_dict"]
    name = "ctc_decoder.blocks.0.norm1.weight"
    if fault == "missing":
        del state[name]
    else:
        state[name] = torch.zeros(3)
    torch.save(state, copy / "model.pt")  # also without a wrapper
    asr = loaded(copy)
    assert not asr.times_words
    assert asr.recognise([speech(asr)])[0].ctc_text is None


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("wrapper", ["state_dict", "model_state_dict", "model", None])
def test_wrappers_of_the_tensors(copy, published, wrapper, prefix):
    state = torch.load(copy / "model.pt", weights_only=True)["state_dict"]
    state = {prefix + name: value for name, value in state.items()}
    torch.save(state if wrapper is None else {wrapper: state}, copy / "model.pt")
    one, other = loaded(copy), loaded(published)
    assert one.recognise([speech(one)])[0] == other.recognise([speech(other)])[0]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("audio_encoder: Conformer", "SenseVoiceEncoderSmall"),
        ("audio_encoder_conf: 3", "audio_encoder_conf"),
        ("frontend_conf: {fs: 8000}", "fs is 8000"),
        ("frontend_conf: {fs: 16000, cmvn_file: am.mvn}", "cmvn_file"),
        ("ctc_vocab_size: many", "ctc_vocab_size"),
        ("[", "YAML"),
    ],
)
def test_a_config_of_something_else(copy, line, message):
    with (copy / "config.yaml").open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(ModelError, match=message):
        FunAsr.from_pretrained(copy, FunAsrConfig(), "cpu")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        (b"IQ== 0\nIg=", ":2: "),
        (b"IQ== 0\n", "single bytes are missing"),
        (b"IQ== 0\nIQ== 1\n", ":2: a piece that an earlier line has"),
        (b"IQ== 5\n", "do not count from 0"),
    ],
)
def test_a_damaged_ctc_vocabulary(copy, content, message):
    (copy / "multilingual.tiktoken").write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        loaded(copy)
    assert "multilingual.tiktoken" in str(caught.value)


def test_int8_reads_about_the_same_and_is_batch_invariant(published):
    exact, asr = loaded(published), loaded(published, dtype="int8", encoder_dtype="int8")
    utterances = [speech(asr, seconds, seed) for seed, seconds in enumerate([0.7, 2.0])]
    single = [asr.recognise([utterance])[0] for utterance in utterances]
    assert_same(asr.recognise(utterances), single)
    rows, wanted = (part.encode([utterances[1]])[0].feats for part in (asr, exact))
    assert 0 < float((rows - wanted).abs().max()) < 0.1 * float(wanted.abs().max())


def test_the_published_sizes_have_the_published_number_of_tensors(tmp_path):
    from bench.fun_asr_speed import ADAPTOR, CTC, QWEN3, SANM

    write_config(tmp_path, SANM, ADAPTOR, CTC, QWEN3, ctc_vocab_size=60515)
    shapes = published_shapes(tmp_path, CheckpointConfig.read(tmp_path / "config.yaml"))
    counts, sizes = Counter(), Counter()
    for name, shape in shapes.items():
        part = name.partition(".")[0]
        counts[part] += 1
        sizes[part] += 0 if name == "llm.lm_head.weight" else shape.numel()
    assert counts == {"audio_encoder": 914, "audio_adaptor": 36, "llm": 311, "ctc_decoder": 84, "ctc": 2}
    assert sizes["audio_encoder"] == 221_136_992
    assert sizes["audio_adaptor"] == 12_604_928
    assert sizes["llm"] == 596_049_920
    assert sizes["ctc_decoder"] + sizes["ctc"] == 39_065_827
