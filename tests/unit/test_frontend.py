"""Front ends other than the published one: the Hamming window, low frame rate, and their sizes."""

import numpy as np
import pytest
import soundfile
import torch
from support.paths import GOLDENS

from firered.audio.framing import num_frames
from firered.audio.frontend import PUBLISHED, Fbank, FrontEnd, fbank, fbank_blocks
from firered.errors import ModelError

LOW_FRAME_RATE = FrontEnd(window="hamming", stack=7, skip=6, cmvn=False)


@pytest.mark.parametrize("name", ["utt00", "utt04"])
def test_goldens_of_a_hamming_window_at_a_low_frame_rate(name):
    """Reference features of a model with FunASR's WavFrontend; they transform in float32."""
    expected = np.load(GOLDENS / "low_frame_rate.npz")[name]
    samples, _ = soundfile.read(GOLDENS / f"tiny/wav/{name}.wav", dtype="float32")
    rows = LOW_FRAME_RATE.stacked(fbank(samples * 32768, LOW_FRAME_RATE))
    np.testing.assert_allclose(rows.numpy(), expected, atol=2e-3)


def test_stacked_rows_by_hand():
    frames = torch.arange(8.0)[:, None]
    rows = FrontEnd(bins=1, stack=7, skip=6).stacked(frames)
    assert rows.tolist() == [[0, 0, 0, 0, 1, 2, 3], [3, 4, 5, 6, 7, 7, 7]]
    assert FrontEnd(bins=1, stack=3, skip=2).stacked(frames)[-1].tolist() == [5, 6, 7]
    assert PUBLISHED.stacked(frames) is frames


@pytest.mark.parametrize("frames", range(1, 20))
def test_rows_are_counted_as_they_are_made(frames):
    assert len(LOW_FRAME_RATE.stacked(torch.zeros(frames, 80))) == LOW_FRAME_RATE.rows(frames)


def test_sizes_of_the_published_front_end():
    assert (PUBLISHED.frame_length, PUBLISHED.frame_shift, PUBLISHED.bins) == (400, 160, 80)
    assert PUBLISHED.duration_s(5) == pytest.approx(0.065)
    for samples in (0, 399, 400, 559, 560, 16000):
        assert PUBLISHED.num_frames(samples) == num_frames(samples)
    for frames in (1, 2, 98):
        assert PUBLISHED.num_frames(round(16000 * PUBLISHED.duration_s(frames))) == frames


def test_any_pieces_give_the_whole_of_another_front_end_too():
    front_end = FrontEnd(window="hamming", bins=40, frame_length_ms=20.0, frame_shift_ms=5.0)
    samples = np.random.default_rng(0).normal(0, 1000, 9000).astype(np.float32)
    whole = fbank(samples, front_end)
    assert whole.shape == (front_end.num_frames(9000), 40)
    pieces = torch.cat(list(fbank_blocks(np.split(samples, [1, 100, 4000]), front_end)))
    torch.testing.assert_close(pieces, whole)


def test_an_unknown_window_is_refused():
    with pytest.raises(ModelError, match="'hann' is not povey or hamming"):
        Fbank(FrontEnd(window="hann"))
