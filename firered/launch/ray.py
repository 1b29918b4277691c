"""Runs a command as numbered jobs on the machines of a Ray cluster: the engine of `utils/ray.py`.

The launcher is called on a machine of the cluster; `--address` names another cluster than the one that runs there
(`RAY_ADDRESS` does, too). All machines have the same files under the same names, and the same Python with Ray. A job
asks for as many processors as `--num-threads` says (1), for GPUs with `--gpu` and for memory with `--mem 4G`, which
counts by thread. It runs in the launcher's folder, with the launcher's environment.

A job whose machine is lost runs again from its beginning on another one, a few times, and its log says so. Stopped by
signal S, the launcher ends the jobs and exits with 128 + S. Jobs end with a launcher that is killed, too.
"""

import contextlib
import logging
import os
import re
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from firered.errors import FireRedError, OptionError
from firered.launch.call import Call, Say, Stopped, note_unknown
from firered.launch.job import POLL_S, end_job, kill_jobs, start_job
from firered.optional import advice_for

_USED = {"--num-threads", "--mem", "--address"}
_IGNORED = {"--num-nodes", "--time", "--config", "--name", "-l", "-q", "-sync"}
_TRIES = 4  # machines that a job may lose is one less
_LOOK_S = 0.2
_CANCEL_S = 10.0  # until the machines must have ended their jobs
_SIZES = {"": 2**20, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}  # as sbatch reads --mem
_ROOT = Path(__file__).resolve().parents[2]  # from which workers import this package, too


class Ran(NamedTuple):
    """What a machine tells of a job."""

    code: int
    host: str
    again: bool  # it had been begun before, on a machine that is lost
    fault: str = ""  # why it was not begun


def run_jobs(call: Call, jobs: Sequence[int], stop_signals: Sequence[int], say: Say) -> dict[int, str]:
    """Return what is wrong with each job that failed, once all have ended; an engine of `firered.launch.call`.

    Raises:
        OptionError: an option's value is of another form.
        FireRedError: Ray is not installed, or there is no cluster.
        Stopped: `stop_signals` got an entry.
    """
    note_unknown(call, _USED | _IGNORED, say)
    given = {name: values[0] for name, *values in call.cluster_options if name in _USED}
    wanted = resources(given, call.gpus_per_job)
    with _cluster(given.get("--address", "auto")) as ray:
        if not any(_fits(wanted, node["Resources"]) for node in ray.nodes() if node["Alive"]):
            say(f"note: no machine of the cluster has {_shown(wanted)}; the jobs wait for one")
        run = ray.remote(run_job).options(**wanted, max_retries=_TRIES - 1, scheduling_strategy="SPREAD")
        return _wait(call, jobs, stop_signals, say, run)


def resources(given: Mapping[str, str], gpus: int | None) -> dict[str, float]:
    """What a job asks of its machine, in the words of Ray: processors, GPUs, and bytes of memory if they were named.

    Args:
        given: the options `--num-threads` and `--mem`, as far as they are there.
        gpus: of each job.

    Raises:
        OptionError: a value is of another form.
    """
    threads, size = given.get("--num-threads", "1"), given.get("--mem")
    if not re.fullmatch("[1-9][0-9]*", threads):
        raise OptionError(f"--num-threads {threads}: not a number of processors")
    wanted: dict[str, float] = {"num_cpus": int(threads), "num_gpus": gpus or 0}
    if size is not None:
        if not (match := re.fullmatch(r"([0-9]+)([KMGT]?)", size)):
            raise OptionError(f"--mem {size}: not a size such as 4G")
        wanted["memory"] = int(match[1]) * _SIZES[match[2]] * int(threads)
    return wanted


def _fits(wanted: Mapping[str, float], there: Mapping[str, float]) -> bool:
    names = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
    return all(there.get(names[name], 0) >= value for name, value in wanted.items())


def _shown(wanted: Mapping[str, float]) -> str:
    shown = f"{wanted['num_cpus']} CPUs, {wanted['num_gpus']} GPUs"
    return f"{shown}, {wanted['memory'] / 2**30:.3g} GiB of memory" if "memory" in wanted else shown


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[Any]:
    """The package `ray`, connected to a cluster."""
    try:
        import ray
    except ModuleNotFoundError as error:
        raise FireRedError(advice_for(error) or str(error)) from error
    path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
    own = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        ray.init(
            address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": {"PYTHONPATH": path}},
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise FireRedError(
            f"no Ray cluster at {address}: {error}\n"
            "  `ray start --head` begins one, `ray start --address HOST:6379` adds a machine"
        ) from error
    finally:
        for number, handler in own.items():  # Ray has taken SIGTERM for itself
            signal.signal(number, handler)
    try:
        yield ray
    finally:
        ray.shutdown()


def run_job(command: str, log: str, folder: str, environment: Mapping[str, str]) -> Ran:
    """Run a job on the machine where this is called, by a worker of Ray."""
    host, path = socket.gethostname(), Path(log)
    again = path.is_file()  # the launcher had removed it
    notes = [f"Running on {host}"]
    if again:
        notes.append("Run again from its beginning: the machine of an earlier try was lost")
    devices = {name: value for name, value in os.environ.items() if name.endswith("_VISIBLE_DEVICES")}  # set by Ray
    try:
        job = start_job(command, path, {**environment, **devices}, folder=Path(folder), notes=notes)
    except (OSError, FireRedError) as error:
        return Ran(1, host, again, str(error))
    try:
        while job.process.poll() is None:
            time.sleep(POLL_S)
    except BaseException:  # it is cancelled
        kill_jobs([job])
        raise
    return Ran(end_job(job), host, again)


def _wait(call: Call, jobs: Sequence[int], stop_signals: Sequence[int], say: Say, run: Any) -> dict[int, str]:  # noqa: ANN401 - a function of Ray
    import ray

    folder, environment = Path.cwd(), dict(os.environ)
    waiting: list[int] = list(jobs)
    running: dict[Any, int] = {}
    failures: dict[int, str] = {}
    while waiting or running:
        if stop_signals:
            _cancel(running)
            raise Stopped(f"stopped by signal {stop_signals[0]}", 128 + stop_signals[0])
        while waiting and len(running) < (call.max_jobs_run or len(jobs)):
            job = waiting.pop(0)
            command = call.with_job(call.command, job)
            running[run.remote(command, str(folder / call.log_of(job)), str(folder), environment)] = job
        for ended in ray.wait([*running], timeout=_LOOK_S)[0]:
            job = running.pop(ended)
            if fault := _fault(job, ended, say):
                failures[job] = fault
    return failures


def _fault(job: int, ended: Any, say: Say) -> str:  # noqa: ANN401 - a reference of Ray
    """What is wrong with a job; empty where nothing is."""
    import ray

    try:
        ran: Ran = ray.get(ended)
    except ray.exceptions.RayError as error:
        return f"lost by its machines, {_TRIES} of them: {str(error).strip().splitlines()[0]}"
    if ran.again:
        say(f"note: job {job} was run again on {ran.host}: the machine of an earlier try was lost")
    if ran.fault:
        return f"could not be begun on {ran.host}: {ran.fault}"
    return f"exit code {ran.code}" if ran.code else ""


def _cancel(running: Mapping[Any, int]) -> None:
    import ray

    for job in running:
        ray.cancel(job, force=False)
    ray.wait([*running], num_returns=len(running), timeout=_CANCEL_S)
