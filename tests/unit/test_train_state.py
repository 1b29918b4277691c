"""The files of an experiment folder that resuming reads: damaged, they are refused by name."""

import json
import random
import shutil

import pytest
import torch
from support.damage import bytes_changed, cut, other_thing, stretch_changed
from support.train_corpus import SMALL_VAD, make_corpus, run, values

from firered.errors import FireRedError, ModelError
from firered.train.checkpoints import state_path
from firered.train.settings import settings_of
from firered.train.state import read_state
from firered.train.tasks import TASKS

STEPS = 2


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    make_corpus(folder / "data")
    return folder


def content(corpus, out, steps=STEPS):
    evaluations = {"eval_steps": 1, "keep_best": 2}
    return values("vad", corpus, out, steps=steps, model=SMALL_VAD, data={"batch_frames": 500}, train=evaluations)


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory):
    """The folder of a training after two steps, its objective and its optimiser; not to be written to."""
    out = tmp_path_factory.mktemp("trained") / "exp"
    run(content(corpus, out))
    objective = TASKS["vad"].build(settings_of(content(corpus, out), "test")).objective
    weights = list(objective.parameters())
    groups = [[weight for weight in weights if weight.ndim > 1], [weight for weight in weights if weight.ndim <= 1]]
    return out, objective.trained(), torch.optim.AdamW([{"params": group} for group in groups])


@pytest.fixture
def out(trained, tmp_path, corpus):
    """A copy of the folder, which can be resumed."""
    folder = shutil.copytree(trained[0], tmp_path / "exp")
    (folder / "config.yaml").write_text(settings_of(content(corpus, folder), "test").to_yaml())
    return folder


def resumed(corpus, out):
    return run(content(corpus, out, STEPS + 1))


def change(path, **parts):
    whole = torch.load(path, weights_only=True)
    torch.save({name: value for name, value in (whole | parts).items() if value is not None}, path)


def optimizer_of(path, edit):
    state = torch.load(path, weights_only=True)["optimizer"]
    edit(state)
    return state


def test_a_training_that_is_whole_resumes(corpus, out):
    assert [line["step"] for line in resumed(corpus, out) if line["kind"] == "train"] == [1, 2, 3]


@pytest.mark.parametrize("name", ["step", "epoch", "number", "trained", "optimizer", "progress", "scores", "sums"])
@pytest.mark.parametrize("value", [None, "abc", -1, 1.5, [], {"a": 1}, {"a": torch.ones(2)}], ids=str)
def test_a_part_of_the_state_that_is_missing_or_wrong(trained, out, name, value):
    if name == "sums" and str(value) == "{'a': 1}":
        return  # as they might be
    change(state_path(out), **{name: value})
    with pytest.raises(ModelError, match=r"state\.pt: "):
        read(out, trained)


def read(out, trained):
    return read_state(state_path(out), *trained[1:])


@pytest.mark.parametrize(
    "edit",
    [
        lambda state: state["state"].pop(0) and state["state"].update({99: {}}),
        lambda state: state["state"][0].pop("exp_avg"),
        lambda state: state["state"][0].update(exp_avg=torch.ones(3)),
        lambda state: state["state"][0]["exp_avg_sq"].fill_(float("nan")),
        lambda state: state["state"][0].update(step="x"),
        lambda state: state["param_groups"].pop(),
        lambda state: state["param_groups"][0]["params"].pop(),
        lambda state: state.pop("state"),
    ],
)
def test_means_of_the_optimiser_that_are_not_those_of_its_weights(trained, out, edit):
    change(state_path(out), optimizer=optimizer_of(state_path(out), edit))
    with pytest.raises(ModelError, match=r"state\.pt: "):
        read(out, trained)


def test_the_options_of_the_optimiser_are_those_of_the_settings(trained, out):
    change(
        state_path(out),
        optimizer=optimizer_of(state_path(out), lambda state: state["param_groups"][0].update(betas="x")),
    )
    assert all(group["betas"] == (0.9, 0.999) for group in read(out, trained).optimizer["param_groups"])


def test_weights_that_are_no_numbers_or_of_another_model(trained, out):
    weights = torch.load(state_path(out), weights_only=True)["trained"]
    name = next(iter(weights))
    for wrong in (weights[name].clone().fill_(float("nan")), torch.ones(2), weights[name].long()):
        change(state_path(out), trained=weights | {name: wrong})
        with pytest.raises(ModelError, match=f"state.pt: .*{name}"):
            read(out, trained)


def test_damage_anywhere_in_the_state_is_refused_by_name_or_harmless(trained, out):
    path = state_path(out)
    whole, refused = path.read_bytes(), 0
    for number in range(60):
        rng = random.Random(number)
        rng.choice((bytes_changed, cut, stretch_changed, other_thing))(path, rng)
        try:
            read(out, trained)  # that loads where a weight or so is another number
        except ModelError as error:
            refused += str(path) in str(error)
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(whole)
    assert refused > 40


@pytest.mark.parametrize(
    "damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")], ids=["no", "empty"]
)
def test_checkpoints_that_the_model_is_to_be_the_mean_of_are_looked_at_before_training_goes_on(corpus, out, damage):
    damage(out / "checkpoints/step-00000002.pt")
    with pytest.raises(ModelError, match=r"step-00000002.pt: .*train.resume=false"):
        resumed(corpus, out)


def test_lines_of_the_curve_that_are_damaged_are_dropped_with_a_warning(corpus, out, caplog):
    curve = out / "train.jsonl"
    lines = curve.read_bytes().splitlines()
    curve.write_bytes(b"\n".join([lines[0], b"\xff{}", b"[]", b'{"step": "x"}', *lines[1:]]) + b"\n")
    assert len(resumed(corpus, out)) == len(lines) + 2
    for number in (2, 3, 4):
        assert f"train.jsonl:{number}: not a line of a curve, dropped" in caplog.text
    assert all(json.loads(line) for line in curve.read_text().splitlines())


@pytest.mark.parametrize("name", ["train.jsonl", "config.yaml", "checkpoints/state.pt", "model.pth.tar"])
def test_a_folder_in_the_place_of_a_file(corpus, out, name):
    (out / name).unlink()
    (out / name).mkdir()
    with pytest.raises(FireRedError, match=name.rpartition("/")[2]):
        resumed(corpus, out)
