"""WS /v1/stream, and what all live streams share: batches, limits, pings, clients that leave, the server's end."""

import asyncio
import json
import threading
import time
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import soxr

pytest.importorskip("fastapi")
pytest.importorskip("websockets")

from support.paths import EGS
from support.serving import TALK_ZH, ZH, Told, always_speech, bundled, bundled_detector, serving, told_system, wait_for
from support.streaming import write_streaming
from websockets.exceptions import ConnectionClosed, InvalidStatus

import firered
from firered.asr import families
from firered.asr.aed_config import AsrConfig
from firered.live.config import LiveConfig
from firered.live.system import LiveSystem
from firered.results.live import Final, Partial
from firered.serve import server, sockets
from firered.system.config import SystemConfig
from firered.system.modules import Modules
from firered.system.system import System

SILENCE = np.zeros(16000, np.int16).tobytes()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("stream")) as running:
        yield running


def samples_of(path, rate=16000, after_s=1.0):
    samples, own = soundfile.read(path, dtype="int16")
    return np.concatenate([soxr.resample(samples, own, rate), np.zeros(round(after_s * rate), np.int16)])


def lines(socket, last="end"):
    """All lines up to one of a kind."""
    found = []
    while not found or found[-1]["type"] != last:
        found.append(json.loads(socket.recv(timeout=60)))
    return found


def of(kind, found):
    return [line for line in found if line["type"] == kind]


def send(socket, samples, step=1600):
    for begin in range(0, len(samples), step):
        socket.send(samples[begin : begin + step].tobytes())


# --- the interface ---


@pytest.mark.parametrize(("rate", "form"), [(16000, "s16le"), (48000, "s16le"), (44100, "f32le")])
def test_samples_in_lines_out(served, rate, form):
    samples = samples_of(ZH, rate)
    if form == "f32le":
        samples = (samples / 32768).astype(np.float32)
    data = samples.tobytes()
    with served.socket(f"/v1/stream?rate={rate}&format={form}") as socket:
        assert lines(socket, "ready") == [{"type": "ready", "rate": rate, "format": form}]
        for begin in range(0, len(data), 9999):  # wherever a sample is cut
            socket.send(data[begin : begin + 9999])
        socket.send("END")
        found = lines(socket)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
    assert closed.value.rcvd.code == 1000
    (final,) = of("final", found)
    assert final["text"] == "你好，谁星期三去公园？"
    assert final["words"][0]["text"] == "你"
    assert found[0]["type"] == "speech_start"
    texts = [line["stable"] for line in of("partial", found)]
    assert len(texts) > 1
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    assert found[-1] == {"type": "end", "duration_s": round(len(samples) / rate, 3), "skipped": 0}


def test_it_is_what_live_recognition_gives(served):
    samples = samples_of(TALK_ZH)[: 10 * 16000]
    system = firered.LiveSystem.from_pretrained(
        EGS / "mini/models", LiveConfig(silence_s=0.5, behind_s=None), device="cpu"
    )
    session = system.session()
    own = [one for one in [*session.accept(samples), *session.finish()] if isinstance(one, Final)]
    with served.socket() as socket:
        send(socket, samples, 1 << 16)
        socket.send("END")
        finals = of("final", lines(socket))
    assert [(line["text"], line["start_s"], line["end_s"]) for line in finals] == [
        (final.text, final.start_s, final.end_s) for final in own
    ]


def test_commits_end_turns_and_times_go_on(served):
    samples = samples_of(ZH, after_s=0.2)
    with served.socket("/v1/stream?rate=16000&turns=client") as socket:
        for _ in range(3):
            send(socket, samples)
            socket.send("COMMIT")
        send(socket, samples[2000:6000])  # a quarter of a second
        socket.send(" commit ")
        socket.send("COMMIT")
        socket.send("END")
        found = lines(socket)
    finals, committed = of("final", found), of("committed", found)
    assert len(committed) == 4
    assert [one["text"] for one in finals][:3] == ["你好，谁星期三去公园？"] * 3
    assert len(finals) == 4
    assert finals[3]["text"]
    assert [one["segment"] for one in finals] == [1, 2, 3, 4]
    seconds = len(samples) / 16000
    assert [one["time_s"] for one in committed] == [round(n * seconds, 3) for n in (1, 2, 3)] + [
        round(3 * seconds + 0.25, 3)
    ]
    times = [time for one in finals for word in one["words"] for time in (word["start_s"], word["end_s"])]
    assert times == sorted(times)
    (error,) = of("error", found)
    assert error["error"]["code"] == "input_audio_buffer_commit_empty"


REFUSED = [
    ("", "rate"),
    ("?rate=0", "rate"),
    ("?rate=16k", "rate"),
    ("?rate=16000&rate=8000", "rate"),
    ("?rate=16000&format=mp3", "format"),
    ("?rate=16000&turns=none", "turns"),
    ("?rate=16000&interval_s=soon", "interval_s"),
    ("?rate=16000&language=de", "language"),
    ("?rate=16000&prompt=hello", "prompt"),
    ("?rate=16000&punctuation=no", "punctuation"),
]


