"""Runs a command as a Slurm job array, called like Kaldi's slurm.pl: the engine of `utils/slurm.py`.

How an option such as `--mem 4G` becomes options of sbatch stands in a file of Kaldi's form (`--config`, by default
`conf/slurm.conf` of the working directory, else the repository's). Options with one dash go to sbatch as they are.

Of the environment the jobs get nothing but PATH; `path.sh` of the working directory, if there is one, is sourced
first. The folder `q` beside the logs takes the job script, what Slurm itself has to say, and a mark for each job that
is done, which the launcher waits for. Stopped by a signal, it cancels the jobs and exits with 2.
"""

import os
import re
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firered.errors import FireRedError, writing
from firered.launch.call import Call, Say, Stopped
from firered.launch.slurm_config import SlurmConfig

_CONFIG = Path("conf/slurm.conf")
_STOPPED_STATUS = 2
_GRID_ENGINE_OPTIONS = {"-V", "-pe", "-sync"}  # calls written for queue.pl have them; sbatch would misread them
_SUBMITTED = re.compile(r"^Submitted batch job (\d+)", re.MULTILINE)
_UNKNOWN = "nothing"
_GONE = f"{_UNKNOWN}|BOOT_FAIL|CANCELLED|COMPLETED|DEADLINE|FAILED|NODE_FAIL|OUT_OF_MEMORY|PREEMPTED|REVOKED|TIMEOUT"
_NEW_FOLDER_S = 5.0  # until a shared file system shows a new folder on every node
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.1, 3.0  # between two looks for marks
_LOOKS_A_QUERY = 10
_VANISHED_S = 15.0  # so much later than Slurm may a shared file system show that a job is done
_ANSWER_S = 120.0  # a busy controller is slow

# After settings of the same names. Kaldi's slurm.pl writes the same lines into the log.
_JOB_SCRIPT = r"""
job=${SLURM_ARRAY_TASK_ID:-1}
if [ -n "$name" ]; then
  command=${command//$name/$job}
  log=${log//$name/$job}
fi
{
  echo "# Running on $(hostname)"
  echo "# Started at $(date)"
  env | sed -n 's/^SLURM/# &/p'
  echo "# ${command//$'\n'/$'\n# '}"
  echo '#'
} >"$log"
begin=$(date +%s)
bash -c "$command" </dev/null >>"$log" 2>&1
status=$?
end=$(date +%s)
{
  if [ -n "$(tail -c 1 "$log")" ]; then echo; fi
  echo "# Accounting: begin_time=$begin"
  echo "# Accounting: end_time=$end"
  echo "# Accounting: time=$((end - begin)) threads=$threads"
  echo "# Finished at $(date) with status $status"
} >>"$log"
echo "$status" >"$mark.$job.new" && mv "$mark.$job.new" "$mark.$job"
exit $((status == 137 ? 100 : status)) # 100 for a killed job is Kaldi's custom
"""


def run_jobs(call: Call, jobs: Sequence[int], stop_signals: Sequence[int], say: Say) -> dict[int, str]:
    """Return what is wrong with each job that failed, once all have ended; an engine of `firered.launch.call`.

    Raises:
        OptionError: the configuration file does not describe an option, or is none.
        FireRedError: sbatch did not take the jobs.
        Stopped: `stop_signals` got an entry.
    """
    given = {name[2:].replace("-", "_"): values[0] for name, *values in call.cluster_options if name.startswith("--")}
    if call.gpus_per_job is not None:
        given["gpu"] = str(call.gpus_per_job)
    config = SlurmConfig.read(_config_path(given.pop("config", None)))
    words = config.command + config.sbatch_options(given)
    for name, *values in call.cluster_options:
        if not name.startswith("--") and name not in _GRID_ENGINE_OPTIONS:
            words += [name, *values]
    script, mark = _write_script(call, given.get("num_threads", "1"))
    log = script.with_suffix(".log")
    with writing(log):
        log.write_bytes(b"")
    output = _plain_name(str(log))
    # An absolute path, as one that begins with a dash would be an option.
    words += ["--open-mode=append", "-e", output, "-o", output, *_array(call, jobs), str(script.absolute())]
    array = _Array(_submit(words), mark, log, set(jobs))
    try:
        return _wait(array, stop_signals, say)
    except BaseException:
        array.cancel(say)
        raise


def _config_path(given: str | None) -> Path:
    if given is not None:
        return Path(given)
    return _CONFIG if _CONFIG.exists() else Path(__file__).resolve().parents[2] / _CONFIG


def _plain_name(path: str) -> str:
    """A file's name as sbatch takes it: a % begins a pattern, but none in a name that has a backslash."""
    return path.replace("\\", "\\\\") if "\\" in path else path.replace("%", "%%")


def _array(call: Call, jobs: Sequence[int]) -> list[str]:
    if not call.job_name:
        return []
    whole = len(jobs) > 1 and len(jobs) == jobs[-1] - jobs[0] + 1
    numbers = f"{jobs[0]}-{jobs[-1]}" if whole else ",".join(map(str, jobs))
    return ["--array", f"{numbers}%{call.max_jobs_run}" if call.max_jobs_run else numbers]


