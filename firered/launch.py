r"""Runs a command as numbered jobs on this machine, called like Kaldi's run.pl; `utils/run.py` is its command.

    utils/run.py [options] [JOB=1:4] dir/log/x.JOB.log command args...

Options: `--max-jobs-run N` (`-tc N`), `--gpu N` (each job sees its share of the GPUs), `--pick all|failed|incomplete`.
Any other option is taken with one argument (`-V` none, `-pe` two) and ignored: the recipe may be meant for a cluster.

The command's words are joined by spaces and run by `bash -c` without pipefail. A word without whitespace reaches bash
as it is, so `\|`, `">"` and `'$HOME'` act as shell syntax; a word with whitespace becomes one quoted argument: in
double quotes (`$` still expands), or in single quotes when it holds a double quote.

Exit status: 0 all jobs went well; 1 some failed, a log cannot be written, or jobs share one log; 255 a bad option or
range; 128 + S stopped by signal S: the jobs' process groups are killed, and their logs stay without an end line.
"""

import contextlib
import functools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firered.errors import FireRedError, OptionError

USAGE = "[--max-jobs-run N] [--gpu N] [--pick all|failed|incomplete] [JOB=1:4] dir/log/x.JOB.log command args..."
_OWN_OPTIONS = {
    "--max-jobs-run": ("max_jobs_run", "[1-9][0-9]*"),
    "-tc": ("max_jobs_run", "[1-9][0-9]*"),
    "--gpu": ("gpus_per_job", "[0-9]+"),
    "--pick": ("pick", "all|failed|incomplete"),
}
_ARGUMENT_COUNTS = {"-V": 0, "-pe": 2}  # every other option takes one
_CLUSTER_OPTIONS = {"--mem", "--num-threads", "--num-nodes", "--time", "--config", "--name", "-l", "-q", "-sync"}
_RANGE_LIKE = re.compile(r"[A-Za-z_]\w*=[^/]*", re.ASCII)
_RANGE = re.compile(r"(\w+)=(\d+)(?::(\d+))?", re.ASCII)
_END_LINE = re.compile(r"# (?:Ended \(code (\d+)(?:; signal (\d+))?\) at |Finished at .* with status (\d+))")
_FRAME_LINE = re.compile(r"#$|# (Accounting: |Ended \(code |Started at |Running on |Finished at )")
_TAIL_BYTES = 16384
_DATE = "%a %b %e %H:%M:%S %Z %Y"  # as the date command prints it
_POLL_S = 0.02
_GRACE_S = 2.0  # between asking the jobs to end and killing them


@dataclass(frozen=True)
class Call:
    """What one launcher call asks for, whichever engine runs it."""

    log_name: str
    command: str
    job_name: str = ""  # the text to replace by the job's number; empty when the call has no range
    jobs: range = range(1, 2)
    max_jobs_run: int | None = None
    gpus_per_job: int = 0
    pick: str = "all"
    cluster_options: tuple[tuple[str, ...], ...] = ()  # all others in their order: a local run needs none of them

    def with_job(self, text: str, job: int | str) -> str:
        """Return a text of the call with the job's number (or `*`) in it."""
        return text.replace(self.job_name, str(job)) if self.job_name else text

    def log_of(self, job: int) -> Path:
        """Return the log file of one job."""
        return Path(self.with_job(self.log_name, job))


def parse_call(arguments: Sequence[str]) -> Call:
    """Return the call that a launcher's arguments ask for; options may stand on both sides of the range."""
    words, settings, cluster_options = list(arguments), {}, []
    job_name, jobs = "", range(1, 2)
    while words and (words[0].startswith("-") or (not job_name and _RANGE_LIKE.fullmatch(words[0]))):
        if not words[0].startswith("-"):
            job_name, jobs = parse_range(words.pop(0))
        elif (option := _take_option(words))[0] in _OWN_OPTIONS:
            settings |= _own_setting(*option)
        else:
            cluster_options.append(option)
    if len(words) < 2:
        raise FireRedError(f"a log name and a command are needed: {USAGE}")
    if len(jobs) > 1 and job_name not in words[0]:
        raise FireRedError(f"{len(jobs)} jobs would write one log, {words[0]}: put {job_name} into its name")
    command = " ".join(map(shell_word, words[1:]))
    return Call(words[0], command, job_name, jobs, cluster_options=tuple(cluster_options), **settings)


