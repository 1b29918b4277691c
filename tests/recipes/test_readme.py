"""Blocks of the README are run as they stand, in their order, in a folder with what they speak of.

Those of the pages in docs/ are run by test_examples, on the bundled models.
"""

import os
import re
import subprocess
import sys

import pytest
from support.paths import BIN, GOLDENS, TOP

README = TOP / "README.md"
BLOCKS = re.findall(r"^```(bash|python)\n(.*?)^```", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
# The README's first block is the tour, which test_recipe runs, and the command that runs this test.
TWO_COMMANDS = "bash run.sh\nbash tests/run.sh\n"
CASES = [
    pytest.param(language, code, id=f"{number}-{language}")
    for number, (language, code) in enumerate(BLOCKS)
    if code != TWO_COMMANDS
]


@pytest.fixture(scope="module")
def workspace(shared, tmp_path_factory):
    """A folder with recordings and models: the released voice detectors, and tiny models of the rest."""
    audio, vad = shared("audio/firered"), shared("models/FireRedVAD")
    folder = tmp_path_factory.mktemp("readme")
    (folder / "audio").symlink_to(audio)
    (folder / "pretrained_models").mkdir()
    (folder / "pretrained_models/FireRedVAD").symlink_to(vad)
    for name in ("FireRedASR2-AED", "FireRedASR2-LLM", "FireRedLID", "FireRedPunc"):
        (folder / "pretrained_models" / name).symlink_to(GOLDENS / "tiny" / name)
    return folder


@pytest.mark.parametrize(("language", "code"), CASES)
def test_block(language, code, workspace):
    # Outputs go to the folder, not into the repository; not all that the tiny models say can be aligned.
    called = code.replace("bash run.sh", f"bash {TOP}/run.sh --keep-going true")
    command = ["bash", "-euo", "pipefail", "-c", called] if language == "bash" else [sys.executable, "-c", called]
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = re.search(r"# (hello_zh-.*)", code)
    assert expected is None or expected[1] in done.stdout


def test_two_commands_are_in_the_readme():
    assert ("bash", TWO_COMMANDS) in BLOCKS


def test_it_fits_a_few_screens_and_its_links_lead_somewhere():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    targets = [target.partition("#")[0] for target in re.findall(r"\]\(([^)]+)\)", text)]
    assert len(targets) > 10
    assert [target for target in targets if "://" not in target and not (TOP / target).exists()] == []
