import errno
import logging
import os
import shutil
import struct
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from support.signals import noise, sine, write_wav
from support.tools import needs_ffmpeg, needs_sox

from firered.audio import decode
from firered.audio.config import AudioConfig
from firered.audio.load import array_blocks, read, read_blocks
from firered.audio.probe import Header, probe
from firered.errors import AudioError

MIX = AudioConfig()
CUT_OK = AudioConfig(allow_truncated=True)


def stretch(path, config=MIX, **span):
    return np.concatenate(list(read_blocks(str(path), config, **span)))


def refused(path, config=MIX, **span):
    """The reason why a recording is not taken."""
    with pytest.raises(AudioError) as error:
        stretch(path, config, **span)
    return str(error.value)


def tone(signal, rate=16000, edge=800):
    """(frequency in Hz, amplitude) of the strongest component, away from both ends."""
    middle = signal[edge:-edge] * np.hanning(len(signal) - 2 * edge)
    spectrum = np.abs(np.fft.rfft(middle, 16 * len(middle)))
    return spectrum.argmax() * rate / (16 * len(middle)), spectrum.max() / len(middle) * 4


# Formats


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    [
        ("wav", "PCM_U8", 257),  # a step of 8 bits; libsndfile writes 1.0 as the largest integer, not one beyond it
        ("wav", "PCM_16", 1.01),
        ("wav", "PCM_24", 0.01),
        ("wav", "PCM_32", 0.002),
        ("wav", "FLOAT", 0),
        ("wav", "DOUBLE", 0),
        ("wav", "ULAW", 550),
        ("wav", "ALAW", 550),
        ("flac", "PCM_16", 1.01),
        ("flac", "PCM_24", 0.01),
        ("aiff", "PCM_16", 1.01),
        ("au", "PCM_16", 1.01),
        ("w64", "PCM_16", 1.01),
        ("caf", "PCM_16", 1.01),
    ],
)
def test_every_sample_of_formats_without_model_of_the_ear(tmp_path, suffix, subtype, tolerance):
    signal = noise(8000)
    got = read(write_wav(tmp_path / f"a.{suffix}", signal, subtype=subtype))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, signal * 32768, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    ("suffix", "options"), [("ogg", {}), ("mp3", {}), ("opus", {"format": "OGG", "subtype": "OPUS"})]
)
def test_the_sound_of_lossy_formats(tmp_path, suffix, options):
    path = write_wav(tmp_path / f"a.{suffix}", sine(1.0), **options)
    got = read(path)
    assert abs(len(got) - 16000) <= 2
    hertz, amplitude = tone(got)
    assert hertz == pytest.approx(440, abs=0.2)
    assert amplitude == pytest.approx(0.5 * 32768, rel=0.05)


def test_int16_samples_come_out_as_they_are(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32768, 5000).astype(np.int16)
    samples[:3] = -32768, 32767, 0
    for suffix in ("wav", "flac"):
        np.testing.assert_array_equal(read(write_wav(tmp_path / f"a.{suffix}", samples, subtype="PCM_16")), samples)


# Sample rates


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000, 96000])
def test_resampling_keeps_frequency_amplitude_and_length(tmp_path, rate):
    got = read(write_wav(tmp_path / "a.wav", sine(1.0, rate, hertz=1000.0), rate))
    assert abs(len(got) - 16000) <= 2
    hertz, amplitude = tone(got)
    assert hertz == pytest.approx(1000, abs=0.2)
    assert amplitude == pytest.approx(0.5 * 32768, rel=0.005)
    # In time: the same tone, not a delayed one.
    np.testing.assert_allclose(got[800:15000], sine(1.0, hertz=1000.0)[800:15000] * 32768, rtol=0, atol=80)


