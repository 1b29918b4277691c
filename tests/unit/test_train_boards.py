"""Curves for Weights & Biases, with a module in the place of the package."""

import sys
from types import SimpleNamespace

import pytest
from support.train_corpus import SMALL_VAD, make_corpus, records, run, values

from firered.errors import FireRedError
from firered.train.boards import WANDB_ID


class FakeRun:
    def __init__(self, name):
        self.id, self.logged, self.finished = name, [], False

    def log(self, figures, step):
        self.logged.append((step, figures))

    def finish(self):
        self.finished = True


@pytest.fixture
def wandb(monkeypatch):
    """What stands for the package: the arguments of each start, and its run."""
    started = []

    def init(**named):
        started.append((named, FakeRun(named["id"] or f"run{len(started)}")))
        return started[-1][1]

    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=init))
    return started


def test_curves_go_to_one_run_which_resuming_goes_on_with(wandb, tmp_path):
    make_corpus(tmp_path / "data")
    content = values("vad", tmp_path, tmp_path / "exp", steps=2, model=SMALL_VAD, train={"wandb_project": "speech"})
    run(content)
    ((named, first),) = wandb
    assert (named["project"], named["name"], named["dir"]) == ("speech", "exp", str(tmp_path / "exp"))
    assert named["config"]["task"] == "vad"
    assert first.finished
    lines = records(tmp_path / "exp")
    drawn = {name: value for step, figures in first.logged for name, value in figures.items() if step == 2}
    assert drawn["train/loss"] == lines[1]["loss"]
    assert drawn["dev/f1"] == lines[-1]["f1"]
    content["train"]["max_steps"] = 3
    run(content)
    assert wandb[1][0]["id"] == first.id == (tmp_path / f"exp/{WANDB_ID}").read_text().strip()
    assert {step for step, _ in wandb[1][1].logged} >= {3}
    content["train"]["resume"] = False
    run(content)
    assert wandb[2][0]["id"] is None


def test_without_the_package_it_is_said_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "wandb", None)
    make_corpus(tmp_path / "data")
    content = values("vad", tmp_path, tmp_path / "exp", steps=1, model=SMALL_VAD, train={"wandb_project": "speech"})
    with pytest.raises(FireRedError, match=r"train.wandb_project: wandb .*firered\[wandb\]"):
        run(content)
