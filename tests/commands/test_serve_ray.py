"""firered serve --ray: its options, and by night replicas on a cluster of two workers, one of which is killed."""

import json
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from support.paths import BIN, EGS
from support.ray_cluster import ray_cluster

import firered
from firered.errors import OptionError
from firered.serve.ray_config import RayConfig

pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")

MINI = EGS / "mini"
SHORT = sorted((MINI / "test/wav").glob("f*.flac"))
TALK = MINI / "test/wav/talk-zh-00000.flac"
_PORT = 18423


def test_most_replicas_are_not_fewer_than_the_least():
    with pytest.raises(OptionError, match="max_replicas: 2 is less than --replicas 3"):
        RayConfig(replicas=3, max_replicas=2)


def test_without_ray_it_says_how_to_get_it():
    code = (
        "import sys; sys.modules['ray'] = None; sys.argv = ['firered', 'serve', *sys.argv[1:]];"
        "from firered.cli.main import main; main()"
    )
    call = [sys.executable, "-c", code, "--models", str(MINI / "models"), "--ray"]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 1
    assert "error ray is not installed; it comes with the extra: pip install 'firered[ray]'\n" in done.stderr
    assert "Traceback" not in done.stderr


class Spread:
    """A server of the bundled models on a cluster."""

    def __init__(self, cluster, folder, *options):
        self.cluster, self.log, self.stopped = cluster, folder / "log", False
        command = [
            *(BIN / "firered", "serve", "--ray", "--ray-address", cluster.address, "--models", MINI / "models"),
            *("--device", "cpu", "--port", _PORT, "--replica-cpus", 0.5, *options),
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen([*map(str, command)], stderr=log, stdout=log, cwd=folder)
        try:
            self.wait_for(r"info ready on http")
        except BaseException:
            self.process.kill()
            raise
        self.url = f"http://127.0.0.1:{_PORT}"
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)

    def wait_for(self, pattern, seconds=120):
        until = time.monotonic() + seconds
        while not re.search(pattern, self.log.read_text()):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.1)

    def workers_with(self, name):
        """Those workers that a replica of an application is on."""
        return [node for node in self.cluster.nodes if self.cluster.processes(node, f"ServeReplica:{name}:{name}")]

    def stop(self):
        if not self.stopped:  # a second signal would end it at once
            self.process.send_signal(signal.SIGTERM)
        self.stopped = True

    def end(self):
        self.http.close()
        self.stop()
        return self.process.wait(90)


@pytest.fixture
def cluster():
    pytest.importorskip("ray")
    with ray_cluster() as found:
        yield found


@pytest.fixture(scope="module")
def texts():
    system = firered.load(MINI / "models", device="cpu")
    return {path: system(path).text for path in [*SHORT, TALK]}


def ask(url, texts, found, stop):
    """A client of OpenAI's that sends one recording after the other, and tries again by itself as it always does."""
    import openai

    with openai.OpenAI(base_url=f"{url}/v1", api_key="none", http_client=httpx.Client(trust_env=False)) as client:
        for path in SHORT * 1000:
            if stop.is_set():
                return
            try:
                answer = client.audio.transcriptions.create(file=path, model="whisper-1").text
                found.append("right" if answer == texts[path] else f"{path.name}: {answer}")
            except openai.OpenAIError as error:
                found.append(repr(error))


@pytest.mark.nightly
def test_a_worker_is_killed_in_the_middle_and_nothing_is_lost(cluster, tmp_path, texts):
    """Requests of four clients, and a job on the worker that dies, all have the texts that they have without."""
    served = Spread(cluster, tmp_path, "--replicas", 2, "--turn-seconds", 2)
    try:
        assert len(served.workers_with("firered")) == 2
        (victim,) = served.workers_with("firered-jobs")
        found, stop = [], threading.Event()
        clients = [threading.Thread(target=ask, args=(served.url, texts, found, stop)) for _ in range(4)]
        for client in clients:
            client.start()
        ids = [served.http.post("/v1/jobs", files={"file": TALK.open("rb")}).json()["id"] for _ in range(12)]
        while len(found) < 40:
            time.sleep(0.05)
        before = [served.http.get(f"/v1/jobs/{id}").json()["status"] for id in ids]
        cluster.kill(victim)
        at_the_kill = len(found)
        assert before.count("completed") < len(ids)
        deadline = time.monotonic() + 180
        while len(served.workers_with("firered-jobs")) < 1 or len(found) < at_the_kill + 100:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        for id in ids:
            while _status(served, id) != "completed":
                assert time.monotonic() < deadline, _status(served, id)
                time.sleep(0.2)
            text = served.http.get(f"/v1/jobs/{id}/result", params={"response_format": "text"}).text
            assert text == texts[TALK] + "\n"
        stop.set()
        for client in clients:
            client.join()
        wrong = [one for one in found if one != "right"]
        print(f"{len(found)} requests, {at_the_kill} before the kill, {len(wrong)} lost; jobs done before: {before}")
        assert wrong == []
    finally:
        assert served.end() == 0


