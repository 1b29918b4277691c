"""Recipes that train on other corpora: settings, and each from a scripted corpus to its RESULTS.md."""

import json
import subprocess

import pytest
import torch
import yaml
from support.paths import BIN, TOP
from support.training_corpora import MAKERS

from firered.data.datadir import DataDir
from firered.models.aed import Aed
from firered.models.checkpoint import load_checkpoint
from firered.train.settings import load_settings
from firered.train.tasks.aed import AedTaskConfig, initial_model

WHOLE = ("librispeech/train_100.sh", "commonvoice/train.sh")  # of these all systems, modes, and a language model
TINY = "../../../tests/data/tiny_training"
# script: parts of the scripted corpus with their utterances
SCRIPTS = {
    "librispeech/train_100.sh": {
        "train-clean-100": 10, "dev-clean": 3, "dev-other": 3, "test-clean": 2, "test-other": 2,
    },
    "librispeech/train_960.sh": {
        "train-clean-100": 6, "train-clean-360": 6, "train-other-500": 6, "dev-clean": 3, "dev-other": 3,
        "test-clean": 2, "test-other": 2,
    },
    "aishell2/train.sh": {"data": 10, "dev": 3, "test": 2},
    "kespeech/train.sh": {
        "train_phase1": 6, "train_phase2": 6, "dev_phase1": 3, "dev_phase2": 3, "test": 2,
    },
    "commonvoice/train.sh": {"train": 10, "dev": 3, "test": 2},
    "wenetspeech/train_s.sh": {"S": 12, "L": 4, "DEV": 4, "TEST_NET": 4, "TEST_MEETING": 4},
    "wenetspeech/train_m.sh": {"S": 8, "M": 4, "DEV": 4, "TEST_NET": 4, "TEST_MEETING": 4},
    "wenetspeech/train_l.sh": {"S": 4, "M": 4, "L": 4, "DEV": 4, "TEST_NET": 4, "TEST_MEETING": 4},
}  # fmt: skip
# settings of a system: millions of parameters, and tokens of a dictionary
SIZES = {
    "aishell/conf/cr_ctc": (66.6, 4233),
    "librispeech/conf/100/joint": (38.3, 5000),
    "librispeech/conf/100/cr_ctc": (23.0, 5000),
    "librispeech/conf/960/joint": (144.7, 5000),
    "librispeech/conf/960/cr_ctc": (67.0, 5000),
    "aishell2/conf/joint": (116.7, 5500),
    "kespeech/conf/joint": (116.7, 5500),
    "wenetspeech/conf/l/joint": (117.7, 6500),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_is_short_and_its_settings_can_be_read(script):
    lines = (TOP / "egs" / script).read_text().splitlines()
    assert len(lines) <= 16
    values = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith(("#", "recipe", ".")))
    folder = TOP / "egs" / script.split("/")[0] / "conf" / values.get("settings", ".")
    names = {path.stem for path in folder.glob("*.yaml")}
    assert {"joint", "finetune", "lm"} <= names
    for path in folder.glob("*.yaml"):
        load_settings(path, ["out=x", "data.train=one"])


@pytest.mark.parametrize("name", SIZES)
def test_parameters_are_as_many_as_the_settings_say(name):
    found = load_settings(TOP / f"egs/{name}.yaml", ["out=x", "data.train=one"])
    millions, tokens = SIZES[name]
    with torch.device("meta"):
        model = initial_model(found.section("model", AedTaskConfig), tokens)
    assert sum(parameter.numel() for parameter in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.005)
    assert f"{millions:.0f} M" in (TOP / f"egs/{name}.yaml").read_text() or name.startswith("aishell/")


def train(script, corpus, out, *more):
    command = ["bash", TOP / "egs" / script, "--corpus", corpus, "--dir", out, "--ngpu", 0, "--settings", TINY, *more]
    return subprocess.run([*map(str, command)], capture_output=True, text=True)


def one_test_set(script):
    """The option that names the last of a script's test sets alone."""
    (line,) = (own for own in (TOP / "egs" / script).read_text().splitlines() if own.startswith("test_sets="))
    return "--test-sets", line.removeprefix("test_sets=").strip('"').split()[-1]


@pytest.fixture
def installed():
    if not (BIN / "firered-train").exists() or not (TOP / ".venv").exists():
        pytest.skip("recipes work in .venv, which is not set up here")


def test_sets_and_dictionary_of_a_recipe(installed, tmp_path):
    corpus = MAKERS["wenetspeech"](tmp_path / "c", {"S": 4, "DEV": 4, "TEST_NET": 4, "TEST_MEETING": 4})
    listing = json.loads((corpus / "WenetSpeech.json").read_text())
    segments = [own for audio in listing["audios"] for own in audio["segments"]]
    (tmp_path / "labels").write_text("".join(f"{own['sid']} {own['text']}吗\n" for own in segments))
    options = ["--prepare-options", f"--labels {tmp_path}/labels", "--stop-stage", 2]
    done = train("wenetspeech/train_s.sh", corpus, tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    texts = {name: DataDir(tmp_path / f"out/data/{name}/data").text for name in ("ws-s", "ws-dev", "ws-net")}
    assert [len(own) for own in texts.values()] == [4, 4, 4]
    assert all(text.endswith("吗") for name in ("ws-s", "ws-dev") for text in texts[name].values())
    assert not any(text.endswith("吗") for text in texts["ws-net"].values())  # test sets have their own
    assert (tmp_path / "out/data/ws-s/note").read_text() == f"transcripts are corrected, those of {tmp_path}/labels\n"
    assert "吗" in (tmp_path / "out/exp/tokens/dict.txt").read_text()


@pytest.mark.nightly
@pytest.mark.parametrize("script", SCRIPTS)
def test_from_nothing_to_results(installed, script, tmp_path):
    recipe = script.split("/")[0]
    corpus = MAKERS[recipe](tmp_path / "c", SCRIPTS[script])
    systems, more = ["joint", "cr_ctc"], ["--pieces", 20, "--init", "joint", "--beam", 2]
    if script in WHOLE:
        systems.append("finetune")
    else:
        more += ["--modes", "ctc", "--lm", "false", *one_test_set(script)]
    more += ["--systems", " ".join(systems)]
    done = train(script, corpus, tmp_path / "out", *more)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/RESULTS.md").read_text()
    assert f"Written by `egs/{script}`" in page
    rows = {line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")}
    assert {*systems} <= rows
    for name in systems:
        args, _ = load_checkpoint(tmp_path / f"out/exp/{name}/model.pth.tar")
        assert args.n_layers_dec == (0 if name == "cr_ctc" else 1)
        assert Aed.load(tmp_path / f"out/exp/{name}/model.pth.tar").has_ctc
    read = yaml.safe_load((tmp_path / "out/exp/joint/config.yaml").read_text())["data"]
    test_sets = {path.name for path in (tmp_path / "out/exp/score/joint/ctc").iterdir()}
    assert test_sets
    assert not {place.split("/")[1] for place in read["train"].split()} & test_sets
    if recipe == "wenetspeech":
        assert "transcripts are the old ones, of WenetSpeech.json" in page
    if recipe in ("librispeech", "aishell2", "kespeech"):
        assert "*In italics*, not trained here" in page
