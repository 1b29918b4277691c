"""firered-stream-vad on standard input: what is printed, the files it leaves, and what it makes of other input."""

import io
import json
import signal
import subprocess
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
from support.commands import command
from support.paths import BIN, EGS

from firered.audio.load import read
from firered.runs import live

MODEL = ["--model", EGS / "mini/models"]
TABLES = ("vad.jsonl", "segments", "rttm", "utt2spk", "spk2utt", "utt2dur", "reco2dur", "failed")


@pytest.fixture(scope="module")
def talk():
    """Some speech; it ends while somebody speaks."""
    return read(EGS / "mini/test/wav/f3-en-00003.flac")[: int(0.9 * 16000)].astype(np.int16)


def as_wav(samples: np.ndarray, rate: int = 16000, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, subtype=subtype, format="WAV")
    return file.getvalue()


def json_lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_live_audio_leaves_the_files_of_a_recording(talk, tmp_path):
    (tmp_path / "stdin.wav").write_bytes(as_wav(talk))
    outs = {"file": tmp_path / "stdin.wav", "wav": "-", "raw": "-"}
    given = {"file": b"", "wav": as_wav(talk), "raw": talk.tobytes()}
    for name, recording in outs.items():
        out = tmp_path / name
        more = ["--textgrid", "--save-segments", out / "wav"]
        done = command("stream-vad", recording, out, *MODEL, *more, stdin=given[name])
        assert done.returncode == 0, done.stderr
        if name != "file":
            events = json_lines(done.stdout)
            assert [event["event"] for event in events] == ["speech_start", "speech_end"]
            assert json_lines((out / "vad.jsonl").read_text())[0]["events"] == events
            assert (out / "wav.scp").read_text() == "stdin -\n"
            assert files(out) == files(tmp_path / "file")
            for table in (*TABLES, "textgrid/stdin.TextGrid"):
                assert (out / table).read_text() == (tmp_path / "file" / table).read_text(), table
            (segment,) = (out / "wav").iterdir()
            assert segment.read_bytes() == (tmp_path / "file/wav" / segment.name).read_bytes()
            probs = [kaldiio.load_scp(str(folder / "probs.scp"))["stdin"] for folder in (out, tmp_path / "file")]
            assert probs[0] == pytest.approx(probs[1], abs=1e-5)


def test_a_line_a_frame_whatever_the_pieces(talk, tmp_path, monkeypatch):
    printed = []
    for size in (16000, 31, 640, 5003):
        monkeypatch.setattr(live, "_READ_BYTES", size)
        printed.append(command("stream-vad", "-", "--frames", *MODEL, stdin=talk.tobytes()).stdout)
    assert len(set(printed)) == 1
    lines = json_lines(printed[0])
    frames = [line for line in lines if "frame_idx" in line]
    assert [frame["frame_idx"] for frame in frames] == list(range(1, 89))
    assert list(frames[0]) == ["frame_idx", "is_speech", "raw_prob", "smoothed_prob"]
    assert {type(frame["is_speech"]) for frame in frames} == {bool}
    (start, end) = (line for line in lines if "event" in line)
    assert lines[lines.index(start) - 1]["frame_idx"] == start["frame"]
    assert lines[-1] == end


@pytest.mark.parametrize("rate", [8000, 44100])
def test_the_header_says_rate_and_channels(rate, tmp_path):
    samples = np.random.default_rng(0).integers(-3000, 3000, (rate, 2)).astype(np.int16)
    (tmp_path / "stdin.wav").write_bytes(as_wav(samples, rate, "PCM_24"))
    for name, recording in (("file", tmp_path / "stdin.wav"), ("live", "-")):
        flags = [*MODEL, "--channel", 2, "--speech-threshold", 0.01]
        done = command("stream-vad", recording, tmp_path / name, *flags, stdin=as_wav(samples, rate, "PCM_24"))
        assert done.returncode == 0, done.stderr
    for table in TABLES:
        assert (tmp_path / "live" / table).read_text() == (tmp_path / "file" / table).read_text(), table


def flac(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16000, format="FLAC")
    return file.getvalue()


def test_input_that_is_no_audio_is_named(talk, tmp_path):
    for data, reason in (
        (flac(talk), "this is FLAC, not WAV or raw 16-bit PCM; decode it first: ... | ffmpeg "),
        (as_wav(talk)[:30], "ends within its WAV header"),
        (b"", "standard input ended before there was a frame"),
        (talk[:300].tobytes(), "standard input ended before there was a frame"),
    ):
        done = command("stream-vad", "-", tmp_path / "out", *MODEL, stdin=data)
        assert (done.returncode, done.stdout) == (1, "")
        assert reason in (tmp_path / "out/failed").read_text()
        assert reason in done.stderr
        assert (tmp_path / "out/vad.jsonl").read_text() == ""
        assert command("stream-vad", "-", tmp_path / "out", *MODEL, "--keep-going", stdin=data).returncode == 0


def test_what_came_before_bad_samples_is_kept(talk, tmp_path):
    floats = np.concatenate([talk / 32768, [np.nan], talk / 32768])
    data = as_wav(floats, subtype="FLOAT")
    done = command("stream-vad", "-", tmp_path, *MODEL, stdin=data)
    assert done.returncode == 1
    assert "holds NaN or infinite samples, the first at 0.900 s; what came before is written" in done.stderr
    (result,) = json_lines((tmp_path / "vad.jsonl").read_text())
    assert [event["event"] for event in result["events"]] == ["speech_start", "speech_end"]


def test_audio_that_stops_before_its_header_says_is_taken_with_a_warning(talk, tmp_path):
    done = command("stream-vad", "-", tmp_path, *MODEL, stdin=as_wav(talk)[:-100])
    assert done.returncode == 0
    assert "ended 100 bytes before the length that its WAV header states" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-", "{t}", "--channel", "each"], "'each' is for recordings; of live audio take 'mix' or a number"),
        (["{t}/a.wav", "{t}/out", "--frames"], "frames: of live audio alone"),
        (["{t}/a.wav"], "IN... OUT"),
    ],
)
def test_mistakes_are_named(words, message, tmp_path):
    done = command("stream-vad", *(word.format(t=tmp_path) for word in words), *MODEL)
    assert done.returncode == 1
    assert message in done.stderr


def test_an_interrupt_ends_the_audio_and_a_closed_output_does_not(talk, tmp_path):
    words = [BIN / "firered-stream-vad", "-", tmp_path, "--frames", *MODEL]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(talk[:8000].tobytes())
    process.stdin.flush()
    assert json.loads(process.stdout.readline())["frame_idx"] == 1
    process.stdout.close()  # as `| head -1` does
    process.stdin.write(talk[8000:].tobytes())
    process.stdin.flush()
    for line in process.stderr:
        if b"nobody reads what is printed" in line:
            break
    process.send_signal(signal.SIGINT)
    errors = process.stderr.read()
    assert process.wait() == 0, errors
    assert b"Traceback" not in errors
    (result,) = json_lines((tmp_path / "vad.jsonl").read_text())
    assert result["events"][-1]["event"] == "speech_end"
