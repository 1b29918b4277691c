"""The table of recogniser families: what a directory is, and a family that is added from outside the package."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.made_up_family import HAMMING_LOUDNESS, LOUDNESS, HammingLoudness, LoudnessConfig, write_model
from support.paths import EGS
from support.signals import write_wav

from firered.asr.aed_config import AsrConfig
from firered.asr.families import AED, FAMILIES, SPEECH_LLM, family_of, find, options_of, register
from firered.asr.guard import Guard
from firered.asr.llm_config import LlmConfig
from firered.audio.config import AudioConfig
from firered.audio.frames import of_utterance
from firered.audio.frontend import FrontEnd, fbank
from firered.audio.like import as_frames
from firered.cli.asr import asr as firered_asr
from firered.cli.main import main
from firered.data.archives import write_matrix
from firered.data.utterance import Utterance
from firered.errors import ModelError, OptionError
from firered.runtime.speech import Speech
from firered.system.config import SystemConfig
from firered.system.system import Modules, System
from firered.vad.detect import Vad


@pytest.fixture
def loudness(monkeypatch, tmp_path):
    """The made-up family, known for the time of a test, and a model of it."""
    monkeypatch.setitem(FAMILIES, LOUDNESS.name, LOUDNESS)  # so that it is taken out again
    register(LOUDNESS)
    return write_model(tmp_path / "models" / "Loudness-XS")


@pytest.fixture
def hamming(monkeypatch, tmp_path):
    """A model of the same of another front end, and its family."""
    monkeypatch.setitem(FAMILIES, HAMMING_LOUDNESS.name, HAMMING_LOUDNESS)
    return write_model(tmp_path / "hamming/Loudness-Hamming", HammingLoudness.front_end.bins, "hamming.txt")


@pytest.fixture
def recording(tmp_path):
    """Half a second of near silence, then half a second of noise."""
    quiet, loud = (np.random.default_rng(0).normal(0, scale, 8000) for scale in (3.0, 3000.0))
    path = tmp_path / "audio" / "steps.wav"
    path.parent.mkdir()
    write_wav(path, np.concatenate([quiet, loud]).astype(np.int16))
    return path


def made(directory, *names):
    directory.mkdir(parents=True)
    for name in names:
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).touch()
    return directory


def test_a_directory_is_what_its_files_say(tmp_path):
    aed = made(tmp_path / "any", *AED.files, "train_bpe1000.model")
    llm = made(tmp_path / "other", "model.pth.tar", "asr_encoder.pth.tar", "cmvn.ark", "Qwen2-7B-Instruct/config.json")
    assert family_of(aed) is AED
    assert family_of(llm) is SPEECH_LLM
    assert family_of(llm, "aed") is AED  # the name overrules
    assert (options_of(aed), options_of(llm), options_of(llm, "aed")) == (AsrConfig, LlmConfig, AsrConfig)


def test_text_of_characters_alone_needs_no_pieces(tmp_path):
    directory = made(tmp_path / "any", *AED.files)
    (directory / "dict.txt").write_text("<blank> 0\n你 5\n", encoding="utf-8")
    assert family_of(directory) is AED


def test_what_is_no_recogniser_is_told_with_what_each_family_needs(tmp_path):
    lid = made(tmp_path / "lid", "model.pth.tar", "cmvn.ark", "dict.txt")
    (lid / "dict.txt").write_text("<blank> 0\nzh 5\nen 6\n")
    with pytest.raises(ModelError) as error:
        family_of(lid)
    for words in ("cmvn.ark, dict.txt, model.pth.tar", "aed (", "train_bpe1000.model", "llm (", "asr_encoder.pth.tar"):
        assert words in str(error.value)
    with pytest.raises(ModelError, match="no such directory"):
        family_of(tmp_path / "nowhere")
    with pytest.raises(OptionError, match="'ctc' is not aed or llm"):
        family_of(lid, "ctc")


def test_a_directory_that_may_be_two_things_asks_which(tmp_path):
    both = made(tmp_path / "both", *AED.files, "train_bpe1000.model", "asr_encoder.pth.tar", "Qwen2/config.json")
    with pytest.raises(ModelError, match="any of aed, llm; say which with --type"):
        family_of(both)
    assert find(both, "llm") == (both, SPEECH_LLM)


def test_a_place_that_holds_several(tmp_path):
    llm = made(tmp_path / "FireRedASR2-LLM", "model.pth.tar")
    assert find(tmp_path) == (llm, SPEECH_LLM)
    aed = made(tmp_path / "FireRedASR2-AED", "model.pth.tar")
    assert find(tmp_path) == (aed, AED)
    assert find(tmp_path, "llm") == (llm, SPEECH_LLM)
    assert find(aed) == (aed, AED)  # incomplete: loading it says what is missing


def test_without_a_model_there_are_the_default_options(tmp_path):
    assert options_of(tmp_path) is AsrConfig
    with pytest.raises(ModelError, match="hf download FireRedTeam/FireRedASR2-AED"):
        find(tmp_path)


def test_a_published_name_that_is_not_there_says_how_to_get_that_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("FireRedASR2-LLM", "FireRedASR-LLM-L", "FireRedASR-AED-L"):
        with pytest.raises(ModelError, match=f"firered-download {name}\n"):
            find(name)


def test_a_family_from_outside_is_found_loaded_and_decodes(loudness, recording):
    assert find(loudness) == find(loudness.parent) == (loudness, LOUDNESS)
    assert family_of(loudness) is LOUDNESS
    assert options_of(loudness) is LoudnessConfig
    asr = LOUDNESS.load(loudness, LoudnessConfig(letters="._"), "cpu")
    result = asr(recording)
    assert result.text == "....._____"
    assert [result.text for result in asr.batch([recording, recording])] == [result.text] * 2


def test_firered_load_knows_it(loudness, recording):
    import firered

    asr = firered.load(loudness, letters="xy")
    assert asr(recording).text == "xxxxxyyyyy"


def test_firered_asr_decodes_with_it_and_has_its_options(loudness, recording, tmp_path, monkeypatch):
    arguments = [recording.parent, tmp_path / "out", "--model", loudness, "--letters", "qt", "--window-seconds", "2"]
    monkeypatch.setattr(sys, "argv", ["firered-asr", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        firered_asr()
    assert not done.value.code
    assert (tmp_path / "out/text").read_text() == "steps qqqqqttttt\n"
    assert "letters: qt" in (tmp_path / "out/config.yaml").read_text()


def test_the_system_decodes_with_it(loudness, recording):
    only_asr = SystemConfig(vad=False, lid=False, punc=False)
    for models in (loudness.parent, {"Loudness-XS": loudness}, {"loudness": loudness}):
        assert System.from_pretrained(models, only_asr, device="cpu")(recording).text == "aaaaabbbbb"
    routed = SystemConfig(vad=False, lid=False, punc=False, asr_type="loudness")
    assert System.from_pretrained(loudness.parent, routed, device="cpu")(recording).text == "aaaaabbbbb"
    with pytest.raises(OptionError, match="AsrConfig has the options of another kind"):
        System.from_pretrained(loudness.parent, only_asr, device="cpu", asr=AsrConfig())


def test_any_recogniser_can_be_a_systems(loudness, recording):
    asr = LOUDNESS.load(loudness, LoudnessConfig(), "cpu")
    assert System(Modules(asr=asr))(recording).text == "aaaaabbbbb"


def test_features_of_another_front_end_are_refused(loudness):
    import torch

    asr = LOUDNESS.load(loudness, LoudnessConfig(), "cpu")
    speech = Speech("u", torch.zeros(100, 80), 1.015, front_end=FrontEnd(window="hamming"))
    with pytest.raises(ModelError, match="u: its features are FrontEnd"):
        asr.recognise([speech])


def test_another_front_end_gives_the_same_text_through_every_door(hamming, recording, tmp_path, monkeypatch):
    import firered

    text = "aaaaabbbbb"
    asr = firered.load(hamming)
    assert asr(recording).text == text
    assert [result.text for result in asr.batch([recording, recording])] == [text] * 2
    only_asr = SystemConfig(vad=False, lid=False, punc=False)
    assert System.from_pretrained(hamming.parent, only_asr, device="cpu")(recording).text == text
    status = called(monkeypatch, firered_asr, "firered-asr", recording.parent, tmp_path / "out", "--model", hamming)
    assert not status
    assert (tmp_path / "out/text").read_text() == f"steps {text}\n"


@pytest.mark.parametrize("processes", [1, 2])
def test_firered_transcribe_decodes_with_another_front_end(hamming, recording, tmp_path, monkeypatch, processes):
    (recording.parent / "again.wav").write_bytes(recording.read_bytes())
    switched_off = ["--no-vad", "--no-lid", "--no-punc"]
    places = [recording.parent, "-o", tmp_path / "out", "--models", hamming.parent]
    status = called(monkeypatch, main, "firered", "transcribe", *places, *switched_off, "--nj", processes)
    assert not status
    lines = (tmp_path / "out/result.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["aaaaabbbbb"] * 2


def test_what_cannot_be_passed_on_to_other_processes_is_named(
    hamming, recording, tmp_path, monkeypatch, capsys, caplog
):
    monkeypatch.setitem(FAMILIES, "hamming", replace(HAMMING_LOUDNESS, contents=lambda directory: True))
    places = [recording.parent, "-o", tmp_path / "out", "--models", hamming.parent]
    assert called(monkeypatch, main, "firered", "transcribe", *places, "--no-vad", "--no-lid", "--no-punc", "--nj", 2)
    assert "nj: the family hamming cannot be passed on" in caplog.text + capsys.readouterr().err


def called(monkeypatch, command, *arguments):
    """The exit status of a command in this process."""
    monkeypatch.setattr(sys, "argv", [str(argument) for argument in arguments])
    with pytest.raises(SystemExit) as done:
        command()
    return done.value.code


def test_the_guards_detector_takes_no_other_front_end(hamming, recording):
    config = LoudnessConfig(guard="flag")
    asr = HAMMING_LOUDNESS.load(hamming, config, "cpu")
    assert asr(recording).text == "aaaaabbbbb"  # the other rules need no features
    asr.guard = Guard(config, Vad.from_pretrained(EGS / "mini/models/FireRedVAD/VAD", device="cpu"))
    with pytest.raises(ModelError, match="steps: guard_vad needs features of FrontEnd"):
        asr(recording)


def test_stored_features_cannot_be_those_of_another_front_end(hamming, recording, tmp_path):
    write_matrix(tmp_path / "feats.ark", fbank(np.zeros(16000, np.float32)).numpy())
    stored = of_utterance(Utterance("meeting", "meeting", feats=str(tmp_path / "feats.ark")), AudioConfig())
    asr = HAMMING_LOUDNESS.load(hamming, LoudnessConfig(), "cpu")
    refused, read = System(Modules(asr=asr)).transcribe_frames([(stored, ""), (as_frames(recording), "")])
    assert read.text == "aaaaabbbbb"
    (trouble,) = refused.troubles
    assert trouble.kind == "failed"
    for words in ("meeting: there are features of", "window='hamming', bins=40", "need the audio itself"):
        assert words in trouble.reason
