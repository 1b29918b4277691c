"""utils/slurm.py: what it asks of Slurm, which is a few lines of shell here, and what it makes of the answers."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firered.errors import FireRedError, OptionError
from firered.launch import call as launch
from firered.launch import slurm
from firered.launch.call import Stopped, log_exit_code, parse_call, pick_jobs
from firered.launch.slurm_config import SlurmConfig

TOP = Path(__file__).resolve().parents[2]
LAUNCHER = TOP / "utils/slurm.py"

# Runs the tasks of --array with an environment of PATH alone, all at once, as job 7; keeps its words in sbatch.json.
SBATCH = f"""#!{sys.executable}
import json, os, re, subprocess, sys
json.dump(sys.argv[1:], open("sbatch.json", "w"))
if os.path.exists("refuse"):
    sys.exit("sbatch: error: invalid partition")
numbers, words = [None], sys.argv[1:]
if "--array" in words:
    numbers = []
    for part in words[words.index("--array") + 1].partition("%")[0].split(","):
        first, _, last = part.partition("-")
        numbers += range(int(first), int(last or first) + 1)
output = open(words[words.index("-o") + 1].replace("%%", "%"), "a")
for number in numbers:
    if os.path.exists(f"lost.{{number}}"):
        continue
    environment = {{"PATH": "/usr/bin:/bin"}}
    if number:
        environment |= {{"SLURM_ARRAY_TASK_ID": str(number), "SLURM_JOB_ID": "7"}}
    subprocess.Popen(["bash", os.path.abspath(words[-1])], env=environment, cwd="/", stdout=output, stderr=output)
