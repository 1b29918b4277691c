"""The package as others install it: a wheel, in an environment that has only what the base requires, off the tree."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, distribution, version
from pathlib import Path

import pytest

from firered.optional import EXTRA_OF, advice_for

TOP = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
MINI = TOP / "egs/mini"

# Imports nothing of the extras, as if none of their packages were there.
WITHOUT_EXTRAS = f"import sys; sys.modules.update(dict.fromkeys({sorted(EXTRA_OF)!r}));"


def python(code, *, interpreter=sys.executable, cwd=None):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([interpreter, "-c", code], capture_output=True, text=True, cwd=cwd, env=env)


# --- extras ---


@pytest.fixture(scope="module")
def project():
    tomllib = pytest.importorskip("tomllib", reason="tomllib came with Python 3.11")
    return tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_optional_package_is_in_the_extra_that_is_named(project):
    def names(lines):
        return {re.match(r"[\w-]+", line)[0].replace("-", "_") for line in lines}  # as they are imported

    for package, extra in EXTRA_OF.items():
        assert {package, f"{package}_wheels"} & names(project["optional-dependencies"][extra])
        assert package not in names(project["dependencies"])


def test_what_decodes_needs_no_extra():
    modules = ("align", "asr", "audio", "data", "lid", "models", "output", "peers", "punc", "system", "vad")
    code = f"""{WITHOUT_EXTRAS}
import firered
for name in firered.__all__:
    getattr(firered, name)
import pkgutil, importlib
for package in {modules}:
    found = importlib.import_module(f"firered.{{package}}")
    for module in pkgutil.walk_packages(found.__path__, found.__name__ + "."):
        if module.name not in ("firered.output.plot", "firered.data.textgrids"):
            importlib.import_module(module.name)
"""
    done = python(code)
    assert done.returncode == 0, done.stderr


def test_a_command_names_the_extra_that_it_needs(tmp_path):
    (tmp_path / "ref").write_text("a 你好\n", encoding="utf-8")
    arguments = [str(tmp_path / "ref"), str(tmp_path / "ref"), str(tmp_path / "out")]
    code = f"{WITHOUT_EXTRAS} sys.argv = ['firered-score', *{arguments}]; from firered.cli.score import score; score()"
    done = python(code)
    assert done.returncode == 1
    assert re.search(r"error \w+ is not installed; .*: pip install 'firered\[\w+\]'\n$", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_package_that_no_extra_brings_is_no_advice():
    assert advice_for(ModuleNotFoundError(name="torch")) is None
    assert advice_for(ModuleNotFoundError("a message alone")) is None
    assert "'firered[score]'" in advice_for(ModuleNotFoundError(name="cn2an.transform"))


# --- the wheel ---


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the tree, so that nothing is left in the tree nor taken from what lies in it."""
    top = tmp_path_factory.mktemp("wheel")
    source = top / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(TOP / name, source / name)
    shutil.copytree(TOP / "firered", source / "firered", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--no-deps", "--quiet", "--disable-pip-version-check", "--wheel-dir", str(top)]
    if int(version("setuptools").split(".")[0]) >= 77:
        options.append("--no-build-isolation")  # no network is needed then
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(source)], capture_output=True, text=True, cwd=top
    )
    if done.returncode and "--no-build-isolation" not in options:
        pytest.skip(f"setuptools is too old to build a wheel and a newer one cannot be fetched: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr
    (built,) = top.glob("firered-*.whl")
    return built


def required(metadata):
    """The installed distributions that the one described there requires without any extra, and all that these do."""
    requirements = pytest.importorskip("packaging.requirements")
    seen = set()
    waiting = [(Distribution.at(metadata), "")]
    while waiting:
        found, extra = waiting.pop()
        for line in found.requires or ():
            wanted = requirements.Requirement(line)
            if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
                continue
            for key in {(wanted.name, extra) for extra in ("", *wanted.extras)} - seen:
                seen.add(key)
                waiting.append((distribution(wanted.name), key[1]))
                yield waiting[-1][0]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The bin folder of an environment with the wheel and, as links, what its base requires; nothing else is in it.

    Installing the five gigabytes again would take minutes and a network.
    """
    environment = tmp_path_factory.mktemp("installed") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    pip = [sys.executable, "-m", "pip", f"--python={environment}/bin/python", "--disable-pip-version-check"]
    done = subprocess.run([*pip, "install", "--no-deps", "--no-index", wheel], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (site,) = environment.glob("lib/python*/site-packages")
    (metadata,) = site.glob("firered-*.dist-info")
    for found in required(metadata):
        for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not (site / name).exists():
                (site / name).symlink_to(found.locate_file(name))
    return environment / "bin"


@pytest.fixture
def run(installed, tmp_path):
    """Runs a command of that environment in an empty folder off the tree."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env["PATH"] = f"{installed}:/usr/bin:/bin"

    def call(program, *arguments):
        command = [installed / program, *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env)

    return call


def test_the_wheel_holds_every_file_of_the_package(wheel):
    tracked = subprocess.run(["git", "ls-files", "firered"], cwd=TOP, capture_output=True, text=True)
    files = tracked.stdout.split()
    if not files:
        pytest.skip("not a git checkout: what belongs to the package is not known")
    with zipfile.ZipFile(wheel) as archive:
        assert [name for name in files if name not in archive.namelist()] == []
    assert "firered/py.typed" in files


@pytest.mark.slow
def test_the_package_is_the_installed_one_and_needs_no_extra(run, installed):
    done = run("python", "-c", "import firered; print(firered.__file__); firered.System; firered.Asr; firered.Vad")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(installed.parent / "lib"))
    for package in EXTRA_OF:
        assert run("python", "-c", f"import {package}").returncode == 1, f"{package} is required by the base"


