"""Every block of the README is run as it stands, in a folder with the recordings and models it speaks of."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import GOLDENS

TOP = Path(__file__).resolve().parents[2]
README = (TOP / "README.md").read_text(encoding="utf-8")
# The first block is the tour, which test_recipe runs, and the command that runs this test.
TWO_COMMANDS, *BLOCKS = re.findall(r"```(bash|python)\n(.*?)```", README, re.DOTALL)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    from support.paths import SHARED

    if not (SHARED / "models/FireRedVAD").is_dir():
        pytest.skip("the released models and sample recordings are not beside the repository")
    folder = tmp_path_factory.mktemp("readme")
    for name in ("utils", "conf", "tests"):
        (folder / name).symlink_to(TOP / name)
    (folder / "audio").symlink_to(SHARED / "audio/firered")
    (folder / "pretrained_models").mkdir()
    (folder / "pretrained_models/FireRedVAD").symlink_to(SHARED / "models/FireRedVAD")
    for name in ("FireRedASR2-AED", "FireRedASR2-LLM", "FireRedLID", "FireRedPunc"):
        (folder / "pretrained_models" / name).symlink_to(GOLDENS / "tiny" / name)
    return folder


@pytest.mark.parametrize(("language", "block"), BLOCKS, ids=[f"{n}-{kind}" for n, (kind, _) in enumerate(BLOCKS)])
def test_block(language, block, workspace):
    if "tests/bench/" in block:
        pytest.importorskip("kaldi_native_fbank")
    # Outputs go to the folder, not into the repository; not all that the tiny models say can be aligned.
    code = block.replace("bash run.sh", f"bash {TOP}/run.sh --keep-going true")
    command = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-c", code]
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = re.search(r"# (hello_zh-.*)", block)
    assert expected is None or expected[1] in done.stdout


def test_two_commands_come_first():
    assert TWO_COMMANDS == ("bash", "bash run.sh\nbash tests/run.sh\n")


def test_every_command_is_in_the_table():
    scripts = re.findall(r"^(firered-[\w-]+) = ", (TOP / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(scripts) >= 6
    assert [name for name in scripts if f"| `{name} " not in README] == []