print("Submitted batch job 7")
"""
# The answer and the exit status are two files; without them it knows of no job.
SQUEUE = """#!/bin/sh
echo "$@" >squeue.words
if [ -e squeue.error ]; then cat squeue.error >&2; exit 1; fi
cat squeue.out
"""
SCANCEL = """#!/bin/sh
echo "$@" >>scancel.words
"""


@pytest.fixture(autouse=True)
def cluster(tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in {"sbatch": SBATCH, "squeue": SQUEUE, "scancel": SCANCEL}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    work = tmp_path / "work dir"  # with a space, as homes may have
    (work / "log/q").mkdir(parents=True)
    (work / "squeue.out").touch()
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "_NEW_FOLDER_S", 0.0)
    monkeypatch.setattr(slurm, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(slurm, "_VANISHED_S", 0.05)


def run(*words):
    return subprocess.run([sys.executable, LAUNCHER, *words], capture_output=True, text=True, timeout=60)


def failures(*words, stop_signals=(), say=lambda _: None):
    call = parse_call(words)
    for job in call.jobs:
        launch._make_way(call.log_of(job))
    return slurm.run_jobs(call, pick_jobs(call), stop_signals, say)


def submitted():
    return json.loads(Path("sbatch.json").read_text())


def output(log):
    head, mark, rest = Path(log).read_text().partition("\n#\n")
    assert mark
    assert head.startswith("# Running on ")
    lines = rest.split("\n")
    assert [line.rpartition("=")[0] for line in lines[-5:-3]] == ["# Accounting: begin_time", "# Accounting: end_time"]
    assert re.fullmatch(r"# Accounting: time=\d+ threads=\d+", lines[-3])
    assert re.fullmatch(r"# Finished at .* with status \d+", lines[-2])
    return lines[:-5]


def script(text):
    Path("job.sh").write_text(text)
    return "bash", "job.sh", "JOB"


# ---- jobs and logs


def test_jobs_run_where_the_launcher_was_called_and_their_logs_are_kaldis():
    command = ["echo", "a b", "JOB", *["&&", "pwd", "&&", "printf", "end", ";", "test", "JOB", "!=", "9"]]
    done = run("JOB=1:3", "log/t.JOB.log", *command)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    for job in (1, 2, 3):
        log = f"log/t.{job}.log"
        assert output(log) == [f"a b {job}", str(Path.cwd()), "end"]
        text = Path(log).read_text()
        assert re.search(r"^# Started at \w{3} \w{3} .*\d\d:\d\d:\d\d", text, re.MULTILINE)
        assert f"\n# SLURM_ARRAY_TASK_ID={job}\n" in text
        assert f'\n# echo "a b" {job} && pwd && printf end ; test {job} != 9\n#\n' in text
        assert log_exit_code(Path(log)) == 0
    assert sorted(path.name for path in Path("log/q").iterdir()) == ["t.log", "t.sh"]


def test_failed_jobs_are_counted_and_shown():
    done = run("JOB=1:4", "log/t.JOB.log", *script("echo out of $1; test $1 != 2 || kill -9 $$; exit $(($1 % 3))"))
    assert done.returncode == 1
    assert re.sub(r"log/t.2.log .*killed.*\n", "", done.stderr, flags=re.IGNORECASE).splitlines() == [
        "slurm.py: 3 / 4 failed, log is in log/t.*.log",
        "log/t.1.log (exit code 1) ends with:",
        "    out of 1",
        "log/t.2.log (exit code 137) ends with:",
        "    out of 2",
        "log/t.4.log (exit code 1) ends with:",
        "    out of 4",
    ]
    assert [log_exit_code(Path(f"log/t.{job}.log")) for job in (1, 2, 3, 4)] == [1, 137, 0, 1]


def test_a_job_without_a_range():
    assert run("log/t.JOB.log", "echo", "JOB").returncode == 0
    assert output("log/t.JOB.log") == ["JOB"]
    assert "--array" not in submitted()
    done = run("log/t.log", "exit", "3")
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, "slurm.py: job failed, log is in log/t.log")


def test_the_words_mean_what_they_mean_to_the_local_launcher():
    words = ["a  b", "", 'q "c"', "it's d", "$((1+1)) f", "'J*'", r"\|", "|", "cat", "|", "sed", "s/^/JOB: $/"]
    local = [sys.executable, TOP / "utils/run.py"]
    show = ["JOB=1:2", "log/t.JOB.log", sys.executable, "-c", "import sys; print(sys.argv[1:])", *words]
    subprocess.run([*local, *show], check=True)
    expected = [Path(f"log/t.{job}.log").read_text().partition("\n#\n")[2].split("\n")[0] for job in (1, 2)]
    assert run(*show).returncode == 0
    assert [output(f"log/t.{job}.log") for job in (1, 2)] == [[line] for line in expected]


def test_environment_is_path_and_path_sh(monkeypatch):
    monkeypatch.setenv("FIRERED_SECRET", "x")
    Path("path.sh").write_text("export FROM_PATH_SH=yes\n")
    assert run("log/t.log", "echo", "$PATH-$FROM_PATH_SH-$FIRERED_SECRET").returncode == 0
    assert output("log/t.log") == [f"{os.environ['PATH']}-yes-"]


def test_no_input_and_lines_of_the_command_stay_comments():
    assert run("log/t.log", "cat", ";", "printf", "%s", "a\nb").returncode == 0
    assert output("log/t.log") == ["a", "b"]
    assert '\n# cat ; printf %s "a\n# b"\n#\n' in Path("log/t.log").read_text()


@pytest.mark.parametrize(
    ("log", "place"),
    [
        ("log/t.JOB.log", "log/q/t.sh"),
        ("new/deep/JOB/x.JOB.y.log", "new/deep/q/x.y.sh"),
        ("JOB.log", "q/job.sh"),
        ("%j/t.JOB.log", "%j/q/t.sh"),
    ],
)
def test_place_of_the_job_script(log, place):
    assert failures("JOB=1:2", log, "true") == {}
    assert Path(place).is_file()
    script = str(Path(place).absolute())  # nobody takes it for an option
    assert submitted()[-5:] == ["-o", place[:-3].replace("%", "%%") + ".log", "--array", "1-2", script]


def test_pick_runs_only_the_failed_job():
    assert run("JOB=1:4", "log/t.JOB.log", "test", "JOB", "=", "1").returncode == 1
    before = Path("log/t.1.log").read_bytes()
    assert run("--pick", "failed", "JOB=1:4", "log/t.JOB.log", "test", "JOB", "!=", "3").returncode == 1
    assert submitted()[-2] == "2-4"
    assert Path("log/t.1.log").read_bytes() == before
    assert run("--pick", "failed", "JOB=1:4", "log/t.JOB.log", "true").returncode == 0
    assert submitted()[-2] == "3"
    done = run("--pick", "failed", "JOB=1:4", "log/t.JOB.log", "true")
    assert (done.returncode, done.stderr) == (0, "slurm.py: nothing to run: no failed job in log/t.*.log\n")


# ---- options and their file


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("JOB=1:3 log/JOB.log x", "--array 1-3"),
        ("--max-jobs-run 2 JOB=1:3 log/JOB.log x", "--array 1-3%2"),
        ("--mem 4G --time 1:0:0 JOB=2 log/JOB.log x", "--mem-per-cpu 4G --time 1:0:0 --array 2"),
        ("--mem 0 --num_threads 3 log/x.log x", "--cpus-per-task 3"),
        ("--gpu 2 log/x.log x", "--gres=gpu:2"),
        ("--gpu 0 log/x.log x", ""),
        ("-p big -V -pe smp 4 -sync y --name n -q high log/x.log x", "--job-name n -p big -q high"),
    ],
)
def test_options_for_sbatch(words, expected):
    failures(*words.split())
    given = submitted()
    assert given[:2] == ["--export=PATH", "--ntasks-per-node=1"]
    frame = given.index("--open-mode=append")
    assert given[2:frame] + given[frame + 5 : -1] == expected.split()


def test_threads_are_in_the_log():
    assert failures("--num-threads", "3", "log/t.log", "true") == {}
    assert re.search(r"^# Accounting: time=\d+ threads=3$", Path("log/t.log").read_text(), re.MULTILINE)


def config(text, name="my.conf"):
    Path(name).write_text(text)
    return SlurmConfig.read(Path(name))


def test_language_of_the_configuration():
    read = config(
        """
        # a comment
        command sbatch --account "my group"   # another
        option mem=* --mem-per-cpu $0
        option mem=0 # nothing
        option gpu=0
        option gpu=* -p gpu  --gres=gpu:$0 --comment 'for $0 GPUs'
        default gpu=0
        default time=1:00
        option time=* --time $0
        """
    )
    assert read.command == ["sbatch", "--account", "my group"]
    for given, expected in {
        (): ["--time", "1:00"],
        (("mem", "4 G"),): ["--time", "1:00", "--mem-per-cpu", "4 G"],
        (("mem", "0"), ("time", "2:00")): ["--time", "2:00"],
        (("gpu", "2"),): ["-p", "gpu", "--gres=gpu:2", "--comment", "for 2 GPUs", "--time", "1:00"],
    }.items():
        assert read.sbatch_options(dict(given)) == expected
    with pytest.raises(OptionError, match=r"num_threads=3 is not described in my\.conf, which has mem, gpu, time$"):
        read.sbatch_options({"num_threads": "3"})
    with pytest.raises(OptionError, match="gpu=1 is not described"):
        config("command sbatch\noption gpu=0\n").sbatch_options({"gpu": "1"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("command sbatch\noption mem --mem\n", "my.conf:2: not 'command WORDS', .*: option mem --mem"),
        ("command\n", "my.conf:1: not 'command"),
        ("command sbatch\ndefault gpu=0 x\n", "my.conf:2: not"),
        ("sbatch --x\n", "my.conf:1: not"),
        ("command sbatch 'x\n", "my.conf:1: No closing quotation"),
        ("option mem=* --mem $0\n", "my.conf: no line 'command sbatch ...'"),
    ],
)
def test_faults_of_the_configuration_are_named_by_line(text, message):
    with pytest.raises(OptionError, match=message):
        config(text)


def test_which_configuration_counts():
    Path("conf").mkdir()
    Path("conf/slurm.conf").write_text("command sbatch --here\n")
    Path("other.conf").write_text("command sbatch --other\n")
    failures("log/x.log", "x")
    assert submitted()[0] == "--here"
    failures("--config", "other.conf", "log/x.log", "x")
    assert submitted()[0] == "--other"
    done = run("--config", "none.conf", "log/x.log", "x")
    assert done.returncode == 255
    assert done.stderr.startswith("slurm.py: --config none.conf: cannot be read: ")
    assert run("--mem", "1G", "log/x.log", "x").stderr.startswith("slurm.py: option mem=1G is not described in conf/")


def test_bad_calls_submit_nothing():
    for words, status in {"JOB=0:3 log/t.JOB.log x": 255, "JOB=1:2 log/t.log x": 1, "--foo 1 log/t.log x": 255}.items():
        assert run(*words.split()).returncode == status
    assert not Path("sbatch.json").exists()


# ---- what goes wrong


def test_refused_jobs(monkeypatch):
    Path("refuse").touch()
    done = run("JOB=1:2", "log/t.JOB.log", "true")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "slurm.py: the jobs were not submitted: sbatch: error: invalid partition\n  sbatch --exp"
    )
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(FireRedError, match=r"not submitted: .*No such file or directory: 'sbatch'"):
        failures("log/t.log", "true")


@pytest.mark.parametrize(
    ("listing", "state"), [("1 RUNNING\n2 OUT_OF_MEMORY\n3 PENDING\n", "OUT_OF_MEMORY"), ("3 R\n1 R\n", "nothing")]
)
def test_a_job_that_vanishes_is_named(listing, state):
    Path("lost.2").touch()
    Path("squeue.out").write_text(listing)
    Path("log/t.2.log").write_text("# Finished at D with status 0\n")  # of an earlier call
    done = failures("JOB=1:3", "log/t.JOB.log", *script("sleep 0.5"))
    assert done == {2: f"vanished: Slurm says {state}"}
    assert Path("squeue.words").read_text() == "--noheader --array --states=all --jobs=7 --format=%K %T\n"
    assert pick_jobs(parse_call(["--pick", "incomplete", "JOB=1:3", "log/t.JOB.log", "x"])) == [2]


def test_what_slurm_says_itself_is_pointed_to(monkeypatch):
    Path("lost.1").touch()
    Path("log/q").joinpath("t.log").write_text("of an earlier call")
    assert failures("JOB=1:1", "log/t.JOB.log", "x") == {1: "vanished: Slurm says nothing"}
    monkeypatch.setattr(slurm, "_VANISHED_S", 2.0)
    Path("path.sh").write_text("echo a broken path.sh >&2; exit 1\n")
    Path("lost.1").unlink()
    assert failures("JOB=1:1", "log/t.JOB.log", "x") == {1: "vanished: Slurm says nothing, see also log/q/t.log"}
    assert Path("log/q/t.log").read_text() == "a broken path.sh\n"


def test_jobs_that_slurm_has_forgotten(monkeypatch):
    Path("lost.1").touch()
    Path("squeue.error").write_text("slurm_load_jobs error: Invalid job id specified\n")
    with monkeypatch.context() as patient:
        patient.setattr(slurm, "_VANISHED_S", 120.0)  # a job may take long to start on a busy machine
        assert failures("log/t.log", "true") == {}
    assert failures("J=1:1", "log/t.J.log", "true") == {1: "vanished: Slurm says nothing"}


def test_silence_of_squeue_is_told_once_and_endured():
    Path("squeue.error").write_text("Unable to contact slurm controller\n")
    messages = []
    assert failures("log/t.log", *script("sleep 1"), say=messages.append) == {}
    assert messages == [
        "note: squeue does not answer, a job that vanishes goes unnoticed: Unable to contact slurm controller"
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_cancel_the_jobs(number):
    for job in (1, 2):
        os.mkfifo(f"started.{job}")  # a reader waits for its writer
    words = ["JOB=1:2", "log/t.JOB.log", *script("echo > started.$1; until [ -e end ]; do sleep 0.05; done")]
    launcher = subprocess.Popen(
        [sys.executable, LAUNCHER, *words],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a test run in the background ignores SIGINT
    )
    assert [Path(f"started.{job}").read_text() for job in (1, 2)] == ["\n", "\n"]
    launcher.send_signal(number)
    _, errors = launcher.communicate(timeout=30)
    Path("end").touch()
    assert launcher.returncode == 2
    assert errors == f"slurm.py: stopped by signal {number}, job 7 cancelled; --pick incomplete runs what is left\n"
    assert Path("scancel.words").read_text() == "7\n"


def test_a_signal_before_the_jobs_are_known_cancels_them_too(tmp_path):
    Path("lost.1").touch()
    with pytest.raises(Stopped, match="signal 15, job 7 cancelled"):
        failures("JOB=1:1", "log/t.JOB.log", "x", stop_signals=[15])
    assert Path("scancel.words").read_text() == "7\n"
    (tmp_path / "bin/scancel").write_text("#!/bin/sh\necho no >&2; exit 1\n")
    messages = []
    with pytest.raises(Stopped):
        failures("JOB=1:1", "log/t.JOB.log", "x", stop_signals=[15], say=messages.append)
    assert messages == ["job 7 may go on, scancel failed: no"]


def test_needs_nothing_but_the_standard_library():
    assert os.access(LAUNCHER, os.X_OK)
    code = f"import sys, runpy; sys.argv = ['slurm.py', '--help']; runpy.run_path({str(LAUNCHER)!r})"
    probe = "print([name for name in ('torch', 'numpy', 'yaml', 'typer') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{probe}"], capture_output=True, text=True)
    assert done.stdout == "[]\n"
