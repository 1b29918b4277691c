"""egs/noise: sets of recordings by place, and mixes whose ratios, lengths and lists are what they say."""

import csv
import shutil

import numpy as np
import pytest
import soundfile
from support.corpora import prepare_of
from support.signals import sine, write_wav

from firered.audio.effects import looped
from firered.cli.corpus import write_sets
from firered.corpora.mixes import MixConfig
from firered.data.datadir import DataDir, write_table
from firered.errors import DataError, OptionError

PLACES = {"r1": "canteen", "r2": "walk-street", "r3": "canteen", "r4": "subway"}


def write(out, corpus, allow_missing=False, sets=(), **options):
    found = prepare_of("noise").read(corpus, MixConfig(**options))
    write_sets(found, out, list(sets), allow_missing=allow_missing)
    return {name: DataDir(out / name / "data") for name in (out / "sets").read_text().split()}


def hiss(seconds, seed, level=0.1):
    return np.random.default_rng(seed).normal(0, level, round(16000 * seconds))


@pytest.fixture
def recordings(tmp_path):
    """A folder of audio with tables."""
    folder = tmp_path / "recordings"
    for number, key in enumerate(PLACES):
        write_wav(folder / f"a/{key}.wav", sine(0.5, hertz=300 + 50 * number))
    write_table(folder / "text", {key: f"第{number}句" for number, key in enumerate(PLACES)})
    write_table(folder / "utt2env", PLACES)
    write_table(folder / "utt2topic", dict.fromkeys(PLACES, "food"))
    return folder


@pytest.fixture
def speech(tmp_path):
    """What another recipe has prepared: utterances of which one is cut out of a recording, one is loud."""
    folder = tmp_path / "aishell1"
    write_wav(tmp_path / "wav/long.wav", sine(3.0, hertz=220))
    write_wav(tmp_path / "wav/loud.wav", np.sign(sine(1.0, hertz=110)) * 0.98)
    write_wav(tmp_path / "wav/b.wav", sine(0.7, hertz=500))
    data = folder / "data"
    write_table(data / "wav.scp", {key: str(tmp_path / f"wav/{key}.wav") for key in ("b", "long", "loud")})
    write_table(data / "segments", {"b": "b 0.000 -1", "loud": "loud 0.000 -1", "u1": "long 0.5 1.25"})
    write_table(data / "text", {"b": "你好", "loud": "hello", "u1": "世界"})
    write_table(data / "utt2spk", {"b": "s1", "loud": "s2", "u1": "s1"})
    write_table(data / "utt2gender", {"b": "f", "loud": "m", "u1": "f"})
    return folder


@pytest.fixture
def noises(tmp_path):
    """Two places, one with a noise that is shorter than the speech."""
    folder = tmp_path / "noise"
    write_wav(folder / "Canteen/x/one.wav", hiss(4.0, 1))
    write_wav(folder / "Canteen/two.wav", hiss(0.3, 2, level=0.006))
    write_wav(folder / "street/three.wav", hiss(2.0, 3))
    return folder


def rows_of(data):
    with (data.path / "mixes.tsv").open(encoding="utf-8", newline="") as stream:
        return {row["utterance"]: row for row in csv.DictReader(stream, delimiter="\t")}


def test_a_set_each_place_with_the_names_of_the_report(recordings, tmp_path):
    found = write(tmp_path / "out", recordings)
    assert sorted(found) == ["noise-canteen", "noise-subway", "noise-walkstreet"]
    canteen = found["noise-canteen"]
    assert canteen.text == {"r1": "第0句", "r3": "第2句"}
    assert canteen.table("utt2env") == {"r1": "canteen", "r3": "canteen"}
    assert canteen.table("utt2topic") == {"r1": "food", "r3": "food"}
    assert canteen.wav_scp["r1"] == str(recordings / "a/r1.wav")


def test_a_data_directory_does_as_well(recordings, tmp_path):
    paths = {key: str(recordings / f"a/{key}.wav") for key in PLACES}
    paths["r2"] = "../recordings/a/r2.wav"  # from its folder on
    data = tmp_path / "data"
    write_table(data / "wav.scp", paths)
    for name in ("text", "utt2env"):
        shutil.copy(recordings / name, data / name)
    write_table(data / "utt2spk", dict.fromkeys(PLACES, "s"))
    found = write(tmp_path / "out", data)
    assert soundfile.info(found["noise-walkstreet"].wav_scp["r2"]).frames == 8000
    assert found["noise-canteen"].utt2spk == {"r1": "s", "r3": "s"}


def test_recordings_that_lack_something_are_named_and_the_other_places_go_on(recordings, tmp_path):
    (recordings / "a/r3.wav").unlink()
    write_table(recordings / "utt2env", {**PLACES, "r4": "moon"})
    with pytest.raises(DataError, match=r"noise-canteen: 1 missing beside 1(.|\n)*r3 no audio for it"):
        write(tmp_path / "out", recordings)
    assert (tmp_path / "out/sets").read_text().split() == ["noise-moon", "noise-walkstreet"]
    found = write(tmp_path / "out", recordings, allow_missing=True)
    assert list(found["noise-canteen"].text) == ["r1"]
    (recordings / "utt2env").unlink()
    with pytest.raises(DataError, match=r"utt2env: not there; .*text and utt2env"):
        write(tmp_path / "out", recordings)


