"""firered-lid: its list, segments and features, bad recordings."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.commands import command
from support.paths import GOLDENS
from support.tiny_vad import write_tiny_model

from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples
from firered.audio.load import read_blocks
from firered.hub.catalogue import CHECKPOINT
from firered.models.aed import AedConfig
from firered.models.aed import Lid as LidModel
from firered.runtime.speech import Speech
from firered.text.tokenizer import SPECIAL

BIN = Path(sys.executable).parent
LABELS = ("zh", "en", "ja", "mandarin", "yue", "wu")
SYMBOLS = (*SPECIAL, *LABELS)


def table(path: Path) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())


@pytest.fixture(scope="module")
def golden():
    """The published cases, and their utterances."""
    top = GOLDENS / "tiny"
    cases = json.loads((top / "lid_expected.json").read_text())
    audio = AudioConfig()
    speech = [Speech.of(of_samples(case["uttid"], read_blocks(str(top / case["wav"]), audio))) for case in cases["b1"]]
    return top / "FireRedLID", cases, speech


@pytest.fixture(scope="module")
def random_model(tmp_path_factory):
    """A model directory of random weights, for what depends on no golden."""
    top = tmp_path_factory.mktemp("lid") / "FireRedLID"
    write_tiny_model(top, 1, 0)  # for its cmvn.ark
    config = AedConfig(odim=len(SYMBOLS), lid_odim=len(SYMBOLS), d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        torch.save(LidModel(config).checkpoint(), top / CHECKPOINT)
    (top / "dict.txt").write_text("".join(f"{symbol} {n}\n" for n, symbol in enumerate(SYMBOLS)))
    return top


def test_the_list_needs_no_model():
    done = command("lid", "--list")
    assert done.returncode == 0, done.stderr
    assert "dialect\tyue\t" in done.stdout
    assert done.stdout.count("\n") == 114


def test_command_on_segments_and_on_features(golden, tmp_path):
    directory = golden[0]
    data = tmp_path / "data"
    data.mkdir()
    (data / "wav.scp").write_text(f"long {directory.parent}/wav/long.wav\n")
    (data / "segments").write_bytes((directory.parent / "long.segments").read_bytes())
    flags = ["--model", directory, "--constrain"]
    done = command("lid", data, tmp_path / "a", *flags)
    assert done.returncode == 0, done.stderr
    langs, confidences = table(tmp_path / "a/utt2lang"), table(tmp_path / "a/utt2lang_conf")
    results = [json.loads(line) for line in (tmp_path / "a/lid.jsonl").read_text().splitlines()]
    assert len(langs) == 12
    assert list(langs) == list(confidences) == [result["uttid"] for result in results]
    for result in results:
        assert list(result) == ["uttid", "lang", "language", "dialect", "confidence", "dur_s", "top"]
        assert (
            langs[result["uttid"]]
            == result["lang"].replace(" ", "-")
            == "-".join(filter(None, (result["language"], result["dialect"])))
        )
        assert confidences[result["uttid"]] == f"{result['confidence']:.3f}"
    assert {"zh-mandarin", "en"} <= set(langs.values())
    assert (tmp_path / "a/segments").read_text() == (data / "segments").read_text()
    assert "constrain: true" in (tmp_path / "a/config.yaml").read_text()
    assert (tmp_path / "a/failed").read_text() == ""
    assert command("fbank", data, tmp_path / "f").returncode == 0
    assert command("lid", tmp_path / "f", tmp_path / "b", *flags).returncode == 0
    assert (tmp_path / "a/lid.jsonl").read_text() == (tmp_path / "b/lid.jsonl").read_text()


def test_bad_recordings_harm_nobody_and_are_done_again(random_model, tmp_path):
    rng = np.random.default_rng(0)
    for name, length in (("good", 16000), ("tooshort", 200)):
        soundfile.write(tmp_path / f"{name}.wav", (rng.standard_normal(length) * 900).astype(np.int16), 16000)
    (tmp_path / "broken.wav").write_text("not audio")
    done = command(
        "lid",
        *(tmp_path / f"{name}.wav" for name in ("good", "tooshort", "broken")),
        tmp_path / "out",
        "--model",
        random_model,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert table(tmp_path / "out/utt2lang").keys() == {"good"}
    assert table(tmp_path / "out/failed").keys() == {"tooshort", "broken"}
    soundfile.write(tmp_path / "broken.wav", (rng.standard_normal(16000) * 900).astype(np.int16), 16000)
    done = command(
        "lid", *(tmp_path / f"{name}.wav" for name in ("good", "broken")), tmp_path / "out", "--model", random_model
    )
    assert done.returncode == 0, done.stderr
    assert table(tmp_path / "out/utt2lang").keys() == {"good", "broken"}
