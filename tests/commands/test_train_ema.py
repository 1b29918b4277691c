"""Moving averages of weights: what they are, what is exported, killed and resumed; and layers that are compiled."""

import logging

import pytest
import torch
from support.train_corpus import SMALL_AED, SMALL_VAD, losses, make_all, run, values

from firered.errors import OptionError
from firered.models.checkpoint import load_checkpoint
from firered.train.checkpoints import load, state_path
from firered.train.loop import Trainer

DECAY = 0.7


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("corpus"))


def content(corpus, out, steps=8, **train):
    train = {"eval_steps": 4, "average": "none", "ema": DECAY} | train
    return values("vad", corpus, out, steps=steps, model=SMALL_VAD, train=train)


def weights_of_steps(monkeypatch):
    """The weights after every step of the trainings that follow."""
    seen, plain = [], Trainer._train_step

    def step(self, batches):
        rate = plain(self, batches)
        seen.append({name: value.detach().clone() for name, value in self.plain.trained().items()})
        return rate

    monkeypatch.setattr(Trainer, "_train_step", step)
    return seen


def exported(out):
    return load_checkpoint(out / "model.pth.tar")[1]


def test_the_average_is_what_it_is_said_to_be(corpus, tmp_path, monkeypatch):
    seen = weights_of_steps(monkeypatch)
    lines = run(content(corpus, tmp_path / "exp", eval_steps=8))
    plain = run(content(corpus, tmp_path / "plain", eval_steps=8, ema=0.0))
    assert losses(lines) == losses(plain)  # it changes no step
    assert losses(lines, "dev") != losses(plain, "dev")
    # The first average is of the initial weights, which no step has seen: ask for them by a training without a rate.
    still = values("vad", corpus, tmp_path / "still", steps=1, model=SMALL_VAD, optim={"lr": 0.0})
    run(still)
    expected = {name: value.double() for name, value in exported(tmp_path / "still").items() if name in seen[0]}
    for step, weights in enumerate(seen[:8], 1):
        stays = min(DECAY, (1 + step) / (10 + step))
        expected = {name: stays * value + (1 - stays) * weights[name] for name, value in expected.items()}
    found = exported(tmp_path / "exp")
    assert all(torch.allclose(found[name], value.float(), atol=1e-6) for name, value in expected.items())
    saved = load(state_path(tmp_path / "exp"))
    assert all(torch.equal(saved["ema"][name], found[name]) for name in expected)
    assert all(torch.equal(saved["trained"][name], seen[7][name]) for name in expected)


def test_the_weights_themselves_are_exported_on_choice(corpus, tmp_path):
    run(content(corpus, tmp_path / "exp", ema_export=False, eval_steps=8))
    run(content(corpus, tmp_path / "plain", ema=0.0, eval_steps=8))
    found, plain = exported(tmp_path / "exp"), exported(tmp_path / "plain")
    assert all(torch.equal(found[name], plain[name]) for name in plain)


def test_averages_of_checkpoints_are_of_moving_averages(corpus, tmp_path):
    run(content(corpus, tmp_path, average="last", keep_last=2))
    parts = [load(tmp_path / f"checkpoints/step-{step:08d}.pt")["trained"] for step in (4, 8)]
    found = exported(tmp_path)
    assert all(torch.allclose(found[name], (parts[0][name] + parts[1][name]) / 2) for name in parts[0])
    ema = load(state_path(tmp_path))["ema"]
    assert all(torch.equal(ema[name], parts[1][name]) for name in ema)


def test_a_resumed_training_goes_on_with_it(corpus, tmp_path):
    whole = run(content(corpus, tmp_path / "whole", 8))
    run(content(corpus, tmp_path / "cut", 4))
    assert run(content(corpus, tmp_path / "cut", 8)) == whole
    one, other = exported(tmp_path / "whole"), exported(tmp_path / "cut")
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(OptionError, match=r"other settings \(train.ema 0.7 -> 0.5\)"):
        run(content(corpus, tmp_path / "cut", 9, ema=0.5))


def compiled_training(corpus, out, **train):
    return values("aed", corpus, out, steps=4, model=SMALL_AED | {"dropout": 0.0}, train=train)


def test_compiled_layers_train_the_same(corpus, tmp_path, monkeypatch):
    """Traced by torch.compile, and run as traced: what a machine's compiler makes of it is not tested here."""
    calls, really = [], torch.compile

    def traced(function, **options):
        calls.append(options)
        return really(function, backend="eager", **options)

    monkeypatch.setattr(torch, "compile", traced)
    plain = run(compiled_training(corpus, tmp_path / "plain"))
    assert not calls
    for recomputed in (False, True):
        out = tmp_path / f"compiled-{recomputed}"
        lines = run(compiled_training(corpus, out, compile=True, gradient_checkpointing=recomputed))
        assert losses(lines) == pytest.approx(losses(plain), rel=1e-5)
    assert calls == [{"dynamic": True}] * 4  # an encoder layer and a decoder layer, twice


def test_what_cannot_be_compiled_runs_as_it_is(corpus, tmp_path, monkeypatch, caplog):
    def broken(*_):
        raise RuntimeError("no compiler here")

    really = torch.compile
    monkeypatch.setattr(torch, "compile", lambda function, **options: really(function, backend=broken, **options))
    plain = run(compiled_training(corpus, tmp_path / "plain"))
    with caplog.at_level(logging.WARNING):
        lines = run(compiled_training(corpus, tmp_path / "exp", compile=True))
    assert losses(lines) == losses(plain)
    warned = [record.getMessage() for record in caplog.records if "train.compile" in record.getMessage()]
    assert len(warned) == 1
    assert "no compiler here" in warned[0]
    assert "training goes on without it" in warned[0]
