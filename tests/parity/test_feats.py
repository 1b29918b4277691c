"""Features of real recordings."""

import kaldi_native_fbank
import numpy as np
import pytest

from firered.audio.frontend import NUM_BINS, fbank
from firered.audio.load import read

# The oracles transform in float32: a bin is right to some 1e-7 of the strongest one of its frame. In nats below that
# peak, half of float32's 2 ** -24 is reached at about 16; a bin 20 and more below (87 dB; tones have such bins, voice
# hardly) is their own rounding error, and comparing with it says little.
CLEAR_NATS = 20.0
CLEAR, ANYWHERE = 2e-3, 1e-2


def knf(samples):
    """(T, 80) of kaldi-native-fbank: Kaldi's compute-fbank-feats in a library, with 80 bins and without dither."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.samp_freq = 16000
    options.mel_opts.num_bins = NUM_BINS
    front_end = kaldi_native_fbank.OnlineFbank(options)
    front_end.accept_waveform(16000, samples.tolist())
    front_end.input_finished()
    frames = [front_end.get_frame(i) for i in range(front_end.num_frames_ready)]
    return np.stack(frames) if frames else np.zeros((0, NUM_BINS), np.float32)


def assert_close_to_oracle(got, expected):
    assert got.shape == expected.shape
    difference = np.abs(got - expected)
    assert difference.max() < ANYWHERE
    clear = expected > expected.max(1, keepdims=True) - CLEAR_NATS
    assert clear.mean() > 0.5
    assert difference[clear].max() < CLEAR


@pytest.mark.parametrize("name", ["hello_zh", "hello_en", "BAC009S0764W0121", "event"])
def test_real_recordings_against_kaldi_native_fbank(shared, name):
    samples = read(shared(f"audio/firered/{name}.wav"))[: 16000 * 10]
    assert_close_to_oracle(fbank(samples).numpy(), knf(samples))
