from itertools import pairwise

import kaldi_native_fbank
import kaldiio
import numpy as np
import pytest
import torch
from support.paths import TESTS
from support.signals import noise, sine

from firered.audio.framing import num_frames
from firered.audio.frontend import NUM_BINS, Cmvn, CmvnStats, Fbank, fbank, fbank_blocks
from firered.audio.load import read
from firered.data.archives import write_matrix
from firered.errors import ModelError

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


@pytest.mark.parametrize("name", ["utt00", "utt02", "utt04", "utt05", "utt07"])
def test_goldens(name):
    with np.load(TESTS / "data/fbank.npz") as goldens:
        expected = goldens[name]
    assert_close_to_oracle(fbank(read(TESTS / f"data/wav/{name}.wav")).numpy(), expected)


@pytest.mark.parametrize(
    "samples",
    [
        noise(16000, 10000.0),
        noise(16000, 1.0),
        noise(16000, 1e-3),
        np.clip(noise(16000, 200000.0), -32768, 32767),
        np.round(noise(16000, 3.0)),
        noise(16000, 1000.0) + np.float32(2000.0),
    ],
    ids=["noise", "one step", "below a step", "clipping", "a few steps", "offset"],
)
def test_noise_against_kaldi_native_fbank(samples):
    np.testing.assert_allclose(fbank(samples).numpy(), knf(samples), rtol=0, atol=CLEAR)


def test_digital_silence_is_the_floor():
    got = fbank(np.zeros(4000, np.float32)).numpy()
    np.testing.assert_allclose(got, np.log(np.finfo(np.float32).eps), rtol=1e-6)
    np.testing.assert_allclose(got, knf(np.zeros(4000, np.float32)), rtol=1e-6)


@pytest.mark.parametrize("samples", [noise(16000, 10000.0), noise(16000, 1.0), sine(1.0) * 32768 + noise(16000, 30.0)])
def test_torchaudio_agrees(samples):
    from torchaudio.compliance import kaldi

    expected = kaldi.fbank(torch.from_numpy(samples)[None], num_mel_bins=NUM_BINS, dither=0.0, energy_floor=0.0)
    np.testing.assert_allclose(fbank(samples).numpy(), expected.numpy(), rtol=0, atol=CLEAR)


@pytest.mark.parametrize("hertz", [100.0, 440.0, 1000.0, 3000.0, 7500.0])
def test_a_tone_is_in_its_bin(hertz):
    def mel(frequency):
        return 1127 * np.log(1 + frequency / 700)

    spacing = (mel(8000) - mel(20)) / (NUM_BINS + 1)
    bins = fbank(sine(0.5, hertz=hertz) * 32768).mean(0)
    assert abs((mel(hertz) - mel(20)) / spacing - 1 - int(bins.argmax())) <= 1.0


# Frames


@pytest.mark.parametrize(
    ("samples", "frames"),
    [(0, 0), (1, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98), (16079, 98), (16080, 99)],
)
def test_only_whole_windows_count(samples, frames):
    assert num_frames(samples) == frames
    assert fbank(noise(samples, 1000.0)).shape == (frames, NUM_BINS)
    assert len(knf(noise(samples, 1000.0))) == frames


def pieces(samples, cuts):
    return [samples[a:b] for a, b in pairwise([0, *cuts, len(samples)])]


@pytest.mark.parametrize("seed", range(6))
def test_random_pieces_are_the_whole(seed):
    rng = np.random.default_rng(seed)
    samples = noise(int(rng.integers(500, 200000)), 10000.0, seed)
    count = [1, 5, 50, 500, 300, 2][seed]
    blocks = list(fbank_blocks(pieces(samples, sorted(rng.integers(0, len(samples) + 1, count).tolist()))))
    whole = fbank(samples)
    assert len(blocks) == count + 1
    torch.testing.assert_close(torch.cat(blocks), whole, rtol=0, atol=1e-5)
    assert len(whole) == num_frames(len(samples))


