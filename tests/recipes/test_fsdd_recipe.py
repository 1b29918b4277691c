"""egs/fsdd from a corpus to RESULTS.md, on a few recordings of two speakers who say nothing but tones."""

import subprocess
from pathlib import Path

import pytest
from support.signals import noise, sine, write_wav

TOP = Path(__file__).resolve().parents[2]
SPLITS = ("official", "without_ann")  # side by side; the third, without_bob, is left out


@pytest.mark.nightly
def test_every_split_is_trained_decoded_and_scored(tmp_path):
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    for pitch, speaker in ((200, "ann"), (120, "bob")):
        for digit in range(10):
            for index in range(9):
                tone = sine(0.4, rate=8000, hertz=pitch * (digit + 1)) + noise(3200, amplitude=0.01, seed=index)
                write_wav(tmp_path / f"corpus/recordings/{digit}_{speaker}_{index}.wav", tone, rate=8000)
    run = ["bash", TOP / "egs/fsdd/run.sh", "--corpus", tmp_path / "corpus", "--dir", tmp_path / "out"]
    done = subprocess.run([*run, "--splits", " ".join(SPLITS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "expected 3000 recordings, found 180" in done.stderr
    results = (tmp_path / "out/RESULTS.md").read_text(encoding="utf-8")
    for split in SPLITS:
        assert f"  train_{split}: " in done.stdout
        assert (tmp_path / "out/exp" / split / "model.pth.tar").exists()
        assert f"| {split} | WER |" in results
