"""A folder that one run alone writes into."""

import contextlib
import errno
import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path
from typing import BinaryIO

from firered.errors import FireRedError, writing
from firered.processes import is_alive

LOCK = ".lock"
_PATIENCE_S = 1.0  # a killed holder may take a moment to end
_PAUSE_S = 0.05


class FolderLock:
    """Keeps other runs from writing into a folder, from here to `release`.

    The lock is the system's, on the file `.lock` in the folder: it ends with the process that has it, however that
    ends, and holds between machines where their shared file system has locks. The file says who has it. Where there
    are no locks, it alone tells of other runs on this machine.

    Raises:
        FireRedError: the folder cannot be written, or another run writes into it; the message names that.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._path = folder, folder / LOCK
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._locked(time.monotonic() + _PATIENCE_S)
        with writing(self._path):
            self._file.truncate(0)
            self._file.write(json.dumps(_note()).encode() + b"\n")

    def _locked(self, until: float) -> BinaryIO:
        while True:
            file = self._path.open("ab+", buffering=0)
            holder = _holder_but_for(file)
            if holder is None and self._is(file):
                return file
            file.close()  # of another run, or removed by it as it ended
            if holder is not None and time.monotonic() > until:
                raise FireRedError(
                    f"{self.folder}: another run writes here: {holder}; wait for its end, or give this one another "
                    "folder"
                )
            time.sleep(_PAUSE_S)

    def _is(self, file: BinaryIO) -> bool:
        with contextlib.suppress(OSError):
            return os.path.samestat(os.fstat(file.fileno()), self._path.stat())
        return False

    def check(self) -> None:
        """Raise FireRedError where the folder has been removed or replaced since."""
        if not self._is(self._file):
            raise FireRedError(
                f"{self.folder}: was removed or replaced while this run wrote into it, so that results are lost; the "
                "same command makes them again"
            )

    def release(self) -> None:
        """Let others write."""
        if not self._file.closed:
            if self._is(self._file):
                self._path.unlink(missing_ok=True)
            self._file.close()


def _note() -> dict[str, str | int]:
    """Who has the lock."""
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return {"command": " ".join(sys.argv), "pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _holder_but_for(file: BinaryIO) -> str | None:
    """Who has the lock on a file, in words; None where this process has it now."""
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        no_locks_here = error.errno not in (errno.EACCES, errno.EAGAIN)
    else:
        return None
    file.seek(0)
    try:
        note = json.loads(file.read())
        named = f"{note['command']}, process {note['pid']} on {note['host']}, since {note['since']}"
    except (ValueError, KeyError, TypeError):
        return None if no_locks_here else "one that has just begun"
    if no_locks_here and not (note["host"] == socket.gethostname() and is_alive(int(note["pid"]))):
        return None
    return named