@pytest.mark.parametrize("size", [1, 159, 160, 161, 400, 512 * 160])
def test_pieces_of_one_size_are_the_whole(size):
    samples = noise(3000 if size < 100 else 170000, 10000.0)
    front_end = Fbank()
    blocks = [front_end.accept(piece) for piece in pieces(samples, range(size, len(samples), size))]
    torch.testing.assert_close(torch.cat(blocks), fbank(samples), rtol=0, atol=1e-5)


def test_frames_come_as_soon_as_they_are_complete():
    front_end, ready = Fbank(), 0
    samples = noise(2000, 1000.0)
    for number, sample in enumerate(np.split(samples, 100), 1):
        ready += len(front_end.accept(sample))
        assert ready == num_frames(20 * number)


def test_frames_do_not_depend_on_those_around_them():
    samples = noise(400 + 160 * 1500, 10000.0)  # over several blocks of computation
    whole = fbank(samples)
    for frame in (0, 1, 511, 512, 513, 1024, 1500):
        alone = fbank(samples[160 * frame : 160 * frame + 400])
        torch.testing.assert_close(alone[0], whole[frame], rtol=0, atol=1e-5)


def test_int16_and_float_samples_give_the_same():
    samples = np.round(noise(8000, 10000.0))
    torch.testing.assert_close(fbank(samples.astype(np.int16)), fbank(samples), rtol=0, atol=0)
    assert fbank(samples).dtype == torch.float32


def test_pieces_may_be_reused_by_their_owner():
    samples, buffer, front_end, got = noise(8000, 10000.0), np.zeros(1000, np.float32), Fbank(), []
    for piece in np.split(samples, 8):
        buffer[:] = piece
        got.append(front_end.accept(buffer))
        buffer[:] = np.nan
    torch.testing.assert_close(torch.cat(got), fbank(samples), rtol=0, atol=1e-5)


# Normalisation


def speech_like(frames=500, seed=0):
    """(T, 80) with a mean and a spread in every bin as filterbanks have them."""
    rng = np.random.default_rng(seed)
    return (
        rng.standard_normal((frames, NUM_BINS)) * rng.uniform(1, 5, NUM_BINS) + rng.uniform(5, 15, NUM_BINS)
    ).astype(np.float32)


def test_statistics_normalise_their_own_frames(tmp_path):
    feats = speech_like()
    stats = CmvnStats()
    for block in np.split(feats, [1, 1, 200]):
        stats.add(block)
    stats.write(tmp_path / "cmvn.ark")
    got = Cmvn.read(tmp_path / "cmvn.ark")(torch.from_numpy(feats))
    assert got.dtype == torch.float32
    doubles = feats.astype(np.float64)
    expected = (doubles - doubles.mean(0)) / doubles.std(0)
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=1e-6)


def test_normalisation_in_doubles():
    # Variance by the difference of large sums: float32 arithmetic would be off in the third digit.
    count = 1e7
    mean, spread = np.linspace(8, 14, NUM_BINS), np.linspace(0.05, 4, NUM_BINS)
    stats = np.zeros((2, NUM_BINS + 1))
    stats[0] = [*(mean * count), count]
    stats[1, :-1] = (spread**2 + mean**2) * count
    feats = speech_like()
    expected = (feats.astype(np.float64) - mean) / spread
    np.testing.assert_allclose(Cmvn(stats)(torch.from_numpy(feats)).numpy(), expected, rtol=1e-6, atol=1e-5)


def test_features_are_not_changed_by_normalising():
    stats = CmvnStats()
    stats.add(speech_like())
    feats = torch.from_numpy(speech_like(seed=1))
    before = feats.clone()
    Cmvn(stats.stats)(feats)
    assert torch.equal(feats, before)


def test_a_bin_that_never_changes_is_no_division_by_zero():
    feats = speech_like()
    feats[:, 3] = 7.0
    stats = CmvnStats()
    stats.add(feats)
    assert torch.isfinite(Cmvn(stats.stats)(torch.from_numpy(feats))).all()


