"""Blocks of the README and of pages in docs/ are run as they stand, in a folder with what they speak of.

All blocks of the README are run; of other pages those right after a line `<!-- run -->`. The blocks of a page build on
each other.
"""

import os
import re
import subprocess
import sys

import pytest
from support.paths import BIN, GOLDENS, TOP

README = TOP / "README.md"
PAGES = [README, *sorted((TOP / "docs").rglob("*.md"))]
MARK = "<!-- run -->"
BLOCK = re.compile(
    r"^(?P<mark><!-- run -->\n+)?```(?P<language>bash|python)[^\n]*\n(?P<code>.*?)^```", re.DOTALL | re.MULTILINE
)
# The README's first block is the tour, which test_recipe runs, and the command that runs this test.
TWO_COMMANDS = "bash run.sh\nbash tests/run.sh\n"


def blocks(page):
    """(language, code) of the blocks of a page that are to be run, in their order."""
    found = [match.groupdict() for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]
    wanted = [block for block in found if page == README or block["mark"]]
    return [(block["language"], block["code"]) for block in wanted if block["code"] != TWO_COMMANDS]


CASES = [
    pytest.param(page, language, code, id=f"{page.relative_to(TOP)}-{number}-{language}")
    for page in PAGES
    for number, (language, code) in enumerate(blocks(page))
]


@pytest.fixture(scope="module")
def workspaces(shared, tmp_path_factory):
    """The folder of a page, made for its first block."""
    audio, vad = shared("audio/firered"), shared("models/FireRedVAD")
    folders = {}

    def of_page(page):
        if page not in folders:
            folder = folders[page] = tmp_path_factory.mktemp(page.stem)
            for name in ("utils", "conf", "tests", "egs"):
                (folder / name).symlink_to(TOP / name)
            (folder / "audio").symlink_to(audio)
            (folder / "pretrained_models").mkdir()
            (folder / "pretrained_models/FireRedVAD").symlink_to(vad)
            for name in ("FireRedASR2-AED", "FireRedASR2-LLM", "FireRedLID", "FireRedPunc"):
                (folder / "pretrained_models" / name).symlink_to(GOLDENS / "tiny" / name)
        return folders[page]

    return of_page


@pytest.mark.parametrize(("page", "language", "code"), CASES)
def test_block(page, language, code, workspaces):
    if "tests/bench/" in code:
        pytest.importorskip("kaldi_native_fbank")
    # Outputs go to the folder, not into the repository; not all that the tiny models say can be aligned.
    called = code.replace("bash run.sh", f"bash {TOP}/run.sh --keep-going true")
    command = ["bash", "-euo", "pipefail", "-c", called] if language == "bash" else [sys.executable, "-c", called]
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=workspaces(page), env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = re.search(r"# (hello_zh-.*)", code)
    assert expected is None or expected[1] in done.stdout


def test_every_mark_is_before_a_block():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        marked = sum(match["mark"] is not None for match in BLOCK.finditer(text))
        assert len(re.findall(rf"^{MARK}$", text, re.MULTILINE)) == marked, page


def test_two_commands_are_in_the_readme():
    assert TWO_COMMANDS in [match["code"] for match in BLOCK.finditer(README.read_text(encoding="utf-8"))]


def test_every_command_is_in_the_table():
    scripts = re.findall(r"^(firered-[\w-]+) = ", (TOP / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    readme = README.read_text(encoding="utf-8")
    assert len(scripts) >= 6
    assert [name for name in scripts if f"| `{name} " not in readme] == []
