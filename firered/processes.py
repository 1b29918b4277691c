"""Processes that end together: one with those that it was started for, and its children with it, even by SIGKILL.

Standard library only, as launchers have nothing else.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

PARENTS = "FIRERED_PARENTS"  # "host:pid ...": the scripts that this process works for, set by utils/attend.sh
_PR_SET_PDEATHSIG = 1  # of linux/prctl.h
# Begins when it is told to, by when the warden knows of it; never where its creator has been killed before that.
_HELD = 'wait=$1; shift; read -r -u "$wait" && exec "$@" {wait}<&-'
_LOOK_S = 0.5  # between two looks where the system tells of no end


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number on this machine."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def end_with_creator() -> None:
    """From now on the system kills this process when the thread that created it ends; on Linux alone."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def end_with_parents() -> None:
    """From now on this process is sent SIGTERM when one of the scripts that it works for has ended."""
    named = (entry.rpartition(":") for entry in os.environ.pop(PARENTS, "").split())
    # Other numbers are those of another machine, to which the environment was taken along, or of one that has ended.
    pids = [int(pid) for host, _, pid in named if host == socket.gethostname() and is_alive(int(pid))]
    if pids:
        threading.Thread(target=_end_after, args=(pids,), name="parents", daemon=True).start()


def _end_after(pids: Sequence[int]) -> None:
    _wait_for_any(pids)
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_for_any(pids: Sequence[int]) -> None:
    try:
        watched = [os.pidfd_open(pid) for pid in pids]
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not Linux, or an old one
        while all(map(is_alive, pids)):
            time.sleep(_LOOK_S)
        return
    poll = select.poll()
    for number in watched:
        poll.register(number, select.POLLIN)
    poll.poll()


class _Warden:
    """A process that outlives this one for a moment, to end the process groups that this one has left."""

    def __init__(self) -> None:
        self._owner = 0  # process that the warden belongs to; a fork has none
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        """Have it at work."""
        with self._lock:
            if self._process is not None and self._owner == os.getpid():
                return
            # A session of its own: what ends this process from outside must not end the warden, too.
            self._process, self._owner = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(__file__).with_name("warden.py"))],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            ), os.getpid()  # fmt: skip

    def tell(self, sign: str, group: int) -> None:
        """Put a process group under its care (+), or take it out (-)."""
        self.start()
        assert self._process is not None
        assert self._process.stdin is not None
        with self._lock, contextlib.suppress(BrokenPipeError):  # if it was killed, nothing is to be done for others
            self._process.stdin.write(f"{sign}{group}\n".encode())
            self._process.stdin.flush()


_warden = _Warden()


@contextlib.contextmanager
def group(words: Sequence[str], **how: Any) -> Iterator["subprocess.Popen[Any]"]:  # noqa: ANN401 - as Popen has them
    """A process in a group of its own, which is killed when the block ends, or this process, however it ends."""
    process = start_group(words, **how)
    with process:
        try:
            yield process
        finally:
            signal_group(process, signal.SIGKILL)
            release(process)


def start_group(words: Sequence[str], **how: Any) -> "subprocess.Popen[Any]":  # noqa: ANN401
    """The same without a block: call `release` when the process has ended."""
    _warden.start()
    wait, go = os.pipe()
    try:
        held = ["bash", "-c", _HELD, "bash", str(wait), *words] if shutil.which("bash") else words
        process = subprocess.Popen(held, start_new_session=True, pass_fds=[wait], **how)
        _warden.tell("+", process.pid)
        os.write(go, b"\n")
    finally:
        os.close(go)
        os.close(wait)
    return process


def release(process: "subprocess.Popen[Any]") -> None:
    """What is left of a process group may go on after this process."""
    _warden.tell("-", process.pid)


def signal_group(process: "subprocess.Popen[Any]", number: int) -> bool:
    """Whether the process group is still there; it is sent this signal."""
    process.poll()  # an ended leader would count as alive until it is collected
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
        return True
    return False