def _write_script(call: Call, threads: str) -> tuple[Path, Path]:
    log = Path(call.log_name)
    folder = next(parent for parent in log.parents if not call.job_name or call.job_name not in str(parent)) / "q"
    if not folder.is_dir():
        folder.mkdir(parents=True)
        time.sleep(_NEW_FOLDER_S)
    name = re.sub(rf"\.?{call.job_name}" if call.job_name else "$", "", log.name).removesuffix(".log") or "job"
    mark = folder.absolute() / f"done.{os.getpid()}"
    for stale in folder.glob(f"{mark.name}.*"):
        stale.unlink()
    settings = {"name": call.job_name, "command": call.command, "log": call.log_name, "mark": mark, "threads": threads}
    head = [
        "#!/bin/bash",
        f"export PATH={shlex.quote(os.environ['PATH'])}",
        f"cd {shlex.quote(str(Path.cwd()))} || exit",
        "if [ -f path.sh ]; then . ./path.sh; fi",
        *(f"{key}={shlex.quote(str(value))}" for key, value in settings.items()),
    ]
    script = folder / f"{name}.sh"
    with writing(script):
        script.write_text("\n".join(head) + _JOB_SCRIPT, encoding="utf-8", errors="surrogateescape")
    return script, mark


def _submit(words: Sequence[str]) -> str:
    done = _ask(words)
    match = _SUBMITTED.search(done.stdout)
    if done.returncode or not match:
        raise FireRedError(f"the jobs were not submitted: {_complaint(done)}\n  {shlex.join(words)}")
    return match[1]


def _ask(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # An own session: Ctrl-C is for the launcher, which must hear the job's number first to cancel it.
    try:
        return subprocess.run(
            words,
            text=True,
            errors="replace",
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            timeout=_ANSWER_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(words, 127, "", str(error))


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr or done.stdout).strip() or f"{done.args[0]} ended with {done.returncode}"


@dataclass
class _Array:
    """A submitted job array and what is known of it."""

    number: str
    mark: Path  # with .JOB at its end, the file that says with which status a job has ended
    log: Path  # Slurm's own messages
    waiting: set[int]
    vanished: dict[int, float] = field(default_factory=dict)  # job: when it was first seen to be gone, in s
    reported_silence: bool = False

    def take_done(self) -> dict[int, str]:
        """What is wrong with jobs that have ended since the last call and failed."""
        failures = {}
        for mark in self.mark.parent.glob(f"{self.mark.name}.*"):
            if mark.suffix[1:].isdecimal() and (job := int(mark.suffix[1:])) in self.waiting:
                if (status := mark.read_text().strip()) != "0":
                    failures[job] = f"exit code {status}"
                self.waiting.remove(job)
                mark.unlink()
        return failures

    def take_vanished(self, say: Say) -> dict[int, str]:
        """What is wrong with jobs that Slurm counts as ended, or no longer knows, though they left no mark."""
        states = self._states(say)
        if states is None:
            return {}
        now, failures = time.monotonic(), {}
        gone = [job for job in self.waiting if re.fullmatch(_GONE, states.get(job, _UNKNOWN))]
        self.vanished = {job: self.vanished.get(job, now) for job in gone}
        for job, since in self.vanished.items():
            if now - since >= _VANISHED_S:
                more = f", see also {self.log}" if self.log.stat().st_size else ""
                failures[job] = f"vanished: Slurm says {states.get(job, _UNKNOWN)}{more}"
        self.waiting -= failures.keys()
        return failures

    def _states(self, say: Say) -> dict[int, str] | None:
        done = _ask(["squeue", "--noheader", "--array", "--states=all", f"--jobs={self.number}", "--format=%K %T"])
        if done.returncode == 0:
            lines = re.findall(r"^(\S+) (\S+)$", done.stdout, re.MULTILINE)
            return {int(job) if job.isdecimal() else 1: state for job, state in lines}  # N/A outside of arrays
        if "Invalid job id" in done.stderr:  # ended so long ago that Slurm has forgotten it
            return {}
        if not self.reported_silence:
            say(f"note: squeue does not answer, a job that vanishes goes unnoticed: {_complaint(done)}")
            self.reported_silence = True
        return None

    def cancel(self, say: Say) -> None:
        """Take the jobs from Slurm."""
        done = _ask(["scancel", self.number])
        if done.returncode:
            say(f"job {self.number} may go on, scancel failed: {_complaint(done)}")


def _wait(array: _Array, stop_signals: Sequence[int], say: Say) -> dict[int, str]:
    failures: dict[int, str] = {}
    pause = _FIRST_PAUSE_S
    look = 0
    while array.waiting:
        if stop_signals:
            raise Stopped(f"stopped by signal {stop_signals[0]}, job {array.number} cancelled", _STOPPED_STATUS)
        time.sleep(pause)
        pause, look = min(1.1 * pause, _LAST_PAUSE_S), look + 1
        failures |= array.take_done()
        if array.vanished or look % _LOOKS_A_QUERY == 0:
            failures |= array.take_vanished(say)
    return failures
