"""The commands as a user types them: outputs, bad input, resume."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
from support.commands import command, killed_at

from firered.data.archives import read_matrix

BIN = Path(sys.executable).parent


def voice(seconds: float, seed: int = 0) -> np.ndarray:
    """Noise with pauses: enough for a random network to give posteriors that differ."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal(int(16000 * seconds)) * 2000
    return (signal * (np.sin(np.arange(len(signal)) / 8000) > 0)).astype(np.int16)


def good_files(folder: Path, count: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        soundfile.write(folder / f"good{number}.wav", voice(2 + number, number), 16000)


def table(path: Path) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())


def test_published_result_of_hello_zh(shared, tmp_path):
    done = command("vad", shared("audio/firered/hello_zh.wav"), tmp_path, "--model", shared("models"))
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "vad.jsonl").read_text()) == {
        "uttid": "hello_zh",
        "dur": 2.32,
        "timestamps": [[0.44, 1.82]],
    }
    assert (tmp_path / "segments").read_text() == "hello_zh-0000440-0001820 hello_zh 0.440 1.820\n"
    assert (tmp_path / "rttm").read_text() == "SPEAKER hello_zh 1 0.440 1.380 <NA> <NA> speech <NA> <NA>\n"
    assert (tmp_path / "utt2dur").read_text() == "hello_zh-0000440-0001820 1.380\n"
    assert (tmp_path / "reco2dur").read_text() == "hello_zh 2.32\n"
    assert (tmp_path / "failed").read_text() == ""
    ((key, probs),) = kaldiio.load_scp(str(tmp_path / "probs.scp")).items()
    assert (key, probs.shape) == ("hello_zh", (230, 1))
    settings = (tmp_path / "config.yaml").read_text()
    assert "speech_threshold: 0.4" in settings
    assert "firered 0." in settings.splitlines()[0]


def test_published_results_of_the_other_models(shared, tmp_path):
    folder, models = shared("audio/firered"), shared("models")
    done = command("mvad", folder / "event.wav", tmp_path / "m", "--model", models, "--textgrid")
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "m/vad.jsonl").read_text())
    assert result["event2timestamps"]["speech"] == [[0.4, 3.56], [3.66, 9.08], [9.27, 9.77], [10.78, 21.76]]
    assert result["event2timestamps"]["singing"] == [[1.79, 19.96], [19.97, 22.016]]
    assert result["event2timestamps"]["music"] == [[0.09, 12.32], [12.33, 22.016]]
    assert result["event2ratio"] == {"speech": 0.848, "singing": 0.905, "music": 0.991}
    assert {line.split()[7] for line in (tmp_path / "m/rttm").read_text().splitlines()} == {
        "speech",
        "singing",
        "music",
    }
    assert 'name = "music"' in (tmp_path / "m/textgrid/event.TextGrid").read_text()

    files = [folder / "hello_zh.wav", folder / "hello_en.wav"]
    done = command("stream-vad", *files, tmp_path / "s", "--model", models, "--speech-threshold", 0.4)
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in (tmp_path / "s/vad.jsonl").read_text().splitlines()]
    assert [r["timestamps"] for r in results] == [[[0.28, 1.83]], [[0.46, 1.84]]]
    assert [e["event"] for e in results[0]["events"]] == ["speech_start", "speech_end"]
    assert [e["time"] for e in results[0]["events"]] == [0.28, 1.83]


