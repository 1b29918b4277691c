"""Jobs: results in every format, progress, owners, restarts, URLs and webhooks, all on this machine."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from support.api_check import check_error, check_json, check_verbose

pytest.importorskip("fastapi")

from support.serving import TALK_EN, TALK_ZH, serving, told_system, wait_for, wav_bytes

from firered.output.config import SubtitleConfig
from firered.output.formats import FORMATS
from firered.serve.auth import KEY
from firered.serve.calls import CallError, check_url

SECONDS = [(float(second), float(second + 1)) for second in range(10)]


def create(served, content=None, headers=None, **fields):
    files = {"file": ("a.wav", content or wav_bytes(1.0))} if "url" not in fields else {"model": (None, "whisper-1")}
    with served.http(headers=headers) as http:
        return http.post("/v1/jobs", data=fields, files=files)


def show(served, id, headers=None):
    with served.http(headers=headers) as http:
        return http.get(f"/v1/jobs/{id}").json()


def ended(served, id, status="completed"):
    job = wait_for(lambda: (found := show(served, id))["status"] in ("completed", "failed") and found)
    assert job["status"] == status, job
    return job


def result(served, id, **query):
    with served.http() as http:
        return http.get(f"/v1/jobs/{id}/result", params=query)


def test_results_in_every_format(tmp_path):
    with serving(tmp_path) as served:
        answer = create(served, TALK_ZH.read_bytes(), response_format="srt")
        assert answer.status_code == 201
        job = answer.json()
        assert (job["object"], job["name"], job["error"], job["result"]) == ("transcription.job", "a.wav", None, None)
        job = ended(served, job["id"])
        assert job["progress"] == 1.0
        assert job["speech"] < job["duration"]
        assert job["created_at"] <= job["started_at"] <= job["finished_at"]
        id = job["id"]
        heard = served.app.state.jobs.store.result(id)
        for name, write in FORMATS.items():
            assert result(served, id, response_format=name).text == write(heard.transcript, SubtitleConfig())
        assert result(served, id).text == FORMATS["srt"](heard.transcript, SubtitleConfig())
        check_json(result(served, id, response_format="json").json())
        check_json(result(served, id, response_format="json", include="logprobs").json(), log_probs=True)
        verbose = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
        check_verbose(result(served, id, **verbose).json(), words=True)
        assert result(served, id, response_format="text").text == f"{heard.transcript.text}\n"
        assert list((tmp_path / "jobs").glob("*.audio")) == []
        check_error(result(served, id, response_format="xml").json(), param="response_format")
        with served.http() as http:
            assert [entry["id"] for entry in http.get("/v1/jobs").json()["data"]] == [id]
            assert http.delete(f"/v1/jobs/{id}").json() == {"id": id, "object": "transcription.job", "deleted": True}
            answer = http.get(f"/v1/jobs/{id}")
        assert answer.status_code == 404
        check_error(answer.json(), code="job_not_found")


def test_progress_and_what_is_asked_too_early(tmp_path):
    step, wanted = threading.Semaphore(0), []

    def on_call(batch):
        if wanted:
            assert step.acquire(timeout=30)

    with serving(tmp_path, told_system(on_call, SECONDS), turn_seconds=1.0) as served:
        wanted.append(1)
        id = create(served, wav_bytes(10.0)).json()["id"]
        for number in range(10):
            wait_for(lambda number=number: show(served, id)["progress"] == number / 10)
            answer = result(served, id)
            assert answer.status_code == 409
            check_error(answer.json(), code="job_not_done")
            step.release()
        ended(served, id)


def test_a_job_that_fails_says_why(tmp_path):
    with serving(tmp_path, told_system()) as served:
        id = create(served, b"no audio").json()["id"]
        job = ended(served, id, "failed")
        assert job["error"]["code"] == "invalid_audio"
        assert str(tmp_path) not in json.dumps(job)
        answer = result(served, id)
        assert answer.status_code == 409
        check_error(answer.json(), code="job_failed")
        assert list((tmp_path / "jobs").glob("*.audio")) == []


def test_what_is_refused_leaves_nothing(tmp_path):
    with serving(tmp_path, told_system(), max_job_mb=0.1) as served:
        for content, fields in (
            (None, {"temperature": "1"}),
            (None, {"stream": "true"}),
            (None, {"url": "http://127.0.0.1/a.wav"}),
            (None, {"webhook": "http://127.0.0.1/"}),
            (bytes(200_000), {}),
        ):
            answer = create(served, content, **fields)
            assert answer.status_code in (400, 413)
            check_error(answer.json())
        assert list((tmp_path / "jobs").glob("*.audio")) == []


def test_a_deleted_job_runs_no_further(tmp_path):
    hold, reached, wanted = threading.Event(), threading.Event(), []

    def on_call(batch):
        if wanted:
            reached.set()
            hold.wait(30)

    with serving(tmp_path, told_system(on_call, SECONDS), turn_seconds=1.0) as served:
        wanted.append(1)
        id = create(served, wav_bytes(10.0)).json()["id"]
        assert reached.wait(30)
        with served.http() as http:
            assert http.delete(f"/v1/jobs/{id}").status_code == 200
        hold.set()
        wait_for(lambda: served.engine.works == 0)
        assert served.engine.turns.waiting_s == 0
        assert list((tmp_path / "jobs").glob("*.audio")) == []
        assert show(served, id)["error"]["code"] == "job_not_found"


def test_jobs_are_seen_by_their_owner_alone(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "one,two")
    one, two = {"X-API-Key": "one"}, {"X-API-Key": "two"}
    with serving(tmp_path, told_system(), max_jobs=1) as served:
        id = create(served, headers=one).json()["id"]
        wait_for(lambda: show(served, id, one)["status"] == "completed")
        with served.http(headers=two) as http:
            for method, path in (("GET", ""), ("GET", "/result"), ("DELETE", "")):
                assert http.request(method, f"/v1/jobs/{id}{path}").status_code == 404
            assert http.get("/v1/jobs").json()["data"] == []


def test_too_many_jobs(tmp_path):
    hold, wanted = threading.Event(), []
    with serving(tmp_path, told_system(lambda batch: wanted and hold.wait(30)), max_jobs=2) as served:
        wanted.append(1)
        assert [create(served).status_code for _ in range(3)] == [201, 201, 429]
        hold.set()


def test_a_restart_goes_on_where_it_was(tmp_path):
    """What was recognised before is not recognised again, and the result is that of a server that went through."""
    calls, reached, hold, wanted = [], threading.Event(), threading.Event(), []

    def on_call(batch):
        if wanted:
            calls.append(len(batch))
            if len(calls) == 4:
                reached.set()
                hold.wait(30)

    content = wav_bytes(10.0)
    with serving(tmp_path, told_system(on_call, SECONDS), turn_seconds=2.0, grace_s=0.0) as served:
        wanted.append(1)
        id = create(served, content, response_format="verbose_json").json()["id"]
        assert reached.wait(30)
        hold.set()
    before = sum(calls)
    assert before in (8, 10)
    calls.clear()
    with serving(tmp_path, told_system(on_call, SECONDS), turn_seconds=2.0) as served:
        ended(served, id)
        body = result(served, id).json()
        again = sum(calls) - 1  # the test decode at the start
    assert again <= 4
    with serving(tmp_path / "other", told_system(spans=SECONDS), turn_seconds=2.0) as served:
        whole = create(served, content, response_format="verbose_json").json()["id"]
        ended(served, whole)
        assert result(served, whole).json() == body


def test_jobs_wait_for_a_server_that_is_ready(tmp_path):
    hold = threading.Event()
    with serving(tmp_path, told_system(), grace_s=0.0) as served:
        store = served.app.state.jobs.store
        id = store.new_id()
        store.audio(id).write_bytes(wav_bytes(1.0))
        served.services.keeper._state = "loading"
        store.add(id, "", "a.wav", [])
        time.sleep(0.3)
        assert show(served, id)["status"] == "queued"
        served.services.keeper._state = "ready"
        served.app.state.jobs.runner.look()
        ended(served, id)
    assert not hold.is_set()


def test_old_results_are_forgotten(tmp_path):
    with serving(tmp_path, told_system()) as served:
        id = create(served).json()["id"]
        ended(served, id)
        served.app.state.jobs.store.update(id, finished=time.time() - 4 * 3600 * 24)
    with serving(tmp_path, told_system()) as served:
        wait_for(lambda: "error" in show(served, id) and show(served, id)["error"])


def test_uploads_without_a_job_are_removed_at_the_start(tmp_path):
    with serving(tmp_path, told_system()) as served:
        ended(served, create(served).json()["id"])
    (tmp_path / "jobs/job-0.audio").write_bytes(b"cut off")
    with serving(tmp_path, told_system()):
        wait_for(lambda: not (tmp_path / "jobs/job-0.audio").exists())


def test_two_servers_have_two_folders(tmp_path):
    from firered.data.lock import FolderLock

    (tmp_path / "jobs").mkdir()
    with serving(tmp_path, told_system()) as served:
        create(served)
        assert isinstance(served.app.state.jobs.store._held, FolderLock)
    with serving(tmp_path, told_system(), jobs="") as served:
        answer = create(served)
        assert answer.status_code == 404
        check_error(answer.json())


# --- other hosts, which are this machine ---


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
            self.end_headers()
            return
        content = self.server.content.get(self.path)
        self.send_response(200 if content else 404)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.told.append((self.path, json.loads(body)))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def other(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.content, server.told, server.statuses = {"/talk.flac": TALK_EN.read_bytes(), "/big": bytes(10**6)}, [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    server.host = f"127.0.0.1:{server.server_port}"
    yield server
    server.shutdown()
    server.server_close()


def test_a_recording_by_url(tmp_path, other):
    with serving(tmp_path, told_system(), fetch=(other.host,), max_job_mb=0.9) as served:
        job = create(served, url=f"http://{other.host}/talk.flac").json()
        assert job["name"] == "talk.flac"
        ended(served, job["id"])
        ended(served, create(served, url=f"http://{other.host}/to//talk.flac").json()["id"])
        for path in ("/none", "/big", "/to/http://127.0.0.1:1/a", "/to/file:///etc/passwd"):
            job = ended(served, create(served, url=f"http://{other.host}{path}").json()["id"], "failed")
            assert job["error"]["param"] == "url", job
            assert job["result"] is None
        for url in (
            f"file://{TALK_EN}",
            "http://127.0.0.1:1/a",
            f"ftp://{other.host}/a",
            f"http://a:b@{other.host}/a",
            "x",
        ):
            answer = create(served, url=url)
            assert answer.status_code == 400, url
            check_error(answer.json(), param="url")
        assert list((tmp_path / "jobs").glob("*.audio")) == []
        assert list((tmp_path / "jobs").glob("*.part")) == []


def test_hosts_are_named_in_full():
    check_url("https://a.example/x", ["a.example"])
    check_url("http://a.example:80/x", ["A.example"])
    check_url("http://a.example:8080/x", ["a.example:8080"])
    for url in ("http://a.example:8080/x", "http://b.a.example/", "http://a.example.b/", "http://a.example@b.example/"):
        with pytest.raises(CallError):
            check_url(url, ["a.example"])
    with pytest.raises(CallError):
        check_url("http://[::1", ["::1"])


def test_a_webhook_is_told_of_the_end(tmp_path, other):
    other.statuses[:] = [500]  # it is told again
    with serving(tmp_path, told_system(), webhook=(other.host,)) as served:
        id = create(served, webhook=f"http://{other.host}/hook").json()["id"]
        wait_for(lambda: len(other.told) == 2)
        assert all(path == "/hook" for path, _ in other.told)
        assert {body["id"] for _, body in other.told} == {id}
        assert other.told[1][1]["status"] == "completed"
        wait_for(lambda: served.app.state.jobs.store.untold() == [])
        check_error(create(served, webhook="http://127.0.0.1:1/").json(), param="webhook")
