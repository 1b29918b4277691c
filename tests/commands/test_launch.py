"""utils/run.py: the calling convention, logs and exit codes of Kaldi's run.pl."""

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firered.errors import FireRedError, OptionError
from firered.launch.call import Call, failure_report, log_exit_code, main, parse_call, pick_jobs, shell_word
from firered.launch.local import devices_of, run_jobs

RUN = Path(__file__).resolve().parents[2] / "utils" / "run.py"
DATE = r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \S+ \d{4}"


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def run(*arguments, **options):
    return subprocess.run([sys.executable, RUN, *arguments], capture_output=True, text=True, timeout=30, **options)


def output(log="t.log"):
    head, mark, rest = Path(log).read_text().partition("\n#\n")
    assert mark
    assert re.search(rf"\n# Started at {DATE}$", head)
    lines = rest.split("\n")
    assert lines[-3].startswith("# Accounting: time=")
    assert lines[-2].startswith("# Ended (code ")
    return lines[:-3]


def script(text):
    """A command of one word that runs the text as the job $1."""
    Path("job.sh").write_text(text)
    return "bash", "job.sh", "JOB"


def test_log_has_the_lines_of_run_pl():
    result = run("exp/log/t.log", "echo", "to stdout", "&&", "echo", "err", ">&2", ";", "exit", "3")
    assert result.returncode == 1
    log = Path("exp/log/t.log").read_text()
    expected = (
        r'# echo "to stdout" && echo err >&2 ; exit 3\n'
        rf"# Started at {DATE}\n"
        r"#\n"
        r"to stdout\nerr\n"
        r"# Accounting: time=\d+ threads=1\n"
        rf"# Ended \(code 3\) at {DATE}, elapsed time \d+ seconds\n"
    )
    assert re.fullmatch(expected, log), log


def test_accounting_starts_its_own_line_and_a_long_command_stays_a_comment():
    assert run("t.log", "printf", "%s", "a\nb").returncode == 0
    assert Path("t.log").read_text().startswith('# printf %s "a\n# b"\n# Started at ')
    assert output() == ["a", "b"]


def test_job_name_is_replaced_everywhere():
    result = run("N=2:3", "logN/N/x.N.log", "echo", "N", "fileN.txt", "a N b", "NN")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    for job in (2, 3):
        assert output(f"log{job}/{job}/x.{job}.log") == [f"{job} file{job}.txt a {job} b {job}{job}"]
    assert not Path("log1").exists()


def test_range_of_one_job_and_no_range():
    assert run("JOB=5", "t.JOB.log", "echo", "JOB").returncode == 0
    assert output("t.5.log") == ["5"]
    assert run("t.JOB.log", "echo", "JOB").returncode == 0
    assert output("t.JOB.log") == ["JOB"]


@pytest.mark.parametrize("word", ["JOB=0:3", "JOB=3:1", "JOB=0", "JOB=1:x", "JOB=-1:2", "JOB=", "JOB=1:2:3", "JOB=1,2"])
def test_bad_range_exits_255(word, capsys):
    assert main("run.py", [word, "t.JOB.log", "echo"], run_jobs) == 255
    assert capsys.readouterr().err.startswith(f"run.py: {word}: ")
    assert not list(Path().iterdir())


def test_several_jobs_with_one_log_exit_1():
    result = run("JOB=1:2", "t.log", "echo")
    assert (result.returncode, list(Path().iterdir())) == (1, [])
    assert result.stderr == "run.py: 2 jobs would write one log, t.log: put JOB into its name\n"
    assert run("JOB=1:1", "t.log", "echo").returncode == 0


def test_too_few_words_and_help_show_the_usage():
    assert run("JOB=0:1", "t.JOB.log", "echo").returncode == 255
    for words in ([], ["t.log"], ["JOB=1:2", "t.JOB.log"]):
        result = run(*words)
        assert result.returncode == 1
        assert "JOB.log command" in result.stderr
    assert run("--help").stdout.startswith("run.py [--max-jobs-run N]")


def test_cluster_options_take_their_arguments_and_do_nothing():
    known = "--mem 4G --num-threads 2 --time 1:0:0 --config conf/slurm.conf -l x -q all.q -sync y -V -pe smp 4 --name n"
    result = run(*known.split(), "JOB=1:2", "--num_nodes", "1", "t.JOB.log", "echo", "--mem", "JOB")
    assert (result.returncode, result.stderr) == (0, "")
    assert output("t.2.log") == ["--mem 2"]
    call = parse_call([*known.split(), "t.log", "true"])
    assert call.cluster_options[0] == ("--mem", "4G")
    assert call.cluster_options[-3:] == (("-V",), ("-pe", "smp", "4"), ("--name", "n"))


