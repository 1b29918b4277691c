"""firered serve, as a process: its options, its signals, and jobs over its death."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields

import pytest
from support.paths import BIN, EGS

import firered
from firered.serve.config import ServeConfig

pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")
sockets = pytest.importorskip("websockets.sync.client")

MINI = EGS / "mini"
ZH, TALK = (MINI / f"test/wav/{name}.flac" for name in ("f3-zh-00003", "talk-zh-00000"))


def call(*arguments, code=""):
    env = {**os.environ, "COLUMNS": "120"}
    command = [sys.executable, "-c", code] if code else [BIN / "firered", "serve"]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, env=env)


class Process:
    """A server of the bundled models in a process of its own."""

    def __init__(self, folder, *options):
        self.log = folder / "log"
        command = [BIN / "firered", "serve", "--models", MINI / "models", "--port", 0, "--device", "cpu", *options]
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*map(str, command)], stderr=log, cwd=folder)
        self.wait_for("info ready")
        self.url = re.findall(r"listening on (http://127\.0\.0\.1:\d+)", self.log.read_text())[-1]
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def wait_for(self, words):
        until = time.monotonic() + 120
        while words not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until
            time.sleep(0.05)

    def end(self):
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@pytest.fixture
def server(tmp_path):
    """Starts servers that end with the test."""
    started = []

    def start(*options):
        started.append(Process(tmp_path, *options))
        return started[-1]

    yield start
    for process in started:
        process.end()


def test_help_has_every_option():
    done = call("--help")
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r"\s+", " ", re.sub(r"-\s*\n\s+", "-", done.stdout))
    for field in fields(ServeConfig):
        assert "--" + field.name.replace("_", "-") in shown
        assert field.metadata["help"] in shown


def test_without_the_extra_it_says_how_to_get_it():
    code = (
        "import sys; sys.modules.update(fastapi=None, uvicorn=None); sys.argv = ['firered', 'serve', *sys.argv[1:]];"
        "from firered.cli.main import main; main()"
    )
    done = call("--models", MINI / "models", code=code)
    assert done.returncode == 1
    assert re.search(
        r"error \w+ is not installed; it comes with the extra: pip install 'firered\[serve\]'\n$", done.stderr
    )


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--models", "nowhere"], "nowhere"),
        (["--models", MINI / "models", "--host", "0.0.0.0"], "FIRERED_API_KEY"),
        (["--models", MINI / "models", "--no-asr"], "nothing to serve"),
        (["--models", MINI / "models", "--context-carry", 2], "context_carry"),
        (["--models", MINI / "models", "--origin", "example.org"], "https://example.org"),
    ],
)
def test_mistakes_are_one_line(options, reason):
    done = call(*options)
    assert done.returncode == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def _answers(url):
    try:
        return httpx.get(url, trust_env=False)
    except httpx.ConnectError:
        return None


@pytest.mark.slow
def test_a_signal_lets_requests_end(server):
    served = server("--turn-seconds", 2)
    system = firered.load(MINI / "models", device="cpu")
    with served.http.stream(
        "POST", "/v1/audio/transcriptions", data={"stream": "true"}, files={"file": TALK.open("rb")}
    ) as answer:
        lines = (line for line in answer.iter_lines() if line.startswith("data: "))
        assert "delta" in next(lines)
        served.process.send_signal(signal.SIGTERM)
        served.wait_for("no more requests")
        while _answers(f"{served.url}/health"):  # until the next tick of its loop
            time.sleep(0.02)
        last = list(lines)[-1]
    assert "transcript.text.done" in last
    assert system(TALK).text in last
    assert served.process.wait(60) == 0
    assert "Traceback" not in served.log.read_text()


@pytest.mark.slow
def test_a_second_signal_ends_it_at_once(server):
    served = server("--turn-seconds", 0.5, "--num-threads", 1)
    send = "httpx.post(sys.argv[1], files={'file': open(sys.argv[2], 'rb')}, timeout=60, trust_env=False)"
    code = f"import sys, httpx; {send}"
    url = f"{served.url}/v1/audio/transcriptions"
    clients = [subprocess.Popen([sys.executable, "-c", code, url, TALK], stderr=subprocess.DEVNULL) for _ in range(4)]
    while not served.http.get("/metrics").text.count("firered_open_requests 4"):
        time.sleep(0.02)
    served.process.send_signal(signal.SIGTERM)
    served.wait_for("no more requests")
    served.process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    assert served.process.wait(10) == 128 + signal.SIGTERM
    assert time.monotonic() - began < 5
    for client in clients:
        client.wait(60)


@pytest.mark.slow
def test_a_job_outlives_the_server(server):
    """Killed in the middle of a job, the next server goes on, and nothing is lost."""
    served = server("--turn-seconds", 2)
    id = served.http.post("/v1/jobs", files={"file": TALK.open("rb")}).json()["id"]
    while (progress := served.http.get(f"/v1/jobs/{id}").json()["progress"]) < 0.2:
        time.sleep(0.01)
    served.process.kill()
    served.process.wait()
    assert progress < 1
    again = server("--turn-seconds", 2)
    while (job := again.http.get(f"/v1/jobs/{id}").json())["status"] != "completed":
        assert job["status"] in ("queued", "in_progress"), job
        time.sleep(0.05)
    text = again.http.get(f"/v1/jobs/{id}/result", params={"response_format": "text"}).text
    assert text == firered.load(MINI / "models", device="cpu")(TALK).text + "\n"
    with pytest.raises(sockets.InvalidStatus):
        sockets.connect(again.url.replace("http", "ws") + "/v1/stream?rate=1", proxy=None)
    again.wait_for("SOCKET /v1/stream 400")
    assert " error " not in again.log.read_text()  # a socket that is refused is no fault
