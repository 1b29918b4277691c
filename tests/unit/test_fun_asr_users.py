"""What users of Fun-ASR-Nano met elsewhere: number formats, cut files, old packages, languages, hotwords."""

import re
import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.commands import command
from support.tiny_fun_asr import write_published_form

import firered
from firered.asr import families
from firered.asr.families import fun_asr_loaded
from firered.asr.families.fun_asr_loaded import LoadedFunAsr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.audio.frontend import fbank
from firered.errors import ModelError, OptionError
from firered.models import dtype as formats
from firered.optional import TRANSFORMERS, need_transformers
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.text.languages import CHINESE_NAME

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_published_form(tmp_path_factory.mktemp("fun") / "Fun-ASR-Nano-2512")


@pytest.fixture
def copy(published, tmp_path):
    return shutil.copytree(published, tmp_path / "Fun-ASR-Nano-2512")


def loaded(directory, **options):
    config = FunAsrConfig(**{"dtype": "float32", "max_length": 16, **options})
    return families.FUN_ASR.load(directory, config, "cpu")


def speech(asr, context=None):
    samples = np.random.default_rng(0).normal(0, 3000, 16000).astype(np.float32)
    return Speech("u", fbank(samples, asr.front_end), 1.0, context or Context(), asr.front_end)


@pytest.mark.parametrize(("native", "format_"), [(True, "bfloat16"), (False, "float32")])
def test_float16_is_bfloat16_or_float32_where_the_device_has_none(published, monkeypatch, caplog, native, format_):
    monkeypatch.setattr(formats, "cpu_has_bfloat16", lambda: native)
    monkeypatch.setattr(fun_asr_loaded, "cpu_has_bfloat16", lambda: native)
    asr = loaded(published, dtype="float16")
    assert asr.loaded.llm.dtype == getattr(torch, format_)
    assert asr.loaded.encoder.dtype == torch.float32
    assert f"overflows in float16 and computes in {format_} instead" in caplog.text
    assert asr.recognise([speech(asr)])[0].tokens


