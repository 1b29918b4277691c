"""firered-noisy: a noisy copy of every utterance."""

import numpy as np
import pytest
import soundfile
from support.commands import command
from support.signals import noise, sine, write_wav

from firered.data.datadir import read_table, write_table
from firered.data.validate import validate

COUNT = 60


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A data directory of segments, noise of two files, and a silent one."""
    folder = tmp_path_factory.mktemp("sets")
    write_wav(folder / "long.wav", noise(16000 * COUNT, amplitude=0.1, seed=1))
    keys = [f"spk{number % 3}-u{number:02d}" for number in range(COUNT)]
    data = folder / "data"
    write_table(data / "wav.scp", {"long": str(folder / "long.wav")})
    write_table(data / "segments", {key: f"long {number} {number + 0.9}" for number, key in enumerate(keys)})
    write_table(data / "text", {key: f"words of {key}" for key in keys})
    write_table(data / "utt2spk", {key: key[:4] for key in keys})
    write_table(data / "utt2lang", dict.fromkeys(keys, "en"))
    write_table(data / "spk2gender", {"spk0": "f", "spk1": "m", "spk2": "f"})
    write_wav(folder / "noise/hum.wav", sine(2.0, hertz=100.0))
    write_wav(folder / "noise/high.wav", sine(0.5, hertz=3000.0))
    write_wav(folder / "noise/silent.wav", np.zeros(32000, np.float32))
    return folder


def make(sets, out, *options, status=0):
    done = command("noisy", sets / "data", sets / "noise", out, *options)
    assert done.returncode == status, done.stderr
    return done


def test_a_copy_of_every_utterance_at_its_ratio(sets, tmp_path):
    make(sets, tmp_path / "out")
    out = tmp_path / "out"
    assert validate(out, feats=False) == []
    keys = [f"{key}-noisy" for key in read_table(sets / "data/text")]
    ratios = {key: float(value) for key, value in read_table(out / "utt2snr").items()}
    noises, wavs = read_table(out / "utt2noise"), read_table(out / "wav.scp")
    assert list(ratios) == list(noises) == list(wavs) == keys
    assert read_table(out / "text")[keys[3]] == read_table(sets / "data/text")[keys[3].removesuffix("-noisy")]
    assert set(read_table(out / "utt2lang").values()) == {"en"}
    assert read_table(out / "spk2gender") == {"spk0-noisy": "f", "spk1-noisy": "m", "spk2-noisy": "f"}
    assert set(read_table(out / "utt2spk").values()) == {"spk0-noisy", "spk1-noisy", "spk2-noisy"}
    assert not (out / "segments").exists()
    values = np.array(list(ratios.values()))
    assert values.mean() == pytest.approx(10, abs=2.5)
    assert values.std() == pytest.approx(5, abs=1.8)
    names = {value.split()[0] for value in noises.values()}
    assert names == {str(sets / "noise/hum.wav"), str(sets / "noise/high.wav")}
    clean = soundfile.read(sets / "long.wav", dtype="int16")[0].astype(float)
    for number, key in enumerate(read_table(sets / "data/segments")):
        start = 16000 * int(read_table(sets / "data/segments")[key].split()[1])
        noisy, _ = soundfile.read(wavs[f"{key}-noisy"], dtype="int16")
        speech = clean[start : start + len(noisy)]
        assert len(noisy) == 14400
        ratio = 10 * np.log10(np.mean(speech**2) / np.mean((noisy - speech) ** 2))
        if np.abs(noisy).max() < 32767:
            assert ratio == pytest.approx(ratios[f"{key}-noisy"], abs=0.1), number


def test_parts_give_what_the_whole_gives(sets, tmp_path):
    make(sets, tmp_path / "whole")
    keys = list(read_table(sets / "data/text"))[10:14]
    part = tmp_path / "part"
    for name in ("segments", "text", "utt2spk"):
        table = read_table(sets / "data" / name)
        write_table(part / name, {key: table[key] for key in keys})
    write_table(part / "wav.scp", read_table(sets / "data/wav.scp"))
    assert command("noisy", part, sets / "noise", tmp_path / "out").returncode == 0
    for name in ("utt2snr", "utt2noise"):
        whole = read_table(tmp_path / "whole" / name)
        assert read_table(tmp_path / "out" / name) == {f"{key}-noisy": whole[f"{key}-noisy"] for key in keys}
    one, other = (read_table(tmp_path / name / "wav.scp")[f"{keys[0]}-noisy"] for name in ("whole", "out"))
    assert (soundfile.read(one)[0] == soundfile.read(other)[0]).all()


def test_seed_and_ratio_can_be_chosen(sets, tmp_path):
    make(sets, tmp_path / "a", "--snr-mean", 3, "--snr-std", 0, "--suffix", "-n", "--seed", 2)
    assert set(read_table(tmp_path / "a/utt2snr").values()) == {"3"}
    assert all(key.endswith("-n") for key in read_table(tmp_path / "a/text"))


def test_what_cannot_be_read_is_listed_and_the_rest_is_made(sets, tmp_path):
    data = tmp_path / "data"
    write_wav(tmp_path / "good.wav", noise(16000))
    (tmp_path / "bad.wav").write_bytes(b"RIFF no audio at all")
    write_table(data / "wav.scp", {"good": str(tmp_path / "good.wav"), "bad": str(tmp_path / "bad.wav")})
    done = command("noisy", data, sets / "noise", tmp_path / "out")
    assert done.returncode == 1
    assert list(read_table(tmp_path / "out/wav.scp")) == ["good-noisy"]
    assert (tmp_path / "out/failed").read_text().startswith("bad ")
    assert command("noisy", data, sets / "noise", tmp_path / "out", "--keep-going").returncode == 0


def test_noise_that_is_all_silent(sets, tmp_path):
    write_wav(tmp_path / "noise/silent.wav", np.zeros(32000, np.float32))
    done = command("noisy", sets / "data", tmp_path / "noise", tmp_path / "out")
    assert done.returncode == 1
    assert "the noise drawn for it is all zeros" in (tmp_path / "out/failed").read_text()


def test_labels_of_whole_recordings_go_along(sets, tmp_path):
    write_wav(tmp_path / "r.wav", noise(16000))
    write_table(tmp_path / "data/wav.scp", {"r": str(tmp_path / "r.wav")})
    (tmp_path / "data/rttm").write_text("SPEAKER r 1 0.200 0.500 <NA> <NA> speech <NA> <NA>\n")
    assert command("noisy", tmp_path / "data", sets / "noise", tmp_path / "out").returncode == 0
    assert (tmp_path / "out/rttm").read_text() == "SPEAKER r-noisy 1 0.200 0.500 <NA> <NA> speech <NA> <NA>\n"
