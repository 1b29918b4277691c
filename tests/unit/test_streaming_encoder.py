"""The encoder chunk by chunk: with its caches it gives what one masked pass over the whole utterance gives."""

from argparse import Namespace
from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor

from firered.errors import ModelError
from firered.models import conformer, frame_encoder, relative_attention, streaming
from firered.models.aed import Aed, AedConfig
from firered.models.chunks import Chunk
from firered.models.dtype import cast
from firered.models.streaming import PositionKeys, StreamingEncoder

SMALL = AedConfig(
    odim=23, d_model=32, n_head=4, n_layers_enc=3, n_layers_dec=1, kernel_size=7, causal=True, chunk_sizes="dynamic"
)
CPU = torch.device("cpu")


def small(dtype: str = "float32", config: AedConfig = SMALL) -> Aed:
    torch.manual_seed(0)
    return cast(Aed(config).prepare(), dtype, CPU)


def features(length: int) -> Tensor:
    return torch.randn(length, 80, generator=torch.Generator().manual_seed(length))


def streamed(model: Aed, feats: Tensor, chunk: Chunk, *pieces: int) -> Tensor:
    """The encoder's frames of features that come in pieces of these sizes, over and over."""
    stream, out, start, turn = StreamingEncoder(model.encoder, chunk), [], 0, 0
    while start < len(feats):
        size = pieces[turn % len(pieces)]
        out.append(stream.accept(feats[start : start + size].to(model.dtype)))
        start, turn = start + size, turn + 1
    return torch.cat([*out, stream.finish()])


@torch.inference_mode()
def masked(model: Aed, feats: Tensor, chunk: Chunk | None) -> Tensor:
    out, frames = model.encoder(feats[None].to(model.dtype), torch.tensor([len(feats)]), chunk=chunk)
    return out[0, : int(frames)]


