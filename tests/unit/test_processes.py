"""Processes that end together, and what a killed one leaves behind."""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from firered.data import atomic, temporary
from firered.data.archives import MatrixWriter, write_matrix
from firered.data.atomic import replacing
from firered.data.lock import LOCK, FolderLock
from firered.errors import FireRedError, writing
from firered.processes import PARENTS, group, is_alive

HOST = socket.gethostname()


def python(code, *arguments, **how):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], text=True, **how)


def gone():
    """The number of a process that has ended."""
    ended = subprocess.Popen(["true"])
    ended.wait()
    return ended.pid


def ends(pid, seconds=20):
    """Whether a process ends within so many seconds."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    return bool(select.select([watched], [], [], seconds)[0])


STARTS_A_GROUP = """
import time
from firered.processes import group
with group(["bash", "-c", "(trap '' TERM; exec sleep 60) & echo $! >&2; wait"]):
    print("on", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_a_process_has_started_ends_with_it_however_it_ends(number):
    """Even what does not mind being asked, and is not its own child."""
    starter = python(STARTS_A_GROUP, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    grandchild = int(starter.stderr.readline())
    assert starter.stdout.readline() == "on\n"
    assert is_alive(grandchild)
    starter.send_signal(number)
    starter.wait(30)
    assert ends(grandchild)


def test_a_group_ends_with_its_block():
    command = ["bash", "-c", "sleep 60 & echo $!; wait"]
    with group(command, stdout=subprocess.PIPE, text=True) as process:
        child = int(process.stdout.readline())
        assert is_alive(child)
    assert ends(child)
    assert ends(process.pid)


CREATES = """
import subprocess, sys, time
busy = "from firered.processes import end_with_creator; end_with_creator(); print(1, flush=True); sum(range(10**12))"
child = subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not know of it")
def test_a_worker_ends_with_its_creator_even_in_the_midst_of_a_computation():
    creator = python(CREATES, stdout=subprocess.PIPE)
    worker = int(creator.stdout.readline())
    creator.kill()
    creator.wait()
    assert ends(worker)


WATCHES = """
import os, time
from firered.processes import PARENTS, end_with_parents
end_with_parents()
assert PARENTS not in os.environ  # it is for this process, not for those that it starts
print("on", flush=True)
time.sleep(60)
"""


def watcher(parents):
    process = python(WATCHES, stdout=subprocess.PIPE, env=os.environ | {PARENTS: parents})
    assert process.stdout.readline() == "on\n"
    return process


def test_a_process_ends_with_any_of_the_scripts_that_it_works_for():
    scripts = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
    process = watcher(" ".join(f"{HOST}:{script.pid}" for script in scripts))
    scripts[1].kill()
    scripts[1].wait()
    assert process.wait(20) == -signal.SIGTERM
    scripts[0].kill()
    scripts[0].wait()


def test_scripts_of_another_machine_or_of_another_time_are_not_waited_for():
    process = watcher(f"elsewhere:{os.getpid()} {HOST}:{gone()}")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.kill()
    process.wait()


# Files


def test_what_a_killed_run_left_is_removed_by_the_next_that_writes_there(tmp_path):
    dead, alive = f".firered-{HOST}-{gone()}-0a1b2c3d.tmp", f".firered-{HOST}-{os.getpid()}-0a1b2c3d.tmp"
    others = f".firered-elsewhere-{gone()}-0a1b2c3d.tmp"
    for name in (dead, alive, others, ".mine.tmp"):
        (tmp_path / name).touch()
    with replacing(tmp_path / "a") as unfinished:
        unfinished.touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([alive, others, ".mine.tmp", "a"])


def test_temporary_files_of_a_killed_run_go_with_the_next_temporary_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    code = (
        "import os, signal, tempfile\nfrom firered.data.temporary import named_file\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\nkept = named_file()\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    assert python(code).wait() == -signal.SIGKILL
    (tmp_path / "firered-my-notes").touch()
    (left,) = (path for path in tmp_path.iterdir() if path.name != "firered-my-notes")
    with temporary.named_file() as file:
        assert not left.exists()
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["firered-my-notes", Path(file.name).name])


def test_the_unfinished_file_of_the_longest_name_can_be_written(tmp_path):
    with replacing(tmp_path / ("x" * 255)) as unfinished:
        unfinished.touch()
    assert [len(path.name) for path in tmp_path.iterdir()] == [255]


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_named():
    reason = "/dev/full: cannot be written: No space left on device"
    with pytest.raises(FireRedError, match=reason), MatrixWriter(FULL) as writer:
        writer.write("a", [np.zeros((3, 2), np.float32)])
    with pytest.raises(FireRedError, match=reason), writing(FULL), FULL.open("w") as file:
        file.write("x")


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FireRedError, match=r"file/x: cannot be written: (Not a directory|File exists)"):
        write_matrix(tmp_path / "file/x", np.zeros((1, 1)))


# The lock of a folder

HOLDS = """
import sys, time
from pathlib import Path
from firered.data.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def holder(folder):
    process = python(HOLDS, folder, stdout=subprocess.PIPE)
    assert process.stdout.readline() == "held\n"
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_second_run_into_a_folder_is_refused_and_the_first_named(tmp_path):
    with holder(tmp_path) as process:
        with pytest.raises(FireRedError, match=rf"another run writes here: -c .*process {process.pid} on {HOST}"):
            FolderLock(tmp_path)
        FolderLock(tmp_path / "another").release()
    FolderLock(tmp_path).release()  # the other was killed: nothing is in the way
    assert [path.name for path in tmp_path.iterdir()] == ["another"]


@pytest.mark.parametrize(("pid", "free"), [("gone", True), ("here", False)])
def test_without_locks_the_file_tells_of_runs_on_this_machine(tmp_path, monkeypatch, pid, free):
    number = gone() if pid == "gone" else os.getpid()
    (tmp_path / LOCK).write_text(
        f'{{"command": "firered-asr in out", "pid": {number}, "host": "{HOST}", "since": "today"}}\n'
    )

    def no_locks(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", no_locks)
    if free:
        FolderLock(tmp_path).release()
    else:
        with pytest.raises(FireRedError, match="firered-asr in out, process"):
            FolderLock(tmp_path)


@pytest.mark.parametrize("how", ["removed", "moved", "replaced"])
def test_a_folder_that_goes_is_noticed(tmp_path, how):
    folder = tmp_path / "out"
    lock = FolderLock(folder)
    lock.check()
    if how == "removed":
        (folder / LOCK).unlink()
        folder.rmdir()
    else:
        folder.rename(tmp_path / "moved")
    if how == "replaced":
        FolderLock(folder)
    with pytest.raises(FireRedError, match="out: was removed or replaced"):
        lock.check()
    lock.release()
    assert (folder / LOCK).exists() == (how == "replaced")  # that of the other is left


def test_an_archive_that_goes_is_noticed(tmp_path):
    writer = MatrixWriter(tmp_path / "feats.ark")
    (tmp_path / "feats.ark").unlink()
    with pytest.raises(FireRedError, match=r"feats\.ark: was removed or replaced"):
        writer.close()


def test_names_say_whose_they_are():
    assert atomic.owner() == f"{HOST}-{os.getpid()}-"
