r"""The calling convention of Kaldi's run.pl and slurm.pl: what is asked for, what to run again, and what has failed.

    utils/run.py [options] [JOB=1:4] dir/log/x.JOB.log command args...      jobs on this machine (firered.launch.local)
    utils/slurm.py [options] [JOB=1:4] dir/log/x.JOB.log command args...    a job array of Slurm (firered.launch.slurm)
    utils/ray.py [options] [JOB=1:4] dir/log/x.JOB.log command args...      jobs on a Ray cluster (firered.launch.ray)

Options of all: `--max-jobs-run N` (`-tc N`), `--gpu N` (each job gets N GPUs), `--pick all|failed|incomplete`. Any
other option takes one argument (`-V` none, `-pe` two); the local launcher does without them.

The command's words are joined by spaces and run by `bash -c` without pipefail. A word without whitespace reaches bash
as it is, so `\|`, `">"` and `'$HOME'` act as shell syntax; a word with whitespace becomes one quoted argument: in
double quotes (`$` still expands), or in single quotes when it holds a double quote.

Exit status: 0 all jobs went well; 1 some failed, a log cannot be written, or jobs share one log; 255 a bad option or
range; stopped by a signal, the one that the engine gives.
"""

import functools
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firered.errors import FireRedError, OptionError
from firered.processes import end_with_parents

USAGE = "[--max-jobs-run N] [--gpu N] [--pick all|failed|incomplete] [JOB=1:4] dir/log/x.JOB.log command args..."
_OWN_OPTIONS = {
    "--max-jobs-run": ("max_jobs_run", "[1-9][0-9]*"),
    "-tc": ("max_jobs_run", "[1-9][0-9]*"),
    "--gpu": ("gpus_per_job", "[0-9]+"),
    "--pick": ("pick", "all|failed|incomplete"),
}
ARGUMENT_COUNTS = {"-V": 0, "-pe": 2}  # every other option takes one
_RANGE_LIKE = re.compile(r"[A-Za-z_]\w*=[^/]*", re.ASCII)
_RANGE = re.compile(r"(\w+)=(\d+)(?::(\d+))?", re.ASCII)
_END_LINE = re.compile(r"# (?:Ended \(code (\d+)(?:; signal (\d+))?\) at |Finished at .* with status (\d+))")
_FRAME_LINE = re.compile(r"#$|# (Accounting: |Ended \(code |Started at |Running on |Finished at )")
_TAIL_BYTES = 16384


@dataclass(frozen=True)
class Call:
    """What one launcher call asks for, whichever engine runs it."""

    log_name: str
    command: str
    job_name: str = ""  # the text to replace by the job's number; empty when the call has no range
    jobs: range = range(1, 2)
    max_jobs_run: int | None = None
    gpus_per_job: int | None = None  # None: not said
    pick: str = "all"
    cluster_options: tuple[tuple[str, ...], ...] = ()  # all others in their order

    def with_job(self, text: str, job: int | str) -> str:
        """Return a text of the call with the job's number (or `*`) in it."""
        return text.replace(self.job_name, str(job)) if self.job_name else text

    def log_of(self, job: int) -> Path:
        """Return the log file of one job."""
        return Path(self.with_job(self.log_name, job))


def parse_call(arguments: Sequence[str]) -> Call:
    """Return the call that a launcher's arguments ask for; options may stand on both sides of the range."""
    words, cluster_options = list(arguments), []
    settings: dict[str, Any] = {}
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
    count = ARGUMENT_COUNTS.get(option, 1)
    if len(words) < count:
        raise OptionError(f"{option}: its value is missing")
    values, words[:count] = words[:count], []
    return option, *values


def _own_setting(name: str, value: str) -> dict[str, int | str]:
    field_name, pattern = _OWN_OPTIONS[name]
    if not re.fullmatch(pattern, value):
        raise OptionError(f"{name} {value}: the value must be of the form {pattern}")
    return {field_name: int(value) if value.isdecimal() else value}


def note_unknown(call: Call, known: Collection[str], say: "Say") -> None:
    """Tell of options that have no effect and are no usual ones of a cluster."""
    for name, *values in call.cluster_options:
        if name not in known and name not in ARGUMENT_COUNTS:
            say(f"note: unknown option ignored: {' '.join([name, *values])}")


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


def failure_report(
    call: Call, failures: Mapping[int, str], run_count: int, max_jobs: int = 3, max_lines: int = 10
) -> str:
    """Return what the user should see: run.pl's line, then the last lines that the first failed jobs wrote.

    Args:
        call: the launcher's call.
        failures: what is wrong with each job that failed, such as `exit code 1`.
        run_count: how many jobs were run, failed ones included.
        max_jobs: logs of so many jobs are shown.
        max_lines: so many lines of each.
    """
    counts = f"{len(failures)} / {run_count} failed" if call.job_name else "job failed"
    report = [f"{counts}, log is in {call.with_job(call.log_name, '*')}"]
    for job in sorted(failures)[:max_jobs]:
        report.append(f"{call.log_of(job)} ({failures[job]}) ends with:")
        lines = _last_lines(call.log_of(job))
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


class Stopped(Exception):
    """A signal told the launcher to stop, which the engine has done.

    Args:
        message: what was stopped.
        status: the launcher's exit status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


Say = Callable[[object], None]
# The call, the jobs of it to run, the signals so far (a list that grows), and how to tell the user something ->
# what is wrong with each job that failed.
Engine = Callable[[Call, Sequence[int], Sequence[int], Say], dict[int, str]]


def _note_signals() -> list[int]:
    # Noted instead of raised: no signal can then fall between the start of a job and its being written down.
    noted: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # what nohup or a script's `&` ignores stays ignored
            signal.signal(number, lambda number, _frame: noted.append(number))
    return noted


def _make_way(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.is_file():  # neither /dev/null nor a pipe
        log.unlink()  # a job that never starts must not look as its last run did


def main(program: str, arguments: Sequence[str], run_jobs: Engine) -> int:
    """Return the exit status of a launcher's call."""
    say = functools.partial(print, f"{program}:", file=sys.stderr, flush=True)
    if list(arguments[:1]) in (["--help"], ["-h"]):
        print(f"{program} {USAGE}")
        return 0
    end_with_parents()
    try:
        call = parse_call(arguments)
        if not (jobs := pick_jobs(call)):
            say(f"nothing to run: no {call.pick} job in {call.with_job(call.log_name, '*')}")
            return 0
        for job in jobs:
            _make_way(call.log_of(job))
        if failures := run_jobs(call, jobs, _note_signals(), say):
            say(failure_report(call, failures, len(jobs)))
        return 1 if failures else 0
    except Stopped as stopped:
        say(f"{stopped}; --pick incomplete runs what is left")
        return stopped.status
    except (FireRedError, OSError) as error:
        say(error)
        return 255 if isinstance(error, OptionError) else 1
