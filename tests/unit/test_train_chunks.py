"""What trainings of models that stream draw: chunks (U2++), and the ends that are cut off (TrimTail)."""

from collections import Counter
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from firered.errors import OptionError
from firered.models.aed import Aed, AedConfig
from firered.models.chunks import Chunk, ChunkPlan
from firered.train.data.config import SpecAugmentConfig
from firered.train.data.text import teacher_forcing
from firered.train.objectives.trim_tail import needed_frames, trimmed
from firered.train.tasks.aed import AedTaskConfig, initial_model, objective_of

SMALL = AedConfig(
    odim=11, d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1, kernel_size=3, causal=True, chunk_sizes="dynamic"
)


def batch(lengths, ids):
    frames = torch.tensor([-(-length // 4) for length in lengths])
    return teacher_forcing(ids) | {
        "feats": torch.randn(len(lengths), max(lengths), 80),
        "lengths": torch.tensor(lengths),
        "token_lengths": torch.tensor([len(own) for own in ids]),
        "labelled": torch.stack([torch.zeros_like(frames), frames], 1),
    }


def test_dynamic_chunks_are_half_of_them_everything_and_else_of_1_to_25_frames():
    torch.manual_seed(0)
    drawn = Counter(ChunkPlan("dynamic").draw(100) for _ in range(20000))
    assert drawn.pop(None) == pytest.approx(10000, abs=300)
    assert sorted(chunk.size for chunk in drawn) == list(range(1, 26))
    assert {chunk.left for chunk in drawn} == {None}
    assert min(drawn.values()) > 300  # 400 each


def test_chunks_of_given_sizes_have_equal_chances():
    torch.manual_seed(0)
    drawn = Counter(ChunkPlan("8 16 full").draw(100) for _ in range(3000))
    assert drawn.keys() == {Chunk(8), Chunk(16), None}
    assert min(drawn.values()) > 900


def test_dynamic_left_chunks_are_any_number_that_there_is():
    torch.manual_seed(0)
    drawn = Counter(ChunkPlan("8", "dynamic").draw(33).left for _ in range(1000))
    assert sorted(drawn) == [0, 1, 2, 3, 4]


def test_the_seed_of_a_batch_decides_what_is_drawn_and_a_model_without_chunks_draws_nothing():
    def drawn(chunk_sizes):
        model = Aed(AedConfig(**{**vars(SMALL), "chunk_sizes": chunk_sizes}))
        objective = objective_of(AedTaskConfig(), model, SpecAugmentConfig()).train()
        tensors = batch([400], [[5]])
        torch.manual_seed(5)
        found = [objective.chunk(tensors) for _ in range(20)]
        return found, float(torch.rand(()))

    assert drawn("dynamic") == drawn("dynamic")
    torch.manual_seed(5)
    untouched = float(torch.rand(()))
    assert drawn(None) == ([None] * 20, untouched)


def test_evaluation_sees_everything_and_if_asked_chunks_too():
    torch.manual_seed(0)
    model, tensors = Aed(SMALL, ctc=True), batch([300, 120], [[5, 6, 7], [8]])

    def result(**options):
        objective = objective_of(AedTaskConfig(ctc_weight=0.3, **options), model, SpecAugmentConfig()).eval()
        with torch.no_grad():
            found = objective(tensors)
        counts = {name: float(value) for name, value in found.counts.items()}
        return float(found.loss), objective.report(float(found.loss) / 6, counts)

    loss, figures = result()
    with_chunk, more = result(dev_chunk=2)
    assert with_chunk == loss
    assert more.keys() - figures.keys() == {"chunk_loss"}
    model.encoder.forward = lambda feats, lengths, chunk, whole=model.encoder.forward: whole(
        feats, lengths, chunk=Chunk(2)
    )
    assert more["chunk_loss"] == pytest.approx(result()[0] / 6)
    assert more["chunk_loss"] != pytest.approx(loss / 6, rel=1e-5)


@given(
    st.lists(st.tuples(st.integers(1, 300), st.lists(st.integers(5, 7), max_size=6)), min_size=1, max_size=5),
    st.integers(0, 80),
    st.integers(0, 1000),
)
def test_trimmed_utterances_keep_half_and_what_ctc_needs(utterances, most, seed):
    kept = [
        (length, ids)
        for length, ids in utterances
        if -(-length // 4) >= len(ids) + sum(one == other for one, other in pairwise(ids))
    ]
    if not kept:
        return
    before = batch([length for length, _ in kept], [ids for _, ids in kept])
    torch.manual_seed(seed)
    after = trimmed(before, most)
    lengths, cut = after["lengths"], before["lengths"] - after["lengths"]
    assert bool(((cut >= 0) & (cut <= most)).all())
    assert bool((lengths >= before["lengths"] / 2).all())
    first, end = after["labelled"].T
    needed = needed_frames(before)
    assert bool((end - first >= needed).all())
    assert bool((end <= -(-lengths // 4)).all())
    assert after["tokens"] is before["tokens"]


def test_trimming_draws_the_whole_range_and_labels_end_with_it():
    torch.manual_seed(0)
    before = batch([200], [[5, 5, 6]])
    before["labelled"] = torch.tensor([[10, 45]])
    drawn = Counter()
    for _ in range(3000):
        after = trimmed(before, 30)
        length = int(after["lengths"])
        drawn[length] += 1
        assert after["labelled"].tolist() == [[10, min(45, -(-length // 4))]]
    assert sorted(drawn) == list(range(170, 201))
    assert min(drawn.values()) > 50


def test_labels_may_be_anywhere_where_the_rest_of_the_speech_is_too_short():
    torch.manual_seed(0)
    before = batch([80], [[5, 6, 7, 8]])
    before["labelled"] = torch.tensor([[15, 19]])
    ends = {tuple(trimmed(before, 40)["labelled"][0].tolist()) for _ in range(300)}
    assert (15, 19) in ends
    assert (0, 12) in ends
    assert all(first == 0 or end - first >= 4 for first, end in ends)


def test_frames_that_ctc_needs_of_a_batch():
    assert needed_frames(batch([90] * 4, [[5, 5, 5, 6], [], [7], [2, 2]])).tolist() == [6, 0, 1, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chunk_sizes": "8 16"}, "needs causal convolutions"),
        ({"chunk_sizes": "8 -1", "causal": True}, "chunk_sizes: '8 -1' is neither dynamic nor numbers of frames"),
        ({"chunk_sizes": " ", "causal": True}, "neither dynamic"),
        ({"left_chunks": "3"}, "left_chunks: '3' is not one of"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(OptionError, match=message):
        AedTaskConfig(**options)


def write(folder, **changes):
    folder.mkdir()
    torch.manual_seed(0)
    torch.save(Aed(AedConfig(**{**vars(SMALL), **changes})).checkpoint(), folder / "model.pth.tar")
    return str(folder)


def test_a_streaming_model_that_is_trained_on_keeps_its_chunks_unless_others_are_given(tmp_path):
    init = write(tmp_path / "streams", left_chunks="dynamic")
    for options, expected in [
        ({}, ("dynamic", "dynamic")),
        ({"chunk_sizes": "8 16 full"}, ("8 16 full", "dynamic")),
        ({"left_chunks": "all"}, ("dynamic", None)),
    ]:
        config = initial_model(AedTaskConfig(init=init, **options), 11).config
        assert (config.causal, config.chunk_sizes, config.left_chunks) == (True, *expected)


def test_a_model_can_become_causal_if_its_encoder_is_trained(tmp_path):
    init = write(tmp_path / "plain", causal=False, chunk_sizes=None)
    with pytest.raises(OptionError, match="are not causal"):
        initial_model(AedTaskConfig(init=init, chunk_sizes="dynamic"), 11)
    with pytest.raises(OptionError, match="has to be trained"):
        initial_model(AedTaskConfig(init=init, chunk_sizes="dynamic", causal=True, finetune="lora"), 11)
    before = Aed.load(tmp_path / "plain/model.pth.tar").state_dict()
    model = initial_model(AedTaskConfig(init=init, chunk_sizes="dynamic", causal=True), 11)
    assert model.encoder.causal
    assert model.config.streams
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"encoder.layer_stack.0.conv.depthwise_conv.weight"}
    new, old = model.state_dict()[changed.copy().pop()], before[changed.pop()]
    # the taps of the frame before and of the frame itself; nothing is seen of the frame after
    assert torch.equal(new, torch.cat([torch.zeros_like(old[..., :1]), old[..., :2]], 2))
