"""Features for the front end of a model: made by firered-fbank --for, marked, and refused where they are of another."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.commands import command
from support.made_up_family import HAMMING_LOUDNESS, write_model
from support.paths import EGS, GOLDENS
from support.tiny_fun_asr import write_published_form, write_transformers_form

from firered.asr import families
from firered.audio.config import AudioConfig
from firered.audio.fbank_conf import FBANK_CONF, why_unfit, write_fbank_conf
from firered.audio.frames import of_utterance
from firered.audio.frontend import PUBLISHED, FrontEnd, fbank
from firered.data.archives import read_matrix, write_matrix
from firered.data.utterance import Utterance
from firered.errors import DataError, ModelError
from firered.runs.features import front_end_of

AED = GOLDENS / "tiny/FireRedASR2-AED"
HAMMING = FrontEnd(window="hamming", shrinks=True)


@pytest.fixture(scope="module")
def fun_asr(tmp_path_factory):
    return write_published_form(tmp_path_factory.mktemp("fun") / "nano")


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("wav") / "u.wav"
    samples = np.random.default_rng(0).normal(0, 3000, 24000).astype(np.int16)
    soundfile.write(path, samples, 16000)
    return path


@pytest.fixture
def data(tmp_path, wav):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/wav.scp").write_text(f"u {wav}\n")
    return tmp_path / "data"


def features_only(folder):
    """The data directory without its audio."""
    (folder / "wav.scp").unlink()
    return folder


def test_the_front_end_is_known_without_loading_the_model(fun_asr, tmp_path):
    (fun_asr / "model.pt").touch()
    bare = shutil.copytree(fun_asr, tmp_path / "bare")
    (bare / "model.pt").write_bytes(b"not read")
    assert front_end_of(bare) == families.FUN_ASR.load(fun_asr, families.FUN_ASR.config(), "cpu").front_end
    assert front_end_of(write_transformers_form(tmp_path / "hf")).window == "hamming"
    assert front_end_of(AED) == front_end_of(GOLDENS / "tiny/FireRedASR2-LLM") == PUBLISHED
    assert front_end_of(GOLDENS / "tiny/FireRedLID") == PUBLISHED
    assert front_end_of(EGS / "mini/models/FireRedVAD/VAD") == PUBLISHED
    with pytest.raises(ModelError, match="nowhere"):
        front_end_of(tmp_path / "nowhere")


def test_a_family_that_does_not_say_it_is_loaded_to_be_asked(monkeypatch, tmp_path):
    monkeypatch.setitem(families.FAMILIES, HAMMING_LOUDNESS.name, HAMMING_LOUDNESS)
    assert HAMMING_LOUDNESS.front_end is None
    assert front_end_of(write_model(tmp_path / "m", bins=40, about="hamming.txt")) == FrontEnd("hamming", bins=40)


def test_features_for_a_model_are_those_that_it_computes(fun_asr, data, tmp_path, wav):
    samples, _ = soundfile.read(wav, dtype="int16")
    done = command("fbank", data, tmp_path / "out", "--for", fun_asr)
    assert done.returncode == 0, done.stderr
    stored = read_matrix((tmp_path / "out/feats.scp").read_text().split()[1])
    front_end = front_end_of(fun_asr)
    assert np.array_equal(stored, fbank(samples.astype(np.float32), front_end).numpy())
    lines = (tmp_path / "out" / FBANK_CONF).read_text().splitlines()
    assert lines[0] == f"# firered-fbank --for {fun_asr}"
    assert "--window-type=hamming" in lines


def test_both_kinds_of_recogniser_take_their_own_and_refuse_the_other_ones(fun_asr, data, tmp_path):
    """The command line of the message is run as it stands."""
    models = {"hamming": fun_asr, "povey": AED}
    for name, model in models.items():
        assert command("fbank", data, tmp_path / name, "--for", model).returncode == 0
    texts = {}
    for name, model in models.items():
        audio = command("asr", data, tmp_path / f"audio-{name}", "--model", model)
        assert audio.returncode == 0, audio.stderr
        own = features_only(shutil.copytree(tmp_path / name, tmp_path / f"only-{name}"))
        done = command("asr", own, tmp_path / f"stored-{name}", "--model", model)
        assert done.returncode == 0, done.stderr
        texts[name] = (tmp_path / f"stored-{name}/text").read_text()
        assert texts[name] == (tmp_path / f"audio-{name}/text").read_text()
    for name, model in models.items():
        (other,) = models.keys() - {name}
        done = command("asr", tmp_path / f"only-{other}", tmp_path / "none", "--model", model)
        assert done.returncode != 0
        assert f"{other} window of 25 ms" in done.stderr
        assert "put a wav.scp beside feats.scp and run `firered-fbank" in done.stderr
        done = command("asr", tmp_path / other, tmp_path / f"both-{name}", "--model", model)
        assert done.returncode == 0, done.stderr
        assert "feats.scp is not used, the audio is" in done.stderr
        assert (tmp_path / f"both-{name}/text").read_text() == texts[name]
        program, *words = shlex.split(done.stderr.partition("`")[2].partition("`")[0])
        subprocess.run([Path(sys.executable).with_name(program), *words], check=True, capture_output=True)
        done = command("asr", words[1], tmp_path / f"made-{name}", "--model", model)
        assert "feats.scp" not in done.stderr
        assert (tmp_path / f"made-{name}/text").read_text() == texts[name]


def test_only_utterances_without_audio_are_lost(fun_asr, data, tmp_path, wav):
    assert command("fbank", data, tmp_path / "povey").returncode == 0
    place = (tmp_path / "povey/feats.scp").read_text().split()[1]
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    (mixed / "wav.scp").write_text(f"u {wav}\n")
    (mixed / "feats.scp").write_text(f"u {place}\nv {place}\n")
    done = command("asr", mixed, tmp_path / "out", "--model", fun_asr)
    assert done.returncode == 1
    assert [line.split()[0] for line in (tmp_path / "out/text").read_text().splitlines()] == ["u"]
    failed = (tmp_path / "out/failed").read_text()
    assert failed.startswith("v ")
    assert f"`firered-fbank {mixed} {mixed}-nano --for {fun_asr}`" in failed


def test_features_without_a_mark_are_those_of_the_firered_models(tmp_path, wav):
    write_matrix(tmp_path / "feats.ark", np.zeros((5, 80), np.float32))
    stored = Utterance("u", "u", feats=str(tmp_path / "feats.ark"))
    assert why_unfit(stored.feats, PUBLISHED) == ""
    assert "no fbank.conf beside them" in why_unfit(stored.feats, HAMMING)
    assert sum(map(len, of_utterance(stored, AudioConfig()))) == 5
    with pytest.raises(DataError, match="--for MODEL"):
        list(of_utterance(stored, AudioConfig(), HAMMING))  # raised where frames are read, for this utterance alone
    write_fbank_conf(tmp_path, HAMMING, "a test")
    assert why_unfit(stored.feats, HAMMING) == ""
    assert why_unfit(stored.feats, PUBLISHED)
    both = Utterance("u", "u", str(wav), feats=stored.feats)
    assert sum(map(len, of_utterance(both, AudioConfig()))) == PUBLISHED.num_frames(24000)


def test_a_file_of_kaldi_s_own(tmp_path):
    write_matrix(tmp_path / "feats.ark", np.zeros((5, 80), np.float32))
    (tmp_path / FBANK_CONF).write_text("# high resolution\n\n--num-mel-bins=80   # not 23\n--use-energy=false\n")
    assert why_unfit(str(tmp_path / "feats.ark"), PUBLISHED) == ""
    (tmp_path / FBANK_CONF).write_text("--use-energy=false\n")
    assert "features of 23 bins" in why_unfit(str(tmp_path / "feats.ark"), PUBLISHED)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"--window-type=povey\nwindow hamming\n", ":2: 'window hamming'"),
        (b"--num-mel-bins=many\n", "many"),
        (b"\xff\n", "cannot be read"),
        (b"#" * 70000, "70000 bytes"),
    ],
)
def test_a_damaged_mark_is_an_error_of_the_utterance(tmp_path, content, message):
    write_matrix(tmp_path / "feats.ark", np.zeros((5, 80), np.float32))
    (tmp_path / FBANK_CONF).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        list(of_utterance(Utterance("u", "u", feats=str(tmp_path / "feats.ark")), AudioConfig()))
    assert FBANK_CONF in str(caught.value)