@pytest.mark.slow
def test_every_console_script_answers(run, installed, project):
    assert sorted(path.name for path in installed.glob("firered*")) == sorted(project["scripts"])
    code = """
from importlib.metadata import entry_points
for script in entry_points(group="console_scripts"):
    if script.value.startswith("firered"):
        assert callable(script.load()), script
"""
    done = run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    for name in ("firered", "firered-vad"):
        done = run(name, "--help")
        assert done.returncode == 0, done.stderr
        assert "Usage" in done.stdout


@pytest.mark.slow
def test_bundled_data_can_be_opened(run):
    data = [path.relative_to(TOP / "firered") for path in (TOP / "firered").rglob("*") if is_data(path)]
    assert len(data) > 5
    code = f"""
from importlib.resources import files
for name in {[path.as_posix() for path in data]}:
    with files("firered").joinpath(name).open("rb") as file:
        assert file.read() or name == "py.typed", name
"""
    done = run("python", "-c", code)
    assert done.returncode == 0, done.stderr


def is_data(path):
    return path.is_file() and path.suffix not in (".py", ".pyc")


@pytest.mark.slow
def test_a_recording_is_transcribed(run, tmp_path):
    audio = sorted((MINI / "test/wav").iterdir())[0]
    done = run("firered", "transcribe", audio, "-o", "out", "--models", MINI / "models", "--format", "txt,srt,jsonl")
    assert done.returncode == 0, done.stderr
    (line,) = (tmp_path / "out/result.jsonl").read_text(encoding="utf-8").splitlines()
    reference = dict(line.split(maxsplit=1) for line in (MINI / "test/text").read_text(encoding="utf-8").splitlines())
    expected = reference[audio.stem].replace(" ", "")
    found = re.sub(r"[^\w]", "", json.loads(line)["text"].lower())
    assert found == expected


@pytest.mark.slow
def test_scoring_names_its_extra(run, tmp_path):
    (tmp_path / "ref").write_text("a 你好\n", encoding="utf-8")
    done = run("firered-score", "ref", "ref", "out")
    assert done.returncode == 1
    assert "pip install 'firered[score]'" in done.stderr
