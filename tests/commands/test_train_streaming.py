"""Trainings of tiny models that stream: they learn, resume to the same result, and the checkpoint says what they do."""

import signal

import pytest
import torch
from support.commands import killed_at
from support.train_corpus import NO_MASKS, SMALL_AED, losses, make_all, run, values, write_config

from firered.models.aed import Aed
from firered.models.checkpoint import load_checkpoint
from firered.models.chunks import Chunk
from firered.models.streaming import StreamingEncoder
from firered.train.checkpoints import load, state_path

STREAMS = {"causal": True, "chunk_sizes": "dynamic"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("corpus"))


def drawn(corpus, out, steps):
    """A training in which chunks, chunks before them, cut ends and masks are drawn."""
    return values(
        "aed", corpus, out, steps=steps, train={"save_steps": 5, "eval_steps": 10},
        model=SMALL_AED | STREAMS | {"left_chunks": "dynamic", "dropout": 0.2, "ctc_weight": 0.3, "dev_chunk": 4},
        data={"batch_frames": 260, "trim_tail_ms": 200},
    )  # fmt: skip


def test_a_killed_training_resumes_to_the_same_result(corpus, tmp_path):
    whole = run(drawn(corpus, tmp_path / "whole", 20))
    config = write_config(tmp_path / "train.yaml", drawn(corpus, tmp_path / "exp", 20))
    died = killed_at(tmp_path / "exp/train.jsonl", 8, "-m", "firered.cli.train", config)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert run(drawn(corpus, tmp_path / "exp", 20)) == whole
    states = [load(state_path(tmp_path / name))["trained"] for name in ("whole", "exp")]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    dev = [line for line in whole if line["kind"] == "dev"]
    assert all(line["chunk_loss"] > 0 and line["chunk_loss"] != line["loss"] for line in dev)


def test_one_model_learns_chunks_and_full_context_and_a_head_goes_with_it(corpus, tmp_path):
    model = SMALL_AED | STREAMS | {"dropout": 0.0, "dev_chunk": 2}
    lines = run(values("aed", corpus, tmp_path / "aed", steps=200, model=model, specaugment=NO_MASKS))
    (dev,) = [line for line in lines if line["kind"] == "dev"]
    assert dev["loss"] < 0.2
    assert dev["chunk_loss"] < 0.2
    args = load_checkpoint(tmp_path / "aed/model.pth.tar")[0]
    assert (args.causal, args.chunk_sizes) == (True, "dynamic")
    assert not hasattr(args, "left_chunks")

    head = {"init": str(tmp_path / "aed"), "dev_chunk": 2}
    lines = run(values("ctc", corpus, tmp_path / "ctc", steps=300, model=head, optim={"lr": 0.1}, specaugment=NO_MASKS))
    (dev,) = [line for line in lines if line["kind"] == "dev"]
    assert dev["loss"] < 0.5
    assert dev["chunk_loss"] < 0.5
    assert len({round(loss, 3) for loss in losses(lines)[-20:]}) > 5  # chunks are drawn here, too
    trained = Aed.load(tmp_path / "ctc/model.pth.tar").prepare()
    assert trained.config.streams
    feats = torch.randn(90, 80)
    stream = StreamingEncoder(trained.encoder, Chunk(4))
    with torch.inference_mode():
        whole, _ = trained.encoder(feats[None], torch.tensor([90]), chunk=Chunk(4))
    assert float((torch.cat([stream.accept(feats), stream.finish()]) - whole[0]).abs().max()) < 1e-4


def test_languages_are_identified_in_whole_utterances_by_a_streaming_encoder(corpus, tmp_path):
    run(values("aed", corpus, tmp_path / "aed", steps=2, model=SMALL_AED | STREAMS))
    run(values("lid", corpus, tmp_path / "lid", steps=2, model={"encoder": str(tmp_path / "aed")}))
    args = load_checkpoint(tmp_path / "lid/model.pth.tar")[0]
    assert args.causal is True
    assert not hasattr(args, "chunk_sizes")


def test_chunks_with_bfloat16_recomputed_layers_and_lora(corpus, tmp_path):
    model = SMALL_AED | {"causal": True, "chunk_sizes": "2 3", "dropout": 0.0, "ctc_weight": 0.3}
    train = {"dtype": "bfloat16", "gradient_checkpointing": True}
    lines = run(values("aed", corpus, tmp_path / "aed", steps=80, model=model, specaugment=NO_MASKS, train=train))
    curve = losses(lines)
    assert curve[-1] < curve[0] / 2
    lora = {"init": str(tmp_path / "aed"), "finetune": "lora", "ctc_weight": 0.3, "dev_chunk": 2, "dropout": 0.0}
    lines = run(values("aed", corpus, tmp_path / "lora", steps=5, model=lora, specaugment=NO_MASKS))
    assert lines[-1]["chunk_loss"] > 0
    assert load_checkpoint(tmp_path / "lora/model.pth.tar")[0].chunk_sizes == "2 3"
