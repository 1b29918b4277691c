"""What a server takes from whom, and what it does when it is overloaded, hangs, or ends."""

import contextlib
import io
import logging
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.api_check import check_error, events_of
from support.tools import needs_ffmpeg

pytest.importorskip("fastapi")

from support.serving import TALK_EN, ZH, serving, told_system, wait_for, wav_bytes

from firered.errors import OptionError
from firered.serve.auth import KEY, Doorman
from firered.serve.config import ServeConfig

POST = "/v1/audio/transcriptions"
SECONDS = [(float(second), float(second + 1)) for second in range(10)]


def send(served, content=None, headers=None, **fields):
    with served.http(headers=headers) as http:
        return http.post(POST, data=fields, files={"file": ("a.wav", content or wav_bytes(1.0))})


def temporary_files():
    import tempfile
    from pathlib import Path

    from firered.data.atomic import owner

    return {path.name for path in Path(tempfile.gettempdir()).glob(f"firered-{owner()}*")}


# --- keys and pages ---


@pytest.fixture
def with_keys(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "first-key, second-key")
    with serving(tmp_path, told_system()) as served:
        yield served


def test_a_key_is_needed(with_keys):
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Basic first-key"},
        {"X-API-Key": "first"},
    ):
        answer = send(with_keys, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        check_error(answer.json())
    for headers in ({"Authorization": "Bearer first-key"}, {"X-API-Key": "second-key"}):
        assert send(with_keys, headers=headers).status_code == 200
    with with_keys.http() as http:
        for path in ("/v1/models", "/metrics", "/v1/jobs"):
            assert http.get(path).status_code == 401
        for path in ("/health", "/ready"):
            assert http.get(path).status_code == 200


def test_other_machines_need_a_key_or_a_word(monkeypatch):
    monkeypatch.delenv(KEY, raising=False)
    with pytest.raises(OptionError, match="FIRERED_API_KEY"):
        Doorman.of(ServeConfig(host="0.0.0.0"))
    assert Doorman.of(ServeConfig(host="0.0.0.0", open=True))
    monkeypatch.setenv(KEY, "a")
    assert Doorman.of(ServeConfig(host="0.0.0.0"))


def test_other_pages_may_not_call(tmp_path):
    with serving(tmp_path, told_system(), origin=("https://example.org",)) as served:
        for headers, status in (
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Origin": served.url}, 200),
            ({"Origin": "https://example.org"}, 200),
            ({"Host": "evil.example"}, 403),  # a name that was made to lead here
            ({"Host": "localhost:1"}, 200),
        ):
            answer = send(served, headers=headers)
            assert answer.status_code == status, headers
            if status == 403:
                check_error(answer.json())
        answer = send(served, headers={"Origin": "https://example.org"})
        assert answer.headers["access-control-allow-origin"] == "https://example.org"


def test_an_answer_before_the_end_of_an_upload_arrives(with_keys):
    """Closed at once, the connection would be reset, and a client that writes would see no reason."""
    for _ in range(5):
        answer = send(with_keys, content=bytes(20_000_000))
        assert answer.status_code == 401
        assert answer.headers["connection"] == "close"
        check_error(answer.json())


# --- limits ---


def test_too_large(tmp_path):
    with serving(tmp_path, told_system(), max_upload_mb=0.1) as served:
        answer = send(served, content=bytes(200_000))
        assert answer.status_code == 413
        check_error(answer.json(), code="file_too_large")

        def pieces():  # without a stated length
            yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            for _ in range(20):
                yield bytes(10_000)

        with served.http() as http:
            kind = {"Content-Type": "multipart/form-data; boundary=b"}
            answer = http.post(POST, content=pieces(), headers=kind)
        assert answer.status_code == 413
        assert temporary_files() == set()


def test_too_long(tmp_path):
    with serving(tmp_path, told_system(), max_hours=1 / 3600) as served:
        answer = send(served, content=wav_bytes(2.0))
        assert answer.status_code == 413
        check_error(answer.json(), param="file", code="audio_too_long")
        assert send(served, content=wav_bytes(0.9)).status_code == 200


def test_a_small_file_of_endless_silence_is_not_decoded_to_its_end(tmp_path):
    import numpy as np
    import soundfile

    bomb = io.BytesIO()
    soundfile.write(bomb, np.ones(16000 * 3600, np.int16), 16000, format="FLAC")  # an hour in some hundred kilobytes
    assert len(bomb.getvalue()) < 1e6
    with serving(tmp_path, told_system(), max_hours=0.01) as served:
        began = time.monotonic()
        assert send(served, content=bomb.getvalue()).status_code == 413
        assert time.monotonic() - began < 10


def test_too_many_of_one_and_of_all(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY, "one,two,three")
    hold, reached = threading.Event(), threading.Semaphore(0)

    def on_call(batch):
        if served:
            reached.release()
            hold.wait(30)

    served = []
    with serving(tmp_path, told_system(on_call), max_open=3, max_client=2, batch_wait_ms=0.0) as running:
        served.append(running)

        def post(key):
            return send(running, headers={"X-API-Key": key})

        with ThreadPoolExecutor(8) as pool:
            held = [pool.submit(post, "one") for _ in range(2)]
            wait_for(lambda: running.services.limits.open == 2)
            of_one = post("one")
            held.append(pool.submit(post, "two"))
            wait_for(lambda: running.services.limits.open == 3)
            of_all = post("three")
            hold.set()
            assert [answer.result().status_code for answer in held] == [200] * 3
        for answer, status in ((of_one, 429), (of_all, 503)):
            assert answer.status_code == status
            assert 1 <= int(answer.headers["retry-after"]) <= 60
            check_error(answer.json())
        assert post("three").status_code == 200


def test_too_fast(tmp_path):
    with serving(tmp_path, told_system(), max_rate=2.0) as served:
        answers = [send(served) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 20 <= int(answers[2].headers["retry-after"]) <= 30
        assert check_error(answers[2].json())["type"] == "rate_limit_error"


def test_the_openai_client_waits_and_tries_again(tmp_path):
    openai, httpx = pytest.importorskip("openai"), pytest.importorskip("httpx")
    with serving(tmp_path, told_system(), max_rate=60.0) as served:
        http = httpx.Client(trust_env=False)
        with openai.OpenAI(base_url=f"{served.url}/v1", api_key="x", max_retries=3, http_client=http) as client:
            served.services.limits._left["127.0.0.1"] = (0.2, time.monotonic())
            began = time.monotonic()
            assert client.audio.transcriptions.create(file=ZH, model="whisper-1").text == "w0"
            assert time.monotonic() - began > 0.7
        counted = served.services.measures.text()
        assert f'firered_requests_total{{route="{POST}",status="429"}} 1' in counted


# --- slow clients and such that leave ---


def raw(served, data):
    connection = socket.create_connection(("127.0.0.1", served.listening.port), timeout=30)
    connection.sendall(data)
    return connection


HEAD = (
    f"POST {POST} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
    "Content-Length: 100000\r\n\r\n--b\r\n"
).encode()


def test_a_client_that_falls_silent_is_told_so(tmp_path):
    with serving(tmp_path, told_system(), receive_s=0.3) as served, raw(served, HEAD) as connection:
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))  # it is closed then
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b'"code":"request_timeout"' in answer
        assert served.services.limits.open == 0


