"""Best-RQ pre-training: it learns, resumes to the same bits, and recognition goes on from its encoder."""

import math
import signal
import subprocess
import sys

import pytest
import torch
from support.commands import killed_at
from support.train_corpus import NO_MASKS, TEXTS, losses, make_all, records, run, values, write_config
from transformers import Qwen3Config, Qwen3ForCausalLM

from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.errors import ModelError, OptionError
from firered.models.aed import Aed
from firered.models.best_rq import BestRq
from firered.models.checkpoint import load_checkpoint
from firered.models.qwen3_encoder import Qwen3Encoder
from firered.scoring.config import NormalizerConfig
from firered.scoring.metrics.error_rate import align_texts, total
from firered.scoring.text.normalise import normalizer
from firered.train.checkpoints import load, state_path
from firered.train.loop import Trainer

SIZES = {"d_model": 32, "n_head": 2, "n_layers_enc": 1, "kernel_size": 7, "dropout": 0.0}
CODES = {"codes": 12, "code_dim": 8, "mask_span": 3}
STEPS = 14
QWEN3 = {"encoder_type": "qwen3", "n_kv_head": 1, "ffn_dim": 48}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = make_all(tmp_path_factory.mktemp("corpus"))
    torch.manual_seed(0)
    sizes = {"vocab_size": 9, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "initializer_range": 0.2}
    Qwen3ForCausalLM(Qwen3Config(**sizes, **heads)).save_pretrained(folder / "llm")
    return folder


def content(corpus, out, steps, model=None, **sections):
    return values("best-rq", corpus, out, steps=steps, model=SIZES | CODES | (model or {}), **sections)


@pytest.fixture(scope="module", params=["conformer", "llm"])
def pretrained(request, corpus, tmp_path_factory):
    """A pre-trained directory, its log, and the kind of its encoder."""
    layers = {"llm": str(corpus / "llm"), "d_model": 0, "n_head": 2, "n_layers_enc": 0}
    out = tmp_path_factory.mktemp(request.param)
    return out, run(content(corpus, out, 40, layers if request.param == "llm" else {})), request.param


def test_it_learns_what_is_hidden(pretrained):
    out, lines, _ = pretrained
    assert losses(lines)[0] > 2.0
    (dev,) = (line for line in lines if line["kind"] == "dev")
    assert dev["loss"] < dev["code_entropy"] - 0.2  # more than how often each code comes
    assert dev["code_entropy"] < math.log(CODES["codes"])
    assert dev["accuracy"] > 0.3
    assert dev["masked"] == pytest.approx(0.5, abs=0.03)  # of six utterances, to the nearest frame
    assert 0.5 < dev["codes_used"] <= 1
    model, state = BestRq.load(out / "model.pth.tar"), load(state_path(out))["trained"]
    assert torch.equal(model.quantiser.codebook, state["quantiser.codebook"])
    assert torch.equal(model.quantiser.projection, state["quantiser.projection"])


def test_recognition_goes_on_from_it(pretrained, corpus, tmp_path):
    out, _, kind = pretrained
    model = {"encoder": str(out), "n_layers_dec": 1, "dropout": 0.0, "label_smoothing": 0.0, "ctc_weight": 0.3}
    lines = run(values("aed", corpus, tmp_path, steps=25, model=model, specaugment=NO_MASKS, optim={"lr": 6e-3},
                       train={"error_rate_utterances": 6}))  # fmt: skip
    assert losses(lines)[-1] < 0.6 * losses(lines)[0]
    assert (tmp_path / "cmvn.ark").read_bytes() == (out / "cmvn.ark").read_bytes()
    found = Aed.load(tmp_path / "model.pth.tar")
    assert isinstance(found.encoder, Qwen3Encoder) == (kind == "llm")
    assert len(found.encoder.layer_stack) == (2 if kind == "llm" else 1)
    greedy = AsrConfig(beam_size=1, timestamps="pauses")
    recogniser = Asr.from_pretrained(tmp_path, greedy, "cpu")
    texts = {key: recogniser(corpus / f"data/{key}.wav").text for key in TEXTS}
    counts = total(found.counts for found in align_texts(TEXTS, texts, normalizer(NormalizerConfig())))
    assert lines[-1]["error_rate"] == pytest.approx(counts.rate)
    with pytest.raises(OptionError, match="made for whole utterances"):
        Asr.from_pretrained(tmp_path, AsrConfig(chunk_seconds=0.32), "cpu")


def test_a_frozen_encoder_stays_as_it_was_pretrained(pretrained, corpus, tmp_path):
    model = {"encoder": str(pretrained[0]), "n_layers_dec": 1, "finetune": "frozen_encoder"}
    run(values("aed", corpus, tmp_path, steps=2, model=model))
    before = load_checkpoint(pretrained[0] / "model.pth.tar")[1]
    after = load_checkpoint(tmp_path / "model.pth.tar")[1]
    weights = [name for name in before if name.startswith("encoder.")]
    assert weights
    assert all(torch.equal(before[name], after[name]) for name in weights)