@pytest.mark.parametrize(("query", "param"), REFUSED)
def test_an_address_that_cannot_be_honoured_is_refused(served, query, param):
    with pytest.raises(InvalidStatus) as refused:
        served.socket(f"/v1/stream{query}").__enter__()
    assert refused.value.response.status_code == 400
    assert json.loads(refused.value.response.body)["error"]["param"] == param


def test_what_is_no_audio_is_an_error_and_the_stream_goes_on(served):
    with served.socket("/v1/stream?rate=16000&format=f32le") as socket:
        socket.send("HELLO")
        assert lines(socket, "error")[-1]["error"]["code"] == "unknown_message"
        socket.send(np.full(100, np.nan, np.float32).tobytes())
        assert lines(socket, "error")[-1]["error"]["code"] == "invalid_audio"
        socket.send((samples_of(ZH) / 32768).astype(np.float32).tobytes())
        socket.send("END")
        assert of("final", lines(socket))[0]["text"] == "你好，谁星期三去公园？"


def test_without_the_detector_there_are_no_streams(tmp_path):
    with serving(tmp_path, told_system()) as running, pytest.raises(InvalidStatus) as refused:
        running.socket().__enter__()
    assert refused.value.response.status_code == 501
    assert b"FireRedVAD/Stream-VAD" in refused.value.response.body


# --- shared batches ---


def test_streams_share_batches_and_know_nothing_of_each_other(tmp_path):
    """Eight streams at once: their texts are those of one alone, and passes were computed together."""
    sizes = []
    system = bundled()
    recognise = system.modules.asr.recognise

    def noted(utterances):
        sizes.append(len(utterances))
        time.sleep(0.02)  # while which the others come to their own
        return recognise(utterances)

    system.modules.asr.recognise = noted
    texts = {}

    def one(number):
        with running.socket() as socket:
            send(socket, samples_of(ZH), 16000)
            socket.send("END")
            texts[number] = [line["text"] for line in of("final", lines(socket))]

    with serving(tmp_path, lambda: system, detector=bundled_detector, batch_wait_ms=50.0) as running:
        threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert list(texts.values()) == [["你好，谁星期三去公园？"]] * 8
    assert max(sizes) >= 3, sizes
    assert len(sizes) < 8 * 4


def test_recordings_are_recognised_beside_streams(tmp_path):
    with serving(tmp_path, told_system(lambda batch: time.sleep(0.02)), detector=always_speech) as running:
        clients = [running.socket() for _ in range(4)]
        opened = [client.__enter__() for client in clients]
        stop = threading.Event()

        def speak(socket):
            while not stop.is_set():
                socket.send(SILENCE)
                time.sleep(0.02)

        threads = [threading.Thread(target=speak, args=(socket,)) for socket in opened]
        for thread in threads:
            thread.start()
        with running.http() as http:
            began = time.monotonic()
            answer = http.post("/v1/audio/transcriptions", files={"file": ("a.flac", ZH.read_bytes())})
            assert answer.status_code == 200
            assert time.monotonic() - began < 10
            began = time.monotonic()
            assert http.get("/health").status_code == 200
            assert time.monotonic() - began < 1
        stop.set()
        for thread, client in zip(threads, clients, strict=True):
            thread.join()
            client.__exit__(None, None, None)


# --- limits, and ends ---


def test_too_many_streams(tmp_path):
    with serving(tmp_path, told_system(), detector=always_speech, max_sockets=2) as running:
        with running.socket(), running.socket():
            wait_for(lambda: running.services.sockets.open == 2)
            with pytest.raises(InvalidStatus) as refused:
                running.socket().__enter__()
            assert refused.value.response.status_code == 503
            assert refused.value.response.headers["Retry-After"]
        wait_for(lambda: running.services.sockets.open == 0)
        with running.socket() as socket:
            assert lines(socket, "ready")


def test_a_message_that_is_too_large_ends_the_stream(tmp_path):
    with serving(tmp_path, told_system(), detector=always_speech, max_message_mb=0.1) as running:
        with running.socket() as socket:
            socket.send(bytes(200_000))
            with pytest.raises(ConnectionClosed) as closed:
                lines(socket)
        assert closed.value.rcvd.code == 1009


def test_a_client_that_says_nothing_is_ended_with_its_finals(tmp_path):
    with serving(tmp_path, told_system(), detector=always_speech, idle_socket_s=0.5) as running:
        with running.socket() as socket:
            socket.send(SILENCE)  # in the middle of the script's speech
            found = lines(socket)
        assert [line["type"] for line in found if line["type"] != "partial"] == [
            *("ready", "speech_start", "error", "speech_end", "final", "end")
        ] or of("final", found)
        assert of("error", found)[0]["error"]["code"] == "session_idle"