def test_unknown_option_takes_one_argument_with_a_note():
    result = run("--foo", "bar", "t.log", "echo", "x")
    assert (result.returncode, result.stderr) == (0, "run.py: note: unknown option ignored: --foo bar\n")
    assert output() == ["x"]


@pytest.mark.parametrize(
    "words", ["--max-jobs-run 0", "-tc x", "--gpu -1", "--gpu 1.5", "--pick some", "--gpu=1", "--gpu", "-pe smp", "-l"]
)
def test_bad_option_exits_255(words):
    assert main("run.py", words.split(), run_jobs) == 255
    with pytest.raises(OptionError, match=re.escape(words.split()[0])):
        parse_call(words.split())


def test_parsed_call():
    assert parse_call(["-tc", "3", "J=2:4", "--gpu", "1", "--pick", "failed", "J.log", "a", "b c"]) == Call(
        "J.log", 'a "b c"', "J", range(2, 5), max_jobs_run=3, gpus_per_job=1, pick="failed"
    )
    assert parse_call(["--max_jobs_run", "2", "./lr=1.log", "x=1"]) == Call("./lr=1.log", "x=1", max_jobs_run=2)
    assert parse_call(["exp/lr=1/t.log", "a"]).log_name == "exp/lr=1/t.log"
    with pytest.raises(FireRedError, match="one log, K=1:2"):
        parse_call(["J=1:2", "K=1:2", "t.J.K.log", "a"])


@pytest.mark.parametrize(
    ("argument", "word"),
    [
        ("a", "a"),
        ("|", "|"),
        ("'$HOME'", "'$HOME'"),
        ("", '""'),
        ("a b", '"a b"'),
        ("$x y", '"$x y"'),
        ("it's so", '"it\'s so"'),
        ('say "a"', "'say \"a\"'"),
        ('it\'s "a" b', "'it'\"'\"'s \"a\" b'"),
        ("a\tb", '"a\tb"'),
    ],
)
def test_quoting(argument, word):
    assert shell_word(argument) == word


def test_quoting_as_the_shell_sees_it():
    show = "import sys; print(sys.argv[1:])"
    words = ["a  b", "", 'q "c"', "it's d", "both ' \" e", "$((1+1)) f", "$((1+2))", "'*'", r"\|"]
    assert run("t.log", sys.executable, "-c", show, *words).returncode == 0
    assert output() == [str(["a  b", "", 'q "c"', "it's d", "both ' \" e", "2 f", "3", "*", "|"])]


def test_pipes_and_redirections():
    assert run("t.log", "printf", r"'b\na\n'", "|", "sort", ">", "sorted.txt").returncode == 0
    assert Path("sorted.txt").read_text() == "a\nb\n"
    assert output() == []
    assert run("t.log", "false", "|", "cat").returncode == 0  # no pipefail, as with run.pl
    assert run("t.log", "cat", input="not for the job").returncode == 0
    assert output() == []


def test_failed_jobs_are_counted_and_the_ends_of_their_logs_shown():
    command = "seq 14 | sed s/^/JOB./; test JOB = 2"
    result = run("--max-jobs-run", "2", "JOB=1:6", "log/t.JOB.log", "bash", "-c", command)
    assert result.returncode == 1
    expected = ["run.py: 5 / 6 failed, log is in log/t.*.log"]
    for job in (1, 3, 4):
        expected.append(f"log/t.{job}.log (exit code 1) ends with:")
        expected += [f"    {job}.{line}" for line in range(5, 15)]
    assert result.stderr.splitlines() == expected


def test_failure_of_a_single_job():
    result = run("log/t.log", "no-such-command")
    assert result.returncode == 1
    assert result.stderr.startswith("run.py: job failed, log is in log/t.log\nlog/t.log (exit code 127) ends with:\n")
    assert result.stderr.endswith(": no-such-command: command not found\n")
    assert run("t.log", "false").stderr.endswith("ends with:\n    (no output)\n")


def test_death_by_signal_is_in_the_log():
    result = run("t.log", "kill", "-9", "$$")
    assert result.returncode == 1
    assert re.search(r"^# Ended \(code 137; signal 9\) at ", Path("t.log").read_text(), re.MULTILINE)
    assert log_exit_code(Path("t.log")) == 137


@pytest.mark.parametrize("most", [1, 2, 3])
def test_jobs_run_side_by_side_up_to_the_limit(most):
    # A job continues once `most` of them were seen at the same time, so a launcher that starts fewer hits the time
    # limit; one that starts more is caught by the count that each job writes, which has the time to see the others.
    job = script(f"""
        count() {{ set -- running.*; echo $#; }}
        touch running.$1
        for try in $(seq 500); do [ -e enough ] || [ $(count) -ge {most} ] && break; sleep 0.01; done
        [ $try -lt 500 ] || exit 1
        touch enough; sleep 0.1; count; rm running.$1
    """)
    result = run("--max-jobs-run", str(most), "JOB=1:6", "t.JOB.log", *job)
    assert (result.returncode, result.stderr) == (0, "")
    seen = [int(output(f"t.{job}.log")[0]) for job in range(1, 7)]
    assert max(seen) == most


