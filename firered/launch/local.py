"""Runs a command as numbered jobs on this machine: the engine of `utils/run.py`.

Several jobs share out the GPUs when `--gpu` is given. Stopped by signal S, the launcher kills the jobs' process groups
and exits with 128 + S; the logs of those jobs stay without an end line. Jobs end with a launcher that is killed, too.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firered.errors import FireRedError, writing
from firered.launch.call import ARGUMENT_COUNTS, Call, Say, Stopped
from firered.processes import release, signal_group, start_group

_CLUSTER_OPTIONS = {"--mem", "--num-threads", "--num-nodes", "--time", "--config", "--name", "-l", "-q", "-sync"}
_DATE = "%a %b %e %H:%M:%S %Z %Y"  # as the date command prints it
_POLL_S = 0.02
_GRACE_S = 2.0  # between asking the jobs to end and killing them


@dataclass
class _Running:
    process: subprocess.Popen
    log: Path
    devices: str
    started: float = field(default_factory=time.monotonic)


def run_jobs(call: Call, jobs: Sequence[int], stop_signals: Sequence[int], say: Say) -> dict[int, str]:
    """Return what is wrong with each job that failed, once all have ended; an engine of `firered.launch.call`.

    Raises:
        Stopped: `stop_signals` got an entry.
    """
    for name, *values in call.cluster_options:
        if name not in _CLUSTER_OPTIONS and name not in ARGUMENT_COUNTS:
            say(f"note: unknown option ignored: {' '.join([name, *values])}")
    codes = _exit_codes(call, jobs, stop_signals)
    return {job: f"exit code {codes[job]}" for job in jobs if codes[job] != 0}


def _exit_codes(call: Call, jobs: Sequence[int], stop_signals: Sequence[int]) -> dict[int, int]:
    per_job = call.gpus_per_job or 0
    gpus = visible_gpus() if per_job else []
    places = max(1, len(gpus) // max(1, per_job))
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    slots = call.max_jobs_run or (places if per_job else cpus)
    devices = {job: devices_of(job, gpus, per_job) for job in jobs}
    waiting = list(jobs)
    running: dict[int, _Running] = {}
    codes: dict[int, int] = {}
    try:
        while waiting or running:
            if stop_signals:
                raise Stopped(f"stopped by signal {stop_signals[0]}", 128 + stop_signals[0])
            busy = [run.devices for run in running.values()]
            # A GPU goes with the job's number: a job whose GPU is full lets one pass whose GPU is free.
            ready = (job for job in waiting if busy.count(devices[job]) * places < slots)
            if len(running) < slots and (job := next(ready, None)) is not None:
                waiting.remove(job)
                running[job] = _start(call, job, devices[job])
            elif ended := [job for job, run in running.items() if run.process.poll() is not None]:
                codes.update({job: _end(running.pop(job)) for job in ended})
            else:
                time.sleep(_POLL_S)
    except BaseException:
        _kill(running.values())
        raise
    return codes


def devices_of(job: int, gpus: Sequence[str], per_job: int) -> str:
    """Return a job's CUDA_VISIBLE_DEVICES: of one GPU each, number (job - 1) modulo their count; empty without any."""
    first = (job - 1) % max(1, len(gpus) // max(1, per_job)) * per_job
    return ",".join(gpus[first : first + per_job])


def visible_gpus() -> list[str]:
    """Return the GPUs that jobs may use: the user's CUDA_VISIBLE_DEVICES when set, else all that nvidia-smi lists."""
    if (listed := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [device.strip() for device in listed.split(",") if device.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    listing = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False).stdout
    return re.findall(r"^GPU (\d+)", listing, re.MULTILINE)


def _start(call: Call, job: int, devices: str) -> _Running:
    log, command = call.log_of(job), call.with_job(call.command, job)
    head = "# " + command.replace("\n", "\n# ") + f"\n# Started at {time.strftime(_DATE)}\n#\n"
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": devices} if devices else {})
    with writing(log):
        log.write_text(head, encoding="utf-8", errors="surrogateescape")
    # No input: a job must not eat that of a loop around the call. An own session: what a job starts dies with it.
    with log.open("ab") as output:
        process = start_group(
            ["bash", "-c", command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    return _Running(process, log, devices)


def _end(run: _Running) -> int:
    release(run.process)
    elapsed, status = int(time.monotonic() - run.started), run.process.returncode
    code, cause = (128 - status, f"; signal {-status}") if status < 0 else (status, "")  # 128 + S as shells count
    ended = f"# Ended (code {code}{cause}) at {time.strftime(_DATE)}, elapsed time {elapsed} seconds"
    _append(run.log, f"# Accounting: time={elapsed} threads=1\n{ended}\n")
    return code


def _append(log: Path, line: str) -> None:
    with writing(log), log.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else "\n" + line  # the command's last line may lack its end
        file.write(line.encode())


def _kill(runs: Collection[_Running]) -> None:
    for run in runs:
        signal_group(run.process, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    while time.monotonic() < deadline and any(signal_group(run.process, 0) for run in runs):
        time.sleep(_POLL_S)
    for run in runs:
        signal_group(run.process, signal.SIGKILL)
        release(run.process)
        with contextlib.suppress(FireRedError):
            _append(run.log, f"# Killed at {time.strftime(_DATE)}: the launcher was stopped\n")  # no end line