def test_a_client_that_trickles_is_told_so(tmp_path):
    with serving(tmp_path, told_system(), receive_s=5.0, upload_s=0.5) as served, raw(served, HEAD) as connection:
        connection.settimeout(0.05)
        until, answer = time.monotonic() + 20, b""
        while not answer and time.monotonic() < until:
            connection.sendall(b"a")
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(1 << 16)
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_head_that_does_not_end_is_not_waited_for(tmp_path, monkeypatch):
    from firered.serve import server

    monkeypatch.setattr(server, "_HEAD_S", 0.3)
    with serving(tmp_path, told_system()) as served, raw(served, b"POST / HTTP/1.1\r\nHost: a\r\n") as connection:
        assert connection.recv(100) == b""


def test_a_client_that_leaves_in_its_upload(tmp_path):
    with serving(tmp_path, told_system()) as served:
        raw(served, HEAD).close()
        wait_for(lambda: 'status="499"' in served.services.measures.text())
        assert served.services.limits.open == 0
        assert temporary_files() == set()


def test_a_client_that_leaves_while_it_is_waited_for(tmp_path):
    hold, reached, wanted = threading.Event(), threading.Event(), []

    def on_call(batch):
        if wanted:
            reached.set()
            hold.wait(30)

    with serving(tmp_path, told_system(on_call, SECONDS), turn_seconds=2.0) as served:
        wanted.append(1)
        for fields in ({}, {"stream": "true"}):
            hold.clear()
            reached.clear()
            before = served.services.measures.segments.lines()
            content = wav_bytes(10.0)
            with served.http() as http:
                request = http.build_request("POST", POST, data=fields, files={"file": ("a.wav", content)})
            connection = raw(served, _bytes_of(request))
            assert reached.wait(30)
            connection.close()
            wait_for(lambda: served.services.limits.open == 0)
            hold.set()
            wait_for(lambda: served.engine.works == 0)
            assert served.engine.turns.waiting_s == 0
            assert before != served.services.measures.segments.lines()
        assert temporary_files() == set()
        assert "firered_cancelled_total 2" in served.services.measures.text()
        assert send(served).status_code == 200


