"""What rooms, lines and codecs do to signals: never their length, nor their place in time."""

import numpy as np
import pytest
from support.signals import noise, sine

from firered.audio.effects import can_code, coded, looped, reverberated
from firered.audio.framing import SAMPLE_RATE
from firered.train.data.config import CODECS

SPEECH = (noise(24000, amplitude=0.2, seed=1) * 32768).astype(np.float32)


def delay(before, after):
    """Samples that one signal is later than the other, by their correlation."""
    size = 1 << (2 * len(before)).bit_length()
    product = np.fft.irfft(np.fft.rfft(after, size) * np.conj(np.fft.rfft(before, size)), size)
    place = int(np.abs(product).argmax())
    return place if place < size // 2 else place - size


@pytest.mark.parametrize("size", [1, 999, 12000, 24000, 24001, 60000, 131072])
def test_a_repeated_noise_has_the_length_that_is_wanted(size):
    assert len(looped(SPEECH, size)) == size
    assert (looped(SPEECH, size)[:20000] == SPEECH[:size][:20000]).all()


@pytest.mark.parametrize("length", [1, 2, 3, 500])
def test_even_the_shortest_noise_can_be_repeated(length):
    assert np.isfinite(looped(SPEECH[:length], 5000)).all()


def test_a_repeated_noise_has_no_seam():
    """A tone that breaks off at its highest point: repeated as it is, it clicks; levels stay what they are."""
    tone = (10000 * np.cos(2 * np.pi * 110 * np.arange(16000 + 73) / SAMPLE_RATE)).astype(np.float32)
    plain, smooth = np.resize(tone, 60000), looped(tone, 60000)
    step = np.abs(np.diff(tone)).max()
    assert np.abs(np.diff(plain)).max() > 5 * step
    assert np.abs(np.diff(smooth)).max() < 1.6 * step
    loud = looped(SPEECH, 96000)
    levels = np.sqrt(np.mean(loud[: len(loud) // 800 * 800].reshape(-1, 800) ** 2, axis=1))  # of 50 ms
    assert levels.min() > 0.85 * np.sqrt(np.mean(SPEECH**2))
    assert levels.max() < 1.15 * np.sqrt(np.mean(SPEECH**2))


def response(direct=800, seconds=0.4):
    """A room whose direct sound comes after 50 ms."""
    rng = np.random.default_rng(5)
    tail = rng.normal(0, 0.1, int(seconds * SAMPLE_RATE)) * np.exp(-np.arange(int(seconds * SAMPLE_RATE)) / 1600)
    return np.concatenate([np.zeros(direct), [1.0], tail]).astype(np.float32)


def test_reverberation_keeps_length_time_and_power():
    wet = reverberated(SPEECH, response())
    assert wet.shape == SPEECH.shape
    assert wet.dtype == np.float32
    assert delay(SPEECH, wet) == 0
    assert np.mean(wet**2) == pytest.approx(np.mean(SPEECH**2), rel=1e-4)
    assert np.abs(wet - SPEECH).max() > 1000
    impulse = np.zeros(4000, np.float32)
    impulse[1000] = 1000
    scaled = reverberated(impulse, response())
    assert scaled[1001:].any()
    assert np.abs(scaled[:1000]).max() < 1e-3  # nothing before the direct sound
    assert (reverberated(np.zeros(800, np.float32), response()) == 0).all()


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [400, 1601, 24000])
def test_codecs_keep_length_and_time(codec, size):
    assert can_code(codec)
    for level in (0.0, 0.5, 1.0):
        after = coded(SPEECH[:size], codec, level)
        assert after.shape == (size,)
        assert after.dtype == np.float32
        assert np.isfinite(after).all()
        if size == 24000:
            assert delay(SPEECH, after) == 0
            assert np.corrcoef(SPEECH, after)[0, 1] > 0.3
            assert (after != SPEECH).any()
    assert not coded(np.zeros(size, np.float32), "mulaw").any()
    assert np.isfinite(coded(np.zeros(size, np.float32), codec)).all()


def test_mu_law_is_that_of_the_standard():
    """8 bits: about 38 dB for speech that is loud enough, and the sign of every sample stays."""
    tone = sine(1.0, hertz=440.0) * 20000
    error = coded(tone.astype(np.float32), "mulaw") - tone
    assert 34 < 10 * np.log10(np.mean(tone**2) / np.mean(error**2)) < 42
    full = coded(np.array([-32768, 32768, 40000], np.float32), "mulaw")
    assert full == pytest.approx([-32768, 32768, 32768], rel=1e-3)


def test_a_telephone_has_nothing_above_its_band():
    spectrum = np.abs(np.fft.rfft(coded(SPEECH, "8k"))) ** 2
    above = spectrum[len(spectrum) * 9 // 16 :].sum() / spectrum.sum()
    assert above < 1e-4
    assert spectrum[: len(spectrum) * 7 // 16].sum() / spectrum.sum() > 0.9


def test_loud_signals_are_not_clipped_by_a_codec():
    assert np.abs(coded(SPEECH * 8, "opus")).max() > 40000
