"""Sources of live audio: recordings at a pace, addresses by ffmpeg, the microphone without a sound card."""

import http.server
import io
import shutil
import socket
import sys
import threading
import time
from functools import partial

import numpy as np
import pytest
import soundfile
from support.fake_sounddevice import fake

from firered.audio.arriving import Arriving
from firered.audio.live_sources import Address, Recorded, scheme_of, without_password
from firered.audio.microphone import Microphone, list_devices
from firered.errors import AudioError, OptionError

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="there is no ffmpeg")


def heard(source, room_s=60.0):
    """All samples, their rate, and the `Arriving` they came through."""
    with Arriving(source, room_s) as arriving:
        pieces = [piece for piece in arriving.pieces(0.05) if piece is not None]
    return np.concatenate([samples for samples, _ in pieces]), pieces[0][1], arriving


# --- recordings ---


def test_a_recording_comes_at_its_pace():
    blocks = [np.full(12000, 16384.0, np.float32), np.full(4000, -16384.0, np.float32)]
    for pace, least_s in ((4.0, 0.25), (0.0, 0.0)):
        begun = time.monotonic()
        samples, rate, _ = heard(Recorded("a", blocks, pace))
        took_s = time.monotonic() - begun
        assert least_s <= took_s < least_s + 2
        assert (rate, len(samples), samples[0], samples[-1]) == (16000, 16000, 0.5, -0.5)


def test_at_real_time_nothing_comes_before_it_would_have_been_spoken():
    source = Recorded("a", [np.zeros(8000, np.float32)], 1.0)
    with Arriving(source, 60) as arriving:
        count = 0
        for piece in arriving.pieces(0.05):
            if piece is not None:
                count += len(piece[0])
                assert arriving.clock_s() >= count / 16000 - 0.001
    assert count == 8000


def test_a_stop_ends_the_wait_for_the_next_piece():
    with Arriving(Recorded("a", [np.zeros(16000, np.float32)], 0.01), 60) as arriving:
        threading.Timer(0.1, arriving.stopped.set).start()
        begun = time.monotonic()
        assert [piece for piece in arriving.pieces(0.05) if piece is not None] == []
    assert time.monotonic() - begun < 3


# --- addresses ---


@pytest.fixture
def server(tmp_path):
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@needs_ffmpeg
def test_an_address_is_read_by_ffmpeg_at_its_own_rate_and_channels(server, tmp_path):
    sent = np.random.default_rng(0).integers(-3000, 3000, (11025, 2)).astype(np.int16)
    soundfile.write(tmp_path / "a.flac", sent, 11025)
    samples, rate, arriving = heard(Address(f"{server}/a.flac", 10))
    assert rate == 11025
    assert np.array_equal(samples, sent)
    assert arriving.faults == []


@needs_ffmpeg
@pytest.mark.parametrize(
    ("path", "message"), [("none.flac", "ffmpeg cannot read it: .*404"), ("text.wav", "ffmpeg cannot read it: ")]
)
def test_what_ffmpeg_says_last_is_in_the_message(path, message, server, tmp_path):
    (tmp_path / "text.wav").write_text("no audio at all\n" * 100)
    with pytest.raises(AudioError, match=message):
        heard(Address(f"{server}/{path}", 10))


@needs_ffmpeg
def test_an_address_that_never_answers_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://me:secret@127.0.0.1:{silent.getsockname()[1]}/live"
        begun = time.monotonic()
        with pytest.raises(AudioError, match=r"http://me:\*\*\*@127.0.0.1:\d+/live: nothing has arrived for 1 s"):
            heard(Address(address, 1.0))
    assert time.monotonic() - begun < 8


@needs_ffmpeg
def test_a_playlist_gets_no_file_of_this_machine(server, tmp_path):
    soundfile.write(tmp_path / "mine.wav", np.zeros(16000, np.int16), 16000)
    segment = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{tmp_path}/mine.wav\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.m3u8").write_text(segment)
    with pytest.raises(AudioError, match="cannot read it"):
        heard(Address(f"{server}/list.m3u8", 10))


def test_other_schemes_are_refused_and_passwords_are_not_shown():
    for url in ("file:///etc/passwd", "ftp://a/b", "concat://x"):
        with pytest.raises(OptionError, match="is not read here; rtsp://, rtsps://, http://, https:// are"):
            Address(url, 1)
    assert (scheme_of("RTSP://x"), scheme_of("a/b.wav"), scheme_of("C:\\a.wav")) == ("rtsp", "", "")
    shown = without_password("rtsp://user:pa:ss@host/x and http://host:80/a@b")
    assert shown == "rtsp://user:***@host/x and http://host:80/a@b"