def test_sums_are_kaldis():
    feats = speech_like(10)
    stats = CmvnStats()
    stats.add(feats[:4])
    stats.add(feats[4:])
    doubles = feats.astype(np.float64)
    np.testing.assert_allclose(stats.stats[0], [*doubles.sum(0), 10], rtol=1e-14)
    np.testing.assert_allclose(stats.stats[1], [*(doubles**2).sum(0), 0], rtol=1e-14)


def test_statistics_written_by_kaldi_in_any_form(tmp_path):
    stats = CmvnStats()
    stats.add(speech_like())
    feats = torch.from_numpy(speech_like(seed=1))
    expected = Cmvn(stats.stats)(feats)
    kaldiio.save_mat(str(tmp_path / "plain"), stats.stats)
    kaldiio.save_mat(str(tmp_path / "float"), stats.stats.astype(np.float32))
    torch.testing.assert_close(Cmvn.read(tmp_path / "plain")(feats), expected, rtol=0, atol=0)
    torch.testing.assert_close(Cmvn.read(tmp_path / "float")(feats), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("stats", "reason"),
    [
        (np.ones((2, 41)), "not global CMVN statistics of 80 bins"),
        (np.ones((1, 81)), "not global CMVN statistics of 80 bins"),
        (np.zeros((2, 81)), "not global CMVN statistics"),
        (np.full((2, 81), np.nan), "not global CMVN statistics"),
        (None, "No such file"),
    ],
)
def test_statistics_of_something_else(tmp_path, stats, reason):
    if stats is not None:
        write_matrix(tmp_path / "cmvn.ark", stats)
    with pytest.raises(ModelError, match=rf"cmvn\.ark: .*{reason}"):
        Cmvn.read(tmp_path / "cmvn.ark")


def statistics(**changes):
    stats = np.zeros((2, NUM_BINS + 1))
    stats[0] = [*np.full(NUM_BINS, 10.0 * 1000), 1000]
    stats[1, :-1] = 1000 * (12.0 + 10.0**2)
    for place, value in changes.items():
        row, column = {"count": (0, -1), "sum": (0, 3), "square": (1, 3)}[place]
        stats[row, column] = value
    return stats


@pytest.mark.parametrize(
    ("stats", "message"),
    [
        (statistics(count=np.nan), "not global CMVN statistics of 80 bins"),
        (statistics(count=0), "not global CMVN statistics"),
        (statistics(count=-5), "not global CMVN statistics"),
        (statistics(square=np.inf), "not global CMVN statistics"),
        (statistics(count=1e300), "no statistics of speech, bin 0 has mean 1e-296"),
        (statistics(count=1e-300), "no statistics of speech, bin 0"),
        (statistics(sum=1e300), "no statistics of speech, bin 3"),
        (statistics(square=1000 * 10.0**2), "bin 3 has mean 10 and variance 0"),
        (statistics(square=5.0), "no statistics of speech, bin 3"),
        (np.zeros((2, 80)), r"of 80 bins \(shape \(2, 80\)\)"),
        (np.zeros((2, 200_000)), "more than CMVN statistics have"),
    ],
)
def test_statistics_of_no_speech_are_refused(tmp_path, stats, message):
    write_matrix(tmp_path / "cmvn.ark", stats)
    with pytest.raises(ModelError, match=rf"cmvn\.ark: .*{message}"):
        Cmvn.read(tmp_path / "cmvn.ark")


@pytest.mark.parametrize("kind", [b"FM ", b"DM ", b"CM ", b"CM2", b"CM3", b"FV "])
@pytest.mark.parametrize("size", [-1, 0, 10**6, 2**31 - 1])
def test_statistics_of_a_size_that_the_file_does_not_have(tmp_path, kind, size):
    number = size.to_bytes(4, "little", signed=True)
    (tmp_path / "cmvn.ark").write_bytes(b"\0B" + kind + b"\4" + number + b"\4" + number + bytes(600))
    with pytest.raises(ModelError, match=r"cmvn\.ark: "):
        Cmvn.read(tmp_path / "cmvn.ark")