def _bytes_of(request):
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST {POST} HTTP/1.1\r\n{head}\r\n".encode() + request.read()


def test_events_come_as_recognition_proceeds(tmp_path):
    step = threading.Semaphore(0)
    wanted = []

    def on_call(batch):
        if wanted:
            assert step.acquire(timeout=30)

    with serving(tmp_path, told_system(on_call, SECONDS[:3]), turn_seconds=1.0) as served, served.http() as http:
        wanted.append(1)
        files = {"file": ("a.wav", wav_bytes(3.0))}
        with http.stream("POST", POST, data={"stream": "true"}, files=files) as answer:
            lines = (line for line in answer.iter_lines() if line.startswith("data: "))
            for number, delta in enumerate(["w0", " w0", " w0"]):
                step.release()
                assert f'"delta": "{delta}", "segment_id": "seg_{number}"' in next(lines)
            assert "transcript.text.done" in next(lines)


def test_a_failure_in_a_stream_is_an_event(tmp_path):
    wanted = []

    def on_call(batch):
        if wanted:
            raise ValueError("secret words")

    with serving(tmp_path, told_system(on_call, SECONDS[:2])) as served:
        wanted.append(1)
        events = events_of(send(served, content=wav_bytes(3.0), stream="true").text)
        check_error(events[-1])
        assert [event.get("type") for event in events] == [None]
        answer = send(served, content=wav_bytes(3.0))
        assert answer.status_code == 500
        check_error(answer.json())
        assert "secret" not in answer.text


# --- health ---


def test_health_answers_while_twelve_clients_decode(tmp_path):
    with serving(tmp_path) as served, ThreadPoolExecutor(12) as pool, served.http() as http:
        content = TALK_EN.read_bytes()
        answers = [pool.submit(send, served, content) for _ in range(12)]
        slowest = 0.0
        while not all(answer.done() for answer in answers):
            began = time.monotonic()
            assert http.get("/health").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.05)
        assert {answer.result().status_code for answer in answers} == {200}
        assert slowest < 1.0


def test_health_turns_bad_when_the_engine_hangs_and_good_again(tmp_path):
    hold, wanted = threading.Event(), []

    def on_call(batch):
        if wanted:
            hold.wait(30)

    with serving(tmp_path, told_system(on_call), hang_s=0.3) as served, ThreadPoolExecutor(1) as pool:
        wanted.append(1)
        answer = pool.submit(send, served)
        with served.http() as http:
            wait_for(lambda: http.get("/health").status_code == 503)
            assert http.get("/ready").status_code == 503
            check_error(send(served).json(), code="not_ready")
            hold.set()
            assert answer.result().status_code == 200
            assert http.get("/health").json()["status"] == "ok"
            assert http.get("/ready").status_code == 200