def everything_drawn(corpus, out):
    return content(
        corpus, out, STEPS, QWEN3 | {"dropout": 0.2, "codebooks": 2}, data={"batch_frames": 260},
        augment={"speeds": "0.9 1.0 1.1"}, train={"save_steps": 4, "eval_steps": 10, "log_steps": 5, "ema": 0.9},
    )  # fmt: skip


@pytest.fixture(scope="module")
def uninterrupted(corpus, tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted")
    return out, run(everything_drawn(corpus, out))


def same_state(out, other):
    one, two = load(state_path(out)), load(state_path(other))
    return all(torch.equal(one[kind][name], two[kind][name]) for kind in ("trained", "ema") for name in one[kind])


def test_a_training_that_stopped_resumes_to_the_same_bits(corpus, uninterrupted, tmp_path, monkeypatch):
    step = Trainer._train_step

    def fail(trainer, batches):
        if trainer.step == 10:
            raise KeyboardInterrupt
        return step(trainer, batches)

    monkeypatch.setattr(Trainer, "_train_step", fail)
    with pytest.raises(KeyboardInterrupt):
        run(everything_drawn(corpus, tmp_path))
    monkeypatch.undo()
    torch.manual_seed(99)  # the quantiser is that of the state, whatever is drawn now
    assert run(everything_drawn(corpus, tmp_path)) == uninterrupted[1]
    assert same_state(tmp_path, uninterrupted[0])


@pytest.mark.nightly
def test_a_killed_training_resumes_to_the_same_bits(corpus, uninterrupted, tmp_path):
    config = write_config(tmp_path / "train.yaml", everything_drawn(corpus, tmp_path / "exp"))
    died = killed_at(tmp_path / "exp/train.jsonl", 2, "-m", "firered.cli.train", config)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert run(everything_drawn(corpus, tmp_path / "exp")) == uninterrupted[1]
    assert same_state(tmp_path / "exp", uninterrupted[0])


@pytest.mark.nightly
def test_two_processes_are_one_with_batches_twice_as_many(corpus, tmp_path):
    def settings(name, accum):
        model = {"codebooks": 2, "encoder_type": "qwen3"}
        train = {"log_steps": 3, "eval_steps": 6, "accum_grad": accum}
        return content(corpus, tmp_path / name, 6, model, data={"batch_frames": 260}, train=train)

    single = run(settings("one", 2))
    config = write_config(tmp_path / "train.yaml", settings("two", 1))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run([*launch, "-m", "firered.cli.train", config], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    two = records(tmp_path / "two")
    assert len(two) == len(single)
    for own, other in zip(two, single, strict=True):
        assert own.pop("kind") == other.pop("kind")
        assert own == pytest.approx(other, rel=1e-4)


def test_pretraining_goes_on_with_the_same_quantiser(pretrained, corpus, tmp_path):
    out, lines, _ = pretrained
    more = run(values("best-rq", corpus, tmp_path, steps=1, model={"init": str(out), "dropout": 0.0} | CODES))
    before = BestRq.load(out / "model.pth.tar").quantiser
    assert torch.equal(BestRq.load(tmp_path / "model.pth.tar").quantiser.codebook, before.codebook)
    assert losses(more)[0] < losses(lines)[0] - 0.3


@pytest.mark.parametrize(
    ("task", "model", "error", "message"),
    [
        (
            "best-rq",
            {"llm": "{corpus}/llm"},
            OptionError,
            "d_model: an encoder with layers of .* has the sizes of these",
        ),
        ("best-rq", {"ffn_dim": 8}, OptionError, "n_kv_head, ffn_dim: these are sizes of an encoder of the kind qwen3"),
        ("best-rq", QWEN3 | {"causal": True}, ModelError, "layers of Qwen3 that are causal"),
        ("best-rq", {"init": "x", "llm": "y"}, OptionError, "init, llm: give one of them"),
        ("best-rq", {"init": "{corpus}/data"}, ModelError, "not a complete model directory, model.pth.tar missing"),
        ("aed", {"init": "x", "encoder": "y"}, OptionError, "init, encoder: give one of them"),
        ("aed", {"finetune": "frozen_encoder"}, OptionError, "needs a model to start from"),
        ("aed", QWEN3 | {"causal": True, "chunk_sizes": "8"}, OptionError, "layers of Qwen3 sees whole utterances"),
    ],
)
def test_options_that_do_not_go_together(corpus, tmp_path, task, model, error, message):
    model = {name: v.format(corpus=corpus) if isinstance(v, str) else v for name, v in model.items()}
    with pytest.raises(error, match=message):
        run(values(task, corpus, tmp_path, steps=1, model=SIZES | model))


def test_sizes_of_the_encoder_are_its_own(pretrained, corpus, tmp_path):
    model = {"encoder": str(pretrained[0]), "d_model": 48, "n_layers_dec": 1}
    with pytest.raises(OptionError, match=r"d_model: 48, the encoder of .* has 32; omit it"):
        run(values("aed", corpus, tmp_path, steps=1, model=model))