def _status(served, id):
    """The status of a job; none while the replica of jobs begins anew."""
    answer = served.http.get(f"/v1/jobs/{id}")
    return answer.json()["status"] if answer.status_code == 200 else None


@pytest.mark.nightly
def test_sockets_keys_and_the_end(cluster, tmp_path, texts, monkeypatch):
    """Live streams over Ray are as without; a signal has their last words recognised."""
    import soundfile
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    monkeypatch.setenv("FIRERED_API_KEY", "secret")
    served = Spread(cluster, tmp_path, "--jobs", "")
    samples, rate = soundfile.read(SHORT[0], dtype="int16")
    where = f"ws://127.0.0.1:{_PORT}/v1/stream?rate={rate}"
    try:
        assert served.http.get("/v1/models").status_code == 401
        assert served.http.post("/v1/audio/transcriptions", files={"file": SHORT[0].open("rb")}).status_code == 401
        with pytest.raises((InvalidStatus, OSError)):
            connect(where, proxy=None)
        with connect(where, proxy=None, additional_headers={"X-API-Key": "secret"}) as client:
            assert json.loads(client.recv())["type"] == "ready"
            client.send(samples.tobytes())
            while json.loads(client.recv(timeout=30))["type"] != "speech_start":
                pass
            served.stop()
            lines = []
            while not lines or lines[-1]["type"] != "end":
                lines.append(json.loads(client.recv(timeout=60)))
        assert "".join(line["text"] for line in lines if line["type"] == "final") == texts[SHORT[0]]
    finally:
        assert served.end() == 0
    log = served.log.read_text()
    assert "Traceback" not in log
    assert "secret" not in log


@pytest.mark.nightly
def test_more_replicas_where_requests_wait_and_fewer_where_none_do(cluster, tmp_path, texts):
    served = Spread(
        cluster, tmp_path, "--jobs", "", "--max-replicas", 3, "--replica-requests", 1, "--replica-idle-s", 5
    )
    try:

        def count():
            return sum(len(cluster.processes(node, "ServeReplica:firered:firered")) for node in cluster.nodes)

        assert count() == 1
        found, stop = [], threading.Event()
        clients = [threading.Thread(target=ask, args=(served.url, texts, found, stop)) for _ in range(6)]
        for client in clients:
            client.start()
        until = time.monotonic() + 120
        while count() < 3:
            assert time.monotonic() < until
            time.sleep(0.5)
        stop.set()
        for client in clients:
            client.join()
        assert set(found) == {"right"}
        until = time.monotonic() + 120
        while count() > 1:
            assert time.monotonic() < until
            time.sleep(0.5)
    finally:
        assert served.end() == 0


@pytest.mark.nightly
def test_models_that_do_not_load_are_told_of(cluster, tmp_path):
    models = tmp_path / "models"
    subprocess.run(["cp", "-r", str(MINI / "models"), str(models)], check=True)
    for path in (models / "FireRedASR2-AED").glob("model*"):
        path.write_bytes(path.read_bytes()[:1000])
    command = [BIN / "firered", "serve", "--ray", "--ray-address", cluster.address, "--models", models]
    done = subprocess.run([*map(str, command), "--port", str(_PORT)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert "the replicas did not start" in done.stderr
    assert re.search(r"firered: ERROR .*FireRedASR2-AED.*", done.stderr)
