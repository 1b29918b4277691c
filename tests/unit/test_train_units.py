"""The parts of training by value: schedules, masks, augmentation, batches, averages, labels."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from firered.errors import ModelError, OptionError
from firered.models.aed import Aed, AedConfig
from firered.models.lstm_lm import LstmLm, LstmLmConfig
from firered.runs.noise import scaled_noise
from firered.train.checkpoints import Keeper, average
from firered.train.config import OptimConfig, ProgressiveConfig, TrainConfig
from firered.train.data.augment import Draw, Draws, WaveAugment, change_speed
from firered.train.data.batch import NO_TARGET, Batch
from firered.train.data.config import AugmentConfig, SpecAugmentConfig
from firered.train.data.labels import frame_labels
from firered.train.data.stream import Stream, dynamic_batches, evaluation
from firered.train.data.text import teacher_forcing
from firered.train.data.transcribed import _fits, labelled_frames
from firered.train.ema import Ema
from firered.train.nonfinite import trouble_of
from firered.train.objectives.encoder_decoder import ctc_loss
from firered.train.objectives.objective import BatchLoss, Objective
from firered.train.objectives.regularise import Progress, set_dropout, spec_augment
from firered.train.objectives.schedule import learning_rate
from firered.train.tasks.aed import AedTaskConfig, objective_of
from firered.train.tasks.conformer import ConformerConfig, sizes_of

SMALL = AedConfig(odim=11, d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1, kernel_size=3)


@pytest.mark.parametrize(
    ("schedule", "step", "expected"),
    [
        ("constant", 1, 0.1), ("constant", 10, 1.0), ("constant", 500, 1.0),
        ("warmup", 5, 0.5), ("warmup", 10, 1.0), ("warmup", 40, 0.5), ("warmup", 1000, 0.1),
        ("noam", 10, 10**-0.5 / 16), ("noam", 5, 0.5 * 10**-0.5 / 16), ("noam", 40, 40**-0.5 / 16),
        ("linear", 5, 0.5), ("linear", 10, 1.0), ("linear", 60, 0.5), ("linear", 110, 0.0), ("linear", 120, 0.0),
        ("cosine", 10, 1.0), ("cosine", 60, 0.5), ("cosine", 35, 0.5 + math.sqrt(0.125)), ("cosine", 110, 0.0),
    ],
)  # fmt: skip
def test_learning_rate(schedule, step, expected):
    config = OptimConfig(lr=1.0, schedule=schedule, warmup_steps=10)
    assert learning_rate(config, step, total=110, width=256) == pytest.approx(expected)


@pytest.mark.parametrize(("step", "strength"), [(1, 0.0), (99, 0.0), (100, 0.25), (149, 0.25), (150, 0.5), (900, 1.0)])
def test_regularisation_by_steps(step, strength):
    progress = Progress(ProgressiveConfig(by="steps", levels=4, start_step=100, every_steps=50))
    assert progress.strength(step) == strength


def test_regularisation_when_the_dev_loss_stalls():
    progress = Progress(ProgressiveConfig(by="stall", levels=2, patience=2))
    seen = []
    for loss in (5.0, 4.0, 4.0, 4.5, 3.0, 3.1, 2.9, 3.0, 3.0, 3.0, 3.0):
        progress.evaluated(loss)
        seen.append(progress.strength(1))
    assert seen == [0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 1, 1, 1]
    again = Progress(progress.config)
    again.restore(progress.state())
    assert again.__dict__ == progress.__dict__


def test_no_progressive_regularisation_is_full_from_the_start():
    assert Progress(ProgressiveConfig()).strength(1) == 1.0


def test_dropout_reaches_every_layer():
    aed, lm = Aed(SMALL), LstmLm(LstmLmConfig(5, 5, 4, 4, 2, dropout=0.1))
    for model in (aed, lm):
        set_dropout(model, 0.37)
        rates = {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)}
        rates |= {m.dropout for m in model.modules() if isinstance(getattr(m, "dropout", None), float)}
        assert rates == {0.37}
    tokens = torch.tensor([[3, 5, 6]])
    feats, lengths = torch.randn(1, 40, 80), torch.tensor([40])
    set_dropout(aed, 0.0)
    torch.testing.assert_close(aed.train()(feats, lengths, tokens)[0], aed.eval()(feats, lengths, tokens)[0])


@settings(max_examples=30)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.floats(0, 1), st.integers(0, 2**20))
def test_specaugment_stays_within_its_limits(lengths, strength, seed):
    torch.manual_seed(seed)
    config = SpecAugmentConfig(freq_masks=1, freq_width=27, time_masks=1, time_width=8, time_ratio=0.3)
    out = spec_augment(torch.ones(len(lengths), max(lengths), 80), torch.tensor(lengths), config, strength)
    for matrix, length in zip(out, lengths, strict=True):
        hidden = (matrix[:length] == 0).numpy()
        bins, frames = hidden.all(0), hidden.all(1)
        assert bins.sum() <= round(27 * strength)
        assert frames.sum() <= round(strength * min(8, int(0.3 * length)))
        assert (hidden == (bins[None] | frames[:, None])).all()  # bands and stretches, nothing else
        assert all(np.diff(np.flatnonzero(one_way)).max(initial=1) == 1 for one_way in (bins, frames))
        assert (matrix[length:] == 0).all(1).sum() == 0 or bins.all()  # nothing is drawn in the padding


def test_specaugment_draws_the_whole_range():
    torch.manual_seed(0)
    config = SpecAugmentConfig(freq_masks=1, freq_width=3, time_masks=0)
    hidden = spec_augment(torch.ones(4000, 1, 80), torch.ones(4000, dtype=torch.long), config)[:, 0] == 0
    widths = np.bincount(hidden.sum(1).numpy(), minlength=5)
    assert widths[4] == 0
    assert widths[:4].min() > 850  # four widths, equally likely
    assert hidden[:, 0].any()
    assert hidden[:, 79].any()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=40), st.integers(10, 100))
def test_dynamic_batches(sizes, cap):
    sizes = np.array(sizes)
    batches = dynamic_batches(sizes, cap, np.argsort(sizes, kind="stable"))
    assert sorted(index for batch in batches for index in batch) == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * sizes[batch].max() <= cap
    for batch, after in pairwise(batches):  # none could have been longer
        assert (len(batch) + 1) * sizes[[*batch, after[0]]].max() > cap


def test_dynamic_batches_by_value():
    assert dynamic_batches(np.array([30, 10, 20, 90, 10]), 60, np.array([1, 4, 2, 0, 3])) == [[1, 4, 2], [0], [3]]


class _Numbers:
    """A corpus of which only the sizes matter."""

    def __init__(self):
        self.keys = [str(n) for n in range(37)]

    def sizes(self, epoch):
        return np.arange(37) % 7 + 3


def _indices(requests):
    return [index for request in requests if request.counts for index in request.indices]


@pytest.mark.parametrize(("world", "accum"), [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_every_process_and_every_start_sees_the_same_epoch(world, accum):
    alone = Stream(_Numbers(), 30, 5, 0, 1, 1)
    first = alone.batches(0)
    streams = [Stream(_Numbers(), 30, 5, rank, world, accum) for rank in range(world)]
    rounds = streams[0].steps(0) * accum
    taken = [[next(each) for _ in range(rounds)] for each in map(iter, streams)]
    assert all(requests[-1].ends_epoch and not requests[0].ends_epoch for requests in taken)
    in_order = [list(batch.indices) for together in zip(*taken, strict=True) for batch in together if batch.counts]
    assert in_order == first
    assert first != alone.batches(1)
    assert sorted(index for requests in taken for index in _indices(requests)) == list(range(37))
    # From the third step on: what the uninterrupted stream gives from there.
    later = Stream(_Numbers(), 30, 5, 0, world, accum)
    for request in taken[0][accum - 1 : 2 * accum : accum]:
        later.move_on(request)
    again = iter(later)
    assert [next(again) for _ in range(rounds - 2 * accum)] == taken[0][2 * accum :]


def test_evaluation_goes_once_through():
    shares = [evaluation(_Numbers(), 30, rank, 2) for rank in range(2)]
    assert sorted(_indices(shares[0] + shares[1])) == list(range(37))


def test_evaluation_together_is_of_as_many_batches_in_every_process():
    alone = [evaluation(_Numbers(), 30, rank, 4) for rank in range(4)]
    assert len({len(share) for share in alone}) > 1
    shares = [evaluation(_Numbers(), 30, rank, 4, together=True) for rank in range(4)]
    assert len({len(share) for share in shares}) == 1
    counted = [request for share in shares for request in share if request.counts]
    assert sorted(_indices(counted)) == list(range(37))


def test_average():
    parts = [
        {"w": torch.tensor([0.1, 3.0]), "n": torch.tensor([2])},
        {"w": torch.tensor([0.1, 4.0]), "n": torch.tensor([4])},
    ]
    mean = average(parts)
    assert mean["w"].tolist() == [pytest.approx(0.1), 3.5]
    assert torch.equal(mean["w"][:1], parts[0]["w"][:1])  # equal ones, bit for bit
    assert mean["n"].dtype == torch.int64
    same = {"w": torch.randn(1000)}
    assert torch.equal(average([same] * 3)["w"], same["w"])


@pytest.mark.parametrize(
    ("average_", "by", "steps"),
    [("best", "loss", [4, 2]), ("last", "loss", [4, 5]), ("none", "loss", [4]), ("best", "accuracy", [1, 5])],
)
def test_keeper(tmp_path, average_, by, steps):
    keeper = Keeper(tmp_path, TrainConfig(keep_best=2, keep_last=2, average=average_, best_by=by))
    for step, (loss, accuracy) in enumerate([(3.0, 0.9), (1.0, 0.5), (2.0, 0.5), (0.5, 0.5), (math.nan, 0.7)], 1):
        keeper.add(step, {"loss": loss, "accuracy": accuracy}, {"w": torch.tensor([float(step)])})
        keeper.prune()
    kept = sorted(int(path.stem.split("-")[1]) for path in (tmp_path / "checkpoints").glob("*.pt"))
    assert kept == sorted({*keeper.ranked(), 4, 5})
    assert keeper.averaged({"w": torch.zeros(1)})["w"].item() == sum(steps) / len(steps)


def test_keeper_names_the_figures_there_are(tmp_path):
    with pytest.raises(OptionError, match="'wer' is not a figure of this task; known: loss, f1"):
        Keeper(tmp_path, TrainConfig(best_by="wer")).note(1, {"loss": 1.0, "f1": 0.5})


def test_label_smoothing_by_value():
    objective = objective_of(AedTaskConfig(label_smoothing=0.2), Aed(SMALL), SpecAugmentConfig())
    logits = torch.randn(2, 3, 11)
    targets = torch.tensor([[5, 6, 4], [7, 4, NO_TARGET]])
    logp = logits.log_softmax(-1)
    expected = 0.0
    for n, u in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1)):
        expected -= 0.8 * logp[n, u, targets[n, u]] + 0.2 * logp[n, u].mean()
    assert objective.train().cross_entropy(logits, targets).loss.item() == pytest.approx(expected.item(), rel=1e-5)
    plain = -sum(logp[n, u, targets[n, u]] for n, u in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1)))
    outcome = objective.eval().cross_entropy(logits, targets)
    assert outcome.loss.item() == pytest.approx(plain.item(), rel=1e-5)
    assert int(outcome.counts["tokens"]) == 5


def test_teacher_forcing():
    tensors = teacher_forcing([[7, 8], [], [9]])
    assert tensors["tokens"].tolist() == [[3, 7, 8], [3, 2, 2], [3, 9, 2]]
    assert tensors["targets"].tolist() == [[7, 8, 4], [4, -100, -100], [9, 4, -100]]


def test_padding_changes_no_loss():
    torch.manual_seed(0)
    objective = objective_of(AedTaskConfig(ctc_weight=0.4), Aed(SMALL, ctc=True), SpecAugmentConfig()).eval()
    feats, lengths = [torch.randn(60, 80), torch.randn(43, 80)], torch.tensor([60, 43])
    ids = [[5, 6, 7], [8]]

    def loss(which):
        tensors = teacher_forcing([ids[n] for n in which])
        tensors["feats"] = torch.nn.utils.rnn.pad_sequence([feats[n] for n in which], batch_first=True)
        tensors["lengths"] = lengths[which]
        tensors["token_lengths"] = torch.tensor([len(ids[n]) for n in which])
        tensors["labelled"] = torch.tensor([[2, 14], [0, 11]])[which]
        return objective(tensors).loss.item()

    assert loss([0, 1]) == pytest.approx(loss([0]) + loss([1]), rel=1e-5)


@pytest.mark.parametrize(
    ("frames", "ids", "fits"), [(8, [5, 6], True), (8, [5, 5], False), (9, [5, 5], True), (4, [], True)]
)
def test_frames_that_ctc_needs(frames, ids, fits):
    assert _fits(frames, ids) == fits


def _levels(*runs):
    """Features (T, 80) of so many frames at so many decibels."""
    return torch.cat([torch.full((frames, 80), db * math.log(10) / 10) for frames, db in runs])


@pytest.mark.parametrize(
    ("runs", "needed", "silence_db", "expected"),
    [
        ([(40, 0), (40, 50), (40, 0)], 3, 30, (9, 18)),  # the speech is in 10 to 19
        ([(40, 0), (40, 50), (40, 0)], 3, 0, (0, 30)),
        ([(40, 0), (40, 50), (40, 0)], 3, 60, (0, 28)),  # not that much fainter
        ([(40, 0), (40, 50), (40, 0)], 10, 30, (0, 30)),  # it has 9 frames
        ([(12, 0), (20, 50), (40, 0), (20, 45), (10, 0)], 3, 30, (2, 21)),  # a pause is inside
        ([(41, 50)], 3, 30, (0, 9)),
        ([(20, 0), (21, math.nan)], 3, 30, (0, 9)),  # training tells of such features elsewhere
    ],
)
def test_ctc_labels_frames_of_speech_alone(runs, needed, silence_db, expected):
    assert labelled_frames(_levels(*runs), needed, silence_db) == expected


def test_ctc_has_blanks_outside_of_the_speech():
    torch.manual_seed(0)
    logits = torch.randn(2, 9, 5, dtype=torch.float64, requires_grad=True)
    tensors = teacher_forcing([[3, 4], [2]]) | {"token_lengths": torch.tensor([2, 1])}
    lengths, labelled = torch.tensor([9, 6]), torch.tensor([[2, 6], [0, 4]])
    loss = ctc_loss(logits.log_softmax(-1), lengths, tensors | {"labelled": labelled})
    expected = 0.0
    for n, (first, end) in enumerate(labelled.tolist()):
        log_probs = logits[n].log_softmax(-1)
        ids = tensors["tokens"][n, 1 : 1 + int(tensors["token_lengths"][n])]
        expected += torch.nn.functional.ctc_loss(
            log_probs[first:end], ids, (end - first,), (len(ids),), reduction="sum"
        )
        expected -= log_probs[[*range(first), *range(end, int(lengths[n]))], 0].sum()
    torch.testing.assert_close(loss, expected)
    gradients = [torch.autograd.grad(value, logits, retain_graph=True)[0] for value in (loss, expected)]
    torch.testing.assert_close(*gradients)

    whole = tensors | {"labelled": torch.stack([torch.zeros(2, dtype=torch.int64), lengths], 1)}
    usual = torch.nn.functional.ctc_loss(
        logits.log_softmax(-1).transpose(0, 1), tensors["tokens"][:, 1:], lengths, tensors["token_lengths"],
        reduction="sum",
    )  # fmt: skip
    assert torch.equal(ctc_loss(logits.log_softmax(-1), lengths, whole), usual)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"size": "M"}, (1024, 16, 16, 16)),
        ({"size": "S", "n_layers_dec": 2}, (768, 12, 16, 2)),
        ({"d_model": 192}, (192, 3, 12, 12)),
        ({"d_model": 48, "n_layers_enc": 3}, (48, 1, 3, 12)),
    ],
)
def test_sizes(given_, expected):
    sizes = sizes_of(ConformerConfig(dropout=0.3, **given_), 77)
    assert (sizes.d_model, sizes.n_head, sizes.n_layers_enc, sizes.n_layers_dec) == expected
    assert (sizes.odim, sizes.dropout_rate, sizes.residual_dropout) == (77, 0.3, 0.3)


def test_sizes_that_do_not_fit():
    with pytest.raises(ModelError, match="d_model=50, n_head=4"):
        sizes_of(ConformerConfig(d_model=50, n_head=4), 77)


def test_noise_has_the_ratio_asked_for():
    rng = np.random.default_rng(0)
    speech, noise = rng.normal(0, 900, 16000), rng.normal(0, 33, 20000)
    for snr in (-5.0, 0.0, 12.5):
        power = np.mean(scaled_noise(speech, noise, snr) ** 2)
        assert 10 * np.log10(np.mean(speech**2) / power) == pytest.approx(snr, abs=1e-6)
    assert not scaled_noise(speech, np.zeros(5), 10.0).any()


def test_speed():
    time = np.arange(16000) / 16000
    fast = change_speed(np.sin(2 * np.pi * 400 * time) * 1000, 1.25)
    assert len(fast) == 12800
    spectrum = np.abs(np.fft.rfft(fast))
    assert spectrum.argmax() * 16000 / len(fast) == pytest.approx(500, abs=2)


def test_draws_are_shares_and_belong_to_the_epoch():
    config = AugmentConfig(
        speeds="0.9 1.0 1.1", noise="x", noise_prob=0.3, pad_prob=0.1, pad_seconds=0.5, pure_noise_prob=0.2
    )
    draws = Draws(config, seed=3, epoch=0, count=20000)
    assert np.unique(draws.speed, return_counts=True)[1] == pytest.approx([6667] * 3, rel=0.05)
    padded = (draws.before > 0) | (draws.after > 0)
    assert padded.mean() == pytest.approx(0.1, abs=0.01)
    assert max(draws.before.max(), draws.after.max()) <= 8000
    noisy = ~np.isnan(draws.snr_db)
    assert noisy.mean() == pytest.approx(1 - 0.7 * 0.9, abs=0.015)
    assert noisy[padded].all()
    assert (np.nanmean(draws.snr_db), np.nanstd(draws.snr_db)) == pytest.approx((10, 5), abs=0.2)
    assert draws.pure_noise.mean() == pytest.approx(0.2, abs=0.01)
    assert draws[5] == Draws(config, 3, 0, 20000)[5]
    assert (draws.speed != Draws(config, 3, 1, 20000).speed).any()
    frames = np.full(20000, 100)
    assert (draws.frames(frames)[~padded] == np.ceil(100 / draws.speed[~padded])).all()


def test_padding_and_speed_change_samples_and_times():
    augment = WaveAugment(AugmentConfig(), seed=0)
    draw = Draw(speed=2.0, before=1600, after=800)
    out = augment.apply(np.full(16000, 5.0, np.float32), draw, np.random.default_rng(0))
    assert len(out) == 1600 + 8000 + 800
    assert not out[:1600].any()
    assert not out[-800:].any()
    assert draw.moved(0.5) == 0.35
    assert frame_labels([(0.5, 1.0, "voice")], 60, ["voice"], draw)[:, 0].nonzero()[0].tolist() == list(range(35, 60))


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0.0, 0.02, "speech")], ["11...", ".....", "....."]),
        ([(0.01, 0.03, "speech"), (0.02, 0.09, "music")], [".11..", ".....", "..111"]),
        ([(0.014, 0.026, "singing")], [".....", ".11..", "....."]),
        ([(0.02, 0.02, "music"), (0.03, 0.04, "other")], [".....", ".....", "....."]),
    ],
)
def test_frame_labels(spans, expected):
    labels = frame_labels(spans, 5, ["speech", "singing", "music"], Draw())
    assert ["".join(".1"[int(x)] for x in row) for row in labels.T] == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speeds": "fast"}, "speeds: 'fast' are not numbers"),
        ({"speeds": "0.9 20"}, "between 0.1 and 10"),
        ({"pure_noise_prob": 0.1}, "needs noise recordings"),
        ({"noise_prob": 1.5}, "noise_prob: 1.5 is more than 1"),
    ],
)
def test_bad_augmentation(options, message):
    with pytest.raises(OptionError, match=message):
        AugmentConfig(**options)


class _Normed(Objective):
    """A layer with batch norm, whose running averages a second pass would take twice."""

    def __init__(self):
        torch.manual_seed(0)
        model = nn.Module()
        model.layers = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.LayerNorm(4))])
        super().__init__(model, 0.0)

    def forward(self, tensors):
        return BatchLoss(self.model.layers[0](tensors["x"]).square().sum(), {})

    def package(self, state):
        return {}


def test_running_averages_are_taken_once_where_layers_are_recomputed():
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(1))
    plain, again = _Normed(), _Normed()
    again.checkpoint_layers()
    for objective in (plain, again):
        objective.train()
        for _ in range(3):
            objective({"x": x}).loss.backward()
    for name, value in plain.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[name]), name
    assert int(again.model.layers[0][1].num_batches_tracked) == 3
    for weight, other in zip(plain.parameters(), again.parameters(), strict=True):
        assert torch.allclose(weight.grad, other.grad, atol=1e-6)


def test_running_averages_are_taken_as_they_are_and_not_averaged():
    objective = _Normed()
    assert "layers.0.1.running_mean" in objective.exported()
    assert "layers.0.1.running_mean" not in objective.trained()
    ema = Ema(0.5, objective)
    objective.train()
    objective({"x": torch.randn(8, 4)})
    before = objective.model.layers[0][1].running_mean.clone()
    ema.update(1)
    with ema.in_place():
        assert torch.equal(objective.exported()["layers.0.1.running_mean"], before)


@pytest.mark.parametrize(
    ("losses", "norm", "said"),
    [
        ([1.0, 2.0], 3.0, ""),
        ([1.0, math.nan], 3.0, "the loss is nan with the utterances c"),
        ([math.inf, 2.0], math.nan, "the loss is inf with the utterances a b"),
        ([1.0, 2.0], math.inf, "the norm of the gradient is inf with the utterances a b c"),
    ],
)
def test_what_is_no_number_is_named_with_its_utterances(losses, norm, said):
    batches = [Batch(keys, {}, 1.0) for keys in (["a", "b"], ["c"])]
    assert trouble_of(batches, losses, norm, together=False) == said
