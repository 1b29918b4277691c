"""What recordings say of themselves before they are decoded, and the durations of utterances made of it."""

import math
import os
import subprocess
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.signals import noise, write_wav
from support.tools import needs_ffmpeg

from firered.audio import decode
from firered.audio import probe as probe_module
from firered.audio.config import AudioConfig
from firered.audio.load import read
from firered.audio.plain_wav import plain_wav
from firered.audio.probe import Header, duration_of, probe, probe_all, soundfile_header, with_durations
from firered.data.utterance import Utterance
from firered.errors import AudioError
from firered.runs.inputs import resolve

AUDIO = AudioConfig()
SECONDS = 3.7


@pytest.fixture(scope="module")
def stereo(tmp_path_factory):
    return write_wav(tmp_path_factory.mktemp("stereo") / "a.wav", noise((round(SECONDS * 44100), 2), 0.1), 44100)


def converted(source, path, *options):
    """A file that ffmpeg made of another."""
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", source, *options, path], check=True)
    return path


@needs_ffmpeg
@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.m4a", "aac", ()),
        ("a.mp4", "aac", ("-f", "lavfi", "-i", "color=black:s=32x32:d=3.7", "-shortest")),
        ("a.mkv", "vorbis", ("-c:a", "libvorbis")),
        ("a.mka", "pcm_s16le", ("-c:a", "pcm_s16le")),
        ("a.webm", "opus", ("-c:a", "libopus", "-ar", "48000")),
        ("a.wma", "wmav2", ()),
        ("a.mov", "alac", ("-c:a", "alac")),
    ],
)
def test_ffprobe_knows_the_duration(name, codec, options, stereo, tmp_path):
    path = converted(stereo, tmp_path / name, *options)
    found = probe(path)
    assert (found.codec, found.rate, found.channels) == (codec, 48000 if "opus" in codec else 44100, 2)
    assert found.duration_s == pytest.approx(len(read(path)) / 16000, abs=0.06)
    assert found.lossy == (codec not in ("pcm_s16le", "alac"))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 48000])
@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("frames", [1, 7, 16001])
def test_a_plain_wav_is_known_without_libsndfile_as_libsndfile_has_it(rate, channels, frames, tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, noise((frames, channels), 0.1), rate, "PCM_16")
    with soundfile.SoundFile(path) as file:
        expected = soundfile_header(file)
    assert Header("PCM_16", *plain_wav(path)) == expected == probe(path)
    assert plain_wav(f" {path}\t") == plain_wav(path)


def test_any_other_file_is_left_to_libsndfile_and_ffmpeg(tmp_path):
    path = tmp_path / "a.wav"
    for subtype in ("PCM_24", "PCM_U8", "FLOAT", "ULAW"):
        soundfile.write(path, noise((100,), 0.1), 16000, subtype)
        assert plain_wav(path) is None, subtype
    soundfile.write(path, noise((100,), 0.1), 16000, "PCM_16")
    whole = path.read_bytes()
    nothing = whole[:40] + bytes(4)
    changed = {"cut short": whole[:-1], "more behind": whole + b"LIST", "no samples": nothing, "a head": whole[:40]}
    changed["a size not known"] = whole[:40] + b"\xff\xff\xff\xff" + whole[44:]
    changed["half a frame"] = whole[:40] + b"\xc7\0\0\0" + whole[44:-1]
    changed["no rate"] = whole[:24] + bytes(4) + whole[28:]
    for name, content in changed.items():
        path.write_bytes(content)
        assert plain_wav(path) is None, name
    os.mkfifo(tmp_path / "fifo.wav")
    others = [tmp_path, tmp_path / "fifo.wav", "none.wav", "cat a.wav |", f"{path}:0", BytesIO(whole)]
    assert [plain_wav(other) for other in others] == [None] * len(others)


@needs_ffmpeg
@pytest.mark.parametrize("name", ["a.aac", "a.ac3"])
def test_a_duration_made_up_from_the_bit_rate_is_none(name, stereo, tmp_path):
    assert probe(converted(stereo, tmp_path / name)).duration_s is None


@pytest.mark.parametrize(("name", "codec"), [("a.wav", "PCM_16"), ("a.flac", "PCM_16"), ("a.ogg", "VORBIS")])
def test_formats_of_soundfile(name, codec, tmp_path):
    assert probe(write_wav(tmp_path / name, noise((8000, 2)), 8000)) == Header(codec, 8000, 2, 1.0)


def test_any_source(tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(4000))
    expected = probe(path)
    assert probe(f"cat {path} |") == expected
    assert probe(BytesIO(path.read_bytes())) == expected
    with path.open("rb") as file:
        assert probe(file) == expected


@needs_ffmpeg
def test_a_format_of_ffmpeg_from_memory(stereo, tmp_path, monkeypatch):
    path = converted(stereo, tmp_path / "a.m4a")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert probe(BytesIO(path.read_bytes())) == probe(path)
    assert [found.name for found in tmp_path.iterdir()] == ["a.m4a"]  # no temporary file is left


