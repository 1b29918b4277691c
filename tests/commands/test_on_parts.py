"""utils/on_parts.sh and utils/attend.sh: any path reaches the jobs as it is, and jobs end with the script."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import TESTS, TOP

# What run.sh would have of the package: two tools of data directories, and a command that notes its arguments.
SPLIT = """#!/bin/bash
mkdir -p "$3/1" "$3/2"
echo 2
"""
COMBINE = """#!/bin/bash
printf '%s\\0' "$@" >combined
"""
COMMAND = """#!/bin/bash
mkdir -p "${@: -2:1}"
printf '%s\\0' "$PWD" "$@" >"${@: -2:1}/arguments"
"""
SCRIPT = """#!/bin/bash
set -euo pipefail
TOP={top}
. "$TOP/utils/attend.sh"
nj=2
models=.
cmd=$1
. "$TOP/utils/on_parts.sh"
on_parts "$2" "$3" firered-noted --model "$4" @in @in/text @out
"""
NASTY = "my exp&b %d JOB JOB_ $(touch PWNED) `touch PWNED` \"q\" 'p' *?[a] {1,2} ;|<>!#~\\ 试验 é"
PATHS = ["plain", "JOB", "./-x", "100%", "two\tstops ", NASTY]
LAUNCHERS = {"run.py": TOP / "utils/run.py", "run.pl": None, "slurm.py": TOP / "utils/slurm.py"}
SBATCH = f"""#!{sys.executable}
import os, re, subprocess, sys
name = sys.argv[sys.argv.index("-o") + 1]  # in a name with a backslash that escapes, else % begins a pattern
open(re.sub(r"\\\\(.)", r"\\1", name) if "\\\\" in name else name.replace("%%", "%"), "a")
for number in "12":
    own = {{"PATH": os.environ["PATH"], "SLURM_ARRAY_TASK_ID": number}}
    subprocess.Popen(["bash", sys.argv[-1]], env=own, cwd="/")
print("Submitted batch job 7")
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working directory, with the tools on PATH."""
    tools = tmp_path / "tools"
    tools.mkdir()
    texts = {"split_data.py": SPLIT, "combine_data.py": COMBINE, "firered-noted": COMMAND, "sbatch": SBATCH}
    for name, text in texts.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    (tools / "run.pl").symlink_to(TESTS / "support/plain_run_pl.py")
    (tmp_path / "work dir").mkdir()
    (tmp_path / "script.sh").write_text(SCRIPT.format(top=TOP))
    monkeypatch.chdir(tmp_path / "work dir")
    monkeypatch.setenv("PATH", f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.delenv("FIRERED_PARENTS", raising=False)
    return tmp_path / "work dir"


def words(path):
    return path.read_bytes().decode().split("\0")[:-1]


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("out", PATHS)
def test_any_path_reaches_the_jobs_as_it_is(work, launcher, out):
    if launcher == "slurm.py":
        (work / out / "log/q").mkdir(parents=True)  # a new folder is waited for, as it might be on NFS
    script = work.parent / "script.sh"
    done = subprocess.run(
        ["bash", script, LAUNCHERS[launcher] or launcher, f"{out}/in", out, f"{out}/models"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for job in "12":
        split, part = f"{out}/split/{job}", f"{out}/parts/{job}"
        assert words(work / part / "arguments") == [
            *(str(work), "--model", f"{out}/models", split, f"{split}/text", part, "--keep-going")
        ]
        assert len(list((work / out / "log").glob(f"noted.{job}.log"))) == 1
    assert words(work / "combined") == [out, f"{out}/parts/1", f"{out}/parts/2"]
    assert not list(work.rglob("PWNED"))


def test_a_launcher_with_options_and_one_in_a_folder_with_a_blank(work):
    script = work.parent / "script.sh"
    (work / "my run.py").symlink_to(TOP / "utils/run.py")
    for launcher in (f"{TOP}/utils/run.py --max-jobs-run 1", "./my run.py", "run.pl"):
        done = subprocess.run(["bash", script, launcher, "in", "out", "m"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (work / "out/.stage").unlink()


SLEEPER = """#!/bin/bash
echo $$ >started.$(basename "${@: -2:1}")
exec sleep 60
"""


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGINT, 130, "script.sh: stopped by SIGINT; the same command resumes"),
        (signal.SIGTERM, 143, "script.sh: stopped by SIGTERM; the same command resumes"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
)
def test_jobs_end_with_the_script(work, number, status, said):
    (work.parent / "tools/firered-noted").write_text(SLEEPER)
    for job in (1, 2):
        os.mkfifo(f"started.{job}")  # a reader waits for its writer
    words = ["bash", work.parent / "script.sh", TOP / "utils/run.py", "in", "out", "models"]
    script = subprocess.Popen(
        words, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    jobs = [os.pidfd_open(int(Path(f"started.{job}").read_text())) for job in (1, 2)]
    script.send_signal(number)
    _, errors = script.communicate(timeout=20)
    assert script.returncode == status
    assert errors.splitlines()[-1:] == ([said] if said else errors.splitlines()[-1:])
    assert all(select.select([job], [], [], 20)[0] for job in jobs)


def test_a_second_run_of_a_stage_is_refused_and_the_first_named(work):
    (work.parent / "tools/firered-noted").write_text(SLEEPER)
    os.mkfifo("started.1")
    os.mkfifo("started.2")
    words = ["bash", work.parent / "script.sh", TOP / "utils/run.py", "in", "out", "models"]
    first = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    for job in (1, 2):
        Path(f"started.{job}").read_text()
    second = subprocess.run(words, capture_output=True, text=True)
    assert second.returncode == 1
    assert f"out: another run works in here: {work.parent}/script.sh on" in second.stderr
    assert f"process {first.pid}," in second.stderr
    first.terminate()
    first.wait()
