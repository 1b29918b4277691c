"""utils/slurm.py on a Slurm that is set up for the test: tests/commands/slurm/run.sh."""

import subprocess
from pathlib import Path

import pytest
from support.signals import noise, write_wav

TOP = Path(__file__).resolve().parents[2]
CANNOT_INSTALL = 77


@pytest.mark.nightly
def test_jobs_that_die_are_named_and_run_again(tiny_vad_models, tmp_path):
    if not (TOP / ".venv/bin/firered-vad").exists():
        pytest.skip("run.sh works in .venv, which is not set up here")
    for number in range(6):
        write_wav(tmp_path / f"rec{number}.wav", noise(16000 * (number + 1), seed=number))
    script = ["bash", TOP / "tests/commands/slurm/run.sh", tiny_vad_models, tmp_path]
    done = subprocess.run(script, capture_output=True, text=True)
    if done.returncode == CANNOT_INSTALL:
        pytest.skip(done.stdout.splitlines()[-1])
    assert done.returncode == 0, done.stdout + done.stderr
