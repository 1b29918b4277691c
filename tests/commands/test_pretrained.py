"""Where models are found, and the message where there are none."""

from pathlib import Path

import pytest
from support.commands import command
from support.signals import write_wav

from firered.cli.doctor import doctor_command
from firered.errors import ModelError
from firered.hub.catalogue import CHECKPOINT, MODELS, PUBLISHED
from firered.hub.find import find_model


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def place(*folders):
    for folder in folders:
        Path(folder).mkdir(parents=True)
        Path(folder, CHECKPOINT).touch()


@pytest.mark.parametrize(
    ("given", "name", "found"),
    [
        ("models", "FireRedVAD/VAD", "models/FireRedVAD/VAD"),
        ("models/FireRedVAD", "FireRedVAD/VAD", "models/FireRedVAD/VAD"),
        ("models/FireRedVAD/VAD", "FireRedVAD/VAD", "models/FireRedVAD/VAD"),
        ("models/FireRedVAD/VAD", "FireRedVAD/AED", "models/FireRedVAD/VAD"),  # whoever names one means it
        ("models", "FireRedASR2-AED", "models/FireRedASR2-AED"),
        ("own/recogniser", "FireRedASR2-AED", "own/recogniser"),
        ("own/FireRedLID", "FireRedLID", "own/FireRedLID"),  # incomplete: loading it says what is missing
        ("pretrained_models", "FireRedASR2-LLM", "pretrained_models/FireRedASR2-LLM"),
        ("FireRedASR2-LLM", "FireRedASR2-LLM", "pretrained_models/FireRedASR2-LLM"),
        ("FireRedASR-LLM-L", "FireRedASR2-LLM", "pretrained_models/FireRedASR-LLM-L"),
        ("FireRedVAD", "FireRedVAD/Stream-VAD", "pretrained_models/FireRedVAD/Stream-VAD"),
        ("FireRedVAD/Stream-VAD", "FireRedVAD/VAD", "pretrained_models/FireRedVAD/Stream-VAD"),
        ("FireRedPunc", "FireRedPunc", "FireRedPunc"),  # a directory here comes before the published one
    ],
)
def test_found(given, name, found):
    place("models/FireRedVAD/VAD", "models/FireRedVAD/AED", "models/FireRedASR2-AED", "own/recogniser", "FireRedPunc")
    place(*(MODELS / name for name in ("FireRedASR2-LLM", "FireRedASR-LLM-L", "FireRedVAD/Stream-VAD", "FireRedPunc")))
    Path("own/FireRedLID").mkdir()
    assert find_model(Path(given), name) == find_model(given, name) == Path(found)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("own/recogniser", "own/recogniser"),
        ("own/other", "own/other"),  # of whatever files: loading it says what is missing
        ("FireRedLID", "pretrained_models/FireRedLID"),
        ("FireRedVAD/VAD", "pretrained_models/FireRedVAD/VAD"),
        ("FireRedVAD", "pretrained_models/FireRedVAD"),
        ("FireRedPunc", "FireRedPunc"),  # a directory here comes before the published one
    ],
)
def test_found_without_the_name_of_what_is_wanted(given, found):
    place("own/recogniser", "FireRedPunc", *(MODELS / name for name in ("FireRedLID", "FireRedVAD/VAD", "FireRedPunc")))
    Path("own/other").mkdir()
    assert find_model(Path(given)) == find_model(given) == Path(found)


def test_not_found_without_the_name_of_what_is_wanted():
    for given, family, line in (
        ("FireRedLID", "FireRedLID", "firered-download FireRedLID"),
        ("FireRedVAD/VAD", "FireRedVAD", "firered-download FireRedVAD"),
        ("/models/FireRedVAD/AED", "FireRedVAD", "firered-download FireRedVAD --to /models"),
    ):
        with pytest.raises(ModelError) as error:
            find_model(given)
        assert str(error.value).splitlines()[:2] == [f"{given}: no {family} model here. Get it with", f"  {line}"]
    for given in ("nowhere", "/no/where"):
        with pytest.raises(ModelError, match=f"^{given}: no model directory, nor a published name .FireRedVAD, "):
            find_model(given)
        with pytest.raises(ModelError, match=f"^{given}: no model directory, nor a published name "):
            find_model(given, "SomeOtherModel")


@pytest.mark.parametrize(
    ("given", "name", "line"),
    [
        ("pretrained_models", "FireRedVAD/VAD", "firered-download FireRedVAD"),
        ("FireRedVAD", "FireRedVAD/VAD", "firered-download FireRedVAD"),
        ("FireRedASR-AED-L", "FireRedASR2-AED", "firered-download FireRedASR-AED-L"),
        ("/models", "FireRedLID", "firered-download FireRedLID --to /models"),
        ("/models/FireRedLID", "FireRedLID", "firered-download FireRedLID --to /models"),
        ("/models/FireRedVAD/VAD", "FireRedVAD/VAD", "firered-download FireRedVAD --to /models"),
        ("/models/FireRedLID", "FireRedVAD/VAD", "firered-download FireRedVAD --to /models"),
        ("empty", "FireRedPunc", "firered-download FireRedPunc --to empty"),
    ],
)
def test_not_found(given, name, line):
    Path("empty").mkdir()
    with pytest.raises(ModelError) as error:
        find_model(given, name)
    assert str(error.value).splitlines()[:2] == [f"{given}: no {name} model here. Get it with", f"  {line}"]


def test_every_published_model_can_be_lacking():
    for name in PUBLISHED:
        with pytest.raises(ModelError) as error:
            find_model(MODELS, name)
        text = str(error.value)
        assert f"  hf download {PUBLISHED[name].hugging_face} --local-dir {name}\n" in text
        assert ("modelscope download" in text) == (PUBLISHED[name].modelscope is not None)
        assert f"and copy it here as pretrained_models/{name}, which then holds " in text


def test_a_command_takes_a_published_name(tiny_vad_models):
    MODELS.symlink_to(tiny_vad_models)
    write_wav(Path("a.wav"))
    assert command("vad", "a.wav", "out", "--model", "FireRedVAD").returncode == 0
    done = command("vad", "a.wav", "out", "--model", "FireRedLID")
    assert done.returncode == 1
    assert "FireRedLID: no FireRedVAD/VAD model here. Get it with\n  firered-download FireRedVAD\n" in done.stderr


def test_doctor_finds_models_and_names_what_is_lacking(tiny_vad_models, capsys):
    with pytest.raises(SystemExit):
        doctor_command(tiny_vad_models)
    lines = capsys.readouterr().out.splitlines()
    assert f"{'FireRedVAD/VAD':22} {tiny_vad_models}/FireRedVAD/VAD" in lines
    assert f"{'FireRedASR2-LLM':22} not found (needed for some options only)" in lines
    advice = [line for line in lines if line.startswith("  - get ")]
    names = ("FireRedLID", "FireRedASR2-AED", "FireRedPunc")
    assert advice == [f"  - get {name}: firered-download {name} --to {tiny_vad_models}" for name in names]
