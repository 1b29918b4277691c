"""The network's identities: pieces == whole, padded == single, gaps separate, folded == as published."""

from argparse import Namespace

import pytest
import torch
from torch.nn import functional

from firered.errors import ModelError
from firered.models.dfsmn import Dfsmn, DfsmnCache, DfsmnConfig

SMALL = {"idim": 80, "R": 3, "M": 1, "H": 32, "P": 16, "N1": 20, "S1": 1, "S2": 1, "odim": 2, "dropout": 0.05}


@pytest.fixture(params=[20, 0], ids=["look-ahead", "causal"])
def model(request):
    torch.manual_seed(0)
    return Dfsmn(DfsmnConfig(**SMALL, N2=request.param)).eval()


@torch.inference_mode()
def published(model: Dfsmn, x: torch.Tensor) -> torch.Tensor:
    """The network written out as the spec has it, two filters a memory block."""

    def memory(fsmn, x):
        x = x.transpose(1, 2)
        y = x + functional.conv1d(functional.pad(x, (19, 0)), fsmn.lookback_filter.weight, groups=x.shape[1])
        if fsmn.lookahead:
            ahead = functional.pad(x, (0, 20))[..., 1:]
            y = y + functional.conv1d(ahead, fsmn.lookahead_filter.weight, groups=x.shape[1])
        return y.transpose(1, 2)

    body = model.dfsmn
    x = memory(body.fsmn1, body.fc2(body.fc1(x)))
    for block in body.fsmns:
        x = memory(block.fsmn, block.fc2(block.fc1(x))) + x
    return model.out(body.dnns(x))


@torch.inference_mode()
def test_folded_filters_equal_the_published_arithmetic(model):
    x = torch.randn(2, 150, 80)
    assert torch.allclose(model(x), published(model, x), atol=1e-5)


@pytest.mark.parametrize("sizes", [[1] * 90, [7, 0, 30, 1, 52], [89, 1], [19, 20, 21, 30]])
@torch.inference_mode()
def test_pieces_join_to_the_whole(model, sizes):
    x = torch.randn(1, 90, 80)
    cache, parts = DfsmnCache(), []
    for number, piece in enumerate(x.split(sizes, 1)):
        parts.append(model(piece, cache=cache, last=number == len(sizes) - 1))
    assert torch.allclose(torch.cat(parts, 1), model(x), atol=1e-5)


@torch.inference_mode()
def test_output_runs_behind_by_the_look_ahead(model):
    cache = DfsmnCache()
    assert model(torch.randn(1, 100, 80), cache=cache, last=False).shape[1] == 100 - model.config.delay


@torch.inference_mode()
def test_padded_batch_equals_single(model):
    long, short = torch.randn(1, 120, 80), torch.randn(1, 47, 80)
    padding = torch.randn(1, 73, 80)  # whatever lies there must not matter
    mask = torch.ones(2, 120, 1)
    mask[1, 47:] = 0
    both = model(torch.cat([long, torch.cat([short, padding], 1)]), mask)
    assert torch.allclose(both[:1], model(long), atol=1e-5)
    assert torch.allclose(both[1:, :47], model(short), atol=1e-5)


@torch.inference_mode()
def test_a_masked_gap_separates_recordings(model):
    a, b = torch.randn(1, 33, 80), torch.randn(1, 58, 80)
    gap = model.config.gap
    mask = torch.cat([torch.ones(1, 33, 1), torch.zeros(1, gap, 1), torch.ones(1, 58, 1)], 1)
    tape = model(torch.cat([a, torch.randn(1, gap, 80), b], 1), mask)
    assert torch.allclose(tape[:, :33], model(a), atol=1e-5)
    assert torch.allclose(tape[:, 33 + gap :], model(b), atol=1e-5)


def test_trains(model):
    model.train()
    model(torch.randn(2, 60, 80)).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_sizes_of_the_released_models():
    count = {
        "vad": sum(p.numel() for p in Dfsmn(DfsmnConfig()).parameters()),
        "stream": sum(p.numel() for p in Dfsmn(DfsmnConfig(N2=0)).parameters()),
        "mvad": sum(p.numel() for p in Dfsmn(DfsmnConfig(odim=3)).parameters()),
    }
    assert count == {"vad": 588417, "stream": 567937, "mvad": 588931}


def test_config_of_a_checkpoint():
    assert DfsmnConfig.from_args(Namespace(**SMALL, N2=0, unheard_of=1)) == DfsmnConfig(**SMALL, N2=0)
    with pytest.raises(ModelError, match="N2, R not given"):
        DfsmnConfig.from_args(Namespace(**{k: v for k, v in SMALL.items() if k != "R"}))
    with pytest.raises(ModelError, match="S1=2"):
        DfsmnConfig.from_args(Namespace(**{**SMALL, "S1": 2}, N2=0))
