"""Encoder, decoder, CTC head and LM: the published tensors, and identities on a small random model."""

from argparse import Namespace
from dataclasses import asdict

import pytest
import torch

from firered.errors import ModelError
from firered.models.aed import SIZES, Aed, AedConfig, Lid
from firered.models.lstm_lm import LstmLm, LstmLmConfig
from firered.search.beam import BeamConfig, beam_search

SMALL = AedConfig(odim=23, d_model=32, n_head=4, n_layers_enc=2, n_layers_dec=2, kernel_size=7)
SOS, EOS, PAD = 3, 4, 2


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Aed(SMALL).eval()


@pytest.mark.parametrize("prepared", [False, True])
@torch.inference_mode()
def test_padded_equals_single(model, prepared):
    model = model.prepare() if prepared else model
    feats = [torch.randn(length, 80) for length in (57, 3, 120, 1)]
    lengths = torch.tensor([len(matrix) for matrix in feats])
    batch, frames = model.encoder(torch.nn.utils.rnn.pad_sequence(feats, batch_first=True, padding_value=7.0), lengths)
    for n, matrix in enumerate(feats):
        single, own = model.encoder(matrix[None], lengths[n : n + 1])
        assert int(own) == int(frames[n]) == -(-len(matrix) // 4)
        assert torch.allclose(batch[n, : int(own)], single[0, : int(own)], atol=1e-5)


@torch.inference_mode()
def test_fused_equals_unfused(model):
    torch.manual_seed(1)
    plain = Aed(SMALL).eval()
    fused = Aed(SMALL)
    fused.load_state_dict(plain.state_dict())
    fused.prepare()
    feats, lengths, tokens = torch.randn(2, 50, 80), torch.tensor([50, 31]), torch.randint(5, 23, (2, 6))
    for reference, other in zip(plain(feats, lengths, tokens), fused(feats, lengths, tokens), strict=True):
        assert torch.allclose(reference.float(), other.float(), atol=1e-5)
    assert fused.state_dict().keys() == plain.state_dict().keys()


@pytest.mark.parametrize("beams", [1, 3])
@torch.inference_mode()
def test_cached_steps_equal_the_full_prefix(model, beams):
    """Random re-ordering at every step, utterances leaving on the way."""
    generator = torch.Generator().manual_seed(5)
    encoded, frames = model.encoder(torch.randn(3, 60, 80), torch.tensor([60, 44, 21]))
    cache = model.start(encoded, frames, beams, 70)
    history = torch.full((3 * beams, 1), SOS)
    kept = [0, 1, 2]
    for step in range(70):
        rows = [n for n in kept for _ in range(beams)]
        logits = cache.step(history[:, -1])
        oracle = model.decoder(history, encoded[rows], frames[rows])[:, -1]
        assert torch.allclose(logits, oracle, atol=1e-4), step
        parents = torch.randint(0, beams, (len(kept), beams), generator=generator)
        index = (parents + torch.arange(len(kept))[:, None] * beams).flatten()
        cache.reorder(index)
        tokens = torch.randint(5, 23, (len(index), 1), generator=generator)
        history = torch.cat([history[index], tokens], 1)
        if step in (20, 40):
            places = [2, 1] if step == 20 else [0]
            cache.select(places)
            history = history.view(len(kept), beams, -1)[places].flatten(0, 1)
            kept = [kept[place] for place in places]


def test_positions_beyond_the_released_table(model):
    """The reference stops at 200 s; relative positions are computed to any length, and agree where a table exists."""
    with torch.inference_mode():
        encoded, frames = model.encoder(torch.randn(1, 24000, 80), torch.tensor([24000]))
    assert encoded.shape[1] == int(frames) == 6000
    assert torch.isfinite(encoded).all()


def test_trains_with_dropout(model):
    torch.manual_seed(0)
    train = Aed(SMALL).train()
    feats, lengths = torch.randn(2, 60, 80), torch.tensor([60, 40])
    tokens = torch.tensor([[SOS, 7, 8], [SOS, 9, PAD]])
    first, encoded, _ = train(feats, lengths, tokens)
    second, _, _ = train(feats, lengths, tokens)
    assert not torch.allclose(first, second)
    (first.sum() + train.ctc_log_probs(encoded).sum()).backward()
    assert [name for name, p in train.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()] == []


@torch.inference_mode()
def test_half_precision_runs(model):
    torch.manual_seed(0)
    half = Aed(SMALL).prepare().to(torch.bfloat16)
    feats, lengths = torch.randn(2, 60, 80), torch.tensor([60, 30])
    encoded, frames = half.encoder(feats.bfloat16(), lengths)
    exact, _ = Aed(SMALL).eval().encoder(feats, lengths)
    assert encoded.dtype == torch.bfloat16
    assert encoded.shape == exact.shape
    assert torch.isfinite(half.start(encoded, frames, 2, 3).step(torch.full((4,), SOS)).float()).all()


def test_lid_has_a_decoder_of_its_own_size():
    config = AedConfig(**{**vars(SMALL), "lid_odim": 9})
    names = Lid(config).state_dict()
    assert "lid_decoder.tgt_word_emb.weight" in names
    assert names["lid_decoder.tgt_word_emb.weight"].shape == (9, 32)
    with pytest.raises(ModelError, match="lid_odim"):
        Lid(SMALL)


def test_sizes_of_the_paper():
    """Parameters in millions, FireRedASR paper, table 1."""
    published = {"XS": 140, "S": 413, "M": 732, "L": 1100}
    for size, millions in published.items():
        with torch.device("meta"):
            count = sum(p.numel() for p in Aed(AedConfig.of_size(size, 7832), ctc=False).parameters())
        assert count / 1e6 == pytest.approx(millions, rel=0.05), size
    assert SIZES.keys() == published.keys()


def test_lstm_lm_steps_equal_the_whole():
    torch.manual_seed(0)
    lm = LstmLm(LstmLmConfig(idim=23, odim=23, embedding_dim=16, hidden_size=16, num_layers=2, dropout=0.0)).eval()
    tokens = torch.randint(0, 23, (2, 9))
    with torch.inference_mode():
        whole = lm(tokens)
        cache = lm.start(1)
        steps = torch.stack([cache.step(tokens[:, n]) for n in range(9)], 1)
    assert torch.allclose(whole, steps, atol=1e-5)


@torch.inference_mode()
def test_search_over_a_batch_is_the_search_alone(model):
    torch.manual_seed(3)
    feats = [torch.randn(length, 80) for length in (90, 20, 60, 33)]
    lengths = torch.tensor([len(matrix) for matrix in feats])
    config = BeamConfig(beam_size=3, nbest=3)
    encoded, frames = model.encoder(torch.nn.utils.rnn.pad_sequence(feats, batch_first=True), lengths)
    batched = beam_search(model.start(encoded, frames, 3, int(frames.max())), frames, config, sos=SOS, eos=EOS)
    for n, matrix in enumerate(feats):
        encoded, frames = model.encoder(matrix[None], lengths[n : n + 1])
        (single,) = beam_search(model.start(encoded, frames, 3, int(frames)), frames, config, sos=SOS, eos=EOS)
        assert [h.tokens for h in single] == [h.tokens for h in batched[n]]
        assert [h.score for h in single] == pytest.approx([h.score for h in batched[n]], abs=1e-4)


@pytest.mark.parametrize("lead", ["0.06", None, float("nan")])
def test_a_lead_that_is_no_number_is_refused(lead):
    with pytest.raises(ModelError, match="the argument ctc_lead_s of an AED is"):
        AedConfig.from_args(Namespace(**asdict(SMALL) | {"ctc_lead_s": lead}))


def test_a_checkpoint_without_a_lead_has_the_published_one():
    values = asdict(SMALL)
    del values["ctc_lead_s"]
    assert AedConfig.from_args(Namespace(**values)).ctc_lead_s == 0.06
