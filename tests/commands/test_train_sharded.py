"""Training in shards (FSDP2): the curve of one process, killed and resumed, and checkpoints of both layouts."""

import json
import shutil
import signal

import pytest
import torch
from support.forked import train_in
from support.tiny_llm import write_tiny_llm
from support.train_corpus import SMALL_AED, losses, make_all, records, run, values

from firered.errors import ModelError, OptionError
from firered.models.checkpoint import load_checkpoint
from firered.train.checkpoints import load, state_path

STEPS = 8


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = make_all(tmp_path_factory.mktemp("corpus"))
    write_tiny_llm(folder / "model", lora=False)
    return folder


def content(corpus, out, steps=STEPS, llm_dtype="float32", **train):
    """LoRA, adapter and encoder, layers recomputed: three batches an epoch, which is no whole number of steps."""
    model = {"init": str(corpus / "model"), "llm_dtype": llm_dtype, "lora_rank": 4, "dropout": 0.1}
    train = {"save_steps": 2, "eval_steps": 4, "sharding": "fsdp", "gradient_checkpointing": True,
             "error_rate_utterances": 4, "ema": 0.9} | train  # fmt: skip
    return values("llm", corpus, out, steps=steps, model=model, data={"batch_frames": 260}, train=train)


@pytest.fixture(scope="module")
def sharded(corpus, tmp_path_factory):
    """The folder of a training in two shards that was never killed."""
    out = tmp_path_factory.mktemp("sharded")
    statuses, log = train_in(2, content(corpus, out))
    assert statuses == [0, 0], log
    return out


@pytest.fixture(scope="module")
def alone(corpus, tmp_path_factory):
    """The folder of the same training in one process, which takes two batches a step."""
    out = tmp_path_factory.mktemp("alone")
    run(content(corpus, out, sharding="none", accum_grad=2))
    return out


def test_every_parameter_is_in_shards_frozen_or_not_of_any_number_format(corpus, tmp_path):
    """The language model is frozen and in bfloat16, LoRA within it is trained and in float32."""
    statuses, log = train_in(2, content(corpus, tmp_path / "two", 3, "bfloat16", accum_grad=2))
    assert statuses == [0, 0], log
    parts = [json.loads((tmp_path / f"two/layout-{rank}").read_text()) for rank in range(2)]
    for part in parts:
        assert set(part["kinds"]) == {"DTensor"}
        assert part["trained"]["True"] > 0 < part["trained"]["False"]
        assert part["dtypes"].keys() == {"torch.float32", "torch.bfloat16"}
    assert sum(part["own"] for part in parts) == parts[0]["all"]
    assert all(0.4 < part["own"] / part["all"] < 0.6 for part in parts)
    one = run(content(corpus, tmp_path / "one", 3, "bfloat16", sharding="none", accum_grad=4))
    assert losses(records(tmp_path / "two")) == pytest.approx(losses(one), rel=3e-3)


def test_the_curve_is_that_of_one_process(sharded, alone):
    assert losses(records(sharded)) == pytest.approx(losses(records(alone)), rel=1e-4)
    assert losses(records(sharded), "dev") == pytest.approx(losses(records(alone), "dev"), rel=1e-4)
    assert len(losses(records(sharded))) == STEPS
    of_both = [[line["error_rate"] for line in records(out) if line["kind"] == "dev"] for out in (sharded, alone)]
    assert of_both[0] == pytest.approx(of_both[1], abs=10.0)  # a token of a model that knows nothing may differ
    assert losses(records(sharded))[-1] < losses(records(sharded))[0]


def test_a_killed_training_in_shards_resumes(corpus, sharded, tmp_path):
    statuses, _ = train_in(2, content(corpus, tmp_path / "exp"), last=STEPS - 3)
    assert statuses == [-signal.SIGKILL] * 2
    assert load(state_path(tmp_path / "exp"))["step"] == STEPS - 4
    statuses, log = train_in(2, content(corpus, tmp_path / "exp"))
    assert statuses == [0, 0], log
    assert f"resuming after step {STEPS - 4}" in log
    assert losses(records(tmp_path / "exp")) == pytest.approx(losses(records(sharded)), rel=1e-6)
    kept, whole = (exported(out) for out in (tmp_path / "exp", sharded))
    assert all(torch.allclose(kept[name], whole[name], atol=1e-6) for name in whole)


def exported(out):
    return load_checkpoint(out / "model.pth.tar")[1]


def test_the_model_is_written_in_the_published_layout(sharded, alone):
    of_shards, of_one = exported(sharded), exported(alone)
    assert {name: value.shape for name, value in of_shards.items()} == {n: v.shape for n, v in of_one.items()}
    assert type(next(iter(of_shards.values()))) is torch.Tensor
    assert all((of_shards[name] - of_one[name]).abs().mean() < 2e-4 for name in of_one)


def copy_of(out, folder):
    """A folder that can be resumed under another path."""
    shutil.copytree(out, folder, symlinks=True)
    text = (folder / "config.yaml").read_text().replace(str(out), str(folder))
    (folder / "config.yaml").write_text(text)
    return folder


def test_shards_and_single_files_become_each_other(corpus, sharded, tmp_path):
    out = copy_of(sharded, tmp_path / "exp")
    assert [path.name for path in (out / "checkpoints").glob("state-*")] == [f"state-{STEPS:08d}"]
    run(content(corpus, out, STEPS + 2, sharding="none", accum_grad=2))
    assert not list((out / "checkpoints").glob("state-*"))
    assert load(state_path(out))["trained"]
    statuses, log = train_in(2, content(corpus, out, STEPS + 4))
    assert statuses == [0, 0], log
    assert "shards" in load(state_path(out))
    # The same steps, in shards all the time.
    other = copy_of(sharded, tmp_path / "other")
    statuses, log = train_in(2, content(corpus, other, STEPS + 4))
    assert statuses == [0, 0], log
    assert losses(records(out)) == pytest.approx(losses(records(other)), rel=1e-3)


def test_shards_that_are_damaged_or_of_another_training_are_named(corpus, sharded, tmp_path):
    out = copy_of(sharded, tmp_path / "exp")
    folder = out / f"checkpoints/state-{STEPS:08d}"
    (folder / ".metadata").write_bytes(b"no pickle")
    again = content(corpus, out, STEPS + 2, sharding="none", accum_grad=2)
    with pytest.raises(ModelError, match=r"state-00000008: not a checkpoint in shards, or damaged"):
        run(again)
    (folder / ".metadata").unlink()
    with pytest.raises(ModelError, match=r"state-00000008: not a checkpoint in shards"):
        run(again)


def test_one_process_has_nothing_to_share_out(corpus, tmp_path):
    with pytest.raises(OptionError, match=r"train.sharding: fsdp shares a model out to several processes"):
        run(content(corpus, tmp_path))


def test_recognition_trains_in_shards_in_bfloat16(corpus, tmp_path):
    train = {"sharding": "fsdp", "dtype": "bfloat16", "accum_grad": 2, "error_rate_utterances": 3}
    one = values("aed", corpus, tmp_path / "exp", steps=6, model=SMALL_AED | {"ctc_weight": 0.3}, train=train)
    statuses, log = train_in(2, one)
    assert statuses == [0, 0], log
    curve = losses(records(tmp_path / "exp"))
    assert curve[-1] < curve[0]
    assert set(json.loads((tmp_path / "exp/layout-0").read_text())["kinds"]) == {"DTensor"}
