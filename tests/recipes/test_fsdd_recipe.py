"""egs/fsdd from a corpus to RESULTS.md, on a few recordings of two speakers who say nothing but tones."""

import json
import subprocess
from pathlib import Path

import pytest
from support.signals import sine, write_digits, write_wav

from firered.data.datadir import write_table

TOP = Path(__file__).resolve().parents[2]
SPLITS = ("official", "without_ann")  # side by side; the third, without_bob, is left out


@pytest.mark.nightly
def test_every_split_is_trained_decoded_and_scored(tmp_path):
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    write_digits(tmp_path / "corpus")
    run = ["bash", TOP / "egs/fsdd/run.sh", "--corpus", tmp_path / "corpus", "--dir", tmp_path / "out"]
    done = subprocess.run([*run, "--splits", " ".join(SPLITS)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "expected 3000 recordings, found 180" in done.stderr
    results = (tmp_path / "out/RESULTS.md").read_text(encoding="utf-8")
    for split in SPLITS:
        assert f"  train_{split}: " in done.stdout
        assert (tmp_path / "out/exp" / split / "model.pth.tar").exists()
        assert f"| {split} | WER |" in results


@pytest.mark.nightly
def test_forgetting_is_measured_on_both_sets(tmp_path):
    """On tones again: what is old are those of one speaker, what is new those of the other."""
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    for folder, pitch in (("new", 200), ("old", 120)):
        for part, count in (("train", 6), ("dev", 1), ("test", 1)):
            keys = {f"{folder}-{digit}-{number}": digit for digit in (1, 2) for number in range(count)}
            for key, digit in keys.items():
                write_wav(tmp_path / f"{part}/{key}.wav", sine(0.5, hertz=pitch * digit))
            data = tmp_path / folder / part
            write_table(data / "wav.scp", {key: str(tmp_path / f"{part}/{key}.wav") for key in keys})
            write_table(data / "text", {key: ("one", "two")[digit - 1] for key, digit in keys.items()})
            write_table(data / "utt2spk", dict.fromkeys(keys, folder))
    run = [
        "bash",
        TOP / "egs/fsdd/finetune.sh",
        "--new",
        tmp_path / "new",
        "--old",
        tmp_path / "old",
        "--share",
        "0.25",
    ]
    done = subprocess.run([*run, "--dir", tmp_path / "out", "--nj", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/FORGETTING.md").read_text(encoding="utf-8")
    assert (
        "| Test set | Metric | Normaliser | before (here) | fine-tuned (here) | fine-tuned with --mix old:0.25 (here) |"
        in page
    )
    drawn = [json.loads(line) for line in (tmp_path / "out/exp/mixed/drawn.jsonl").read_text().splitlines()]
    shares = [line["drawn"][str(tmp_path / "old/train")]["share"] for line in drawn]
    assert sum(shares) / len(shares) == pytest.approx(0.25, abs=0.02)
    assert not (tmp_path / "out/exp/plain/drawn.jsonl").exists()