def test_pick_failed_runs_only_the_failed_job():
    run("JOB=1:3", "t.JOB.log", "test", "JOB", "!=", "2")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path().glob("t.*.log")}
    result = run("--pick", "failed", "JOB=1:3", "t.JOB.log", "echo", "again")
    assert (result.returncode, result.stderr) == (0, "")
    assert output("t.2.log") == ["again"]
    for job in (1, 3):
        path = Path(f"t.{job}.log")
        assert (path.read_bytes(), path.stat().st_mtime_ns) == before[path]
    result = run("--pick", "failed", "JOB=1:3", "t.JOB.log", "echo", "third")
    assert (result.returncode, result.stderr) == (0, "run.py: nothing to run: no failed job in t.*.log\n")
    assert output("t.2.log") == ["again"]


ENDS = {
    1: "# x\n# Started at D\n#\nok\n# Accounting: time=1 threads=1\n# Ended (code 0) at D, elapsed time 1 seconds\n",
    2: "# Ended (code 2) at D, elapsed time 1 seconds\n",
    3: "# Ended (code 0; signal 9) at D, elapsed time 1 seconds\n",
    4: "# Running on host\n# Accounting: begin_time=1\n# Finished at Fri Nov 20 with status 0\n",
    5: "# Finished at Fri Nov 20 with status 7\n\n",
    6: "# x\n# Started at D\n#\nhalf",
    7: "# Ended (code 0) at D, elapsed time 1 seconds\nmore output of the log that this job printed\n",
    8: "",
}


def test_a_job_that_was_not_started_does_not_look_done():
    """Its log of an earlier call is gone: or --pick would pass over it."""
    run("JOB=1:2", "t.JOB.log", "true")
    run("--max-jobs-run", "1", "JOB=1:2", "t.JOB.log", "kill", "$PPID", ";", "sleep", "9")
    assert not Path("t.2.log").exists()
    assert pick_jobs(parse_call(["--pick", "incomplete", "JOB=1:2", "t.JOB.log", "true"])) == [1, 2]


def test_end_lines_of_both_kinds_of_log():
    for job, text in ENDS.items():
        Path(f"t.{job}.log").write_text(text)
    codes = [log_exit_code(Path(f"t.{job}.log")) for job in range(1, 10)]
    assert codes == [0, 2, 137, 0, 7, None, None, None, None]
    call = ["JOB=1:9", "t.JOB.log", "true"]
    assert pick_jobs(parse_call(call)) == list(range(1, 10))
    assert pick_jobs(parse_call(["--pick", "all", *call])) == list(range(1, 10))
    assert pick_jobs(parse_call(["--pick", "failed", *call])) == [2, 3, 5, 6, 7, 8, 9]
    assert pick_jobs(parse_call(["--pick", "incomplete", *call])) == [6, 7, 8, 9]


def test_only_the_end_of_a_long_log_is_read():
    Path("t.log").write_text("x" * 10**6 + "\nlast\n# Finished at D with status 1\n")
    assert failure_report(Call("t.log", "x"), {1: "exit code 1"}, 1).splitlines()[1:] == [
        "t.log (exit code 1) ends with:",
        "    " + "x" * 300,
        "    last",
    ]


@pytest.mark.parametrize(("number", "trap"), [(signal.SIGINT, "-"), (signal.SIGTERM, "''")])
def test_a_signal_kills_the_process_groups_of_the_jobs(number, trap):
    # The process to kill is a child of the job's leader, and once one that does not mind being asked to end.
    for job in (1, 2):
        os.mkfifo(f"pid.{job}")  # a reader waits for its writer
    job = script(f"(trap {trap} TERM; echo $BASHPID > pid.$1; for try in $(seq 300); do sleep 0.1; done) & wait")
    words = ["--max-jobs-run", "2", "JOB=1:3", "t.JOB.log", *job]
    launcher = subprocess.Popen(
        [sys.executable, RUN, *words],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # a test run in the background ignores SIGINT
    )
    running = [os.pidfd_open(int(Path(f"pid.{job}").read_text())) for job in (1, 2)]
    assert not ended(running, 0)
    launcher.send_signal(number)
    _, errors = launcher.communicate(timeout=20)
    assert launcher.returncode == 128 + number
    assert errors == f"run.py: stopped by signal {number}; --pick incomplete runs what is left\n"
    assert ended(running, 20)
    for job in (1, 2):
        assert Path(f"t.{job}.log").read_text().splitlines()[-1].startswith("# Killed at ")
    assert not Path("t.3.log").exists()
    assert pick_jobs(parse_call(["--pick", "incomplete", *words])) == [1, 2, 3]