def test_what_16_khz_cannot_hold_is_filtered_out(tmp_path):
    got = read(write_wav(tmp_path / "a.wav", sine(1.0, 48000, hertz=11000.0), 48000))
    assert np.abs(got[800:-800]).max() < 0.5 * 32768 / 1000


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_blocks_join_to_the_whole(tmp_path, monkeypatch, suffix, rate):
    options = {"format": "OGG", "subtype": "OPUS"} if suffix == "opus" else {}
    path = write_wav(tmp_path / f"a.{suffix}", np.concatenate([sine(1.0, rate), noise(rate)]), rate, **options)
    whole = read(path)
    monkeypatch.setattr(decode, "BLOCK_S", 0.0313)
    blocks = list(read_blocks(str(path), MIX))
    assert len(blocks) > 20
    assert len(np.concatenate(blocks)) == len(whole)
    np.testing.assert_allclose(np.concatenate(blocks), whole, rtol=0, atol=0.01)


@pytest.mark.parametrize(("suffix", "rate"), [("wav", 16000), ("flac", 48000), ("mp3", 44100)])
def test_a_long_recording_is_read_in_blocks(tmp_path, suffix, rate):
    path = write_wav(tmp_path / f"a.{suffix}", np.tile(sine(1.0, rate), 65), rate)
    sizes = [len(block) for block in read_blocks(str(path), MIX)]
    assert sum(sizes) == pytest.approx(65 * 16000, abs=2)
    assert max(sizes) <= 20.1 * 16000


# The noise floor


def empty_band(signal):
    """RMS of what lies between 5 and 7 kHz."""
    spectrum = np.fft.rfft(signal[800:-800] * np.hanning(len(signal) - 1600))
    hertz = np.fft.rfftfreq(len(signal) - 1600, 1 / 16000)
    spectrum[(hertz < 5000) | (hertz > 7000)] = 0
    return np.fft.irfft(spectrum).std()


@pytest.mark.parametrize(("suffix", "rate"), [("wav", 8000), ("wav", 44100), ("mp3", 16000), ("ogg", 16000)])
def test_resampled_and_lossy_audio_has_the_noise_floor_of_16_bits(tmp_path, suffix, rate):
    path = write_wav(tmp_path / f"a.{suffix}", sine(2.0, rate), rate, subtype="FLOAT" if suffix == "wav" else None)
    # A quarter of white noise of one step, seen through a Hann window.
    assert empty_band(read(path)) == pytest.approx(np.sqrt(1 / 4 * 3 / 8), rel=0.1)
    np.testing.assert_array_equal(read(path), read(path))


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_16_khz_audio_is_left_as_it_is(tmp_path, suffix):
    path = write_wav(tmp_path / f"a.{suffix}", sine(2.0), subtype="PCM_24")
    assert empty_band(read(path)) < 0.01


def test_arrays_are_treated_as_files_are(tmp_path):
    signal = sine(2.0, 8000)
    path = write_wav(tmp_path / "a.wav", signal, 8000, subtype="FLOAT")
    np.testing.assert_array_equal(read(signal, rate=8000), read(path))
    assert empty_band(read(sine(2.0))) < 0.01


def test_silence_stays_refused_whatever_its_rate(tmp_path):
    assert "every sample is zero" in refused(write_wav(tmp_path / "a.wav", np.zeros(8000), 8000))


# Channels


@pytest.mark.parametrize(
    ("config", "channel", "expected"),
    [
        ("mix", None, lambda c: c.mean(1)),
        ("1", None, lambda c: c[:, 0]),
        ("3", None, lambda c: c[:, 2]),
        ("mix", 2, lambda c: c[:, 1]),
        ("1", 2, lambda c: c[:, 1]),
        ("each", 3, lambda c: c[:, 2]),
    ],
)
def test_channels(tmp_path, config, channel, expected):
    channels = noise((4000, 3))
    path = write_wav(tmp_path / "a.wav", channels, subtype="FLOAT")
    got = stretch(path, AudioConfig(channel=config), channel=channel)
    np.testing.assert_allclose(got, expected(channels) * 32768, rtol=0, atol=0.01)


