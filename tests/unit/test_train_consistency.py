"""CR-CTC: two views of a batch, and the divergence between their posteriors; models of CTC alone."""

import math
import subprocess
import sys

import pytest
import torch
from support.train_corpus import SMALL_AED, TEXTS, losses, make_all, records, run, values, write_config

from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.errors import ModelError, OptionError
from firered.models.aed import Aed, AedConfig
from firered.models.checkpoint import load_checkpoint
from firered.runs.quantise import quantise_model
from firered.train.checkpoints import load, state_path
from firered.train.data.config import SpecAugmentConfig
from firered.train.data.text import teacher_forcing
from firered.train.objectives.consistency import consistency_loss, twice
from firered.train.objectives.regularise import spec_augment
from firered.train.settings import settings_of
from firered.train.tasks import TASKS
from firered.train.tasks.aed import AedTaskConfig, objective_of

SIZES = AedConfig(odim=11, d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1, kernel_size=3)
MASKS = SpecAugmentConfig(time_masks=2)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("corpus"))


def batch(lengths, ids):
    frames = torch.tensor([-(-length // 4) for length in lengths])
    return teacher_forcing(ids) | {
        "feats": torch.randn(len(lengths), max(lengths), 80),
        "lengths": torch.tensor(lengths),
        "token_lengths": torch.tensor([len(own) for own in ids]),
        "labelled": torch.stack([torch.zeros_like(frames), frames], 1),
    }


def divergence_by_hand(first, second):
    """KL(second || first) of two lists of log-probabilities."""
    return sum(math.exp(q) * (q - p) for p, q in zip(first, second, strict=True))


def test_divergences_are_those_of_frames_within_the_length_both_ways():
    torch.manual_seed(1)
    lengths = torch.tensor([3, 1])
    log_probs = torch.randn(4, 3, 5).log_softmax(-1)
    wanted = 0.0
    for row, length in enumerate(lengths.tolist()):
        for frame in range(length):
            a, b = log_probs[row, frame].tolist(), log_probs[row + 2, frame].tolist()
            wanted += divergence_by_hand(a, b) + divergence_by_hand(b, a)
    assert float(consistency_loss(log_probs, lengths.repeat(2))) == pytest.approx(wanted, rel=1e-5)


def test_a_view_is_drawn_to_the_other_which_is_a_constant():
    torch.manual_seed(2)
    logits = torch.randn(2, 1, 4, requires_grad=True)
    consistency_loss(logits.log_softmax(-1), torch.tensor([1, 1])).backward()
    own = logits.detach().softmax(-1)
    torch.testing.assert_close(logits.grad, own - own.roll(1, 0))  # of KL(q || softmax(z)) by z, with q held


@pytest.mark.parametrize("ctc_weight", [0.3, 1.0])
def test_loss_and_gradient_are_those_of_two_passes(ctc_weight):
    """Against the same written plainly: view after view, by the objective of one view, and the formula of the paper."""
    torch.manual_seed(3)
    model, tensors = Aed(SIZES, ctc=True), batch([200, 90], [[5, 6, 7], [8]])
    alpha, common = 0.2, {"ctc_weight": ctc_weight, "dropout": 0.0, "label_smoothing": 0.1}
    double = objective_of(AedTaskConfig(cr_weight=alpha, cr_time_masks=2.5, **common), model, MASKS).train()
    assert double.specaugment.time_masks == 5
    torch.manual_seed(4)
    found = double(tensors)
    found.loss.backward()
    gradient = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}

    model.zero_grad()
    torch.manual_seed(4)
    masked = [spec_augment(tensors["feats"], tensors["lengths"], double.specaugment) for _ in range(2)]
    assert not torch.equal(*masked)
    single = objective_of(AedTaskConfig(**common), model, SpecAugmentConfig(freq_masks=0, time_masks=0)).train()
    passes = [single(tensors | {"feats": view}) for view in masked]
    posteriors = []
    for view in masked:
        encoded, lengths = model.encoder(view, tensors["lengths"])
        posteriors.append(model.ctc_log_probs(encoded))
    consistency = sum(
        (target[row, frame].exp().detach() * (target[row, frame].detach() - own[row, frame])).sum()
        for own, target in (posteriors, posteriors[::-1])
        for row, length in enumerate(lengths.tolist())
        for frame in range(length)
    )
    wanted = (passes[0].loss + passes[1].loss) / 2 + alpha * consistency / 2
    wanted.backward()
    assert found.loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert float(found.counts["consistency"]) == pytest.approx(consistency.item() / 2, rel=1e-4)
    assert float(found.counts["tokens"]) == 6  # of one view, as the batch is weighed
    again = {name: value.grad for name, value in model.named_parameters() if value.grad is not None}
    assert again.keys() == gradient.keys()
    for name, value in again.items():
        torch.testing.assert_close(gradient[name], value, rtol=1e-4, atol=1e-5)


def test_in_evaluation_there_is_one_view_and_no_consistency():
    torch.manual_seed(5)
    model, tensors = Aed(SIZES, ctc=True), batch([120], [[5, 6]])
    plain = objective_of(AedTaskConfig(ctc_weight=0.3), model, MASKS).eval()(tensors)
    found = objective_of(AedTaskConfig(ctc_weight=0.3, cr_weight=0.06), model, MASKS).eval()(tensors)
    assert found.loss.item() == plain.loss.item()
    assert found.counts.keys() == plain.counts.keys()


def test_rows_are_doubled_in_order():
    doubled = twice({"feats": torch.zeros(2, 1, 80), "lengths": torch.tensor([3, 5])})
    assert doubled.keys() == {"lengths"}
    assert doubled["lengths"].tolist() == [3, 5, 3, 5]


def drawn(corpus, out, steps, **train):
    """A training in which views, speeds and dropout are drawn."""
    return values("aed", corpus, out, steps=steps, data={"batch_frames": 260}, augment={"speeds": "0.9 1.0 1.1"},
                  model=SMALL_AED | {"dropout": 0.1, "ctc_weight": 1.0, "cr_weight": 0.2}, train=train)  # fmt: skip


def test_a_resumed_training_is_the_unbroken_one(corpus, tmp_path):
    whole = run(drawn(corpus, tmp_path / "whole", 6, accum_grad=2))
    run(drawn(corpus, tmp_path / "broken", 3, accum_grad=2))
    resumed = run(drawn(corpus, tmp_path / "broken", 6, accum_grad=2))
    assert losses(resumed) == losses(whole)
    assert all(line["consistency"] > 0 for line in whole if line["kind"] == "train")
    states = [load(state_path(tmp_path / name))["trained"] for name in ("whole", "broken")]
    assert [name for name in states[0] if not torch.equal(*(state[name] for state in states))] == []


def test_ctc_alone_has_no_decoder_and_learns(corpus, tmp_path):
    model = SMALL_AED | {"dropout": 0.0, "ctc_weight": 1.0, "cr_weight": 0.02}
    masks = {"freq_masks": 0, "time_masks": 1, "time_width": 4}
    content = values("aed", corpus, tmp_path, steps=100, model=model, specaugment=masks, optim={"lr": 1e-2},
                     train={"error_rate_utterances": 6, "error_rate_by": "ctc"})  # fmt: skip
    lines = run(content)
    assert "accuracy" not in lines[-1]
    assert lines[-1]["ctc"] < 0.2
    args, state = load_checkpoint(tmp_path / "model.pth.tar")
    assert args.n_layers_dec == 0
    assert not [name for name in state if name.startswith("decoder.")]
    recogniser = Asr.from_pretrained(tmp_path, AsrConfig(mode="ctc"), "cpu")
    read = {key: recogniser(corpus / f"data/{key}.wav").text for key in TEXTS}
    assert sum(read[key] == text for key, text in TEXTS.items()) >= 5
    errors = sum(lines[-1][kind] for kind in ("substitutions", "deletions", "insertions"))
    assert (errors == 0) == (read == TEXTS)
    with pytest.raises(OptionError, match="no decoder for mode attention; give mode ctc or ctc_prefix"):
        Asr.from_pretrained(tmp_path, AsrConfig(), "cpu")
    quantise_model(tmp_path, tmp_path / "int8", "int8", (), overwrite=False)
    reduced = Asr.from_pretrained(tmp_path / "int8", AsrConfig(mode="ctc_prefix"), "cpu")
    assert reduced(corpus / "data/b2.wav").text == "气你"


def test_the_decoder_of_a_model_that_is_trained_on_with_ctc_alone_stays(tmp_path, corpus):
    run(values("aed", corpus, tmp_path / "joint", steps=2, model=SMALL_AED | {"ctc_weight": 0.3}))
    for number, more in enumerate([{}, {"finetune": "lora", "lora_rank": 2}]):
        out = tmp_path / f"ctc{number}"
        run(values("aed", corpus, out, steps=3, model={"init": str(tmp_path / "joint"), "ctc_weight": 1.0} | more))
        before, after = (load_checkpoint(folder / "model.pth.tar")[1] for folder in (tmp_path / "joint", out))
        changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
        assert changed == {"encoder", "ctc"}


@pytest.mark.parametrize(
    ("model", "train", "message"),
    [
        ({"cr_weight": 0.2}, {}, "cr_weight: is of the CTC posteriors"),
        ({"ctc_weight": 1.0}, {"error_rate_utterances": 3}, "attention: this model has no decoder; give ctc"),
    ],
)
def test_options_that_cannot_be(corpus, tmp_path, model, train, message):
    with pytest.raises(OptionError, match=message):
        TASKS["aed"].build(
            settings_of(values("aed", corpus, tmp_path, steps=1, model=SMALL_AED | model, train=train), "test")
        )


def test_a_model_without_a_decoder_is_no_start_for_other_losses(corpus, tmp_path):
    run(values("aed", corpus, tmp_path / "ctc", steps=1, model=SMALL_AED | {"ctc_weight": 1.0}))
    model = {"init": str(tmp_path / "ctc"), "ctc_weight": 0.3}
    with pytest.raises(OptionError, match="has no decoder and is trained with CTC alone"):
        TASKS["aed"].build(settings_of(values("aed", corpus, tmp_path / "exp", steps=1, model=model), "test"))
    with pytest.raises(ModelError, match="needs layers of a decoder"):
        TASKS["lid"].build(
            settings_of(
                values("lid", corpus, tmp_path / "lid", steps=1, model={"encoder": str(tmp_path / "ctc")}), "test"
            )
        )
    with pytest.raises(ModelError, match="without a decoder"):
        Aed(AedConfig(**{**vars(SIZES), "n_layers_dec": 0}), ctc=False)


@pytest.mark.nightly
def test_two_processes_are_one_with_batches_twice_as_many(corpus, tmp_path):
    single = run(drawn(corpus, tmp_path / "one", 6, accum_grad=4))
    config = write_config(tmp_path / "train.yaml", drawn(corpus, tmp_path / "two", 6, accum_grad=2))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command = [*launch, "-m", "firered.cli.train", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    two = records(tmp_path / "two")
    assert losses(two) == pytest.approx(losses(single), rel=1e-4)
    assert [line["consistency"] for line in two if line["kind"] == "train"] == pytest.approx(
        [line["consistency"] for line in single if line["kind"] == "train"], rel=1e-3
    )