def test_ready_after_the_first_decode_and_not_before(tmp_path):
    hold = threading.Event()
    with serving(tmp_path, told_system(lambda batch: hold.wait(30)), ready=False) as served, served.http() as http:
        assert http.get("/health").status_code == 200
        assert (
            http.get("/ready").json() == {"status": "loading", "loaded": False} or http.get("/ready").status_code == 503
        )
        answer = send(served)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"
        hold.set()
        wait_for(lambda: http.get("/ready").status_code == 200)
        assert send(served).status_code == 200


def test_metrics_can_be_read(tmp_path):
    with serving(tmp_path, told_system()) as served:
        send(served, content=wav_bytes(2.0))
        with served.http() as http:
            answer = http.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = answer.text.splitlines()
        values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        assert values[f'firered_requests_total{{route="{POST}",status="200"}}'] == "1"
        assert values["firered_audio_seconds_total"] == "2"
        assert values["firered_open_requests"] == "0"
        assert values["firered_models_loaded"] == "1"
        assert float(values["process_resident_memory_bytes"]) > 1e7
        names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
        assert {
            name.partition("{")[0].removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
            for name in values
        } <= names


# --- what is not told ---


def test_logs_have_no_text_no_names_and_no_keys(tmp_path, caplog, monkeypatch):
    monkeypatch.setenv(KEY, "secret-key")
    caplog.set_level(logging.DEBUG)
    with serving(tmp_path) as served, served.http(headers={"X-API-Key": "secret-key"}) as http:
        files = {"file": ("secret-name.flac", ZH.read_bytes())}
        answer = http.post(f"{POST}?key=secret-query", files=files, data={"keywords[]": "secret-word"})
        assert answer.status_code == 200
        broken = {"file": ("secret-name.flac", b"secret-bytes")}
        assert http.post(POST, files=broken).status_code == 400
    shown = "\n".join(
        record.getMessage() for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))
    )
    assert f"POST {POST} 200" in shown
    assert f"POST {POST} 400" in shown
    assert "secret" not in shown
    assert answer.json()["text"] not in shown


@needs_ffmpeg
def test_no_file_of_the_server_can_be_read(tmp_path):
    """Playlists in an upload name files; nothing of them may be read, not even whether they are there."""
    there = tmp_path / "there.mp4"
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", ZH, "-c:a", "aac", there], check=True)
    with serving(tmp_path, told_system()) as served:
        for place in (there, tmp_path / "not_there.mp4"):
            for text in (
                f"#EXTM3U\n#EXTINF:10,\n{place}\n",
                f"ffconcat version 1.0\nfile {place}\n",
                f"ffconcat version 1.0\nfile file:{place}\n",
                f'<?xml version="1.0"?><MPD type="static" mediaPresentationDuration="PT5S"><Period><AdaptationSet>'
                f'<Representation id="1" mimeType="audio/mp4"><BaseURL>file://{place}</BaseURL></Representation>'
                f"</AdaptationSet></Period></MPD>",
                f"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\na={place}\n",
                f"| cat {place} |",
                f"{place}",
            ):
                answer = send(served, content=text.encode())
                assert answer.status_code == 400, text
                message = check_error(answer.json(), param="file")["message"]
                assert str(tmp_path) not in message, text
        with served.http() as http:
            for path in (
                "/../../etc/passwd",
                "/%2e%2e/%2e%2e/etc/passwd",
                "//etc/passwd",
                "/v1/models/../../etc/passwd",
            ):
                assert http.get(path).status_code == 404


def test_uploads_are_gone_after_each_answer(tmp_path):
    with serving(tmp_path, told_system()) as served:
        for content in (wav_bytes(1.0), b"no audio"):
            for stream in ("true", "false"):
                send(served, content=content, stream=stream)
        wait_for(lambda: temporary_files() == set())
        wait_for(lambda: served.engine.works == 0)