@pytest.mark.parametrize("encoder", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("llm", ["float32", "bfloat16", "int8"])
def test_a_low_format_does_not_change_what_is_given_to_the_model(published, encoder, llm):
    asr = loaded(published, dtype=llm, encoder_dtype=encoder)
    utterance = speech(asr)
    before = utterance.feats.clone()
    (result,) = asr.recognise([utterance])
    assert result.tokens
    assert utterance.feats.dtype == torch.float32
    assert torch.equal(utterance.feats, before)
    exact = loaded(published)
    for layer, most in ((0, 0.01), (None, 0.1)):
        wanted = exact.encode([utterance], layer=layer)[0].feats
        difference = (asr.encode([utterance], layer=layer)[0].feats - wanted).abs().max()
        assert float(difference) < most * float(wanted.abs().max())


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 907929\n"


@pytest.mark.parametrize("name", ["multilingual.tiktoken", "Qwen3-0.6B/tokenizer.json"])
@pytest.mark.parametrize("fault", ["pointer", "middle of a line", "end of a line", "empty"])
def test_a_cut_tokenizer_or_a_pointer_in_its_place_is_named(copy, name, fault):
    path = copy / name
    whole = path.read_bytes()
    cut = {"pointer": POINTER, "empty": b"", "middle of a line": whole[: len(whole) // 2 + 1]}
    path.write_bytes(cut.get(fault, whole[: whole.rindex(b"\n", 0, -1) + 1]))
    with pytest.raises(ModelError) as caught:
        loaded(copy)
    message = str(caught.value)
    assert str(path) in message
    assert f"{path.name} has {path.stat().st_size} bytes" in message
    wanted = {"multilingual.tiktoken": "needs 256 pieces", "tokenizer.json": "has 272 tokens"}
    assert wanted[path.name] in message
    assert f"firered-download Fun-ASR-Nano-2512 --to {copy.parent}" in message
    assert ("of 907929 bytes" in message) == (fault == "pointer")


def test_an_old_transformers_is_named_before_anything_is_loaded(published, monkeypatch):
    monkeypatch.setattr("firered.optional.version", lambda _: "5.3.1.dev0")
    monkeypatch.setattr(torch, "load", None)
    monkeypatch.setattr("firered.models.torch_file.read_torch_file", None)
    with pytest.raises(ModelError, match=r"transformers 5\.3\.1\.dev0: this model needs 5\.24 or later; pip install"):
        loaded(published)


@pytest.mark.parametrize(("found", "old"), [("5.24.0", False), ("5.24", False), ("5.100", False), ("4.57.1", True)])
def test_versions_are_compared_as_numbers(monkeypatch, found, old):
    monkeypatch.setattr("firered.optional.version", lambda _: found)
    if old:
        with pytest.raises(ModelError):
            need_transformers()
    else:
        need_transformers()


def test_the_floor_is_that_of_the_package_and_what_is_installed_is_within_it():
    needs = (TOP / "pyproject.toml").read_text()
    floor, ceiling = re.search(r'"transformers>=([0-9.]+),<([0-9.]+)"', needs).groups()
    assert floor == TRANSFORMERS
    numbers = [tuple(map(int, text.split(".")[:2])) for text in (floor, metadata.version("transformers"), ceiling)]
    assert numbers[0] <= numbers[1] < numbers[2]


def test_nothing_is_built_on_pipelines():
    sources = Path(firered.__file__).parent.rglob("*.py")
    pattern = re.compile(r"transformers[^\n]*import[^\n]*\bpipeline\b|transformers\.pipeline|\bpipeline\(")
    assert [path for path in sources if pattern.search(path.read_text())] == []


@pytest.mark.parametrize("prefix", ["audio_encoder.", "audio_adaptor.", "llm."])
def test_a_file_without_the_tensors_of_a_part_is_refused(copy, prefix):
    state = torch.load(copy / "model.pt", weights_only=True)["state_dict"]
    torch.save({name: value for name, value in state.items() if not name.startswith(prefix)}, copy / "model.pt")
    with pytest.raises(ModelError, match=re.escape(prefix)):
        loaded(copy)


def test_every_tensor_of_every_part_decides_what_is_loaded(published):
    """No part keeps random numbers: the same file gives the same values, and each is one of the file's."""
    asr = loaded(published)
    held = torch.load(published / "model.pt", weights_only=True)["state_dict"]
    sums = sorted(float(value.double().sum()) for name, value in held.items() if "self_attn.linear_q_k_v" not in name)
    networks = [asr.loaded.encoder, asr.loaded.llm]
    filled = [value for network in networks for value in network.state_dict().values()]
    assert not any(value.is_meta for value in filled)
    own = [float(value.double().sum()) for value in filled]
    assert all(min(abs(total - other) for other in own) < 1e-3 for total in sums)


def test_languages_are_those_of_the_checkpoint(published, monkeypatch, tmp_path):
    many = shutil.copytree(published, tmp_path / "any name")
    size = (many / "model.pt").stat().st_size
    nano = loaded(published)
    with pytest.raises(
        OptionError, match=r"th.* is not known to .*zh \(Chinese\), en \(English\), ja \(Japanese\), and"
    ):
        nano.check(Context(language="Thai"))
    monkeypatch.setattr(fun_asr_loaded, "MLT_WEIGHTS", (size, ""))
    mlt = loaded(many)
    assert mlt.languages == tuple(CHINESE_NAME)
    assert len(mlt.languages) == 31
    mlt.check(Context(language="Thai"))
    with pytest.raises(OptionError, match=r"thia is not known.*sv \(Swedish\)"):
        mlt.check(Context(language="thia"))


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "u.wav"
    soundfile.write(path, np.random.default_rng(0).normal(0, 3000, 16000).astype(np.int16), 16000)
    return path


@pytest.fixture
def asked(monkeypatch):
    """The ids of the text around the speech of every prompt, in the order in which they are made."""
    made = []
    prompt = LoadedFunAsr.prompt

    def watched(self, context, itn):
        texts = prompt(self, context, itn)
        made.append((context.language, [self.tokenizer.ids_of(text) for text in texts]))
        return texts

    monkeypatch.setattr(LoadedFunAsr, "prompt", watched)
    return made


def asr_command(model, wav, out, *flags):
    return command("asr", wav, out, "--model", model, "--dtype", "float32", "--max-length", 16, *flags)


@pytest.mark.parametrize("language", ["fr", "chinees", "zh,th"])
def test_the_command_refuses_a_language_that_the_model_does_not_know(published, wav, tmp_path, language):
    done = asr_command(published, wav, tmp_path / "out", "--language", language)
    assert done.returncode != 0
    assert "zh (Chinese), en (English), ja (Japanese)" in done.stderr


@pytest.mark.parametrize(("known", "expected"), [((), ["zh", "en"]), (("zh", "en", "yue", "th"), ["zh", "en", "yue"])])
def test_detection_is_restricted_to_the_languages_given(wav, tmp_path, asked, known, expected):
    """A prompt for each; Cantonese is Chinese to a model that does not tell them apart."""
    model = write_published_form(tmp_path / "m", **({"languages": list(known)} if known else {}))
    done = asr_command(model, wav, tmp_path / "out", "--language", "zh,en,yue")
    assert done.returncode == 0, done.stderr
    assert [language for language, _ in asked] == expected
    asked.clear()
    loaded(model)(wav, context=Context(language=" English, Chinese "))
    assert [language for language, _ in asked] == ["en", "zh"]


def test_auto_is_no_word_of_the_prompt(published, wav, tmp_path, asked):
    assert asr_command(published, wav, tmp_path / "out", "--language", "auto").returncode == 0
    assert asr_command(published, wav, tmp_path / "out2").returncode == 0
    assert asked[0] == asked[1]


@pytest.mark.parametrize("nothing", [None, "", [], (), [""], " "])
def test_no_hotwords_are_none_in_any_way(published, wav, asked, nothing):
    asr = loaded(published)
    plain, result = asr(wav), asr(wav, context=Context(hotwords=nothing))
    assert asked[0] == asked[1]
    assert result == plain
    assert result.context_used == ()


def test_one_hotword_alone_is_not_its_letters():
    assert Context(hotwords="开放时间") == Context(hotwords=["开放时间"]) == Context(hotwords=("开放时间",))


@pytest.mark.parametrize(
    ("flags", "context"),
    [
        ((), Context()),
        (("--hotwords", "EMPTY"), Context(hotwords=None)),
        (("--hotword", ""), Context(hotwords=[])),
        (("--hotword", "a:b", "--hotword", "甲：乙"), Context(hotwords=["a:b", "甲：乙"])),
        (("--prompt", "会议:", "--language", "en"), Context(prompt="会议:", language="English")),
        (("--prompt", "会议："), Context(prompt="会议：")),
    ],
)
def test_the_command_and_python_ask_the_same_tokens(published, wav, tmp_path, asked, flags, context):
    """Colons as they are given, in ASCII or full width; the instruction's own is always the full-width one."""
    (tmp_path / "EMPTY").write_text("\n")
    flags = [str(tmp_path / flag) if flag == "EMPTY" else flag for flag in flags]
    done = asr_command(published, wav, tmp_path / "out", *flags)
    assert done.returncode == 0, done.stderr
    asr = loaded(published)
    asr(wav, context=context)
    firered.load(published, dtype="float32", max_length=16, device="cpu")(wav, context=context)
    (_, by_command), *others = asked
    assert len(others) == 2
    assert all(ids == by_command for _, ids in others)
    before = asr.loaded.tokenizer.decode(by_command[0])
    assert before.endswith("：")
    assert context.prompt in before
    assert all(word in before for word in context.hotwords.texts)
