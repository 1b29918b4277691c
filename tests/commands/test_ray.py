"""utils/ray.py: what needs no cluster, and by night a cluster of two workers, one of which is killed."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.paths import BIN, EGS
from support.ray_cluster import ray_cluster
from support.tiny_llm import write_tiny_llm
from support.train_corpus import make_corpus, records, run, values, write_config

from firered.errors import OptionError
from firered.launch.ray import resources

TOP = Path(__file__).resolve().parents[2]
LAUNCHER = TOP / "utils/ray.py"
TALKS = sorted((EGS / "mini/test/wav").glob("talk*.flac"))


@pytest.mark.parametrize(
    ("given", "gpus", "expected"),
    [
        ({}, None, {"num_cpus": 1, "num_gpus": 0}),
        ({"--num-threads": "4"}, 2, {"num_cpus": 4, "num_gpus": 2}),
        ({"--num-threads": "4", "--mem": "2G"}, 0, {"num_cpus": 4, "num_gpus": 0, "memory": 8 << 30}),
        ({"--mem": "500"}, 1, {"num_cpus": 1, "num_gpus": 1, "memory": 500 << 20}),
    ],
)
def test_what_a_job_asks_of_its_machine(given, gpus, expected):
    assert resources(given, gpus) == expected


@pytest.mark.parametrize(("option", "value"), [("--num-threads", "0"), ("--num-threads", "two"), ("--mem", "4 apples")])
def test_values_that_ask_for_nothing_are_named(option, value):
    with pytest.raises(OptionError, match=f"{option} {value}"):
        resources({option: value}, None)


def test_without_ray_it_says_how_to_get_it(tmp_path):
    code = (
        "import sys; sys.modules['ray'] = None; from firered.launch.call import main;"
        "from firered.launch.ray import run_jobs; sys.exit(main('ray.py', sys.argv[1:], run_jobs))"
    )
    call = [sys.executable, "-c", code, "JOB=1:2", "log/x.JOB.log", "true"]
    done = subprocess.run(call, capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ray.py: ray is not installed; it comes with the extra: pip install 'firered[ray]'\n"


def test_the_script_does_not_take_itself_for_the_package(tmp_path):
    """Python puts a script's folder first into its path, where this one is called ray.py."""
    code = f"import runpy, sys; sys.argv = ['ray.py', '--help']; sys.path.insert(0, {str(TOP / 'utils')!r})\n"
    code += f"try: runpy.run_path({str(LAUNCHER)!r}, run_name='__main__')\nexcept SystemExit: pass\n"
    code += f"assert {str(TOP / 'utils')!r} not in sys.path, sys.path"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "JOB=1:4" in done.stdout


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray")
    with ray_cluster() as found:
        yield found


