"""utils/setup.sh and utils/path.sh: which environment the scripts work in. Nothing is downloaded: the interpreters are
shell scripts that note what they are asked for."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())

# Answers the version check, makes an environment with a copy of itself, and notes every other call.
INTERPRETER = """#!/usr/bin/env bash
case "$*" in
  "-c import sys"*) ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  *) echo "$*" >>"$CALLS" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path):
    """A checkout of this repository as far as setting up is concerned."""
    return new_checkout(tmp_path / "a checkout")


def new_checkout(top):
    (top / "utils").mkdir(parents=True)
    for name in ("utils/setup.sh", "utils/path.sh", "utils/attend.sh", "pyproject.toml"):
        shutil.copy(TOP / name, top / name)
    write_program(top / "interpreter", INTERPRETER)
    return top


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


def set_up(checkout, *extras, **environment):
    env = {**os.environ, "PYTHON": str(checkout / "interpreter"), "CALLS": str(checkout / "calls"), **environment}
    return subprocess.run([checkout / "utils/setup.sh", *extras], capture_output=True, text=True, env=env)


def calls(checkout):
    noted = checkout / "calls"
    return noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []


def note_editable(checkout, of):
    """What pip leaves in an environment into which the checkout `of` was installed with -e."""
    info = checkout / ".venv/lib/python3.11/site-packages/firered-0.1.0.dist-info"
    info.mkdir(parents=True)
    note = {"dir_info": {"editable": True}, "url": of.resolve().as_uri()}
    (info / "direct_url.json").write_text(json.dumps(note), encoding="utf-8")


def test_installs_what_recipes_need_once(checkout):
    done = set_up(checkout)
    assert done.returncode == 0, done.stderr
    install = "-m pip install --quiet --disable-pip-version-check -e"
    assert calls(checkout) == [f"{install} {checkout}[recipes]"]
    assert set_up(checkout).returncode == 0
    assert len(calls(checkout)) == 1

    assert set_up(checkout, "test", "docs").returncode == 0
    assert calls(checkout)[1:] == [f"{install} {checkout}[recipes,test,docs]"]


def test_a_changed_project_file_installs_again(checkout):
    set_up(checkout)
    with (checkout / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("# another line\n")
    assert set_up(checkout).returncode == 0
    assert len(calls(checkout)) == 2


def test_an_environment_that_is_a_link_is_refused(checkout, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (checkout / ".venv").symlink_to(tmp_path / "elsewhere")
    done = set_up(checkout)
    assert done.returncode == 1
    assert f"symbolic link (to {tmp_path / 'elsewhere'})" in done.stderr
    assert f"rm -rf '{checkout}/.venv'" in done.stderr
    assert "PATH_SH" in done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_environment_of_another_checkout_is_refused(checkout, tmp_path):
    other = new_checkout(tmp_path / "another checkout")
    set_up(checkout)
    note_editable(checkout, of=other)
    done = set_up(checkout)
    assert done.returncode == 1
    assert f"holds the package of another checkout, {other}" in done.stderr
    assert f"rm -rf '{checkout}/.venv'" in done.stderr
    assert len(calls(checkout)) == 1


def test_an_environment_of_this_checkout_or_of_one_that_is_gone_is_taken(checkout, tmp_path):
    note_editable(checkout, of=checkout)
    assert set_up(checkout).returncode == 0
    moved = checkout.rename(tmp_path / "moved here")
    done = set_up(moved)
    assert done.returncode == 0, done.stderr
    assert calls(moved)[-1].endswith(f"-e {moved}[recipes]")


# --- utils/path.sh ---

SCRIPT = """#!/usr/bin/env bash
set -euo pipefail
TOP=$(cd "$(dirname "$0")" && pwd)
python=
if [ "${1:-}" = --python ]; then python=$2; shift 2; fi
. "$TOP/utils/path.sh"
echo "runs with $(command -v python)"
echo "left: $*"
"""


@pytest.fixture
def script(checkout):
    """A script that sources path.sh, in a checkout whose setup.sh would be noticed."""
    write_program(checkout / "utils/setup.sh", '#!/bin/sh\necho "setup.sh was called: $*"\n')
    write_program(checkout / "script.sh", SCRIPT)

    def call(*args, **environment):
        env = {"PATH": "/usr/bin:/bin", "CALLS": str(checkout / "calls"), **environment}
        return subprocess.run(["bash", checkout / "script.sh", *args], capture_output=True, text=True, env=env)

    return call


@pytest.fixture
def own(tmp_path):
    """The bin folder of an environment that has the package."""
    folder = tmp_path / "my own/bin"
    write_program(folder / "python", INTERPRETER)
    write_program(folder / "firered", "#!/bin/sh\n")
    return folder


def test_without_either_the_checkouts_environment_is_made(script, checkout):
    write_program(checkout / ".venv/bin/python", INTERPRETER)
    done = script("data", firered_extras="test docs")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"setup.sh was called: test docs\nruns with {checkout}/.venv/bin/python\nleft: data\n"


def test_python_names_the_environment(script, own):
    done = script("--python", own / "python", "data")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"runs with {own}/python\nleft: data\n"


def test_path_sh_is_sourced(script, own, tmp_path):
    # An unset variable is no error in there, as path.sh files often have one.
    (tmp_path / "path.sh").write_text(f'export PATH="{own}:$PATH" KALDI=$KALDI_ROOT\n', encoding="utf-8")
    done = script("data", PATH_SH=str(tmp_path / "path.sh"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"runs with {own}/python\nleft: data\n"


def test_what_is_no_environment_with_firered_is_refused(script, own, tmp_path, checkout):
    assert "no such program" in script("--python", tmp_path / "nowhere").stderr
    assert "cannot read" in script(PATH_SH=str(tmp_path / "nowhere.sh")).stderr
    (own / "firered").unlink()
    done = script("--python", own / "python")
    assert done.returncode == 1
    assert f"firered is not installed there: pip install -e '{checkout}[recipes]'" in done.stderr


def test_python_and_commands_of_two_environments_are_refused(script, own, tmp_path):
    write_program(tmp_path / "other/bin/python", INTERPRETER)
    done = script("--python", tmp_path / "other/bin/python", PATH=f"{own}:/usr/bin:/bin")
    assert done.returncode == 1
    assert f"python is {tmp_path}/other/bin/python, but firered {own}/firered" in done.stderr
