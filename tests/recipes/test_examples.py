"""The documentation: its examples and blocks are run as they stand, on the bundled models, and the site is built."""

import doctest
import inspect
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import soundfile

import firered

TOP = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
MINI = TOP / "egs/mini"
PAGES = ("quickstart", "commands", "recipes", "python", "live", "server", "performance")


def blocks():
    """Each ```bash and ```python block of the pages that have any, as (page, language, text)."""
    for page in PAGES:
        text = (TOP / f"docs/{page}.md").read_text(encoding="utf-8")
        for number, (language, block) in enumerate(re.findall(r"^```(bash|python)\n(.*?)^```", text, re.M | re.S)):
            marks = [pytest.mark.slow] if page in ("recipes", "performance") else []
            yield pytest.param(page, language, block, id=f"{page}-{number}", marks=marks)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder with the recordings and models that the pages speak of."""
    folder = tmp_path_factory.mktemp("docs")
    for name in ("utils", "conf", "tests", "docs"):
        (folder / name).symlink_to(TOP / name)
    (folder / "pretrained_models").symlink_to(MINI / "models")
    (folder / "audio").mkdir()
    samples, rate = soundfile.read(MINI / "test/wav/f3-zh-00003.flac", dtype="int16")
    soundfile.write(folder / "audio/hello_zh.wav", samples, rate)
    return folder


def run(command, cwd):
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def address(workspace):
    """Where a server with the workspace's models listens."""
    for package in ("fastapi", "openai", "websockets"):
        pytest.importorskip(package)
    command = [Path(sys.executable).parent / "firered", "serve", "--models", "pretrained_models", "--port", "0"]
    log = workspace / "server.log"
    with log.open("w") as file, subprocess.Popen(command, cwd=workspace, stderr=file) as server:
        try:
            for _ in range(1200):
                if "info ready" in log.read_text():
                    break
                time.sleep(0.1)
            yield re.findall(r"listening on http://(127\.0\.0\.1:\d+)", log.read_text())[0]
        finally:
            server.terminate()


@pytest.mark.parametrize(("page", "language", "block"), list(blocks()))
def test_block(page, language, block, workspace, request):
    if page == "server":
        block = block.replace("127.0.0.1:8000", request.getfixturevalue("address"))
    if "tests/bench/" in block:
        pytest.importorskip("kaldi_native_fbank")
    if "run.sh" in block and not (TOP / ".venv/bin/firered-vad").exists():
        block = block.replace("run.sh", f"run.sh --python {sys.executable}")
    code = block.replace("bash run.sh", f"bash {TOP}/run.sh")
    run(["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-c", code], workspace)


def test_every_command_is_in_the_table():
    scripts = re.findall(r"^(firered-[\w-]+) = ", (TOP / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(scripts) > 10
    page = (TOP / "docs/commands.md").read_text(encoding="utf-8")
    assert [name for name in scripts if f"| `{name} " not in page] == []


# --- the five scripts ---


@pytest.fixture
def example(workspace):
    def call(name, *arguments):
        return run([sys.executable, f"docs/examples/{name}.py", *arguments], workspace)

    return call


def test_transcribe_file(example):
    assert "公园" in example("transcribe_file", "audio/hello_zh.wav")


def test_transcribe_folder_names_what_failed(example, workspace, tmp_path):
    (tmp_path / "good.wav").symlink_to(workspace / "audio/hello_zh.wav")
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    bad, good = example("transcribe_folder", tmp_path).splitlines()
    assert bad.startswith("bad.wav\tfailed: ")
    assert good.startswith("good.wav\t你好")


def test_detect_voice(example):
    lines = example("detect_voice", "audio/hello_zh.wav").splitlines()
    assert lines[0].startswith("voice from ")
    assert any(line.startswith("start at ") for line in lines)


def test_align_words(example):
    words = [line.split() for line in example("align_words", "audio/hello_zh.wav", "你好谁星期三去公园").splitlines()]
    assert "".join(word for _, _, word in words) == "你好谁星期三去公园"
    starts = [float(start) for start, _, _ in words]
    assert starts == sorted(starts)


def test_encode(example, tmp_path):
    assert re.match(r"hello_zh: \d+ frames of \d+ values$", example("encode", tmp_path / "f.npz", "audio/hello_zh.wav"))
    assert (tmp_path / "f.npz").exists()


def test_there_are_as_many_examples_as_tests():
    names = {path.stem for path in (TOP / "docs/examples").glob("*.py")}
    assert names == {"transcribe_file", "transcribe_folder", "detect_voice", "align_words", "encode"}


# --- examples in docstrings ---


def has_example(name):
    """Whether a public name is one that people begin with: a module's class, or a function."""
    value = getattr(firered, name)
    return (inspect.isfunction(value) and name != "result_of") or hasattr(value, "batch") or hasattr(value, "session")


@pytest.mark.parametrize("name", sorted(filter(has_example, firered.__all__)))
def test_docstring_example(name, monkeypatch):
    monkeypatch.chdir(TOP)  # where egs/mini is
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(firered, name), name)
    assert example.examples, f"firered.{name} has no example in its docstring"
    said = []
    failed, _ = doctest.DocTestRunner().run(example, out=said.append)
    assert not failed, "".join(said)


def test_every_module_has_an_example():
    modules = {"Aligner", "Asr", "Lid", "LiveSystem", "LlmAsr", "Mvad", "Punc", "StreamVad", "System", "Vad"}
    assert {name for name in firered.__all__ if has_example(name)} == {*modules, "load", "transcribe"}


# --- the site ---


@pytest.mark.slow
def test_the_site_builds_strictly(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install -e '.[docs]'")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=TOP,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    modules = (tmp_path / "reference/modules/index.html").read_text(encoding="utf-8")
    for name in ("System", "Asr", "Lid", "Vad", "Mvad", "StreamVad", "Punc", "Aligner"):
        assert f'id="firered.{name}"' in modules