def test_pings_keep_a_silent_client(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "_PING_S", 0.1)
    monkeypatch.setattr(server, "_HEAD_S", 0.3)  # which is not for those who have long said what they want
    with serving(tmp_path, told_system(), detector=always_speech) as running, running.socket() as socket:
        lines(socket, "ready")
        time.sleep(1.0)
        socket.send("END")
        assert lines(socket)


def test_a_client_that_leaves_takes_its_own_work_along(tmp_path):
    """In the middle of a pass that takes long; another one gets its own text."""
    hold, reached = threading.Event(), threading.Event()

    def on_call(batch):
        if running:
            reached.set()
            hold.wait(30)

    running = []
    with serving(tmp_path, told_system(on_call), detector=always_speech) as started:
        running.append(started)
        with started.socket() as leaving, started.socket() as other:
            leaving.send(SILENCE * 3)
            assert reached.wait(10)
            other.send(SILENCE * 3)
            leaving.close()
            wait_for(lambda: started.services.sockets.open == 1)  # it did not wait for the pass
            hold.set()
            other.send("END")
            assert of("final", lines(other))
        wait_for(lambda: not [one for one in threading.enumerate() if one.name == "firered-stream"])


def test_a_commit_in_slow_decoding_gets_its_answer(tmp_path):
    build = told_system(lambda batch: time.sleep(0.1))
    with serving(tmp_path, build, detector=always_speech) as running, running.socket() as socket:
        for _ in range(5):
            socket.send(SILENCE)
            socket.send("COMMIT")
        socket.send("END")
        assert len(of("committed", lines(socket))) == 5


def test_the_end_of_the_server_finishes_what_was_said(tmp_path):
    with serving(tmp_path) as running, running.socket() as socket:
        lines(socket, "ready")
        send(socket, samples_of(ZH, after_s=0.0))
        lines(socket, "partial")
        running.listening.should_exit = True
        found = lines(socket)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv()
    assert of("final", found)[-1]["text"] == "你好，谁星期三去公园？"
    assert closed.value.rcvd.code == 1001


def test_models_stay_while_a_stream_is_open(tmp_path):
    build = told_system()
    with serving(tmp_path, build, detector=always_speech, idle_s=0.2) as running:
        with running.socket() as socket:
            lines(socket, "ready")
            time.sleep(0.8)
            assert running.engine.models.loaded
        wait_for(lambda: not running.engine.models.loaded)


def test_a_client_that_takes_nothing_is_let_go(tmp_path, monkeypatch):
    async def never(*_):
        await asyncio.sleep(60)

    monkeypatch.setattr(sockets, "_SEND_S", 0.3)
    with serving(tmp_path, told_system(), detector=always_speech) as running, running.socket() as socket:
        lines(socket, "ready")
        monkeypatch.setattr(sockets.WebSocket, "send_text", never)
        socket.send(SILENCE * 3)
        with pytest.raises(ConnectionClosed):
            lines(socket)
        wait_for(lambda: running.services.sockets.open == 0)


def test_a_recogniser_that_fails_is_no_end(tmp_path):
    def fail(batch):
        if running:
            raise ValueError("secret")

    running = []
    with serving(tmp_path, lambda: System(Modules(asr=Told(fail))), detector=always_speech) as started:
        running.append(started)
        with started.socket() as socket:
            socket.send(SILENCE * 3)
            socket.send("END")
            found = lines(socket)
    assert [trouble["kind"] for trouble in of("final", found)[0]["troubles"]] == ["failed"]
    assert "secret" not in json.dumps(found)


def test_a_recogniser_that_streams_does_so_here(tmp_path):
    """Its chunks are computed by the engine, and give what they give without a server."""
    directory = write_streaming(tmp_path / "model")
    asr = families.AED.load(directory, AsrConfig(timestamps="pauses"), "cpu")
    config = LiveConfig(silence_s=0.5, behind_s=None, chunk_s=0.32, interval_s=0.1)
    samples = samples_of(ZH)
    session = LiveSystem(bundled_detector(), Modules(asr=asr), config, own_marks=False).session()
    own = [one for one in [*session.accept(samples), *session.finish()] if isinstance(one, Partial)]
    build = lambda: System(Modules(asr=asr), SystemConfig(punc=False))  # noqa: E731
    with (
        serving(tmp_path, build, detector=bundled_detector, live=config, workers=2) as running,
        running.socket() as socket,
    ):
        send(socket, samples, 1 << 20)
        socket.send("END")
        found = of("partial", lines(socket))
    assert len(own) > 4
    assert [(line["end_s"], line["stable"] + line["unstable"]) for line in found] == [
        (partial.end_s, partial.text) for partial in own
    ]
