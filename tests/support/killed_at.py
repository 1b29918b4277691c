"""Runs a console script until a file has a number of lines, and kills the process there as a power cut would.

    python killed_at.py FILE LINES SCRIPT ARGUMENT...
    python killed_at.py FILE LINES -m MODULE ARGUMENT...

Only the name of the file is known here, nothing of the code that writes it. Lines are those that this process writes.
"""

import builtins
import io
import os
import runpy
import signal
import sys
from importlib.metadata import entry_points
from pathlib import Path

watched, last = Path(sys.argv[1]).absolute(), int(sys.argv[2])
really_open = io.open


class Counted:
    """A text file that is written to; it ends the process when the last line is on disk."""

    lines = 0  # of all openings

    def __init__(self, file):
        self._file = file

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, text):
        for line in text.splitlines(keepends=True):
            self._file.write(line)
            Counted.lines += line.endswith("\n")
            if Counted.lines == last:
                self._file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
        return len(text)


def counting_open(file, mode="r", *arguments, **options):
    opened = really_open(file, mode, *arguments, **options)
    is_path = isinstance(file, (str, os.PathLike))
    writes = set(mode) & set("wa")
    return Counted(opened) if is_path and writes and Path(file).absolute() == watched else opened


if __name__ == "__main__":
    io.open = builtins.open = Path.open = counting_open  # Python 3.10's paths keep the io.open of their start
    if sys.argv[3] == "-m":
        sys.argv = sys.argv[4:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        (script,) = (script for script in entry_points(group="console_scripts") if script.name == sys.argv[3])
        sys.argv = sys.argv[3:]
        script.load()()