def test_a_channel_that_is_not_there(tmp_path):
    stereo = write_wav(tmp_path / "s.wav", noise((4000, 2)))
    assert refused(stereo, AudioConfig(channel="3")) == "channel 3 requested, the number of channels is 2"
    assert refused(stereo, channel=4) == "channel 4 requested, the number of channels is 2"
    mono = write_wav(tmp_path / "m.wav")
    assert refused(mono, AudioConfig(channel="2")) == "channel 2 requested, the number of channels is 1"


def test_a_channel_of_a_recording_that_has_been_split_already(tmp_path):
    # reco2file_and_channel may name B for a file that holds only that channel.
    mono = write_wav(tmp_path / "m.wav")
    np.testing.assert_array_equal(stretch(mono, channel=2), read(mono))


def test_the_mean_of_opposite_channels_is_silence(tmp_path):
    left = noise(4000)
    path = write_wav(tmp_path / "a.wav", np.stack([left, -left], 1), subtype="FLOAT")
    assert "the channels cancel each other (their mean is zero" in refused(path)
    assert "take one with --channel" in refused(path)
    np.testing.assert_allclose(stretch(path, AudioConfig(channel="1")), left * 32768, rtol=0, atol=0.01)


LEFT, OTHER = noise(40000), noise(40000, seed=1)
STEREO = {
    "inverted, a little softer": ([LEFT, -0.9 * LEFT], 22.56),
    "inverted, with noise of its own": ([LEFT, 0.01 * OTHER - LEFT], 43.0),
    "inverted, half as loud": ([LEFT, -0.5 * LEFT], None),  # 7 dB
    "the same": ([LEFT, LEFT], None),
    "unrelated": ([LEFT, OTHER], None),
    "one is silent": ([LEFT, 0 * LEFT], None),
    "one of eight is not": ([LEFT, *[0 * LEFT] * 7], None),
    "two of four are inverted": ([LEFT, -LEFT, OTHER, OTHER], None),  # the others are still heard
    "all silent": ([0 * LEFT, 0 * LEFT], None),
}


@pytest.mark.parametrize(("channels", "lost_db"), STEREO.values(), ids=STEREO)
@pytest.mark.parametrize("rate", [8000, 16000])
def test_channels_that_cancel_each_other_are_noticed_by_their_level(tmp_path, caplog, channels, lost_db, rate):
    samples = np.stack(channels, 1)
    path = write_wav(tmp_path / "a.wav", samples, rate, subtype="FLOAT")
    for name, read_it in (
        (str(path), lambda config: stretch(path, config)),
        ("the audio in memory", lambda config: np.concatenate(list(array_blocks(samples, rate, config)))),
    ):
        caplog.clear()
        if samples.any():
            read_it(AudioConfig())
        assert ("cancel each other" in caplog.text) == (lost_db is not None)
        if lost_db is not None:
            assert caplog.records[0].getMessage() == (
                f"{name}: the channels cancel each other (their mean is {lost_db:.0f} dB too low, "
                "one is the inverse of another); take one with --channel"
            )
            caplog.clear()
            read_it(AudioConfig(channel="2"))
            assert caplog.text == ""


# Segments


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize(("start_s", "end_s"), [(0.0, 0.25), (0.1, 0.4), (0.7, 0.75), (0.3, np.inf), (1.1875, 99.0)])
def test_a_stretch_between_two_times(tmp_path, suffix, start_s, end_s):
    # A tone takes few bits: an mp3 frame of it lies far before its place, where a seek does not look.
    path = write_wav(tmp_path / f"a.{suffix}", np.concatenate([sine(1.0), noise(8000)]))
    whole = read(path)
    expected = whole[round(start_s * 16000) : round(min(end_s, 1.5) * 16000)]
    np.testing.assert_allclose(stretch(path, start_s=start_s, end_s=end_s), expected, rtol=0, atol=0.01)


def test_a_stretch_at_another_rate(tmp_path):
    path = write_wav(tmp_path / "a.wav", sine(2.0, 44100), 44100)
    got = stretch(path, start_s=0.5, end_s=1.25)
    assert abs(len(got) - 12000) <= 2
    np.testing.assert_allclose(got[800:-800], read(path)[8800:19200], rtol=0, atol=60)