@needs_ffmpeg
def test_nothing_is_decoded(stereo, tmp_path, monkeypatch):
    path = converted(stereo, tmp_path / "a.m4a")
    started = []
    original = subprocess.Popen.__init__

    def noted(self, args, *rest, **more):
        started.append(args[0])
        original(self, args, *rest, **more)

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    probe(path)
    with decode.open_recording(path) as opened:
        assert opened.header.channels == 2
    assert started == ["ffprobe", "ffprobe"]


def test_what_is_no_audio(tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("hello")
    for wrong, reason in [(text, "a.txt: not "), (tmp_path, "is a folder"), (tmp_path / "b", "no such file")]:
        with pytest.raises(AudioError, match=reason):
            probe(wrong)
    found = probe_all([str(text), str(tmp_path / "b"), f"cat {text} |"], AUDIO)
    assert [type(header) for header in found.values()] == [AudioError, AudioError]


# Durations of utterances


@pytest.fixture
def counted(monkeypatch):
    """The recordings that are looked into."""
    asked = []
    original = probe_module.probe
    monkeypatch.setattr(probe_module, "probe", lambda name, config: asked.append(name) or original(name, config))
    return asked


def test_each_file_is_asked_once_and_what_is_known_is_believed(tmp_path, counted):
    path = str(write_wav(tmp_path / "a.wav", noise(8000)))
    marker = tmp_path / "ran"
    utterances = [
        Utterance("whole", "a", path),
        Utterance("rest", "a", path, start_s=0.2),
        Utterance("part", "a", path, start_s=0.1, end_s=0.4),
        Utterance("stated", "b", str(tmp_path / "nowhere.wav"), duration_s=7.0),
        Utterance("lost", "c", str(tmp_path / "nowhere.wav")),
        Utterance("piped", "d", f"touch {marker}; cat {path} |"),
        Utterance("features", "e", feats="feats.ark:5"),
        Utterance("beyond", "a", path, start_s=3.0),
    ]
    seconds = [utterance.duration_s for utterance in with_durations(utterances, AUDIO)]
    np.testing.assert_allclose(seconds, [0.5, 0.3, 0.3, 7.0, math.nan, math.nan, math.nan, math.nan])
    assert sorted(counted) == [path, str(tmp_path / "nowhere.wav")]
    np.testing.assert_allclose([duration_of(utterance, AUDIO) for utterance in utterances], seconds)
    assert not marker.exists()


def test_resolve_fills_durations_in(tmp_path, counted):
    write_wav(tmp_path / "in/a.wav", noise(8000))
    write_wav(tmp_path / "in/b.wav", noise((4000, 2)))
    assert [
        utterance.duration_s for utterance in resolve([str(tmp_path / "in")], AUDIO, by_segment=True).utterances
    ] == [0.5, 0.25]
    assert len(counted) == 2
    found = resolve([str(tmp_path / "in")], AUDIO, by_segment=True, durations=False).utterances
    assert all(math.isnan(utterance.duration_s) for utterance in found)


@needs_ffmpeg
def test_channels_of_a_video_come_with_their_duration(stereo, tmp_path):
    path = converted(stereo, tmp_path / "talk.m4a")
    found = resolve([str(path)], AudioConfig(channel="each"), by_segment=True).utterances
    assert [utterance.id for utterance in found] == ["talk-A", "talk-B"]
    for utterance in found:
        assert utterance.duration_s == pytest.approx(SECONDS, abs=0.06)
        assert Path(utterance.rxfilename) == path


@pytest.mark.parametrize("rate", [1, 999, 6_000_001])
def test_a_rate_that_nothing_is_recorded_at(tmp_path, rate):
    """One Hz would become 16,000 samples for each that is there."""
    path = write_wav(tmp_path / "a.wav", noise(8000), rate)
    for use in (probe, read):
        with pytest.raises(AudioError, match=f"{rate} is no sample rate: expected 1000 to 6000000 Hz"):
            use(path)


# --- hostile files ---


MANIFEST = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT5S">
<Period><AdaptationSet contentType="audio"><Representation id="1" mimeType="audio/mp4" bandwidth="1000">
<BaseURL>{}</BaseURL></Representation></AdaptationSet></Period></MPD>
"""


@needs_ffmpeg
def test_a_manifest_that_names_another_file_opens_none(stereo, tmp_path):
    """Without a word at its beginning by which it is known, as playlists have one."""
    other = converted(stereo, tmp_path / "other.mp4", "-c:a", "aac")
    manifest = tmp_path / "upload.bin"
    for named in (other, f"file://{other}", other.name):
        manifest.write_text(MANIFEST.format(named))
        for look in (probe, lambda path: read(path, AUDIO)):
            with pytest.raises(AudioError, match=r"names other files|not audio"):
                look(manifest)


@needs_ffmpeg
@pytest.mark.parametrize("program", ["ffmpeg", "ffprobe"])
def test_ffmpeg_has_as_long_as_it_is_given(stereo, tmp_path, monkeypatch, program):
    path = converted(stereo, tmp_path / "a.m4a", "-c:a", "aac")
    assert len(read(path, AudioConfig(ffmpeg_seconds=60.0))) > 0
    slow = tmp_path / "bin" / program
    slow.parent.mkdir()
    slow.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    began = time.monotonic()
    with pytest.raises(AudioError, match=rf"{program} took more than 0.5 s"):
        read(path, AudioConfig(ffmpeg_seconds=0.5))
    assert time.monotonic() - began < 20
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