def parse_range(word: str) -> tuple[str, range]:
    """Return the job name and the job numbers of `NAME=a:b` or `NAME=a`."""
    match = _RANGE.fullmatch(word)
    if not match or not 0 < int(match[2]) <= int(match[3] or match[2]):
        raise OptionError(f"{word}: not NAME=a:b or NAME=a with 0 < a <= b (were it the log's name, write ./{word})")
    return match[1], range(int(match[2]), int(match[3] or match[2]) + 1)


def shell_word(argument: str) -> str:
    """Return an argument as it stands in the shell command: quoted only when it is empty or holds whitespace."""
    if re.fullmatch(r"\S+", argument, re.ASCII):
        return argument
    return shlex.quote(argument) if '"' in argument else f'"{argument}"'


def _take_option(words: list[str]) -> tuple[str, ...]:
    option = words.pop(0)
    if "=" in option:
        raise OptionError(f"{option}: write the option and its value as two words, without '='")
    if option.startswith("--"):
        option = option.replace("_", "-")  # ESPnet writes --num_nodes
    count = _ARGUMENT_COUNTS.get(option, 1)
    if len(words) < count:
        raise OptionError(f"{option}: its value is missing")
    values, words[:count] = words[:count], []
    return option, *values


def _own_setting(name: str, value: str) -> dict[str, int | str]:
    field_name, pattern = _OWN_OPTIONS[name]
    if not re.fullmatch(pattern, value):
        raise OptionError(f"{name} {value}: the value must be of the form {pattern}")
    return {field_name: int(value) if value.isdecimal() else value}


def log_exit_code(log: Path) -> int | None:
    """Return the exit code in a log's end line, of run.pl's or slurm.pl's form; None without log or end line."""
    # Only the last line counts: end lines further up may be output, and to run a job again is the safer mistake.
    lines = [line for line in _last_lines(log) if line.strip()]
    if not lines or not (match := _END_LINE.match(lines[-1])):
        return None
    code, signal_number, status = (int(group or 0) for group in match.groups())
    return code or status or (signal_number and 128 + signal_number)


def pick_jobs(call: Call) -> list[int]:
    """Return the jobs that `--pick` leaves to run, by what the logs of an earlier call say."""
    if call.pick == "all":
        return list(call.jobs)
    codes = {job: log_exit_code(call.log_of(job)) for job in call.jobs}
    return [job for job, code in codes.items() if code is None or (call.pick == "failed" and code != 0)]


def failure_report(call: Call, failed: Sequence[int], run_count: int, max_jobs: int = 3, max_lines: int = 5) -> str:
    """Return what the user should see: run.pl's line, then the last lines that the first failed jobs wrote."""
    counts = f"{len(failed)} / {run_count} failed" if call.job_name else "job failed"
    report = [f"{counts}, log is in {call.with_job(call.log_name, '*')}"]
    for job in failed[:max_jobs]:
        log = call.log_of(job)
        report.append(f"{log} (exit code {log_exit_code(log)}) ends with:")
        lines = _last_lines(log)
        lines = lines[lines.index("#") if "#" in lines else 0 :]  # without the log's head, which repeats the command
        output = [f"    {line[:300]}" for line in lines if line.strip() and not _FRAME_LINE.match(line)]
        report += output[-max_lines:] or ["    (no output)"]
    return "\n".join(report)


def _last_lines(log: Path) -> list[str]:
    if not log.exists():
        return []
    with log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES))
        return file.read().decode(errors="replace").splitlines()


@dataclass
class _Running:
    process: subprocess.Popen
    log: Path
    devices: str
    started: float = field(default_factory=time.monotonic)


class Stopped(Exception):
    """A signal told the launcher to stop; its number is the one argument."""


