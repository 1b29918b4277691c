"""The whole training loop: repeated, killed and resumed, over several processes, and stopped by errors."""

import contextlib
import errno
import json
import logging
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from support.commands import killed_at
from support.signals import noise, write_wav
from support.train_corpus import SMALL_AED, SMALL_VAD, losses, make_all, records, run, values, write_config

from firered.data.archives import write_matrix
from firered.data.datadir import write_table
from firered.errors import DataError, FireRedError, OptionError
from firered.train.checkpoints import load, save, state_path
from firered.train.objectives.schedule import learning_rate
from firered.train.settings import load_settings, settings_of

KILL_AFTER, STEPS = 12, 30


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = make_all(tmp_path_factory.mktemp("corpus"))
    write_wav(folder / "noise/hum.wav", noise(24000, amplitude=0.1, seed=9))
    return folder


def everything_drawn(corpus, out, steps, **train):
    """A recognition training in which all is drawn at random: speed, noise, padding, masks, dropout, order."""
    train = {"save_steps": 5, "eval_steps": 10, "log_steps": 1} | train
    return values(
        "aed", corpus, out, steps=steps, train=train,
        model=SMALL_AED | {"dropout": 0.2, "ctc_weight": 0.2}, data={"batch_frames": 260},
        augment={"speeds": "0.9 1.0 1.1", "noise": str(corpus / "noise"), "noise_prob": 0.5, "pad_prob": 0.3},
        progressive={"by": "stall", "levels": 2},
    )  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted")
    return out, run(everything_drawn(corpus, out, STEPS))


def weights(out):
    return load(state_path(out))["trained"]


def test_the_seed_decides_everything(corpus, uninterrupted, tmp_path):
    again = run(everything_drawn(corpus, tmp_path / "same", 10))
    assert again == [line for line in uninterrupted[1] if line["step"] <= 10]
    other = run(everything_drawn(corpus, tmp_path / "other", 2, seed=2))
    assert losses(other) != losses(again)[:2]


def command(*arguments, before=()):
    return [sys.executable, *before, "-m", "firered.cli.train", *map(str, arguments)]


def test_a_killed_training_resumes_to_the_same_result(corpus, uninterrupted, tmp_path):
    out = tmp_path / "exp"
    config = write_config(tmp_path / "train.yaml", everything_drawn(corpus, out, STEPS, num_workers=1))
    died = killed_at(out / "train.jsonl", KILL_AFTER, "-m", "firered.cli.train", config)
    assert died.returncode == -signal.SIGKILL, died.stderr
    reached = max(line["step"] for line in written(out))
    assert KILL_AFTER - 2 < reached < STEPS
    assert 0 < load(state_path(out))["step"] <= reached
    assert run(everything_drawn(corpus, out, STEPS)) == uninterrupted[1]
    gone_on, whole = weights(out), weights(uninterrupted[0])
    assert [name for name in whole if not torch.equal(whole[name], gone_on[name])] == []


def written(out):
    """The whole lines of a log that may be being written."""
    path = out / "train.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("}\n")]