def test_a_stretch_behind_the_end(tmp_path):
    assert refused(write_wav(tmp_path / "a.wav"), start_s=3.0, end_s=4.0) == "holds no samples"


# Pipes and archives


def test_a_pipe(tmp_path):
    path = write_wav(tmp_path / "a b.wav")
    for command in (f"cat '{path}' |", f"  cat '{path}' | cat |  "):
        np.testing.assert_array_equal(read(command), read(path))
    np.testing.assert_array_equal(stretch(f"cat '{path}' |", start_s=0.1, end_s=0.2), read(path)[1600:3200])


@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_a_pipe_of_another_format(tmp_path, suffix):
    path = write_wav(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(read(f"cat {path} |"), read(path))


def test_a_pipe_leaves_no_file_behind(tmp_path, monkeypatch):
    path = write_wav(tmp_path / "a.wav")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    read(f"cat {path} |")
    refused(f"cat {path}; exit 1 |")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_refused_pipe_is_not_run(tmp_path):
    marker = tmp_path / "marker"
    path = write_wav(tmp_path / "a.wav")
    command = f"touch {marker}; cat {path} |"
    assert refused(command, AudioConfig(pipes=False)) == f"the pipe `{command}` is refused (--no-pipes)"
    with pytest.raises(AudioError, match="refused"):
        probe(command, AudioConfig(pipes=False))
    assert not marker.exists()
    read(command)
    assert marker.exists()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("echo noise; echo 'no such  disk' >&2; exit 3 |", "failed with status 3: no such disk"),
        ("cat {} | false |", "failed with status 1"),
        ("false | cat {} |", "failed with status 1"),  # not the last of the pipe
        ("no-such-program-anywhere |", "failed with status 127"),
        ("true |", "gave no output"),
        ("echo gone >&2 |", "gave no output: gone"),
    ],
)
def test_a_failing_pipe_says_why(tmp_path, command, reason):
    assert reason in refused(command.format(write_wav(tmp_path / "a.wav")))


def test_a_pipe_does_not_eat_standard_input():
    # firered-stream-vad reads live audio there, and a shell's loop its list.
    here, there = os.pipe()
    os.write(there, b"what others wait for")
    os.close(there)
    before = os.dup(0)
    os.dup2(here, 0)
    try:
        assert "gave no output" in refused("cat |")
        assert os.read(0, 100) == b"what others wait for"
    finally:
        os.dup2(before, 0)
        os.close(before)
        os.close(here)


def test_wavs_in_an_archive(tmp_path):
    signals = {"a": noise(5000) * 32767, "b": noise(6000, seed=1) * 32767}
    archive = str(tmp_path / "a.ark")
    kaldiio.save_ark(
        archive, {k: (16000, s.astype(np.int16)) for k, s in signals.items()}, scp=archive + ".scp", write_function=None
    )
    table = dict(line.split() for line in (tmp_path / "a.ark.scp").read_text().splitlines())
    for key, signal in signals.items():
        np.testing.assert_array_equal(read(table[key]), signal.astype(np.int16))
    offset = int(table["b"].rpartition(":")[2])
    np.testing.assert_array_equal(stretch(table["b"], start_s=0.1, end_s=0.2), read(table["b"])[1600:3200])
    assert probe(table["b"]).duration_s == 6000 / 16000
    assert "no wav at this place" in refused(f"{archive}:{offset + 1}")
    assert "no wav at this place" in refused(f"{archive}:99999999")
    (tmp_path / "a.ark").write_bytes((tmp_path / "a.ark").read_bytes()[:-100])
    assert "cut short, 100 of the bytes" in refused(table["b"])


def test_a_name_with_a_colon_is_a_file(tmp_path):
    path = write_wav(tmp_path / "10:30.wav")
    whole = read(path)
    assert len(whole) == 8000
    np.testing.assert_array_equal(read(path.rename(tmp_path / "10:30")), whole)


# What only ffmpeg reads


def ffmpeg(*args):
    return subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *map(str, args)], check=True, capture_output=True)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["m4a", "mkv"])