@pytest.mark.parametrize("left", [None, 0, 1, 3])
@pytest.mark.parametrize("size", [1, 3, 8, 16, 1000])
@pytest.mark.parametrize("length", [1, 6, 7, 61, 64, 67, 300])
def test_chunks_with_caches_equal_the_masked_pass(size, left, length):
    model, feats, chunk = small(), features(length), Chunk(size, left)
    whole = masked(model, feats, chunk)
    assert len(whole) == -(-length // 4)
    for pieces in ((length,), (1,), (5, 0, 17, 2)):
        got = streamed(model, feats, chunk, *pieces)
        assert got.shape == whole.shape
        assert float((got - whole).abs().max()) < 1e-4


def test_without_fused_weights(monkeypatch):
    """And with blocks of queries, of which a long chunk has several."""
    monkeypatch.setattr(relative_attention, "_QUERIES", 5)
    torch.manual_seed(0)
    model, feats = Aed(SMALL).eval(), features(301)
    for chunk in (Chunk(4, 2), Chunk(13)):
        assert float((streamed(model, feats, chunk, 9) - masked(model, feats, chunk)).abs().max()) < 1e-4


def test_positions_grow_with_the_stream(monkeypatch):
    monkeypatch.setattr(streaming, "_STEP", 8)
    model, feats = small(), features(400)
    assert float((streamed(model, feats, Chunk(5), 50) - masked(model, feats, Chunk(5))).abs().max()) < 1e-4


@pytest.mark.parametrize(("dtype", "most"), [("bfloat16", 1.5), ("int8", 1.2)])
def test_reduced_numbers_are_as_near_to_float32_as_the_masked_pass(dtype, most):
    feats = features(500)
    for chunk in (Chunk(8), Chunk(16, 2)):
        exact = masked(small(), feats, chunk)
        off = float((masked(small(dtype), feats, chunk) - exact).norm())
        assert float((streamed(small(dtype), feats, chunk, 40) - exact).norm()) < most * off
        assert off < 0.1 * float(exact.norm())


@pytest.mark.parametrize("packs", [True, False])
@torch.inference_mode()
def test_the_masked_pass_is_the_same_in_any_batch(monkeypatch, packs):
    if not packs:
        for module in (conformer, frame_encoder):
            monkeypatch.setattr(module, "computes_packed", lambda _x: False)
    model, lengths = small(), torch.tensor([57, 0, 611, 1, 1033])
    feats = torch.nn.utils.rnn.pad_sequence(
        [features(length) for length in lengths.tolist()], batch_first=True, padding_value=torch.nan
    )
    for chunk in (Chunk(3), Chunk(8, 0), Chunk(16, 2)):
        together, frames = model.encoder(feats, lengths, chunk=chunk)
        for n, count in enumerate(frames.tolist()):
            alone = masked(model, features(int(lengths[n])), chunk)
            assert torch.allclose(together[n, :count], alone[:count], atol=1e-5)


@torch.inference_mode()
def test_a_frame_sees_its_chunk_and_those_before():
    """Other features after a chunk and its 30 ms change nothing in it; before it, only as far as it sees."""
    model, feats = small(), features(400)
    whole, other = masked(model, feats, Chunk(8)), feats.clone()
    other[4 * 40 + 3 :] = 9.0
    changed = masked(model, other, Chunk(8))
    assert torch.allclose(changed[:40], whole[:40], atol=1e-5)
    assert not torch.allclose(changed[40:48], whole[40:48], atol=1e-2)
    # of 3 layers, each sees a chunk back, and its convolution 6 frames
    whole, other = masked(model, feats, Chunk(8, 1)), feats.clone()
    other[: 4 * 8] = 9.0
    changed = masked(model, other, Chunk(8, 1))
    assert torch.allclose(changed[64:], whole[64:], atol=1e-5)
    assert not torch.allclose(changed[8:16], whole[8:16], atol=1e-2)


def test_a_chunk_as_long_as_the_utterance_is_full_context():
    model, feats = small(), features(200)
    assert torch.allclose(masked(model, feats, Chunk(50)), masked(model, feats, None), atol=1e-5)


def test_gradients_of_a_padded_batch_are_numbers():
    """Rows of padding, whose keys are all padding, must not be attention over nothing."""
    torch.manual_seed(0)
    model = Aed(SMALL).train()
    feats, lengths = torch.randn(2, 300, 80), torch.tensor([300, 9])
    out, frames = model.encoder(feats, lengths, chunk=Chunk(4, 0))
    sum(out[n, :count].sum() for n, count in enumerate(frames.tolist())).backward()
    for parameter in model.encoder.parameters():
        assert parameter.grad is None or bool(parameter.grad.isfinite().all())


def test_caches_hold_what_is_seen_and_no_more():
    stream = StreamingEncoder(small().encoder, Chunk(4, 2))
    for _ in range(50):
        stream.accept(features(16))
    assert {past._keys.shape[1] for past in stream._past} == {8}
    assert {past._frames.shape[1] for past in stream._past} == {6}
    assert len(stream._feats) < 4 * 4 + 3


def test_streams_share_the_keys_of_positions():
    model, feats = small(), features(120)
    shared = PositionKeys(model.encoder)
    first, second = (StreamingEncoder(model.encoder, Chunk(size), shared) for size in (3, 8))
    for start in range(0, 120, 30):
        first.accept(feats[start : start + 30])
        second.accept(feats[start : start + 30])
    assert first.frames == 27
    assert second.frames == 24
    assert shared.of(30, feats) is shared.of(10, feats)


def test_an_encoder_that_is_not_causal_cannot_stream():
    with pytest.raises(ValueError, match="not causal"):
        StreamingEncoder(small(config=replace(SMALL, causal=False, chunk_sizes=None)).encoder, Chunk(8))


def test_a_stream_of_nothing_has_no_frames():
    assert StreamingEncoder(small().encoder, Chunk(8)).finish().shape == (0, 32)


def test_the_checkpoint_says_that_a_model_streams(tmp_path):
    torch.save(small().checkpoint(), tmp_path / "model.pth.tar")
    assert Aed.load(tmp_path / "model.pth.tar").config == SMALL
    plain = replace(SMALL, causal=False, chunk_sizes=None)
    assert (SMALL.streams, plain.streams) == (True, False)
    args = vars(Aed(plain).checkpoint()["args"])
    others = {"lid_odim", "causal", "chunk_sizes", "left_chunks", "encoder_type"}
    assert args.keys() == {name for name in asdict(plain) if not name.startswith("enc_")} - others


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"chunk_sizes": "8 nine"}, "the chunks of an AED: '8 nine' is neither dynamic nor numbers"),
        ({"left_chunks": "2"}, "left chunks '2' are neither all nor dynamic"),
        ({"causal": False}, "AED with chunks of dynamic frames whose convolutions are not causal"),
        ({"chunk_sizes": 8}, "the argument chunk_sizes of an AED is 8, not a value of type str"),
    ],
)
def test_chunks_that_cannot_be(args, message):
    with pytest.raises(ModelError, match=message):
        AedConfig.from_args(Namespace(**asdict(SMALL) | args))