def test_mixes_have_the_ratio_and_the_length_that_they_say(speech, noises, tmp_path):
    found = write(tmp_path / "out", speech, noise=str(noises), snrs="20 0 -5")
    assert sorted(found) == sorted(f"sim-{place}-{snr}" for place in ("canteen", "street") for snr in ("20", "0", "-5"))
    wavs = {key: soundfile.read(tmp_path / f"wav/{key}.wav", dtype="int16")[0] for key in ("b", "long", "loud")}
    clean = {"b": wavs["b"], "loud": wavs["loud"], "u1": wavs["long"][8000:20000]}
    scaled_down = 0
    for name, data in found.items():
        snr = float(name.split("-", 2)[2])
        for key, row in rows_of(data).items():
            mixed, rate = soundfile.read(data.wav_scp[key], dtype="int16")
            speech_part = clean[key].astype(float)
            gain = 10 ** (float(row["gain_db"]) / 20)
            noise_part = mixed / gain - speech_part
            assert (rate, len(mixed)) == (16000, len(speech_part))
            measured = 10 * np.log10(np.mean(speech_part**2) / np.mean(noise_part**2))
            assert measured == pytest.approx(snr, abs=0.05), (name, key)
            assert float(row["snr_db"]) == snr
            assert np.abs(mixed.astype(int)).max() < 32768
            scaled_down += gain < 1
        assert data.table("utt2snr") == dict.fromkeys(clean, f"{snr:g}")
        assert data.table("utt2env") == dict.fromkeys(clean, name.split("-")[1])
        assert data.table("utt2gender") == {"b": "f", "loud": "m", "u1": "f"}
        assert data.text == {"b": "你好", "loud": "hello", "u1": "世界"}
    assert scaled_down >= 6  # the loud one has no room for noise


def test_the_noise_is_the_stretch_that_is_listed_at_every_ratio(speech, noises, tmp_path):
    found = write(tmp_path / "out", speech, noise=str(noises), snrs="10,0")
    high, low = (rows_of(found[f"sim-canteen-{snr}"]) for snr in (10, 0))
    assert {row["noise"] for row in high.values()} == {"one", "two"}  # all are used
    for key, row in high.items():
        assert (row["noise"], row["offset_s"]) == (low[key]["noise"], low[key]["offset_s"])
    files = {"one": noises / "Canteen/x/one.wav", "two": noises / "Canteen/two.wav"}
    row = low["b"]
    noise, _ = soundfile.read(files[row["noise"]], dtype="int16")
    mixed, _ = soundfile.read(found["sim-canteen-0"].wav_scp["b"], dtype="int16")
    rest = mixed / 10 ** (float(row["gain_db"]) / 20) - soundfile.read(tmp_path / "wav/b.wav", dtype="int16")[0]
    stretch = looped(noise[round(float(row["offset_s"]) * 16000) :][: len(rest)].astype(float), len(rest))
    assert np.corrcoef(rest, stretch)[0, 1] > 0.999


def test_the_draw_depends_on_its_seed_alone(speech, noises, tmp_path):
    def made(folder, **options):
        data = write(tmp_path / folder, speech, noise=str(noises), snrs="5", **options)["sim-street-5"]
        return rows_of(data), {key: (data.path / f"wav/{key}.wav").read_bytes() for key in data.text}

    first, again, other = made("a"), made("b"), made("c", noise_seed=1)
    assert first == again
    assert first[0] != other[0]


def test_a_silent_noise_and_a_damaged_utterance_are_named_and_the_others_are_mixed(speech, noises, tmp_path):
    write_wav(noises / "street/three.wav", np.zeros(32000))
    (tmp_path / "wav/b.wav").write_bytes(b"no audio")
    with pytest.raises(DataError, match="sim-street-0: 3 missing") as error:
        write(tmp_path / "out", speech, noise=str(noises), snrs="0")
    assert "noise three" in str(error.value)
    assert "sim-canteen-0: 1 missing beside 2" in str(error.value)
    found = write(tmp_path / "out", speech, noise=str(noises), snrs="0", sets=["sim-canteen-0"], allow_missing=True)
    assert sorted(found["sim-canteen-0"].text) == ["loud", "u1"]
    assert sorted(rows_of(found["sim-canteen-0"])) == ["loud", "u1"]


@pytest.mark.parametrize("snrs", ["", "ten", "10 inf", "nan"])
def test_ratios_that_are_none(snrs, speech, noises, tmp_path):
    with pytest.raises(OptionError, match="is no list of ratios in dB"):
        write(tmp_path / "out", speech, noise=str(noises), snrs=snrs)


def test_a_folder_without_noise_is_refused(speech, tmp_path):
    (tmp_path / "empty").mkdir()
    for folder in ("nowhere", "empty"):
        with pytest.raises(DataError, match=folder):
            write(tmp_path / "out", speech, noise=str(tmp_path / folder))


def test_noise_of_a_data_directory_by_its_table_of_places(speech, noises, tmp_path):
    kaldi = tmp_path / "kaldi"
    write_table(kaldi / "wav.scp", {"n1": str(noises / "street/three.wav"), "n2": str(noises / "Canteen/x/one.wav")})
    write_table(kaldi / "utt2env", {"n1": "Park", "n2": "Park"})
    found = write(tmp_path / "out", speech, noise=str(kaldi), snrs="15")
    assert list(found) == ["sim-park-15"]
    assert {row["noise"] for row in rows_of(found["sim-park-15"]).values()} == {"n1", "n2"}
    write_table(kaldi / "utt2env", {"n1": "Park"})
    with pytest.raises(DataError, match="it has no place for n2"):
        write(tmp_path / "out", speech, noise=str(kaldi))