def test_formats_of_ffmpeg(tmp_path, suffix):
    write_wav(tmp_path / "a.wav", np.stack([sine(1.0, 44100)] * 2, 1), 44100)
    path = tmp_path / f"a.{suffix}"
    ffmpeg("-i", tmp_path / "a.wav", path)
    got = read(path)
    assert len(got) == pytest.approx(16000, abs=1100)  # whole blocks of the encoder
    hertz, amplitude = tone(got[:16000])
    assert hertz == pytest.approx(440, abs=0.2)
    assert amplitude == pytest.approx(0.5 * 32768, rel=0.05)
    found = probe(str(path))
    assert (found.rate, found.channels) == (44100, 2)
    assert found.duration_s == pytest.approx(len(got) / 16000, abs=0.05)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["m4a", "webm", "mkv"])
def test_a_stretch_of_a_compressed_recording_is_that_of_the_whole(tmp_path, suffix):
    write_wav(tmp_path / "a.wav", np.cumsum(noise(32000, 0.01)))
    path = tmp_path / f"a.{suffix}"
    ffmpeg("-i", tmp_path / "a.wav", path)
    whole = read(path)
    for start_s, end_s in ((0.1, 0.15), (1.003, 1.7035)):
        got = stretch(path, start_s=start_s, end_s=end_s)
        assert abs(len(got) - (end_s - start_s) * 16000) <= 1
        start = round(start_s * 16000)
        inner = slice(100, -100)  # a resampler that starts here differs at its edges
        np.testing.assert_allclose(got[inner], whole[start : start + len(got)][inner], rtol=0, atol=40)


@needs_ffmpeg
def test_the_sound_of_a_video(tmp_path):
    write_wav(tmp_path / "a.wav", sine(1.0))
    picture = ["-f", "lavfi", "-i", "color=size=32x32:rate=5:duration=1"]
    ffmpeg(*picture, "-i", tmp_path / "a.wav", tmp_path / "v.mp4")
    ffmpeg(*picture, tmp_path / "silent.mp4")
    assert tone(read(tmp_path / "v.mp4")[:16000])[0] == pytest.approx(440, abs=0.2)
    assert refused(tmp_path / "silent.mp4") == f"{tmp_path}/silent.mp4: holds no audio stream"