def test_without_ffmpeg_an_address_says_so(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(AudioError, match="ffmpeg reads addresses, and it is not installed"):
        Address("http://host/a", 1)


# --- the microphone ---


def played(monkeypatch, samples, **how):
    """The microphone's module, which gives these samples and then stops the stream that is set as its `arriving`."""
    module = fake(samples, **how)
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    return module


def listened(source, seconds):
    with Arriving(source, 60) as arriving:
        found = []
        for piece in arriving.pieces(0.05):
            if piece is not None:
                found.append(piece)
            if sum(len(samples) / rate for samples, rate in found) >= seconds - 1e-6:
                arriving.stopped.set()
    return np.concatenate([samples for samples, _ in found]), arriving


def test_the_microphone_gives_all_that_it_hears(monkeypatch):
    spoken = np.random.default_rng(0).integers(-3000, 3000, (16000, 1)).astype(np.int16)
    module = played(monkeypatch, spoken)
    samples, arriving = listened(Microphone(), 1.0)
    assert np.array_equal(samples, spoken)
    assert arriving.faults == []
    (opened,) = module.opened
    assert (opened.samplerate, opened.device, opened.channels) == (16000, None, 1)


def test_a_microphone_is_found_by_number_or_name(monkeypatch):
    module = played(monkeypatch, np.zeros((4800, 2), np.int16))
    for name, rate, expected in (("2", None, (48000, 2)), ("head", 16000, (16000, "head"))):
        listened(Microphone(name, rate, 2), 0.05)
        assert (module.opened[-1].samplerate, module.opened[-1].device) == expected


def test_what_is_wrong_with_a_microphone_is_said(monkeypatch):
    played(monkeypatch, np.zeros((1600, 1), np.int16))
    for device, rate, channels, message in (
        ("tape", None, 1, r"microphone 'tape': No input device matching 'tape'; --list-devices shows what there is"),
        (None, None, 2, "the microphone Built-in has 1 channels, 2 are asked for"),
    ):
        with pytest.raises(AudioError, match=message):
            Microphone(device, rate, channels)
    with pytest.raises(AudioError, match="Built-in cannot be opened at 12345 Hz: Invalid sample rate"):
        heard(Microphone(None, 12345))


def test_a_microphone_that_is_unplugged_or_too_slow_is_told(monkeypatch):
    played(monkeypatch, np.ones((1600, 1), np.int16), stops=True, overflow=True)
    with Arriving(Microphone(), 60) as arriving, pytest.raises(AudioError, match="has stopped: is it still plugged in"):
        list(arriving.pieces(0.05))
    assert arriving.faults == ["the microphone Built-in: the system lost samples 1 times; it is too busy"]


def test_the_microphones_are_listed(monkeypatch):
    played(monkeypatch, np.zeros((1, 1), np.int16))
    assert list_devices() == ["*  1  Built-in  (1 channels, 16000 Hz)", "   2  Headset  (2 channels, 48000 Hz)"]
    monkeypatch.setitem(sys.modules, "sounddevice", fake(np.zeros((1, 1), np.int16), devices=[]))
    with pytest.raises(AudioError, match="no microphone is found on this machine"):
        list_devices()
    with pytest.raises(AudioError, match="no microphone is found: Error querying device -1"):
        Microphone()


def test_without_portaudio_it_is_said_what_to_install(monkeypatch):
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)

    class Finder:
        @staticmethod
        def find_spec(name, *_):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    with pytest.raises(AudioError, match=r"does not find PortAudio \(PortAudio library not found\): install it"):
        Microphone()


def test_samples_of_standard_input_have_the_rate_they_are_said_to_have():
    from firered.audio.incoming import Incoming

    raw = np.arange(32, dtype="<i2")
    samples, rate = Incoming(8000, 2).accept(raw.tobytes())
    assert (rate, samples.tolist()) == (8000, raw.reshape(-1, 2).tolist())
    file = io.BytesIO()
    soundfile.write(file, raw, 8000, format="WAV")
    assert Incoming(8000, 1).accept(file.getvalue())[1] == 8000
    with pytest.raises(AudioError, match="its WAV header says rate 8000, --rate 16000: leave the option out for WAV"):
        Incoming(16000).accept(file.getvalue())
    for rate, channels, message in ((10, None, "rate: 10 Hz"), (None, 0, "channels: 0 is not between 1 and 64")):
        with pytest.raises(OptionError, match=message):
            Incoming(rate, channels)