def ended(processes, seconds):
    """Whether all processes, given by their descriptors, end within so many seconds."""
    return all(select.select([process], [], [], seconds)[0] for process in processes)


def test_ignored_hangup_stays_ignored():
    script("kill -HUP $PPID; sleep 0.1; echo on")
    command = f"trap '' HUP; exec {sys.executable} {RUN} t.log exec bash job.sh"
    assert subprocess.run(["bash", "-c", command]).returncode == 0
    assert output() == ["on"]


def fake_nvidia_smi(count, monkeypatch):
    Path("bin").mkdir()
    tool = Path("bin/nvidia-smi")
    tool.write_text("#!/bin/sh\n" + "".join(f"echo 'GPU {gpu}: H (UUID: GPU-{gpu})'\n" for gpu in range(count)))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{Path('bin').absolute()}:{os.environ['PATH']}")


def devices_seen(*options, jobs=4):
    command = ["echo", '"<$CUDA_VISIBLE_DEVICES>"']
    result = run(*options, f"JOB=1:{jobs}", "t.JOB.log", *command)
    assert (result.returncode, result.stderr) == (0, "")
    return [output(f"t.{job}.log")[0] for job in range(1, jobs + 1)]


def test_gpus_go_by_the_job_number(monkeypatch):
    fake_nvidia_smi(3, monkeypatch)
    assert devices_seen() == ["<>"] * 4
    assert devices_seen("--gpu", "0") == ["<>"] * 4
    assert devices_seen("--gpu", "1") == ["<0>", "<1>", "<2>", "<0>"]
    assert devices_seen("--gpu", "1", "--max-jobs-run", "4") == ["<0>", "<1>", "<2>", "<0>"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, GPU-a")
    assert devices_seen("--gpu", "1") == ["<5>", "<GPU-a>", "<5>", "<GPU-a>"]
    assert devices_seen() == ["<5, GPU-a>"] * 4
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert devices_seen("--gpu", "1") == ["<>"] * 4


def test_several_gpus_a_job():
    assert [devices_of(job, "0123", 2) for job in (1, 2, 3)] == ["0,1", "2,3", "0,1"]
    assert [devices_of(job, "012", 2) for job in (1, 2)] == ["0,1", "0,1"]
    assert devices_of(3, ["7"], 2) == "7"
    assert devices_of(3, [], 1) == ""


def test_as_many_jobs_as_gpus_and_never_two_on_one(monkeypatch):
    fake_nvidia_smi(2, monkeypatch)
    # Job 1 holds GPU 0 until 2 and 4 have used GPU 1, so job 3 must let job 4 pass.
    job = script("""
        mkdir gpu.$CUDA_VISIBLE_DEVICES || exit 1
        for try in $(seq 500); do [ $1 != 1 ] || [ -e done.2 -a -e done.4 ] && break; sleep 0.01; done
        rmdir gpu.$CUDA_VISIBLE_DEVICES; touch done.$1; [ $try -lt 500 ]
    """)
    result = run("--gpu", "1", "JOB=1:5", "t.JOB.log", *job)
    assert (result.returncode, result.stderr) == (0, "")


def test_without_a_gpu_one_job_at_a_time(monkeypatch):
    fake_nvidia_smi(0, monkeypatch)
    result = run("--gpu", "1", "JOB=1:3", "t.JOB.log", "mkdir", "busy", "&&", "sleep", "0.05", "&&", "rmdir", "busy")
    assert (result.returncode, result.stderr) == (0, "")


def test_log_that_cannot_be_written():
    Path("file").touch()
    result = run("JOB=1:2", "file/t.JOB.log", "true")
    assert result.returncode == 1
    assert result.stderr.startswith("run.py: ")
    assert result.stderr.count("\n") == 1
    assert run("/dev/null", "echo", "x").returncode == 0


def test_runs_by_itself_with_nothing_but_the_standard_library():
    assert os.access(RUN, os.X_OK)
    code = f"import sys, runpy; sys.argv = ['run.py', '--help']; sys.path.insert(0, '')\nrunpy.run_path({str(RUN)!r})"
    probe = "print([name for name in ('torch', 'numpy', 'yaml', 'typer') if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", f"{code}\n{probe}"], capture_output=True, text=True)
    assert result.stdout == "[]\n"
    assert subprocess.run([RUN, "t.log", "true"], capture_output=True).returncode == 0