@needs_ffmpeg
def test_a_damaged_file_of_ffmpeg_is_an_error(tmp_path):
    write_wav(tmp_path / "a.wav", noise(48000))
    ffmpeg("-i", tmp_path / "a.wav", "-movflags", "faststart", tmp_path / "a.m4a")
    data = (tmp_path / "a.m4a").read_bytes()
    (tmp_path / "a.m4a").write_bytes(data[: len(data) * 2 // 3])
    assert "ffmpeg could not decode all of it" in refused(tmp_path / "a.m4a")


@needs_ffmpeg
def test_reading_may_be_given_up(tmp_path, monkeypatch):
    write_wav(tmp_path / "a.wav", noise(16000 * 20))
    ffmpeg("-i", tmp_path / "a.wav", tmp_path / "a.m4a")
    monkeypatch.setattr(decode, "BLOCK_S", 0.1)
    blocks = read_blocks(str(tmp_path / "a.m4a"), MIX)
    next(blocks)
    begun = time.monotonic()
    blocks.close()  # must not wait for ffmpeg, which waits for someone to read
    assert time.monotonic() - begun < 20


@needs_ffmpeg
def test_a_playlist_does_not_reach_the_network_or_commands(tmp_path):
    (tmp_path / "a.m4a").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n")
    assert "a.m4a" in refused(tmp_path / "a.m4a")


@pytest.mark.parametrize("missing", ["ffmpeg", "ffprobe"])
def test_without_ffmpeg_the_error_says_what_to_install(tmp_path, monkeypatch, missing):
    monkeypatch.setattr(shutil, "which", lambda name: None if name == missing else f"/usr/bin/{name}")
    (tmp_path / "a.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(100))
    assert refused(tmp_path / "a.m4a") == (
        f"{tmp_path}/a.m4a: not wav, flac, ogg or mp3; install ffmpeg to read other formats"
    )


# Cut short, and sizes that are not known yet


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_file_cut_short_is_refused_or_taken_with_a_warning(tmp_path, caplog, suffix, rate):
    signal = np.tile(sine(0.5, rate), 4)
    path = write_wav(tmp_path / f"a.{suffix}", signal, rate)
    whole = read(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    assert f"a.{suffix}: " in refused(path)
    assert any(word in refused(path) for word in ("cut short", "ends", "damaged"))
    with caplog.at_level(logging.WARNING):
        rest = read(path, CUT_OK)
    assert f"a.{suffix}" in caplog.text
    assert 0.5 * len(whole) < len(rest) < 0.85 * len(whole)
    np.testing.assert_allclose(rest[1600:-1600], whole[1600 : len(rest) - 1600], rtol=0, atol=2)


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_a_stretch_before_the_cut(tmp_path, suffix):
    path = write_wav(tmp_path / f"a.{suffix}", np.tile(sine(0.5), 4))
    whole = read(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    got = stretch(path, CUT_OK, start_s=0.5, end_s=0.75)
    np.testing.assert_allclose(got, whole[8000:12000], rtol=0, atol=0.01)


def test_how_much_of_a_wav_is_missing(tmp_path):
    path = write_wav(tmp_path / "a.wav", subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:-1234])
    assert refused(path) == (
        f"{path}: cut short, 1234 of the bytes that its header promises are not there "
        "(--allow-truncated takes what is there)"
    )


@needs_ffmpeg
@pytest.mark.parametrize(
    ("format", "subtype"), [("AIFF", "PCM_16"), ("CAF", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS")]
)
def test_other_containers_cut_short(tmp_path, caplog, format, subtype):
    path = write_wav(tmp_path / f"a.{format.lower()}", noise(160000), subtype=subtype)
    whole, data = read(path), path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    assert f"{path}: cut short, " in refused(path)
    with caplog.at_level(logging.WARNING):
        rest = read(path, CUT_OK)
    assert f"{path}: cut short" in caplog.text
    assert 0.5 * len(whole) < len(rest) < 0.8 * len(whole)
    np.testing.assert_allclose(rest[1600:-1600], whole[1600 : len(rest) - 1600], rtol=0, atol=2)


def test_an_ogg_stream_that_ends_with_a_whole_page_is_taken(tmp_path):
    path = write_wav(tmp_path / "a.ogg", noise(160000))
    data = path.read_bytes()
    last = data.rindex(b"OggS")
    path.write_bytes(data[:last])
    assert len(read(path)) > 80000
    path.write_bytes(data[: last + 10])
    assert "cut short, 17 of the bytes" in refused(path)


def test_chunks_around_the_samples(tmp_path):
    path = write_wav(tmp_path / "a.wav", subtype="PCM_16")
    expected = read(path)
    data = path.read_bytes()
    odd = b"note" + struct.pack("<I", 3) + b"odd\0"
    path.write_bytes(data[:36] + odd + data[36:] + odd)
    np.testing.assert_array_equal(read(path), expected)
    path.write_bytes(data[:36] + odd + data[36:-1000])
    assert "cut short, 1000 of the bytes" in refused(path)


@pytest.mark.parametrize("length", [-12, -(2**63), 2**63 - 1])
def test_a_caf_chunk_of_impossible_length(tmp_path, length):
    """The lengths of CAF are signed 64-bit numbers: -12 leads back to the head that states it."""
    path = tmp_path / "a.caf"
    path.write_bytes(b"caff" + struct.pack(">HH4sq", 1, 0, b"free", length) + bytes(40))
    assert str(path) in refused(path)


def with_sizes(path, riff, data):
    """The same wav with other sizes in its header."""
    content = bytearray(path.read_bytes())
    assert content[36:40] == b"data"
    content[4:8], content[40:44] = struct.pack("<I", riff), struct.pack("<I", data)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("riff", "data"),
    [
        (0xFFFFFFFF, 0xFFFFFFFF),  # ffmpeg
        (0x7FFFF024, 0x7FFFF000),  # sox
        (0x7FFFFFFF, 0x7FFFFFFF - 36),
    ],
)
def test_a_streamed_wav_of_unknown_length(tmp_path, caplog, riff, data):
    path = write_wav(tmp_path / "a.wav", subtype="PCM_16")
    whole = read(path)
    with_sizes(path, riff, data)
    np.testing.assert_array_equal(read(path), whole)
    assert probe(str(path)).duration_s == 0.5
    assert caplog.text == ""


@needs_ffmpeg
def test_a_wav_of_length_0_that_a_killed_recorder_left(tmp_path):
    path = write_wav(tmp_path / "a.wav", subtype="PCM_16")
    whole = read(path)
    with_sizes(path, 0, 0)
    np.testing.assert_array_equal(read(path), whole)


@needs_sox
def test_a_wav_that_sox_streamed(tmp_path):
    path = write_wav(tmp_path / "a.wav", subtype="PCM_16")
    raw = f"sox {path} -t raw - | sox -t raw -r 16000 -e signed -b 16 -c 1 - -t wav - | cat"
    np.testing.assert_array_equal(read(raw + " |"), read(path))
    subprocess.run(["bash", "-c", f"({raw}) > {tmp_path}/b.wav"], check=True, capture_output=True)
    np.testing.assert_array_equal(read(tmp_path / "b.wav"), read(path))


@needs_ffmpeg
def test_a_wav_that_ffmpeg_streamed(tmp_path):
    path = write_wav(tmp_path / "a.wav", subtype="PCM_16")
    np.testing.assert_array_equal(read(f"ffmpeg -nostdin -v error -i {path} -f wav - | cat |"), read(path))


@needs_ffmpeg
@pytest.mark.parametrize("quality", [["-b:a", "64k"], ["-q:a", "4"]])
def test_an_mp3_that_does_not_state_its_length(tmp_path, quality):
    write_wav(tmp_path / "a.wav", np.concatenate([np.zeros(8000, np.float32), noise(40000)]))
    ffmpeg("-i", tmp_path / "a.wav", *quality, "-write_xing", "0", tmp_path / "a.mp3")
    assert len(read(tmp_path / "a.mp3")) == pytest.approx(48000, abs=2500)


# What is no recording


def bad_files(folder):
    """Paths of files that cannot be used, each with a part of the reason."""
    hot, endless = noise(8000), noise(8000)
    hot[4000], endless[4000] = np.nan, -np.inf
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("This is no audio.\n" * 30)
    (folder / "folder").mkdir()
    return {
        "empty.wav": "empty.wav: the file is empty",
        "text.wav": "text.wav: not ",
        "folder": "folder: is a folder, not a file",
        "none.wav": "none.wav: no such file",
        "none.ark:17": "none.ark:17: no such file",
        write_wav(folder / "0.wav", noise(0)).name: "holds no samples",
        write_wav(folder / "short.wav", noise(399)).name: "too short: 24.9 ms, one frame takes 25 ms",
        write_wav(folder / "nan.wav", hot, subtype="FLOAT").name: "NaN or infinite samples, the first at 0.250 s",
        write_wav(folder / "inf.wav", endless, subtype="FLOAT").name: "NaN or infinite samples, the first at 0.250 s",
        write_wav(folder / "scaled.wav", sine(0.5) * 32768, subtype="FLOAT").name: "float samples reach 16384",
        write_wav(folder / "zeros.wav", np.zeros(8000)).name: "every sample is zero",
    }


def test_messages_say_what_is_wrong(tmp_path):
    for name, reason in bad_files(tmp_path).items():
        assert reason in refused(tmp_path / name), name


def test_a_name_that_the_system_refuses(tmp_path):
    assert "File name too long" in refused(tmp_path / ("x" * 300 + ".wav"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission(tmp_path):
    write_wav(tmp_path / "closed/a.wav")
    (tmp_path / "closed").chmod(0)
    try:
        assert "ermission denied" in refused(tmp_path / "closed/a.wav")
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_file_without_permission(tmp_path, monkeypatch):
    path = write_wav(tmp_path / "a.wav")

    def closed(*_):  # what everybody but root meets
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", closed)
    assert refused(path) == f"{path}: Permission denied"


def test_one_frame_is_enough(tmp_path):
    assert len(read(write_wav(tmp_path / "a.wav", noise(400)))) == 400


def test_the_place_of_a_nan_counts_over_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "BLOCK_S", 0.1)
    signal = noise(8000)
    signal[7000] = np.nan
    assert "first at 0.438 s" in refused(write_wav(tmp_path / "a.wav", signal, subtype="FLOAT"))


def test_silence_with_one_sound_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "BLOCK_S", 0.1)
    signal = np.zeros(8000, np.int16)
    signal[3000] = 1
    np.testing.assert_array_equal(read(write_wav(tmp_path / "a.wav", signal)), signal)


def test_float_overshoot_is_kept(tmp_path):
    signal = sine(0.5, amplitude=2.5)
    path = write_wav(tmp_path / "a.wav", signal, subtype="FLOAT")
    np.testing.assert_allclose(read(path), signal * 32768, rtol=1e-6)


def test_the_header_without_reading(tmp_path):
    stereo = write_wav(tmp_path / "a.wav", noise((12345, 2)), 44100)
    assert probe(str(stereo)) == Header("PCM_16", 44100, 2, 12345 / 44100)


# Arrays


@pytest.mark.parametrize(
    ("kind", "scale"),
    [("int8", 2.0**7), ("int16", 2.0**15), ("int32", 2.0**31), ("float16", 1), ("float32", 1), ("float64", 1)],
)
def test_arrays_of_any_type(kind, scale):
    signal = noise(4000)
    array = (signal.astype(np.float64) * scale).astype(kind)
    got = read(array)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, array.astype(np.float64) / scale * 32768, rtol=0, atol=0.002)


def test_int16_arrays_come_out_as_they_are():
    samples = np.arange(-32768, 32768).astype(np.int16)
    np.testing.assert_array_equal(read(samples), samples)


def test_arrays_of_several_channels_and_other_rates():
    tones = np.stack([sine(1.0, 8000), np.zeros(8000, np.float32)], 1)
    got = read(tones, rate=8000)
    assert abs(len(got) - 16000) <= 2
    assert tone(got) == pytest.approx((440, 0.25 * 32768), rel=0.005)


def test_an_array_is_not_changed():
    samples = noise(4000)
    before = samples.copy()
    read(samples)[:] = 0
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(4000, np.uint8), "got uint8 of shape"),
        (np.zeros(4000, bool), "got bool of shape"),
        (np.zeros(4000, complex), "got complex128 of shape"),
        (np.array([1, "a"], object), "got object of shape"),
        (np.zeros((10, 10, 10), np.float32), r"shape \(10, 10, 10\)"),
        (np.float32(0.5), r"shape \(\)"),
        (np.zeros(0, np.float32), "holds no samples"),
        (np.zeros((0, 2), np.int16), "holds no samples"),
        (np.zeros((500, 0), np.float32), "holds no samples"),
        (np.zeros(399, np.int16), "too short"),
        (np.zeros(4000, np.float32), "every sample is zero"),
        (np.full(4000, np.nan), "NaN"),
        (np.full(4000, 1000.0), "divide by 32768"),
        (noise((2, 4000)), "too short"),  # channels first
    ],
)
def test_arrays_that_are_no_recording(array, reason):
    with pytest.raises(AudioError, match=reason):
        list(array_blocks(np.asarray(array)))


def test_block_borders_of_a_resampled_file_have_no_clicks(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "BLOCK_S", 0.05)
    got = read(write_wav(tmp_path / "a.wav", sine(1.0, 44100), 44100))
    steps = [abs(b - a) for a, b in pairwise(got[800:-800].tolist())]
    assert max(steps) <= 0.5 * 32768 * 2 * np.pi * 440 / 16000 * 1.01
