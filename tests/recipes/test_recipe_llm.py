"""run.sh with recognition by the language model."""

import subprocess
from pathlib import Path

import pytest
from support.paths import GOLDENS

TOP = Path(__file__).resolve().parents[2]


def table(path: Path) -> dict[str, str]:
    return {line.split(maxsplit=1)[0]: line.partition(" ")[2] for line in path.read_text().splitlines()}


def test_recipe(tmp_path):
    """Stages 3 and 4 on segments that are there; the words' times come from the AED model."""
    if not (TOP / ".venv/bin/firered-asr").exists():
        pytest.skip("run.sh works in .venv, which is not set up here")
    tiny = GOLDENS / "tiny"
    vad = tmp_path / "exp/vad"
    vad.mkdir(parents=True)
    (vad / "wav.scp").write_text(f"long {tiny}/wav/long.wav\n")
    (vad / "segments").write_bytes((tiny / "long.segments").read_bytes())
    keys = [line.split()[0] for line in (vad / "segments").read_text().splitlines()]
    (vad / "utt2spk").write_text("".join(f"{key} {key}\n" for key in keys))
    flags = ["--asr-type", "llm", "--asr-config", TOP / "conf/asr_llm.yaml", "--models", tiny, "--nj", "2"]
    stages = ["--exp", tmp_path / "exp", "--stage", "3", "--stop-stage", "4"]
    done = subprocess.run(["bash", TOP / "run.sh", *flags, *stages], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "stage 3: recognition (llm)" in done.stdout
    text = table(tmp_path / "exp/asr/text")
    assert list(text) == keys
    assert "type llm" in " ".join(path.read_text() for path in (tmp_path / "exp/asr/log").glob("*.log"))
    ctm = [line.split() for line in (tmp_path / "exp/align/ctm").read_text().splitlines()]
    assert "".join(fields[4] for fields in ctm) == "".join(text[key].replace(" ", "") for key in keys)
    assert (tmp_path / "exp/align/failed").read_text() == ""
