"""The encoder on a processor: utterances packed without padding, in groups, attention in blocks."""

import pytest
import torch
from torch import Tensor

from firered.models import conformer, frame_encoder
from firered.models.aed import Aed, AedConfig
from firered.models.dtype import cast
from firered.models.few_queries import attend
from firered.models.frames import packed_groups

SMALL = AedConfig(odim=23, d_model=32, n_head=4, n_layers_enc=2, n_layers_dec=2, kernel_size=7)
CPU = torch.device("cpu")


def small(dtype: str = "float32") -> Aed:
    torch.manual_seed(0)
    return cast(Aed(SMALL).prepare(), dtype, CPU)


def batch(*lengths: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    feats = [torch.randn(length, 80, generator=generator) for length in lengths]
    return torch.nn.utils.rnn.pad_sequence(feats, batch_first=True, padding_value=7.0), torch.tensor(lengths)


@pytest.mark.parametrize("layers", [None, 0, 1])
@torch.inference_mode()
def test_packed_equals_padded(monkeypatch, layers):
    """Lengths of several groups and blocks of queries, of one frame and of none; blocks of rows in each group."""
    model, (feats, lengths) = small(), batch(57, 0, 1200, 1, 611, 3, 1033)
    monkeypatch.setattr(conformer, "_ROWS", 50)
    packed, own = model.encoder(feats, lengths, layers)
    for module in (conformer, frame_encoder):
        monkeypatch.setattr(module, "computes_packed", lambda _x: False)
    padded, frames = model.encoder(feats, lengths, layers)
    assert own.tolist() == frames.tolist() == [15, 0, 300, 1, 153, 1, 259]
    assert packed.shape == padded.shape
    for n, count in enumerate(own.tolist()):
        assert torch.allclose(packed[n, :count], padded[n, :count], atol=1e-5)


@torch.inference_mode()
def test_in_int8_an_utterance_is_the_same_to_the_bit_in_any_batch():
    model, (feats, lengths) = small("int8"), batch(800, 57, 1200, 3)
    together, frames = model.encoder(feats, lengths)
    for n, length in enumerate(lengths.tolist()):
        alone, _ = model.encoder(feats[n : n + 1, :length], lengths[n : n + 1])
        assert torch.equal(together[n, : int(frames[n])], alone[0, : int(frames[n])])


@torch.inference_mode()
def test_in_bfloat16_what_fills_the_grid_does_not_count(monkeypatch):
    model, (feats, lengths) = small("bfloat16"), batch(57, 1200, 128, 611)
    packed, frames = model.encoder(feats.bfloat16(), lengths)
    for module in (conformer, frame_encoder):
        monkeypatch.setattr(module, "computes_packed", lambda _x: False)
    padded, _ = model.encoder(feats.bfloat16(), lengths)
    exact, _ = small().encoder(feats, lengths)
    for n, count in enumerate(frames.tolist()):
        off = float((packed[n, :count] - exact[n, :count]).norm() / (padded[n, :count] - exact[n, :count]).norm())
        assert 0.7 < off < 1.4  # as near to float32


@torch.inference_mode()
def test_what_a_batch_is_padded_with_does_not_count():
    model, (feats, lengths) = small(), batch(57, 300)
    other = feats.clone()
    other[0, 57:] = torch.nan
    for n, (a, b) in enumerate(zip(model.encoder(feats, lengths)[0], model.encoder(other, lengths)[0], strict=True)):
        count = -(-int(lengths[n]) // 4)
        assert torch.equal(a[:count], b[:count])


def test_groups_have_few_frames_more_than_enough():
    lengths = [4, 0, 4000, 100, 1000, 24, 900, 900]
    groups = packed_groups(lengths, 4)
    assert [group.sizes for group in groups] == [[1, 1], [1000], [25, 250], [6, 225, 225]]
    assert [group.first for group in groups] == [0, 2, 3, 5]


@pytest.mark.parametrize("padded", [False, True])
@torch.inference_mode()
def test_attention_of_few_queries_is_attention(monkeypatch, padded):
    monkeypatch.setattr("firered.models.few_queries._has_bfloat16", lambda: True)  # others emulate it
    torch.manual_seed(2)
    q, k, v = torch.randn(2, 4, 3, 8), torch.randn(2, 4, 50, 8), torch.randn(2, 4, 50, 8)
    bias = None
    if padded:
        bias = torch.zeros(2, 1, 1, 50)
        bias[1, ..., 20:] = -torch.inf
        k[1, :, 20:] = 1e4
    exact = torch.nn.functional.scaled_dot_product_attention(q, k, v, bias)
    assert torch.equal(attend(q, k, v, bias), exact)
    reduced = attend(q, k.bfloat16(), v.bfloat16(), bias)
    assert reduced.dtype == q.dtype
    assert float((reduced - exact).norm() / exact.norm()) < 0.02


@pytest.mark.parametrize("native", [False, True])
@torch.inference_mode()
def test_int8_keeps_keys_in_bfloat16_where_the_processor_multiplies_in_it(monkeypatch, native):
    monkeypatch.setattr("firered.models.few_queries._has_bfloat16", lambda: native)
    model = small("int8")
    encoded, frames = model.encoder(*batch(300, 57))
    cache = model.start(encoded, frames, 3, 10)
    assert {k.dtype for k in cache.encoder(0)} == {torch.bfloat16 if native else torch.float32}
    exact = model.decoder(torch.full((2, 1), 3), encoded, frames)[:, 0].repeat_interleave(3, 0)
    step = cache.step(torch.full((6,), 3))
    assert step.dtype == torch.float32
    assert float((step - exact).norm() / exact.norm()) < 0.03
