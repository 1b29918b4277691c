"""firered live: what it prints and writes of files, standard input and a microphone, how it ends, and recordings."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.commands import command, killed_at
from support.fake_sounddevice import fake
from support.paths import BIN, EGS
from support.terminal import Terminal

from firered.cli.main import COMMANDS
from firered.scoring.inputs.live import read_live

WAV = EGS / "mini/test/wav"
MODEL = ["--models", EGS / "mini/models", "--device", "cpu"]
SHORT, SHORT_TEXT = WAV / "f3-zh-00003.flac", "你好，谁星期三去公园？"
TALK = WAV / "talk-zh-00001.flac"


@pytest.fixture(scope="module")
def talk():
    """Three sentences or so."""
    return soundfile.read(TALK, dtype="int16")[0][: 16000 * 8]


def live(*words, stdin=b""):
    return command("firered", "live", *words, *MODEL, stdin=stdin)


def as_wav(samples, rate=16000):
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV")
    return file.getvalue()


def finals(folder):
    """The text of the finals of each stream."""
    streams, problems = read_live(folder)
    assert problems == []
    return {key: [final.text for final in stream.finals() if final.text] for key, stream in streams.items()}


def test_a_file_gives_lines_subtitles_and_json(tmp_path):
    files = {kind: tmp_path / f"a.{kind}" for kind in ("srt", "vtt", "jsonl")}
    done = live(SHORT, "--pace", 0, *(word for kind in files for word in (f"--{kind}", files[kind])))
    assert done.returncode == 0, done.stderr
    key, text = done.stdout.split()
    assert text == SHORT_TEXT
    assert key.startswith("f3-zh-00003-0000")
    assert "\x1b" not in done.stdout
    assert "1 finals, real-time factor 0." in done.stderr
    assert "".join(files["srt"].read_text(encoding="utf-8").splitlines()[2::4]) == SHORT_TEXT
    assert files["vtt"].read_text(encoding="utf-8").startswith("WEBVTT\n\n00:00:0")
    assert finals(files["jsonl"]) == {"f3-zh-00003": [SHORT_TEXT]}


def test_at_real_time_the_clock_is_never_before_the_audio(tmp_path):
    begun = time.monotonic()
    done = live(SHORT, "--jsonl", tmp_path / "live.jsonl", "--no-ids")
    assert time.monotonic() - begun > soundfile.info(SHORT).duration
    assert done.stdout == f"{SHORT_TEXT}\n"
    ((_, stream),) = read_live(tmp_path)[0].items()
    assert stream.in_real_time()
    assert any(segment.partials for segment in stream.segments.values())


def test_standard_input_is_raw_or_wav_of_any_rate(talk, tmp_path):
    expected = live(TALK, "--pace", 0, "--name", "stdin")
    low = np.stack([talk[::2], talk[::2]], axis=1)  # 8 kHz, two channels
    unknown = bytearray(as_wav(talk))  # as ffmpeg writes it to a pipe
    unknown[4:8] = unknown[40:44] = b"\xff" * 4
    assert unknown[36:40] == b"data"
    first = live("-", stdin=talk.tobytes())
    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[0] == expected.stdout.splitlines()[0]
    assert len(first.stdout.splitlines()) > 1
    for data in (as_wav(talk), bytes(unknown)):
        assert live("-", stdin=data).stdout == first.stdout
    raw = live("-", "--rate", 8000, "--channels", 2, "--channel", 2, stdin=low.tobytes())
    assert raw.returncode == 0
    assert raw.stdout == live("-", "--channel", 1, stdin=as_wav(low, 8000)).stdout
    assert len(raw.stdout.splitlines()) == len(first.stdout.splitlines())


def test_what_is_wrong_with_standard_input_is_said_and_what_came_before_is_written(talk, tmp_path):
    bad = np.concatenate([talk / 32768, [np.nan], talk / 32768]).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, bad, 16000, format="WAV", subtype="FLOAT")
    for data, message, lines in (
        (b"", "standard input ended before there was any audio", False),
        (b"fLaC" + bytes(100), "this is FLAC, not WAV or raw 16-bit PCM", False),
        (file.getvalue(), "holds NaN or infinite samples", True),
    ):
        done = live("-", stdin=data)
        assert done.returncode == 1
        assert message in done.stderr
        assert bool(done.stdout) == lines
        assert live("-", "--keep-going", stdin=data).returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a.wav", "b.wav"], "a.wav b.wav: not one stream; -o OUT takes all recordings"),
        (["{t}"], "not one stream; -o OUT takes all recordings"),
        (["{t}/none.wav"], "none.wav: no such file"),
        (["ftp://host/a"], "ftp:// is not read here; rtsp://"),
        (["-", "--mic", "1"], "mic: - is given, too"),
        (["-", "--pace", "2"], "pace: without effect with standard input"),
        (["{w}", "--rate", "8000"], "rate: without effect with a file"),
        (["{w}", "--timeout", "3"], "timeout: without effect with a file"),
        (["{w}", "--pace", "-1"], "pace: -1.0 is less than 0"),
        (["{w}", "--channel", "each"], "channel: 'each' is for recordings with -o OUT"),
        (["-", "--allow-truncated"], "allow-truncated, max-overshoot: without effect with standard input"),
        (["{w}", "--no-resume"], "no-resume: without effect on a stream"),
        (["{w}", "--max-line-width", "20"], "options of subtitles: without effect where neither --srt nor --vtt"),
        (["{w}", "--srt", "{t}/x", "--vtt", "{t}/x"], "two kinds of output cannot be one file"),
        (["{w}", "--srt", "{t}/there"], "there: is there already; --overwrite writes over it"),
        (["{w}", "--srt", "{t}/no/x"], "x: there is no folder"),
        (["-o", "{t}/out"], "-o OUT takes recordings"),
        (["{w}", "-o", "{t}/out", "--srt", "x", "--pace", "1"], "pace, srt: without effect with -o OUT"),
        (["{w}", "--lead-s", "9"], "lead_s: 9.0 is more than 5"),
    ],
)
def test_mistakes_are_named_before_anything_is_loaded(words, message, tmp_path):
    (tmp_path / "there").write_text("mine")
    done = command("firered", "live", *(word.format(t=tmp_path, w=SHORT) for word in words), "--models", tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_a_file_that_is_there_is_written_over_where_that_is_asked_for(tmp_path):
    (tmp_path / "a.srt").write_text("mine")
    assert live(SHORT, "--pace", 0, "--srt", tmp_path / "a.srt", "--overwrite").returncode == 0
    assert (tmp_path / "a.srt").read_text(encoding="utf-8").startswith("1\n00:00:00,000 --> ")


def test_a_file_that_cannot_be_written_any_more_does_not_end_the_captions():
    done = live(SHORT, "--pace", 0, "--srt", "/dev/full", "--overwrite")
    assert done.returncode == 1
    assert "/dev/full: cannot be written: No space left on device" in done.stderr
    assert SHORT_TEXT in done.stdout


# --- the microphone ---


def test_the_microphone_is_listened_to_until_it_is_stopped(talk, tmp_path, monkeypatch):
    heard = np.repeat(talk[: 16000 * 5], 2).reshape(-1, 1)  # at 32 kHz
    module = fake(heard, speed=10.0, then=lambda: os.kill(os.getpid(), signal.SIGINT))
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    done = live("--mic", "built", "--rate", 32000, "--jsonl", tmp_path / "live.jsonl")
    assert done.returncode == 0, done.stderr
    assert "listening to the microphone Built-in, 32000 Hz; Ctrl-C ends it" in done.stderr
    assert "stopping after the open segment" in done.stderr
    assert "5.0 s of audio" in done.stderr
    assert done.stdout.startswith("mic-")
    assert [line.split(maxsplit=1)[1] for line in done.stdout.splitlines()] == finals(tmp_path)["mic"]


def test_samples_that_are_lost_are_told_and_fail(talk, monkeypatch):
    module = fake(talk.reshape(-1, 1), speed=1e9, then=lambda: os.kill(os.getpid(), signal.SIGTERM))
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    done = live("--buffer", 1)
    assert done.returncode == 1
    assert "s of audio were lost, as computing was more than 1 s behind" in done.stderr


def test_without_sounddevice_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    for words in ([], ["--list-devices"]):
        done = live(*words)
        assert done.returncode == 1
        assert "sounddevice is not installed; it comes with the extra: pip install 'firered[mic]'" in done.stderr


def test_the_microphones_are_listed(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", fake(np.zeros((1, 1), np.int16)))
    done = live("--list-devices")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "*  1  Built-in  (1 channels, 16000 Hz)")


# --- processes: signals and a terminal ---


def started(*words, **how):
    call = [BIN / "firered", "live", *words, *MODEL]
    return subprocess.Popen(list(map(str, call)), stderr=subprocess.PIPE, **how)


def wait_for(path: Path, text: str):
    for _ in range(600):
        if path.exists() and text in path.read_text(encoding="utf-8"):
            return
        time.sleep(0.1)
    raise AssertionError(f"{text!r} never came into {path}")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_open_segment(number, talk, tmp_path):
    file = tmp_path / "live.jsonl"
    process = started("-", "--jsonl", file, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(soundfile.read(SHORT, dtype="int16")[0][:20000].tobytes())  # in the middle of speech
    process.stdin.flush()
    wait_for(file, '"partial"')
    process.send_signal(number)
    out, messages = process.communicate(timeout=60)
    assert process.returncode == 0, messages
    assert out.decode().split()[1].startswith("你好")
    assert finals(file) == {"stdin": [out.decode().split()[1]]}


@pytest.mark.slow
def test_a_second_signal_stops_at_once_and_a_kill_leaves_all_finals(tmp_path):
    for count in (1, 2):
        file, subtitles = tmp_path / f"{count}.jsonl", tmp_path / f"{count}.srt"
        process = started(TALK, "--pace", 4, "--jsonl", file, "--srt", subtitles, stdout=subprocess.DEVNULL)
        wait_for(file, '"final"')
        if count == 1:
            process.kill()
        else:
            process.send_signal(signal.SIGSTOP)  # so that both are there when it goes on
            process.send_signal(signal.SIGINT)
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
        _, messages = process.communicate(timeout=60)
        assert process.returncode == (-signal.SIGKILL if count == 1 else 130), messages
        (texts,) = finals(file).values()
        written = "".join(subtitles.read_text(encoding="utf-8").split())
        assert texts
        assert all("".join(text.split()) in written for text in texts if len(text) < 20)
        if count == 2:
            assert b"stopped at once; the open segment is lost" in messages


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 34])
def test_on_a_terminal_captions_are_written_anew_in_their_place(width, tmp_path):
    import fcntl
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 12, width, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    process = started(TALK, "--pace", 8, "--jsonl", tmp_path / "live.jsonl", stdout=theirs, env=environment)
    os.close(theirs)
    written = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:  # the other side is closed
            break
        if not data:
            break
        written += data
    _, messages = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0, messages
    terminal = Terminal(width, 12)
    terminal.write(written.decode().replace("\r\n", "\n"))
    (texts,) = finals(tmp_path).values()
    assert b"\x1b[2m" in written
    assert _without_times(terminal.text()) == "".join("".join(texts).split())


def _without_times(lines):
    """The text of captions."""
    return "".join("".join(line[8:].split()) for line in lines)


# --- recordings as streams ---


def test_recordings_become_streams_of_one_file(tmp_path):
    (tmp_path / "wav.scp").write_text(f"a {SHORT}\nb cat {SHORT} |\nc {tmp_path}/none.wav\n")
    done = live(tmp_path / "wav.scp", "-o", tmp_path / "out", "--behind-s", "inf")
    assert done.returncode == 1
    assert (tmp_path / "out/failed").read_text().startswith("c ")
    assert (tmp_path / "out/text").read_text(encoding="utf-8") == f"a {SHORT_TEXT}\nb {SHORT_TEXT}\n"
    assert finals(tmp_path / "out") == {"a": [SHORT_TEXT], "b": [SHORT_TEXT]}
    streams, _ = read_live(tmp_path / "out")
    assert all(stream.in_real_time() for stream in streams.values())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("live.jsonl", "text", "failed", "config.yaml", "speed.json")
    }
    assert live(tmp_path / "wav.scp", "-o", tmp_path / "out", "--keep-going").returncode == 0


def test_an_interrupted_run_over_recordings_goes_on(tmp_path):
    names = ["f3-zh-00003", "f3-en-00003", "m7-zh-00001"]
    (tmp_path / "wav.scp").write_text("".join(f"{name} {WAV / name}.flac\n" for name in sorted(names)))
    words = [tmp_path / "wav.scp", "-o", tmp_path / "out", "--behind-s", "inf"]
    journal = tmp_path / "out/.journal.jsonl"
    killed_at(journal, 3, "firered", "live", *words, *MODEL)
    assert journal.exists()
    done = live(*words)
    assert done.returncode == 0, done.stderr
    assert "resumes after 2 recordings of an earlier run" in done.stderr
    whole = live(*[tmp_path / "whole" if word == tmp_path / "out" else word for word in words])
    assert whole.returncode == 0
    assert (tmp_path / "out/text").read_bytes() == (tmp_path / "whole/text").read_bytes()
    assert finals(tmp_path / "out") == finals(tmp_path / "whole")


def test_what_recordings_give_is_what_is_scored(tmp_path):
    (tmp_path / "ref").mkdir()
    (tmp_path / "wav.scp").write_text(f"talk-zh-00001 {TALK}\n")
    for name in ("ctm", "text"):
        lines = (EGS / "mini/test" / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (tmp_path / "ref" / name).write_text("".join(line for line in lines if line.startswith("talk-zh-00001 ")))
    assert live(tmp_path / "wav.scp", "-o", tmp_path / "hyp").returncode == 0
    done = command("score", "live", tmp_path / "ref", tmp_path / "hyp", tmp_path / "score")
    assert done.returncode == 0, done.stderr
    score = json.loads((tmp_path / "score/score.json").read_text(encoding="utf-8"))
    assert score["metrics"]
    assert (tmp_path / "score/violations.tsv").read_text().count("\n") <= 1


# --- options ---


def test_help_says_what_the_defaults_are_and_loads_no_torch():
    code = (
        "import sys; sys.argv = ['firered', 'live', '--help']\n"
        "from firered.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "assert not {'torch', 'transformers', 'sounddevice'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "COLUMNS": "120"}
    )
    assert (done.returncode, done.stderr) == (0, "")
    shown = " ".join(done.stdout.split())
    for flag in ("--silence-s", "--vad-min-silence-frame", "--asr-beam-size", "--asr-hotwords", "--asr-context-carry"):
        assert flag in shown
    assert "--share-seconds" not in shown
    assert "if more than the detector's min_silence_frame [default: 0.5]" in shown
    assert list(COMMANDS)[:2] == ["transcribe", "live"]


def test_options_reach_what_they_are_of(tmp_path):
    (tmp_path / "words").write_text("公园\n", encoding="utf-8")
    (tmp_path / "live.yaml").write_text("live:\n  interval_s: 0.3\nasr:\n  beam_size: 1\n")
    base = [SHORT, "--pace", 0, "--behind-s", "inf", "--overwrite", "--jsonl", tmp_path / "live.jsonl"]

    def lines(*words):
        assert live(*base, *words).returncode == 0
        return [json.loads(line) for line in (tmp_path / "live.jsonl").read_text(encoding="utf-8").splitlines()]

    usual = lines()
    more = lines("--config", tmp_path / "live.yaml")
    assert len([line for line in more if line["kind"] == "partial"]) > len(usual)
    hot = lines("--asr-hotwords", tmp_path / "words")
    assert hot[-1]["hotwords"] == ["公园"]
    assert lines("--no-punc")[-1]["text"] == "你好谁星期三去公园"
    assert lines("--no-lid")[-1]["lang"] is None
    assert [line for line in lines("--vad-min-speech-frame", 999) if line["kind"] == "final"] == []
    assert [line["text"] for line in lines("--no-asr") if line["kind"] == "final"] == [""]