def run_jobs(call: Call, jobs: Sequence[int], stop_signals: Sequence[int] = ()) -> dict[int, int]:
    """Return the exit code of each job once all have ended; `Stopped` once `stop_signals` gets an entry."""
    gpus = visible_gpus() if call.gpus_per_job else []
    places = max(1, len(gpus) // max(1, call.gpus_per_job))
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    slots = call.max_jobs_run or (places if call.gpus_per_job else cpus)
    devices = {job: devices_of(job, gpus, call.gpus_per_job) for job in jobs}
    waiting, running, codes = list(jobs), {}, {}
    try:
        while waiting or running:
            if stop_signals:
                raise Stopped(stop_signals[0])
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
    log.parent.mkdir(parents=True, exist_ok=True)
    head = "# " + command.replace("\n", "\n# ") + f"\n# Started at {time.strftime(_DATE)}\n#\n"
    log.write_text(head, encoding="utf-8", errors="surrogateescape")
    environment = os.environ | ({"CUDA_VISIBLE_DEVICES": devices} if devices else {})
    # No input: a job must not eat that of a loop around the call. An own session: what a job starts dies with it.
    with log.open("ab") as output:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(["bash", "-c", command], env=environment, start_new_session=True, **streams)
    return _Running(process, log, devices)


def _end(run: _Running) -> int:
    elapsed, status = int(time.monotonic() - run.started), run.process.returncode
    code, cause = (128 - status, f"; signal {-status}") if status < 0 else (status, "")  # 128 + S as shells count
    ended = f"# Ended (code {code}{cause}) at {time.strftime(_DATE)}, elapsed time {elapsed} seconds"
    _append(run.log, f"# Accounting: time={elapsed} threads=1\n{ended}\n")
    return code


def _append(log: Path, line: str) -> None:
    with log.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else "\n" + line  # the command's last line may lack its end
        file.write(line.encode())


def _note_signals() -> list[int]:
    # Noted instead of raised: no signal can then fall between the start of a job and its being written down.
    noted: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # what nohup or a script's `&` ignores stays ignored
            signal.signal(number, lambda number, _frame: noted.append(number))
    return noted


def _kill(runs: Collection[_Running]) -> None:
    for run in runs:
        _signal_group(run, signal.SIGTERM)
    deadline = time.monotonic() + _GRACE_S
    while time.monotonic() < deadline and any(_signal_group(run, 0) for run in runs):
        time.sleep(_POLL_S)
    for run in runs:
        _signal_group(run, signal.SIGKILL)
        with contextlib.suppress(OSError):
            _append(run.log, f"# Killed at {time.strftime(_DATE)}: the launcher was stopped\n")  # no end line


def _signal_group(run: _Running, number: int) -> bool:
    run.process.poll()  # an ended leader would count as alive until it is collected
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(run.process.pid, number)
        return True
    return False


def main(program: str, arguments: Sequence[str]) -> int:
    """Return the exit status of a local launcher's call."""
    say = functools.partial(print, f"{program}:", file=sys.stderr)
    if list(arguments[:1]) in (["--help"], ["-h"]):
        print(f"{program} {USAGE}")
        return 0
    try:
        call = parse_call(arguments)
        for name, *values in call.cluster_options:
            if name not in _CLUSTER_OPTIONS and name not in _ARGUMENT_COUNTS:
                say(f"note: unknown option ignored: {' '.join([name, *values])}")
        if not (jobs := pick_jobs(call)):
            say(f"nothing to run: no {call.pick} job in {call.with_job(call.log_name, '*')}")
        codes = run_jobs(call, jobs, _note_signals())
        if failed := [job for job in jobs if codes[job] != 0]:
            say(failure_report(call, failed, len(jobs)))
        return 1 if failed else 0
    except Stopped as stopped:
        say(f"stopped by signal {stopped.args[0]}; --pick incomplete runs what is left")
        return 128 + stopped.args[0]
    except (FireRedError, OSError) as error:
        say(error)
        return 255 if isinstance(error, OptionError) else 1
