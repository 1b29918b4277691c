"""One job of a launcher on this machine: a command of bash, and its log in the form of Kaldi's run.pl."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firered.errors import FireRedError, writing
from firered.processes import release, signal_group, start_group

POLL_S = 0.02  # between two looks whether it has ended
_DATE = "%a %b %e %H:%M:%S %Z %Y"  # as the date command prints it
_GRACE_S = 2.0  # between asking the jobs to end and killing them


@dataclass
class RunningJob:
    """A job that was started."""

    process: subprocess.Popen
    log: Path
    started: float = field(default_factory=time.monotonic)


def start_job(
    command: str,
    log: Path,
    environment: Mapping[str, str],
    *,
    folder: Path | None = None,
    notes: Sequence[str] = (),
) -> RunningJob:
    """Run a command of bash, whose output goes to its log.

    Args:
        command: of bash.
        log: its file, which is made anew.
        environment: of the command.
        folder: where it runs; None: in the launcher's own.
        notes: more lines for the log's head.

    Raises:
        FireRedError: the log cannot be written.
    """
    lines = [*command.split("\n"), *notes, f"Started at {time.strftime(_DATE)}"]
    head = "".join(f"# {line}\n" for line in lines) + "#\n"
    with writing(log):
        log.write_text(head, encoding="utf-8", errors="surrogateescape")
    # No input: a job must not eat that of a loop around the call. An own session: what a job starts dies with it.
    with log.open("ab") as output:
        process = start_group(
            ["bash", "-c", command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return RunningJob(process, log)


def end_job(job: RunningJob) -> int:
    """The exit code of a job whose process has ended, which its log tells, too."""
    release(job.process)
    elapsed, status = int(time.monotonic() - job.started), job.process.returncode
    code, cause = (128 - status, f"; signal {-status}") if status < 0 else (status, "")  # 128 + S as shells count
    ended = f"# Ended (code {code}{cause}) at {time.strftime(_DATE)}, elapsed time {elapsed} seconds"
    _append(job.log, f"# Accounting: time={elapsed} threads=1\n{ended}\n")
    return code


def _append(log: Path, line: str) -> None:
    with writing(log), log.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else "\n" + line  # the command's last line may lack its end
        file.write(line.encode())


def kill_jobs(jobs: Collection[RunningJob]) -> None:
    """End jobs, with all that they have started; their logs get no end line."""
    for job in jobs:
        signal_group(job.process, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    while time.monotonic() < deadline and any(signal_group(job.process, 0) for job in jobs):
        time.sleep(POLL_S)
    for job in jobs:
        signal_group(job.process, signal.SIGKILL)
        release(job.process)
        with contextlib.suppress(FireRedError):
            _append(job.log, f"# Killed at {time.strftime(_DATE)}: the launcher was stopped\n")  # no end line