# `--multi_gpu` is what makes accelerate start several; without a GPU they work on the processor.
LAUNCHERS = {
    "accelerate": ["accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
                   "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"],
    "torchrun": ["torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
}  # fmt: skip


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_two_processes_are_one_with_batches_twice_as_many(corpus, uninterrupted, tmp_path, launcher):
    single = run(everything_drawn(corpus, tmp_path / "one", 12, accum_grad=2))
    config = write_config(tmp_path / "train.yaml", everything_drawn(corpus, tmp_path / "two", 12))
    launch = ["-m", *LAUNCHERS[launcher]]
    done = subprocess.run(command(config, before=launch), capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "2 processes on cpu" in done.stderr
    two = records(tmp_path / "two")
    assert [(line["kind"], line["step"], line["epoch"]) for line in two] == [
        (line["kind"], line["step"], line["epoch"]) for line in single
    ]
    assert losses(two) == pytest.approx(losses(single), rel=1e-4)
    assert losses(two, "dev") == pytest.approx(losses(single, "dev"), rel=1e-4)
    assert losses(single) != losses(uninterrupted[1])[:12]


def test_finished_training_is_left_alone_and_other_settings_are_refused(corpus, tmp_path):
    content = values("vad", corpus, tmp_path, steps=2, model=SMALL_VAD)
    lines = run(content)
    stamp = (tmp_path / "model.pth.tar").stat().st_mtime_ns
    assert run(content) == lines
    assert (tmp_path / "model.pth.tar").stat().st_mtime_ns == stamp
    # Settings of a version that lacked an option: what is its default now.
    text = (tmp_path / "config.yaml").read_text()
    assert "  grad_clip: 5.0\n" in text
    (tmp_path / "config.yaml").write_text("".join(line for line in text.splitlines(True) if "grad_clip" not in line))
    assert run(content) == lines
    content["optim"]["lr"] = 0.5
    with pytest.raises(OptionError, match=r"other settings \(optim.lr 0.003 -> 0.5\)"):
        run(content)
    content["train"]["resume"] = False
    afresh = run(content)
    assert [line["step"] for line in afresh] == [line["step"] for line in lines]
    assert losses(afresh)[0] == losses(lines)[0]


def test_more_steps_go_on_from_a_finished_training(corpus, tmp_path):
    content = values("vad", corpus, tmp_path, steps=2, model=SMALL_VAD)
    before = run(content)
    content["train"]["max_steps"] = 4
    assert [line["step"] for line in run(content) if line["kind"] == "train"] == [1, 2, 3, 4]
    assert losses(before) == losses(records(tmp_path))[:2]


def test_more_epochs_have_the_rates_of_the_longer_training(corpus, tmp_path):
    """Of a seed of 0, too: after the resumed epoch come whole ones, at the rates of a training that is as long."""
    optim = {"schedule": "cosine", "warmup_steps": 1}
    data, train = {"batch_frames": 300}, {"seed": 0, "max_epochs": 1, "max_steps": 0}
    content = values("vad", corpus, tmp_path / "exp", steps=0, model=SMALL_VAD, optim=optim, data=data, train=train)
    an_epoch = len(losses(run(content)))
    assert an_epoch > 1
    content["train"]["max_epochs"] = 3
    lines = [line for line in run(content) if line["kind"] == "train"]
    assert [line["epoch"] for line in lines] == [0] * an_epoch + [1] * an_epoch + [2] * an_epoch
    config = settings_of(content, "test").optim
    wanted = [learning_rate(config, step, 3 * an_epoch, 32) for step in range(an_epoch + 1, 3 * an_epoch + 1)]
    assert [line["lr"] for line in lines[an_epoch:]] == pytest.approx(wanted)
    assert wanted[0] > 0.5 * content["optim"]["lr"]


def test_training_stops_when_it_gets_no_better(corpus, tmp_path):
    train = {"eval_steps": 1, "patience": 3}
    lines = run(values("vad", corpus, tmp_path, steps=50, model=SMALL_VAD, optim={"lr": 0.0}, train=train))
    assert losses(lines, "dev") == pytest.approx([losses(lines, "dev")[0]] * 4)


def data_with_a_bad_utterance(folder):
    """Stored features of u0, u1 and u2; those of u1 are more than sums can hold."""
    for number in range(3):
        feats = np.random.default_rng(number).uniform(-3, 3, (50, 80)).astype(np.float32)
        feats *= 1e38 if number == 1 else 1.0
        (folder / "ark").mkdir(parents=True, exist_ok=True)
        write_matrix(folder / f"ark/{number}.ark", feats)
    write_table(folder / "feats.scp", {f"u{n}": f"{folder}/ark/{n}.ark" for n in range(3)})
    write_table(folder / "text", {f"u{n}": "你好" for n in range(3)})
    write_table(folder / "utt2num_frames", {f"u{n}": "50" for n in range(3)})
    return {"train": str(folder), "cmvn": str(cmvn(folder)), "batch_frames": 50}


def test_a_loss_that_is_not_a_number_stops_with_the_batch_named(corpus, tmp_path):
    data = data_with_a_bad_utterance(tmp_path / "data")
    with pytest.raises(FireRedError, match=r"step \d: the loss is nan with the utterances u1: look at these"):
        run(values("aed", corpus, tmp_path / "exp", steps=5, model=SMALL_AED, data=data))


def test_steps_that_are_not_numbers_can_be_skipped_and_are_counted(corpus, tmp_path, caplog):
    data = data_with_a_bad_utterance(tmp_path / "data")
    content = values("aed", corpus, tmp_path / "exp", steps=6, model=SMALL_AED, data=data, train={"skip_nonfinite": 2})
    with caplog.at_level(logging.WARNING):
        lines = run(content)
    assert caplog.text.count("the loss is nan with the utterances u1: skipped") == 2
    assert "skipped, 2 of at most 2 (train.skip_nonfinite)" in caplog.text
    assert len(losses([line for line in lines if "loss" in line])) == 4
    assert all(map(np.isfinite, losses([line for line in lines if "loss" in line])))
    assert [line.get("skipped") for line in lines if line["kind"] == "train"] == [None, None, 1, 1, 2, 2]
    assert all(torch.isfinite(weight).all() for weight in weights(tmp_path / "exp").values())
    # The count goes on where the training is resumed: the third epoch's is one too many.
    content["train"]["max_steps"] = 9
    with pytest.raises(FireRedError, match=r"utterances u1: look at these.*; 2 such steps were skipped before"):
        run(content)


def cmvn(folder):
    """Statistics that change nothing."""
    stats = np.zeros((2, 81))
    stats[0, -1], stats[1, :-1] = 100, 100
    write_matrix(folder / "cmvn.ark", stats)
    return folder / "cmvn.ark"


@contextlib.contextmanager
def files_of_at_most(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_leaves_the_last_checkpoint(corpus, tmp_path):
    content = values("vad", corpus, tmp_path, steps=3, model=SMALL_VAD)
    before = run(content)
    kept = {path: path.read_bytes() for path in (state_path(tmp_path), tmp_path / "model.pth.tar")}
    content["train"]["max_steps"] = 6
    size = state_path(tmp_path).stat().st_size
    with (
        files_of_at_most(size // 4),
        pytest.raises(FireRedError, match=r"step-00000006.pt: cannot be saved \(.*too large\)$"),
    ):
        run(content)
    assert {path: path.read_bytes() for path in kept} == kept
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob(".*")) == []
    assert losses(run(content))[:3] == losses(before)
    assert load(state_path(tmp_path))["step"] == 6


def test_saving_says_what_the_system_says(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FireRedError, match=r"new.pt: cannot be saved \(.*No space left on device\)$"):
        save(tmp_path / "new.pt", {})
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old.pt").write_bytes(b"good")
    with pytest.raises(FireRedError, match="what was saved before is still there"):
        save(tmp_path / "old.pt", {})
    assert (tmp_path / "old.pt").read_bytes() == b"good"


def data_with_a_bad_segment(folder, corpus, *good):
    """A data directory in which `zz` ends after its recording; that shows only when it is read."""
    write_table(folder / "wav.scp", {"a1": f"{corpus}/data/a1.wav"})
    write_table(folder / "segments", {key: f"a1 {times}" for key, times in [*good, ("zz", "0.0 9.0")]})
    write_table(folder / "text", dict.fromkeys([*dict(good), "zz"], "你好"))
    return {"train": str(folder), "cmvn": str(cmvn(folder))}


def test_unreadable_audio_is_told_and_passed_over(corpus, tmp_path, caplog):
    data = data_with_a_bad_segment(tmp_path / "data", corpus, ("aa", "0.0 0.8"))
    with caplog.at_level(logging.WARNING):
        lines = run(values("aed", corpus, tmp_path / "exp", steps=3, model=SMALL_AED, data=data))
    assert len(losses(lines)) == 3
    assert "zz could not be read and was skipped: " in caplog.text


def test_a_batch_of_which_nothing_can_be_read_stops(corpus, tmp_path):
    data = data_with_a_bad_segment(tmp_path / "data", corpus)
    with pytest.raises(DataError, match="a whole batch cannot be read: zz "):
        run(values("aed", corpus, tmp_path / "exp", steps=3, model=SMALL_AED, data=data))


def test_gradients_are_clipped(corpus, tmp_path):
    lines = run(values("vad", corpus, tmp_path / "free", steps=1, model=SMALL_VAD, optim={"grad_clip": 1e9}))
    norm = lines[0]["grad_norm"]
    clipped = run(values("vad", corpus, tmp_path / "clip", steps=1, model=SMALL_VAD, optim={"grad_clip": 1e-9}))
    assert clipped[0]["grad_norm"] == norm > 0
    moved = {out: change(tmp_path / out, corpus) for out in ("free", "clip")}
    assert moved["clip"] < 0.5 * moved["free"]


def change(out, corpus):
    """How far a step of training took the weights from where the seed puts them."""
    from firered.train.settings import settings_of
    from firered.train.tasks import TASKS

    torch.manual_seed(1)
    task = TASKS["vad"].build(settings_of(values("vad", corpus, out, steps=1, model=SMALL_VAD), "test"))
    first = task.objective.trained()
    return sum((first[name] - value).abs().sum().item() for name, value in weights(out).items())


def test_bfloat16_and_recomputed_layers_learn(corpus, tmp_path):
    model = SMALL_AED | {"dropout": 0.0}
    plain = run(values("aed", corpus, tmp_path / "plain", steps=8, model=model))
    again = {"gradient_checkpointing": True}
    assert losses(run(values("aed", corpus, tmp_path / "again", steps=8, model=model, train=again))) == pytest.approx(
        losses(plain), rel=1e-4
    )
    half = losses(run(values("aed", corpus, tmp_path / "half", steps=8, model=model, train={"dtype": "bfloat16"})))
    assert half == pytest.approx(losses(plain), rel=0.05)
    assert half != losses(plain)


def test_command_line_changes_settings(corpus, tmp_path):
    config = write_config(tmp_path / "a.yaml", values("vad", corpus, tmp_path / "x", steps=1))
    settings = load_settings(config, ["optim.lr=2e-4", "R=3", f"out={tmp_path}/y", "augment.speeds=[0.9, 1.1]"])
    assert (settings.optim.lr, settings.sections["model"].R, settings.out.name) == (2e-4, 3, "y")
    assert settings.sections["augment"].speed_factors() == [0.9, 1.1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["optim.rate=1"], "optim: unknown options rate; known: beta1"),
        (["optimiser.lr=1"], "unknown options optimiser; known: task, out, data, model"),
        (["dropout=0.1", "init"], "--set init: expected section.name=value"),
        (["depth=3"], "depth: is in no section"),
        (["task=asr"], "task: 'asr' is not one of best-rq, aed, ctc"),
        (["out="], "out: the folder to write is not given"),
        (["train.max_epochs=0"], "train: max_epochs: 0 is less than 1"),
        (["lr=fast"], "optim: lr: 'fast' is not a value of type float"),
        (["lr=[1"], "not readable as YAML"),
    ],
)
def test_settings_that_cannot_be(corpus, tmp_path, changes, message):
    config = write_config(tmp_path / "a.yaml", values("vad", corpus, tmp_path / "x", steps=1))
    with pytest.raises(OptionError, match=message):
        load_settings(config, changes)
