"""firered transcribe: forms of input, bad ones among them, processes, killed runs; and `firered` itself."""

import io
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml
from support.commands import command, killed_at
from support.paths import EGS, GOLDENS
from support.signals import noise, sine, write_wav
from support.tools import needs_ffmpeg

from firered.cli.main import main
from firered.data.speed import SPEED

FIRERED = Path(sys.executable).with_name("firered")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The VAD of egs/mini beside the tiny golden models, as a directory of published names."""
    top = tmp_path_factory.mktemp("published")
    (top / "FireRedVAD").symlink_to(EGS / "mini/models/FireRedVAD")
    for name in ("FireRedLID", "FireRedASR2-AED", "FireRedASR2-LLM", "FireRedPunc"):
        (top / name).symlink_to(GOLDENS / "tiny" / name)
    return top


@pytest.fixture
def transcribe(models, monkeypatch):
    """Exit status of `firered transcribe` with these arguments, in this process."""

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["firered", "transcribe", *map(str, args), "--models", str(models)])
        with pytest.raises(SystemExit) as done:
            main()
        return done.value.code

    return run


def results(out):
    lines = (out / "result.jsonl").read_text(encoding="utf-8").splitlines()
    return {line["uttid"]: line for line in map(json.loads, lines)}


def files_of(out):
    return {path.name: path.read_bytes() for path in out.iterdir() if not path.name.startswith((".", SPEED))}


def failed(out):
    return dict(line.split(" ", 1) for line in (out / "failed").read_text(encoding="utf-8").splitlines())


@needs_ffmpeg
def test_a_folder_of_all_sorts(transcribe, tmp_path):
    """Good recordings are done, each of the others has a reason, and the exit status is 1."""
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "deep").mkdir(parents=True)
    wav = GOLDENS / "tiny/wav"
    shutil.copy(wav / "utt00.wav", folder / "good.wav")
    shutil.copy(wav / "utt01.wav", folder / "deep/开会 录音.wav")
    shutil.copy(wav / "utt02.wav", folder / "deep/good.wav")
    (folder / "corrupt.wav").write_bytes(b"RIFF and then nothing of the kind")
    write_wav(folder / "zero.wav", np.zeros(16000, np.float32))
    write_wav(folder / "quiet.wav", noise(32000, amplitude=1e-4))
    write_wav(folder / "music.wav", sum(sine(3, hertz=tone, amplitude=0.2) for tone in (262, 330, 392)))
    (folder / "loop").symlink_to(folder)
    picture = ["-f", "lavfi", "-i", "color=black:size=16x16:duration=1"]
    sound = ["-i", wav / "utt03.wav"]
    subprocess.run(["ffmpeg", "-v", "error", *picture, *sound, folder / "film.mp4"], check=True)
    assert transcribe(folder, "-o", out, "--format", "srt,txt") == 1
    got = results(out)
    silent = {"quiet", "music"}
    assert set(got) == {"good_wav", "deep-good", "开会_录音", "film"} | silent
    assert {key for key, fields in got.items() if fields["status"] == "no speech"} == silent
    assert all(got[key]["text"] for key in got.keys() - silent)
    assert got["good_wav"]["text"] != got["deep-good"]["text"]
    assert set(failed(out)) == {"corrupt", "zero"}
    assert "corrupt.wav" in failed(out)["corrupt"]
    assert "zero" in failed(out)["zero"]
    assert {path.name for path in out.glob("*.srt")} == {f"{key}.srt" for key in got}
    before = files_of(out)
    assert transcribe(folder, "-o", out, "--format", "srt,txt", "--keep-going") == 0
    assert files_of(out) == before


def test_the_llm_with_word_times(transcribe, tmp_path):
    wav = GOLDENS / "tiny/wav/utt00.wav"
    assert transcribe(wav, "-o", tmp_path, "--asr-type", "llm", "--asr-dtype", "auto", "--format", "ctm") == 0
    (result,) = results(tmp_path).values()
    words = "".join(word["text"] for word in result["words"])
    assert words
    assert words == "".join(letter for letter in result["text"] if letter.isalnum())
    assert len((tmp_path / "utt00.ctm").read_text().splitlines()) == len(result["words"])


def test_its_settings_can_be_given_again(transcribe, tmp_path):
    """By sections, the kind of recognition model among them, and options of every module."""
    wav, out = GOLDENS / "tiny/wav/utt00.wav", tmp_path / "out"
    flags = ["--asr-type", "llm", "--asr-beam-size", 2, "--asr-language", "zh", "--punc-overlap", 8]
    assert transcribe(wav, "-o", out, *flags, "--lid-beam-size", 2, "--mvad-music-threshold", 0.6) == 0
    settings = yaml.safe_load((out / "config.yaml").read_text())
    assert settings["system"]["asr_type"] == "llm"
    assert (settings["asr"]["language"], settings["asr"]["beam_size"], settings["lid"]["beam_size"]) == ("zh", 2, 2)
    assert (settings["punc"]["overlap"], settings["mvad"]["music_threshold"]) == (8, 0.6)
    assert transcribe(wav, "-o", tmp_path / "again", "--config", out / "config.yaml") == 0
    assert files_of(tmp_path / "again") == files_of(out)


def test_two_processes_give_what_one_gives(transcribe, tmp_path):
    wav = GOLDENS / "tiny/wav"
    assert transcribe(wav, "-o", tmp_path / "one") == 0
    assert transcribe(wav, "-o", tmp_path / "two", "--nj", 2) == 0
    assert files_of(tmp_path / "two") == files_of(tmp_path / "one")


def test_patterns_standard_input_and_data_directories(transcribe, tmp_path, monkeypatch):
    wav = GOLDENS / "tiny/wav"
    data = tmp_path / "data"
    data.mkdir()
    (data / "wav.scp").write_text(f"meeting {wav}/utt03.wav\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((wav / "utt00.wav").read_bytes())))
    assert transcribe(f"{wav}/utt0[12].*", data, "-", "-o", tmp_path / "out") == 0
    assert set(results(tmp_path / "out")) == {"utt01", "utt02", "meeting", "stdin"}


def test_what_is_not_there(transcribe, tmp_path, capsys):
    assert transcribe(tmp_path / "no.wav", "-o", tmp_path / "out") == 1
    assert failed(tmp_path / "out") == {"no": f"{tmp_path}/no.wav: no such file"}
    assert transcribe(tmp_path, "-o", tmp_path / "out", "--format", "srt,doc") == 1


def test_a_run_that_was_killed_is_resumed(models, tmp_path):
    """In the middle of one long recording: what its segments gave is not worked out again."""
    pause = noise(16000, amplitude=1e-4)
    voices = [soundfile.read(GOLDENS / f"tiny/wav/utt0{number}.wav")[0] for number in range(6)]
    samples = [part for voice in voices for part in (pause, voice)]
    recording = write_wav(tmp_path / "long.wav", np.concatenate(samples))
    arguments = [recording, "--models", models, "--num-threads", "1"]
    arguments += ["--lid-batch-seconds", "4", "--asr-batch-seconds", "4"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert command("firered", "transcribe", *arguments, "-o", whole).returncode == 0
    journal = killed / ".segments.jsonl"
    died = killed_at(journal, 8, "firered", "transcribe", *arguments, "-o", killed)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert '"asr' in journal.read_text()
    again = command("firered", "transcribe", *arguments, "-o", killed)
    assert again.returncode == 0, again.stderr
    assert files_of(killed) == files_of(whole)
    assert not journal.exists()
    assert "1 recordings done" in again.stderr


def test_doctor(models, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["firered", "doctor", "--models", str(models)])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 0
    assert str(models / "FireRedPunc") in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["firered", "doctor", "--models", str(models / "FireRedVAD")])
    with pytest.raises(SystemExit) as done:
        main()
    assert done.value.code == 1
    assert "firered-download FireRedASR2-AED" in capsys.readouterr().out


def test_one_name_that_is_too_long_and_one_file_that_cannot_be_written(transcribe, tmp_path):
    """Each recording has its files or a reason; the names of files that are no ids are in a table."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    wav = GOLDENS / "tiny/wav/utt00.wav"
    for name in ("a", "b", "n" * 251, "touch ran |"):
        shutil.copy(wav, folder / f"{name}.wav")
    (folder / "touch ran |.wav").rename(folder / "touch ran |")
    (out / "b.srt").mkdir(parents=True)
    assert transcribe(folder, folder / "touch ran |", "-o", out) == 1
    assert list(failed(out)) == ["b"]
    assert "cannot be written" in failed(out)["b"]
    assert set(results(out)) == {"a", "n" * 251, "touch_ran_|"}
    names = {key: name for name, key in (line.split() for line in (out / "file_names").read_text().splitlines())}
    assert list(names) == ["n" * 251]
    for name in ("a", "touch_ran_|", names["n" * 251]):
        assert (out / f"{name}.srt").is_file()
        assert (out / f"{name}.txt").is_file()
    assert not Path("ran").exists()
