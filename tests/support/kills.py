"""Kills a piece of work at any of its writes, as a power cut would, and tells how many writes there are.

The work is done by a fork of this process: nothing is imported anew, and nothing of a kill is left here.
"""

import builtins
import io
import os
import signal
import sys
from pathlib import Path

from firered.data.speed import SPEED
from firered.train.logs import SPEED as TRAINING_SPEED

_TIMES = (SPEED, TRAINING_SPEED)
really_open = io.open


class _Watch:
    """Counts what is done to files under a folder, and ends the process at one of these events."""

    def __init__(self, folder, last):
        self.folder, self.last, self.count = str(folder), last, 0

    def covers(self, path):
        return isinstance(path, (str, os.PathLike)) and str(Path(path).absolute()).startswith(self.folder)

    def event(self):
        self.count += 1
        return self.count == self.last

    def audit(self, name, arguments):
        changes = name in ("os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir")
        if changes and self.covers(arguments[0]) and self.event():
            os.kill(os.getpid(), signal.SIGKILL)


class _Watched:
    """A file that is written to; the last write is cut in half."""

    def __init__(self, file, watch):
        self._file, self._watch = file, watch

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, data):
        if self._watch.event():
            whole = bytes(data) if not isinstance(data, str) else data
            self._file.write(whole[: len(whole) // 2])
            self._file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        return self._file.write(data)


def _work(work, watch, count):
    """What the fork does; it never returns."""

    def watching_open(file, mode="r", *arguments, **options):
        opened = really_open(file, mode, *arguments, **options)
        return _Watched(opened, watch) if set(mode) & set("wa+") and watch.covers(file) else opened

    status = 1
    try:
        for stream in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), stream)
        sys.addaudithook(watch.audit)
        io.open = builtins.open = Path.open = watching_open
        work()
        os.write(count, str(watch.count).encode())
        status = 0
    finally:
        os._exit(status)


def events_of(work, folder, last=0):
    """How many events the work has under the folder; None where it was killed at the event `last`, from 1."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _work(work, _Watch(folder.absolute(), last), writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as counted:
        count = counted.read()
    _, state = os.waitpid(child, 0)
    if os.WIFSIGNALED(state):
        assert os.WTERMSIG(state) == signal.SIGKILL
        return None
    assert os.WEXITSTATUS(state) == 0, "the work itself failed"
    return int(count)


def differences(found, expected):
    """Files under two folders that are not byte for byte the same, but for the folders' own names; hidden ones, too.

    What a run took is not what it made: speed.json and a training's speed.jsonl are left out.
    """
    sides = []
    for folder in (found, expected):
        files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in _TIMES)
        sides.append({str(path.relative_to(folder)): path.read_bytes() for path in files})
        name = os.fsencode(folder)
        sides[-1] = {key: content.replace(name, b"OUT") for key, content in sides[-1].items()}
    left, right = sides
    return sorted(key for key in left.keys() | right.keys() if left.get(key) != right.get(key))
