"""Console scripts called in this process, and real ones that die at a chosen moment."""

import contextlib
import io
import logging
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import torch

KILLED_AT = Path(__file__).with_name("killed_at.py")


@dataclass(frozen=True)
class Done:
    """What a finished process would have left."""

    returncode: int
    stdout: str
    stderr: str


@cache
def _scripts() -> dict[str, EntryPoint]:
    return {script.name: script for script in entry_points(group="console_scripts")}


def command(name: str, *arguments: object, stdin: bytes = b"") -> Done:
    """Exit status and output of the console script `firered-NAME` (or `firered`), called in this process.

    Python and torch are not started anew. An exception that the command does not turn into a message is raised here.
    """
    script = name if name.startswith("firered") else f"firered-{name}"
    function = _scripts()[script].load()
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with contextlib.ExitStack() as stack:
        stack.enter_context(_settings_of_the_process())
        sys.argv = [script, *map(str, arguments)]
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        status: object = None
        try:
            function()
        except SystemExit as ended:
            status = ended.code
        if isinstance(status, str):  # as the interpreter does
            err.write(f"{status}\n")
            status = 1
    shown, messages = (stream.buffer.getvalue().decode() for stream in (out, err))
    return Done(int(status or 0), shown, messages)


@contextlib.contextmanager
def _settings_of_the_process():
    """What a command changes for its whole process is put back after it; logging begins unconfigured."""
    root, levels = logging.getLogger(), (logging.INFO, logging.WARNING, logging.ERROR)
    before = sys.argv, sys.stdin, root.handlers[:], root.level, torch.get_num_threads()
    names = {level: logging.getLevelName(level) for level in levels}
    root.handlers[:] = []
    try:
        yield
    finally:
        sys.argv, sys.stdin, root.handlers[:], level, threads = before
        root.setLevel(level)
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        for level, name in names.items():
            logging.addLevelName(level, name)


def killed_at(path: Path, lines: int, *words: object) -> subprocess.CompletedProcess:
    """A process that ran a console script (or `-m MODULE`) until it had written `lines` lines to `path`.

    It kills itself in the write, so that the file ends there whatever else the machine does.
    """
    call = [sys.executable, KILLED_AT, path, str(lines), *map(str, words)]
    return subprocess.run(call, capture_output=True, text=True, check=False)