def begin(cluster, folder, *words):
    call = [sys.executable, LAUNCHER, *words]
    return subprocess.Popen(
        [*map(str, call)],
        env=cluster.environment,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.nightly
def test_jobs_run_as_on_this_machine_and_those_that_fail_are_shown(cluster, tmp_path, monkeypatch):
    monkeypatch.setitem(cluster.environment, "GREETING", "hello there")
    job = begin(cluster, tmp_path, "JOB=1:3", "log/x.JOB.log", "echo", "$GREETING", ";", "pwd;", "exit", "$((JOB-1))")
    said = job.communicate()[0]
    assert job.returncode == 1
    assert "2 / 3 failed, log is in log/x.*.log" in said
    assert "log/x.3.log (exit code 2) ends with:" in said
    lines = (tmp_path / "log/x.1.log").read_text().splitlines()
    assert "hello there" in lines
    assert str(tmp_path) in lines
    assert "# Ended (code 0)" in lines[-1]


@pytest.mark.nightly
def test_a_machine_that_does_not_exist_is_told_of(cluster, tmp_path):
    job = begin(cluster, tmp_path, "--gpu", "3", "log/x.log", "true")
    assert "no machine of the cluster has 1 CPUs, 3 GPUs; the jobs wait for one" in job.stdout.readline()
    job.send_signal(signal.SIGTERM)
    assert job.wait(30) == 128 + signal.SIGTERM


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_jobs_end_with_the_launcher(cluster, tmp_path, number):
    job = begin(
        cluster, tmp_path, "JOB=1:2", "log/x.JOB.log", "sleep", "321", "&", "echo", "$!", ">", "pid.JOB;", "wait"
    )
    wait_for(lambda: all((tmp_path / f"pid.{n}").exists() for n in (1, 2)))
    pids = [int((tmp_path / f"pid.{n}").read_text()) for n in (1, 2)]
    job.send_signal(number)
    assert job.wait(30) == (128 + number if number == signal.SIGTERM else -number)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    assert "# Ended" not in (tmp_path / "log/x.1.log").read_text()


@pytest.mark.nightly
def test_a_worker_is_killed_in_the_middle_and_nothing_is_lost(cluster, tmp_path):
    """The texts of four jobs of firered asr are those of a run without a cluster, though a machine dies with two."""
    single = [BIN / "firered", "asr", "--model", EGS / "mini/models/FireRedASR2-AED", "--device", "cpu"]
    (tmp_path / "data").mkdir()
    for number in range(1, 5):
        lines = [f"u{number}-{turn} {talk}\n" for turn, talk in enumerate(TALKS)]
        (tmp_path / f"data/{number}.scp").write_text("".join(lines))
    words = [*map(str, single), "data/JOB.scp", "out.JOB"]
    job = begin(cluster, tmp_path, "JOB=1:4", "log/x.JOB.log", "sleep", "2;", *words)
    wait_for(lambda: len([*tmp_path.glob("log/x.*.log")]) == 4)
    victim = cluster.nodes[0]
    assert cluster.processes(victim, "run_job")
    time.sleep(3)
    cluster.kill(victim)
    said = job.communicate()[0]
    assert job.returncode == 0, said
    assert "was run again on" in said
    logs = [(tmp_path / f"log/x.{number}.log").read_text() for number in range(1, 5)]
    assert 1 <= sum("# Run again from its beginning" in log for log in logs) <= 2
    for number in range(1, 5):
        expected = tmp_path / f"expected.{number}"
        subprocess.run(
            [*map(str, single), f"data/{number}.scp", str(expected)], cwd=tmp_path, check=True, capture_output=True
        )
        assert (tmp_path / f"out.{number}/text").read_bytes() == (expected / "text").read_bytes()
        assert (expected / "text").read_text().count("\n") == len(TALKS)


@pytest.mark.nightly
def test_two_machines_learn_by_rewards_together(cluster, tmp_path):
    """A training over both workers of the cluster is that of one process with batches twice as many."""
    make_corpus(tmp_path / "data")
    write_tiny_llm(tmp_path / "llm")

    def content(out, accum_grad):
        settings = {"model": {"init": str(tmp_path / "llm")}, "grpo": {"group_size": 4, "tokens_per_second": 6.0}}
        more = {"data": {"batch_frames": 300}, "train": {"accum_grad": accum_grad, "device": "cpu"}}
        return values("grpo", tmp_path, tmp_path / out, steps=3, **settings, **more)

    alone = run(content("alone", 2))
    config = write_config(tmp_path / "train.yaml", content("both", 1))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        meet = f"127.0.0.1:{free.getsockname()[1]}"
    rendezvous = ["--nnodes", "2", "--nproc_per_node", "1", "--rdzv_backend", "c10d", "--rdzv_endpoint", meet]
    torchrun = [BIN / "torchrun", *rendezvous, "-m", "firered.cli.train", config]
    job = begin(cluster, tmp_path, "--num-threads", "2", "JOB=1:2", "log/x.JOB.log", *torchrun)
    said = job.communicate()[0]
    assert job.returncode == 0, said
    together = records(tmp_path / "both")
    assert [line["step"] for line in together] == [line["step"] for line in alone]
    for name in ("reward", "loss"):
        own, other = ([line[name] for line in lines if line["kind"] == "train"] for lines in (together, alone))
        assert own == pytest.approx(other, abs=1e-4), name
