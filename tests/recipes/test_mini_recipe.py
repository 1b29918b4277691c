"""egs/mini from corpus to RESULTS.md, on a fiftieth of its corpus and for a few steps."""

import ctypes.util
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.mark.nightly
def test_everything_is_trained_decoded_and_scored(tmp_path):
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    if not ctypes.util.find_library("espeak-ng"):
        pytest.skip("espeak-ng is not installed here")
    run = ["bash", TOP / "egs/mini/run.sh", "--quick", "true", "--joint", "true", "--dir", tmp_path]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert results in done.stdout
    for module in ("VAD", "mVAD, music", "AED with language model", "CTC", "Speech-LLM", "Language identification"):
        assert f"| {module} |" in results
    assert "| cross-entropy alone, the CTC head afterwards |" in results
    for model in ("FireRedVAD/Stream-VAD", "FireRedLID", "FireRedASR2-AED", "FireRedASR2-LLM", "FireRedPunc", "lm"):
        assert (tmp_path / "models" / model / "model.pth.tar").exists()