def test_live_audio_prints_events_when_they_are_known(shared, tmp_path):
    samples, _ = soundfile.read(shared("audio/firered/hello_zh.wav"), dtype="int16")
    process = subprocess.Popen(
        [BIN / "firered-stream-vad", "-", tmp_path, "--model", shared("models"), "--speech-threshold", "0.4"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    process.stdin.write(samples[: 16000 * 1].tobytes())
    process.stdin.flush()
    first = json.loads(process.stdout.readline())  # before the rest is there
    assert (first["event"], first["time"]) == ("speech_start", 0.46)
    rest, _ = process.communicate(samples[16000:].tobytes()[:-1])  # half a sample at the end does no harm
    (second,) = map(json.loads, rest.splitlines())
    assert (second["event"], second["time"]) == ("speech_end", 1.84)
    assert process.returncode == 0
    result = json.loads((tmp_path / "vad.jsonl").read_text())
    assert result["timestamps"] == [[0.46, 1.84]]
    assert len(result["events"]) == 2


def test_features_give_the_result_of_audio(shared, tmp_path):
    audio, models = shared("audio/firered"), shared("models")
    assert command("fbank", audio, tmp_path / "feats").returncode == 0
    for name in ("vad", "mvad", "stream-vad"):
        assert command(name, audio, tmp_path / f"{name}-a", "--model", models).returncode == 0
        assert command(name, tmp_path / "feats", tmp_path / f"{name}-f", "--model", models).returncode == 0
        for file in ("vad.jsonl", "segments", "rttm", "utt2dur", "wav.scp", "reco2dur"):
            assert (tmp_path / f"{name}-a" / file).read_text() == (tmp_path / f"{name}-f" / file).read_text(), file


def test_segments_of_stored_features_are_ranges_of_them(shared, tmp_path):
    """What later stages read is what they would compute from the segment's audio, without opening the audio again."""
    model = ["--model", shared("models")]
    assert command("fbank", shared("audio/firered"), tmp_path / "f").returncode == 0
    assert command("vad", tmp_path / "f", tmp_path / "a", *model).returncode == 0
    assert command("vad", shared("audio/firered"), tmp_path / "b", *model).returncode == 0
    assert not (tmp_path / "b/feats.scp").exists()
    assert command("fbank", tmp_path / "b", tmp_path / "cut").returncode == 0
    segments = [line.split()[0] for line in (tmp_path / "a/segments").read_text().splitlines()]
    ranges, cut = table(tmp_path / "a/feats.scp"), kaldiio.load_scp(str(tmp_path / "cut/feats.scp"))
    assert sorted(ranges) == sorted(cut) == segments
    for key, rxfilename in ranges.items():
        np.testing.assert_array_equal(read_matrix(rxfilename), cut[key])
    assert (tmp_path / "a/utt2num_frames").read_text() == (tmp_path / "cut/utt2num_frames").read_text()
    # Run again from audio alone, nothing of the features is left.
    assert command("vad", shared("audio/firered"), tmp_path / "a", *model).returncode == 0
    assert not (tmp_path / "a/feats.scp").exists()


def test_output_passes_the_validator_and_feeds_the_next_command(tiny_vad_models, tmp_path):
    good_files(tmp_path / "in")
    out = tmp_path / "out"
    done = command("vad", tmp_path / "in", out, "--model", tiny_vad_models, "--speech-threshold", 0.01)
    assert done.returncode == 0, done.stderr
    validate = Path(__file__).parents[2] / "utils/validate_data_dir.py"
    checked = subprocess.run([sys.executable, validate, "--no-text", "--no-feats", out], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
    assert command("fbank", out, tmp_path / "seg").returncode == 0
    frames = {key: int(value) for key, value in table(tmp_path / "seg/utt2num_frames").items()}
    assert frames.keys() == table(out / "segments").keys()
    durations = {key: float(value) for key, value in table(out / "utt2dur").items()}
    assert all(abs(frames[key] - (100 * durations[key] - 1.5)) <= 1 for key in frames)


def bad_input(folder: Path) -> dict[str, str]:
    """A wav.scp of every kind of bad recording among good ones; id -> what its reason must say."""
    good_files(folder)
    (folder / "empty.wav").touch()
    (folder / "text.wav").write_text("this is no audio\n" * 100)
    (folder / "cut.wav").write_bytes((folder / "good2.wav").read_bytes()[:30000])
    soundfile.write(folder / "none.wav", np.zeros(0, np.int16), 16000)
    soundfile.write(folder / "short.wav", voice(0.024), 16000)
    soundfile.write(folder / "zero.wav", np.zeros(32000, np.int16), 16000)
    samples = voice(2) / np.float32(32768)
    for name, value in (("nan", np.nan), ("inf", -np.inf)):
        broken = samples.copy()
        broken[20000] = value
        soundfile.write(folder / f"{name}.wav", broken, 16000, subtype="FLOAT")
    reasons = {
        "missing": "no such file",
        "empty": "empty",
        "text": "not",
        "cut": "cut short",
        "none": "no samples",
        "short": "too short: 24.0 ms",
        "zero": "every sample is zero",
        "nan": "the first at 1.250 s",
        "inf": "the first at 1.250 s",
        "pipe": "failed with status 3: went wrong",
        "good0": "already on line 2",
    }
    lines = ["zz_unsorted " + str(folder / "good1.wav"), "good0 " + str(folder / "good0.wav")]
    lines += [f"{key} {folder / key}.wav" for key in reasons if key not in ("pipe", "good0")]
    lines += ["good0 " + str(folder / "good1.wav"), "pipe echo went wrong >&2; exit 3 |", "only_an_id"]
    lines += [f"piped cat {folder / 'good2.wav'} |"]
    (folder / "wav.scp.bad").write_text("\n".join(lines) + "\n")
    return {**reasons, "only_an_id": "wav.scp.bad:"}


@pytest.mark.parametrize("name", ["vad", "mvad", "stream-vad", "fbank"])
def test_bad_recordings_are_listed_and_the_others_done(name, tiny_vad_models, tmp_path):
    reasons = bad_input(tmp_path / "in")
    model = [] if name == "fbank" else ["--model", tiny_vad_models]
    done = command(name, tmp_path / "in/wav.scp.bad", tmp_path / "out", *model)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    failed = table(tmp_path / "out/failed")
    assert failed.keys() == reasons.keys()
    for key, part in reasons.items():
        assert part in failed[key], (key, failed[key])
        assert key in done.stderr
    result = tmp_path / "out" / ("utt2num_frames" if name == "fbank" else "probs.scp")
    assert table(result).keys() == {"good0", "zz_unsorted", "piped"}
    assert "12 failed" in done.stderr
    assert command(name, tmp_path / "in/wav.scp.bad", tmp_path / "out", *model, "--keep-going").returncode == 0
    assert table(tmp_path / "out/failed").keys() == reasons.keys()
    refused = command(name, tmp_path / "in/wav.scp.bad", tmp_path / "out", *model, "--no-pipes")
    assert refused.returncode == 1
    assert "refused" in table(tmp_path / "out/failed")["piped"]


def test_bad_segments_are_listed_and_the_others_done(tmp_path):
    good_files(tmp_path / "in", 1)
    (tmp_path / "in/wav.scp").write_text(f"rec {tmp_path / 'in/good0.wav'}\n")
    (tmp_path / "in/segments").write_text(
        "u1 rec 0.5 1.5\nu2 rec 1.0 0.5\nu3 rec 1.0 9.0\nu4 other 0 1\nu5 rec 0.1\nu6 rec 5.0 6.0\nu7 rec x 1\n"
    )
    done = command("fbank", tmp_path / "in", tmp_path / "out")
    assert done.returncode == 1
    assert table(tmp_path / "out/utt2num_frames") == {"u1": "98"}
    failed = table(tmp_path / "out/failed")
    assert failed.keys() == {"u2", "u3", "u4", "u5", "u6", "u7"}
    assert "segments:2" in failed["u2"]
    assert "the recording rec at 2.000 s" in failed["u3"]
    assert "other is not in wav.scp" in failed["u4"]
    assert "segments:5" in failed["u5"]


@pytest.mark.parametrize("name", ["vad", "mvad", "stream-vad"])
def test_a_missing_model_says_how_to_get_it(name, tmp_path):
    good_files(tmp_path / "in", 1)
    done = command(name, tmp_path / "in", tmp_path / "out", "--model", tmp_path / "nowhere")
    assert done.returncode == 1
    assert f"firered-download FireRedVAD --to {tmp_path / 'nowhere'}\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_checkpoint_that_runs_code_is_refused(tiny_vad_models, tmp_path):
    import pickle
    import shutil

    class Evil:
        def __reduce__(self) -> tuple:
            return os.system, (f"touch {tmp_path / 'ran'}",)

    shutil.copytree(tiny_vad_models / "FireRedVAD/VAD", tmp_path / "VAD")
    (tmp_path / "VAD/model.pth.tar").write_bytes(pickle.dumps({"args": Evil(), "model_state_dict": {}}))
    good_files(tmp_path / "in", 1)
    done = command("vad", tmp_path / "in", tmp_path / "out", "--model", tmp_path / "VAD")
    assert done.returncode == 1
    assert "model.pth.tar" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "ran").exists()


def test_output_that_cannot_be_written(tiny_vad_models, tmp_path):
    good_files(tmp_path / "in", 1)
    (tmp_path / "file").touch()
    done = command("vad", tmp_path / "in", tmp_path / "file/out", "--model", tiny_vad_models)
    assert done.returncode == 1
    assert "file/out: cannot be written: Not a directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_stops_with_its_reason_and_is_resumed(tiny_vad_models, tmp_path):
    good_files(tmp_path / "in", 4)
    args = [BIN / "firered-fbank", tmp_path / "in", tmp_path / "out"]
    # A limit on the size of files stands in for the disk: the archive does not fit.
    done = subprocess.run(
        ["bash", "-c", 'trap "" XFSZ; ulimit -f 100; exec "$@"', "bash", *args], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "File too large" in done.stderr or "No space" in done.stderr
    assert "Traceback" not in done.stderr
    assert command("fbank", tmp_path / "in", tmp_path / "out").returncode == 0
    assert command("fbank", tmp_path / "in", tmp_path / "fresh").returncode == 0
    assert (tmp_path / "out/feats.ark").read_bytes() == (tmp_path / "fresh/feats.ark").read_bytes()


def test_a_killed_run_resumes_to_the_same_files(tiny_vad_models, tmp_path):
    good_files(tmp_path / "in", 3)
    lines = {path.stem: str(path) for path in (tmp_path / "in").glob("*.wav")}
    (tmp_path / "wav.scp").write_text("".join(f"{key} {value}\n" for key, value in sorted(lines.items())))
    journal = tmp_path / "out/.journal.jsonl"
    died = killed_at(journal, 3, "firered-fbank", tmp_path / "wav.scp", tmp_path / "out")
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert not (tmp_path / "out/feats.scp").exists()
    again = command("fbank", tmp_path / "wav.scp", tmp_path / "out")
    assert again.returncode == 0, again.stderr
    assert "resumes after 2 utterances" in again.stderr
    assert command("fbank", tmp_path / "wav.scp", tmp_path / "fresh").returncode == 0
    for name in ("feats.ark", "utt2dur", "utt2num_frames", "wav.scp", "failed"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes(), name
    assert not journal.exists()


def test_every_channel_of_its_own(tiny_vad_models, tmp_path):
    left, right = voice(2, 1), voice(2, 2)
    soundfile.write(tmp_path / "two.wav", np.stack([left, right], 1), 16000)
    soundfile.write(tmp_path / "right.wav", right, 16000)
    flags = ["--model", tiny_vad_models, "--speech-threshold", 0.01]
    assert command("vad", tmp_path / "two.wav", tmp_path / "each", *flags, "--channel", "each").returncode == 0
    assert table(tmp_path / "each/reco2file_and_channel") == {"two-A": "two A", "two-B": "two B"}
    assert command("vad", tmp_path / "right.wav", tmp_path / "right", *flags).returncode == 0
    probs = kaldiio.load_scp(str(tmp_path / "each/probs.scp"))
    alone = kaldiio.load_scp(str(tmp_path / "right/probs.scp"))
    assert np.abs(probs["two-B"] - alone["right"]).max() < 1e-6
    assert np.abs(probs["two-A"] - alone["right"]).max() > 1e-4
    # the data directory remembers which channel each recording is
    assert command("fbank", tmp_path / "each", tmp_path / "feats").returncode == 0
    assert command("vad", tmp_path / "right.wav", tmp_path / "second", *flags, "--channel", 2).returncode == 1


def test_segments_as_wavs_and_pictures(tiny_vad_models, tmp_path):
    good_files(tmp_path / "in", 1)
    flags = ["--speech-threshold", 0.01, "--max-speech-frame", 80, "--save-segments", tmp_path / "cut"]
    done = command(
        "vad", tmp_path / "in", tmp_path / "out", "--model", tiny_vad_models, *flags, "--plot", tmp_path / "plot"
    )
    assert done.returncode == 0, done.stderr
    whole, _ = soundfile.read(tmp_path / "in/good0.wav", dtype="int16")
    segments = {key: line.split() for key, line in table(tmp_path / "out/segments").items()}
    assert len(segments) > 1
    for key, (_, start, end) in segments.items():
        samples, rate = soundfile.read(tmp_path / "cut" / f"{key}.wav", dtype="int16")
        assert rate == 16000
        assert np.array_equal(samples, whole[round(float(start) * 16000) : round(float(end) * 16000)])
    assert (tmp_path / "plot/good0.png").read_bytes().startswith(b"\x89PNG")


def test_recordings_without_voice_are_in_the_results_not_in_the_data_directory(tiny_vad_models, tmp_path):
    good_files(tmp_path / "in", 2)
    done = command("vad", tmp_path / "in", tmp_path / "out", "--model", tiny_vad_models, "--speech-threshold", 1.0)
    assert done.returncode == 0
    assert (tmp_path / "out/segments").read_text() == ""
    assert (tmp_path / "out/wav.scp").read_text() == ""
    assert [json.loads(x)["timestamps"] for x in (tmp_path / "out/vad.jsonl").read_text().splitlines()] == [[], []]
    assert "2 recordings have no segments" in done.stderr


def test_a_forgotten_output_directory(tmp_path):
    done = command("vad", tmp_path)
    assert done.returncode == 1
    assert "IN... OUT" in done.stderr


def test_cmvn_statistics_equal_numpy(tmp_path):
    good_files(tmp_path / "in")
    assert command("fbank", tmp_path / "in", tmp_path / "f").returncode == 0
    assert command("cmvn", tmp_path / "f", tmp_path / "f").returncode == 0
    frames = np.concatenate([m for _, m in sorted(kaldiio.load_scp(str(tmp_path / "f/feats.scp")).items())]).astype(
        float
    )
    stats = kaldiio.load_mat(str(tmp_path / "f/cmvn.ark"))
    assert np.allclose(stats[0, :-1], frames.sum(0))
    assert np.allclose(stats[1, :-1], (frames**2).sum(0))
    assert stats[0, -1] == len(frames)
    nothing = command("cmvn", tmp_path / "in", tmp_path / "x")
    assert nothing.returncode == 1
    assert "no feats.scp" in nothing.stderr


def test_compressed_features_are_close(tmp_path):
    good_files(tmp_path / "in", 1)
    assert command("fbank", tmp_path / "in", tmp_path / "a").returncode == 0
    assert command("fbank", tmp_path / "in", tmp_path / "b", "--compress").returncode == 0
    (plain,) = kaldiio.load_scp(str(tmp_path / "a/feats.scp")).values()
    (small,) = kaldiio.load_scp(str(tmp_path / "b/feats.scp")).values()
    assert np.abs(plain - small).max() < 0.5
    assert (tmp_path / "b/feats.ark").stat().st_size < 0.3 * (tmp_path / "a/feats.ark").stat().st_size
