"""Best-RQ: the quantiser against a plain reference, what is hidden, and where the loss comes from."""

import math

import numpy as np
import pytest
import torch

from firered.models.best_rq import BestRq, BestRqConfig, Quantiser, stacked
from firered.train.data.masked import MaskedCorpus, Masking, draw_mask
from firered.train.objectives.best_rq import BestRqObjective
from firered.train.sums import Sums

SIZES = {"d_model": 32, "n_head": 2, "n_layers_enc": 1, "kernel_size": 7}
SMALL = BestRqConfig(**SIZES, codes=50, code_dim=4, codebooks=2)


def objective(seed=0, config=SMALL):
    torch.manual_seed(seed)
    return BestRqObjective(BestRq(config), dropout=0.0)


def batch(*frames, share=0.5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    feats = [torch.randn(count, 80, generator=generator) for count in frames]
    corpus = MaskedCorpus([], np.array([]), [], None, None, masking=Masking(share, 3, 0))
    rng = np.random.default_rng(seed)
    items = [(f"u{n}", own, draw_mask(len(own) // 4, Masking(share, 3, 0), rng)) for n, own in enumerate(feats)]
    return corpus.collate(items)


@pytest.mark.parametrize("config", [SMALL, BestRqConfig(**SIZES, codes=300)])
def test_codes_are_those_of_a_plain_search_for_the_nearest(config):
    torch.manual_seed(3)
    quantiser = Quantiser(320, config)
    assert quantiser.projection.abs().max() <= math.sqrt(6 / (320 + config.code_dim))  # Xavier's bound
    assert torch.allclose(quantiser.codebook.norm(dim=-1), torch.ones(()))
    x = torch.randn(5000, 320)  # more than are held at a time
    for book, (projection, codes) in enumerate(zip(quantiser.projection, quantiser.codebook, strict=True)):
        y = x.double() @ projection.double()
        distances = ((y / y.norm(dim=1, keepdim=True))[:, None] - codes.double()).square().sum(-1)
        best, found = distances.min(1), quantiser(x)[:, book]
        assert torch.allclose(distances[torch.arange(len(x)), found], best.values, atol=1e-6)  # ties may be either
        assert (found == best.indices).float().mean() > 0.999
    assert not list(quantiser.parameters())


def test_stacks_are_of_mean_0_and_variance_1_in_each_utterance():
    generator = torch.Generator().manual_seed(0)
    feats = torch.randn(2, 43, 80, generator=generator) * 3 + 5
    x = stacked(feats, torch.tensor([43, 26]))
    assert x.shape == (2, 10, 320)
    plain = feats[1, :24].reshape(6, 320)  # 26 frames are six stacks
    assert torch.allclose(x[1, :6], (plain - plain.mean(0)) / (plain.var(0, unbiased=False) + 1e-5).sqrt(), atol=1e-5)
    louder = stacked(feats + torch.linspace(0, 9, 80), torch.tensor([43, 26]))
    assert torch.allclose(x[0], louder[0], atol=1e-4)  # another channel changes no code


@pytest.mark.parametrize(("share", "span"), [(0.4, 10), (0.5, 10), (0.6, 4)])
def test_the_share_asked_for_is_hidden(share, span):
    rng = np.random.default_rng(0)
    hidden = frames = 0
    for count in rng.integers(20, 400, 300).tolist():
        mask = draw_mask(count, Masking(share, span, 0), rng)
        assert mask.sum() == round(share * count)
        turned = np.roll(mask, -int(np.flatnonzero(~mask)[0]))  # a stretch that goes on at the other end is one
        edges = np.flatnonzero(np.diff(np.concatenate([[0], turned.astype(int), [0]])))
        lengths = edges[1::2] - edges[::2]
        assert len(lengths) == max(2, round(mask.sum() / span))
        assert lengths.max() - lengths.min() <= 1
        hidden, frames = hidden + mask.sum(), frames + count
    assert abs(hidden / frames - share) < 0.01


@pytest.mark.parametrize(("count", "hidden"), [(0, 0), (1, 1), (2, 1), (3, 2), (5, 2)])
def test_what_is_hidden_of_the_shortest_utterances(count, hidden):
    for seed in range(20):
        assert draw_mask(count, Masking(0.5, 10, 0), np.random.default_rng(seed)).sum() == hidden


def test_every_place_is_hidden_as_often():
    rng = np.random.default_rng(0)
    often = np.mean([draw_mask(30, Masking(0.5, 5, 0), rng) for _ in range(4000)], 0)
    assert abs(often - 0.5).max() < 0.03  # four deviations
    assert len({draw_mask(30, Masking(0.5, 5, 0), rng).tobytes() for _ in range(100)}) > 90


def test_the_loss_comes_of_hidden_places_alone():
    own, given = objective(), batch(120, 75)
    seen = {}
    own.model.encoder.register_forward_hook(lambda *args: seen.update(encoded=args[2][0]) or args[2][0].retain_grad())
    own.train()
    loss, counts = own(given.tensors)
    loss.backward()
    touched = seen["encoded"].grad.abs().sum(-1) > 0
    masked = given.tensors["masked"]
    assert torch.equal(touched[:, : masked.shape[1]], masked)
    assert not touched[:, masked.shape[1] :].any()
    assert given.weight == int(masked.sum()) == int(counts["masked"])
    assert abs(float(loss.detach()) / given.weight - math.log(SMALL.codes)) < 1.0


def test_the_encoder_hears_noise_in_the_hidden_places():
    own, given = objective(), batch(400, 301)
    feats, masked = given.tensors["feats"], given.tensors["masked"]
    own.train()
    heard = own.hidden(feats, masked)
    places = torch.nn.functional.pad(masked.repeat_interleave(4, 1), (0, feats.shape[1] - 4 * masked.shape[1]))
    assert torch.equal(heard[~places], feats[~places])
    assert abs(float(heard[places].std()) - 0.1) < 0.005
    assert abs(float(heard[places].mean())) < 0.005
    assert not torch.equal(heard, own.hidden(feats, masked))
    own.eval()
    assert torch.equal(own.hidden(feats, masked), own.hidden(feats, masked))
    before = own.model.codes(feats, given.tensors["lengths"], masked)
    assert before.shape == (int(masked.sum()), 2)


def test_figures_of_the_log_are_those_of_all_batches():
    own, sums, codes = objective().eval(), Sums(), []
    for given in (batch(120, 75), batch(99, seed=2)):
        loss, counts = own(given.tensors)
        sums.add(loss=loss.detach().double(), weight=given.weight, **counts)
        codes.append(own.model.codes(*(given.tensors[name] for name in ("feats", "lengths", "masked"))))
    found = sums.over_processes()
    again = Sums()
    again.add(**found)  # as a resumed training reads it
    again.add(**counts)
    assert again.over_processes()["masked"] == found["masked"] + int(counts["masked"])
    figures = own.report(found["loss"] / found["weight"], found)
    shares = [np.bincount(book) / len(book) for book in torch.cat(codes).t().numpy()]
    entropy = np.mean([-sum(share * math.log(share) for share in own if share) for own in shares])
    assert figures["code_entropy"] == pytest.approx(entropy)
    assert figures["codes_used"] == pytest.approx(np.mean([(own > 0).sum() for own in shares]) / SMALL.codes)
    assert figures["masked"] == pytest.approx(0.5, abs=0.02)
    assert 0 <= figures["accuracy"] < 0.2
