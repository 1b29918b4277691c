"""Runs a command as numbered jobs on this machine: the engine of `utils/run.py`.

Several jobs share out the GPUs when `--gpu` is given. Stopped by signal S, the launcher kills the jobs' process groups
and exits with 128 + S; the logs of those jobs stay without an end line. Jobs end with a launcher that is killed, too.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Sequence

from firered.launch.call import Call, Say, Stopped, note_unknown
from firered.launch.job import POLL_S, RunningJob, end_job, kill_jobs, start_job

_CLUSTER_OPTIONS = {"--mem", "--num-threads", "--num-nodes", "--time", "--config", "--name", "-l", "-q", "-sync"}


def run_jobs(call: Call, jobs: Sequence[int], stop_signals: Sequence[int], say: Say) -> dict[int, str]:
    """Return what is wrong with each job that failed, once all have ended; an engine of `firered.launch.call`.

    Raises:
        Stopped: `stop_signals` got an entry.
    """
    note_unknown(call, _CLUSTER_OPTIONS, say)
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
    running: dict[int, RunningJob] = {}
    codes: dict[int, int] = {}
    try:
        while waiting or running:
            if stop_signals:
                raise Stopped(f"stopped by signal {stop_signals[0]}", 128 + stop_signals[0])
            busy = [devices[job] for job in running]
            # A GPU goes with the job's number: a job whose GPU is full lets one pass whose GPU is free.
            ready = (job for job in waiting if busy.count(devices[job]) * places < slots)
            if len(running) < slots and (job := next(ready, None)) is not None:
                waiting.remove(job)
                environment = os.environ | ({"CUDA_VISIBLE_DEVICES": devices[job]} if devices[job] else {})
                running[job] = start_job(call.with_job(call.command, job), call.log_of(job), environment)
            elif ended := [job for job, run in running.items() if run.process.poll() is not None]:
                codes.update({job: end_job(running.pop(job)) for job in ended})
            else:
                time.sleep(POLL_S)
    except BaseException:
        kill_jobs(running.values())
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
