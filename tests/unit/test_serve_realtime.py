"""WS /v1/realtime as OpenAI's own client speaks it, in the present form and in the beta form, on the bundled models."""

import base64
import contextlib
import json
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import soxr

pytest.importorskip("fastapi")
pytest.importorskip("openai")

import openai
from support.paths import EGS
from support.serving import EN, TALK_ZH, ZH, Told, always_speech, bundled, serving, told_system

import firered
from firered.live.config import LiveConfig
from firered.results.live import Final
from firered.serve.auth import KEY
from firered.serve.realtime_items import Growing
from firered.serve.realtime_settings import DELAYS, Wanted
from firered.serve.samples import ALAW, ULAW, samples_of
from firered.system.modules import Modules
from firered.system.system import System
from firered.text.joining import join_texts
from firered.vad.config import StreamVadConfig

TRANSCRIPTION = "conversation.item.input_audio_transcription."
PRESENT = {"intent": "transcription"}
TEXTS = {ZH: "你好，谁星期三去公园？"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("realtime")) as running:
        yield running


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A server whose recogniser takes a prompt, and computes nothing."""
    build = told_system()
    with serving(tmp_path_factory.mktemp("told"), build, detector=always_speech, name="told") as running:
        yield running


def audio(path, rate=24000, after_s=1.0):
    samples, own = soundfile.read(path, dtype="int16")
    return np.concatenate([soxr.resample(samples, own, rate), np.zeros(round(rate * after_s), np.int16)])


def client_of(served, key="none"):
    address = f"{served.url}/v1"
    return openai.OpenAI(base_url=address, websocket_base_url=address.replace("http", "ws"), api_key=key)


@contextlib.contextmanager
def present(served, **input):
    """A session of the present form, after an update."""
    with client_of(served).realtime.connect(extra_query=PRESENT) as connection:
        assert connection.recv().type == "session.created"
        if input:
            connection.session.update(session={"type": "transcription", "audio": {"input": input}})
            event = connection.recv()
            assert event.type == "session.updated", event
        yield connection


def send(connection, data, step=4800):
    data = data if isinstance(data, bytes) else data.tobytes()
    for begin in range(0, len(data), step):
        connection.input_audio_buffer.append(audio=base64.b64encode(data[begin : begin + step]).decode())


def until(connection, last):
    """All events up to one of a type."""
    events = []
    while not events or events[-1].type != last:
        events.append(connection.recv())
        assert events[-1].type != "error" or last == "error", events[-1]
    return events


def types(events):
    return [event.type.removeprefix(TRANSCRIPTION).removeprefix("input_audio_buffer.") for event in events]


def joined(events):
    return "".join(event.delta for event in events if event.type.endswith(".delta"))


def test_a_turn_that_the_server_finds(served):
    with present(served, transcription={"model": "whisper-1", "language": "zh"}) as connection:
        send(connection, audio(ZH))
        events = until(connection, TRANSCRIPTION + "completed")
    kinds = types(events)
    assert kinds[0] == "speech_started"
    assert kinds.index("delta") < kinds.index("speech_stopped")  # text comes while it is spoken
    assert [kind for kind in kinds if kind != "delta"] == [
        *("speech_started", "speech_stopped", "committed", "conversation.item.added", "conversation.item.done"),
        "completed",
    ]
    started, stopped, done = events[0], events[kinds.index("speech_stopped")], events[-1]
    assert started.audio_start_ms < 300
    assert 2000 < stopped.audio_end_ms < 3000
    assert (done.transcript, done.content_index, done.languages[0].code) == (TEXTS[ZH], 0, "zh")
    assert done.usage.type == "duration"
    assert done.usage.seconds == pytest.approx(stopped.audio_end_ms / 1000, abs=0.01)
    assert joined(events) == "你好谁星期三去公园？"  # the words; the comma came with the final text
    ids = {event.item_id for event in events if getattr(event, "item_id", None)}
    assert len(ids) == 1
    assert len({event.event_id for event in events}) == len(events)


def test_turns_follow_each_other(served):
    with present(served) as connection:
        send(connection, np.concatenate([audio(ZH), audio(EN)]))
        first = until(connection, TRANSCRIPTION + "completed")
        second = until(connection, TRANSCRIPTION + "completed")
    committed = [next(event for event in events if event.type.endswith("committed")) for events in (first, second)]
    assert [one.previous_item_id for one in committed] == [None, committed[0].item_id]
    assert first[-1].transcript == TEXTS[ZH]
    assert second[-1].transcript == bundled()(EN).text
    starts = [event.audio_start_ms for event in [*first, *second] if event.type.endswith("started")]
    ends = [event.audio_end_ms for event in [*first, *second] if event.type.endswith("stopped")]
    assert all(a < b for a, b in pairwise([starts[0], ends[0], starts[1], ends[1]]))


@pytest.mark.parametrize("delay", [None, *DELAYS])
def test_a_delay_is_an_interval_and_a_chunk(told, delay):
    wanted, services = Wanted(transcription={"delay": delay} if delay else {}), told.services
    live = wanted.settings(services.engine.able, services.defaults, services.defaults.live, StreamVadConfig()).live
    own = services.defaults.live.interval_s, services.defaults.live.chunk_s
    assert (live.interval_s, live.chunk_s) == (DELAYS[delay] if delay else own)
    assert wanted.only_final == (delay == "xhigh")
    assert [
        pair for pair in pairwise(DELAYS.values()) if not (pair[0][0] < pair[1][0] and pair[0][1] < pair[1][1])
    ] == []


@pytest.mark.parametrize("path", [ZH, EN])
def test_with_the_longest_delay_the_deltas_are_the_text(served, path):
    with present(served, transcription={"delay": "xhigh"}) as connection:
        send(connection, audio(path))
        events = until(connection, TRANSCRIPTION + "completed")
    assert joined(events) == events[-1].transcript == bundled()(path).text


def test_a_long_recording_that_the_client_commits(served):
    """Several segments, no turn of the server's: one item with all of it, no stop or start of speech."""
    with present(served, turn_detection=None) as connection:
        samples = audio(TALK_ZH)[: 20 * 24000]
        send(connection, samples, 1 << 20)
        connection.input_audio_buffer.commit()
        events = until(connection, TRANSCRIPTION + "completed")
    kinds = types(events)
    assert not {"speech_started", "speech_stopped"} & set(kinds)
    assert kinds.count("committed") == kinds.count("completed") == 1
    assert events[-1].usage.seconds == pytest.approx(len(samples) / 24000, abs=0.001)
    system = firered.LiveSystem.from_pretrained(EGS / "mini/models", LiveConfig(silence_s=0.5), device="cpu")
    session = system.session()
    finals = [one.text for one in [*session.accept(samples, 24000), *session.finish()] if isinstance(one, Final)]
    assert len(finals) > 2
    assert events[-1].transcript == join_texts(finals)


def test_a_commit_of_a_fifth_of_a_second_and_of_nothing(served):
    samples = audio(ZH)
    with present(served, turn_detection=None) as connection:
        connection.input_audio_buffer.commit(event_id="mine")  # before any audio
        (error,) = until(connection, "error")
        assert (error.error.code, error.error.event_id) == ("input_audio_buffer_commit_empty", "mine")
        send(connection, samples[:2000])  # 83 ms
        connection.input_audio_buffer.commit()
        assert until(connection, "error")[-1].error.code == "input_audio_buffer_commit_empty"
        send(connection, samples[2000:7200])
        connection.input_audio_buffer.commit()
        first = until(connection, TRANSCRIPTION + "completed")[-1]
        send(connection, samples[7200:])
        connection.input_audio_buffer.commit()
        second = until(connection, TRANSCRIPTION + "completed")[-1]
    assert first.usage.seconds == 0.3
    assert first.transcript
    assert len(second.transcript) > 5


def test_clear_forgets(served):
    with present(served, turn_detection=None) as connection:
        send(connection, audio(EN))
        connection.input_audio_buffer.clear()
        until(connection, "input_audio_buffer.cleared")
        connection.input_audio_buffer.commit()
        assert until(connection, "error")[-1].error.code == "input_audio_buffer_commit_empty"
        send(connection, audio(ZH))
        connection.input_audio_buffer.commit()
        assert until(connection, TRANSCRIPTION + "completed")[-1].transcript == TEXTS[ZH]


def test_the_beta_form(served):
    with client_of(served).beta.realtime.connect(model="whisper-1", extra_query=PRESENT) as connection:
        created = connection.recv()
        assert created.type == "transcription_session.created"
        connection.transcription_session.update(
            session={
                "input_audio_format": "pcm16",
                "input_audio_transcription": {"model": "whisper-1", "language": "zh"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 300, "create_response": True},
            }
        )
        updated = connection.recv()
        assert updated.type == "transcription_session.updated"
        assert updated.session.turn_detection.silence_duration_ms == 300
        assert updated.session.input_audio_transcription.language == "zh"
        send(connection, audio(ZH))
        events = until(connection, TRANSCRIPTION + "completed")
        assert "conversation.item.created" in types(events)
        assert "conversation.item.added" not in types(events)
        assert events[-1].transcript == TEXTS[ZH]
        connection.send({"type": "session.update", "session": {"audio": {"input": {}}}})  # the forms mixed
        error = until(connection, "error")[-1].error
        assert "beta form" in error.message


@pytest.mark.parametrize(("kind", "encoding"), [("audio/pcmu", ULAW), ("audio/pcma", ALAW)])
def test_g711(served, kind, encoding):
    table = samples_of(bytes(range(256)), encoding).astype(np.int32)
    order = np.argsort(table)
    samples = audio(ZH, 8000).astype(np.int32)
    places = np.clip(np.searchsorted(table[order], samples), 0, 255)
    with present(served, format={"type": kind}) as connection:
        send(connection, order[places].astype(np.uint8))
        events = until(connection, TRANSCRIPTION + "completed")
    assert "公园" in events[-1].transcript


def test_g711_is_what_ffmpeg_and_libsndfile_make_of_it(tmp_path):
    for encoding, name in ((ULAW, "ULAW"), (ALAW, "ALAW")):
        path = tmp_path / name
        soundfile.write(path, np.zeros(256), 8000, format="RAW", subtype=name)
        path.write_bytes(bytes(range(256)))
        read, _ = soundfile.read(path, format="RAW", subtype=name, samplerate=8000, channels=1, dtype="int16")
        assert (samples_of(bytes(range(256)), encoding) == read).all()


REFUSED = [
    ({"transcription": {"model": "gpt-9"}}, "model_not_found"),
    ({"transcription": {"language": "de"}}, "unsupported_parameter"),
    ({"transcription": {"prompt": "Vive"}}, "unsupported_parameter"),
    ({"transcription": {"delay": "never"}}, "invalid_value"),
    ({"transcription": {"keywords": "one"}}, "invalid_value"),
    ({"format": {"type": "audio/mp3"}}, "invalid_value"),
    ({"format": {"type": "audio/pcm", "rate": 1}}, "invalid_value"),
    ({"turn_detection": {"type": "semantic_vad"}}, "unsupported_parameter"),
    ({"turn_detection": {"type": "server_vad", "threshold": 7}}, "invalid_value"),
    ({"turn_detection": {"type": "server_vad", "silence_duration_ms": "1"}}, "invalid_value"),
    ({"noise_reduction": {"type": "near_field"}}, "unsupported_parameter"),
    ({"input_audio_format": "pcm16"}, "unknown_parameter"),
    ([], None),
]


def test_what_cannot_be_honoured_is_refused_and_the_session_goes_on(served):
    with present(served) as connection:
        for input, code in REFUSED:
            connection.send({"type": "session.update", "event_id": "e1", "session": {"audio": {"input": input}}})
            event = connection.recv()
            if code is None:  # an empty list is no object, but names nothing
                assert event.type in ("error", "session.updated")
                continue
            assert event.type == "error", input
            assert (event.error.code, event.error.event_id, event.error.type) == (code, "e1", "invalid_request_error")
            assert event.error.message
        for session, code in (
            ({"type": "realtime"}, "unsupported_parameter"),
            ({"include": ["item.input_audio_transcription.logprobs"]}, "unsupported_parameter"),
            ({"input_audio_format": "pcm16"}, "unknown_parameter"),
        ):
            connection.send({"type": "session.update", "session": session})
            assert until(connection, "error")[-1].error.code == code
        for message, code in (
            ({"type": "response.create"}, "unknown_event"),
            ({"type": "transcription_session.update", "session": {}}, "unknown_event"),
            ({"type": ["a"]}, "unknown_event"),
            ({"type": "input_audio_buffer.append", "audio": "§"}, "invalid_value"),
            ({"type": "input_audio_buffer.append"}, "invalid_value"),
        ):
            connection.send(message)
            assert until(connection, "error")[-1].error.code == code
        for raw in ("{", "[]", "[" * 100_000, b"\x00\x01"):
            connection._connection.send(raw)
            assert until(connection, "error")[-1].error.code == "invalid_json"
        send(connection, audio(ZH))
        assert until(connection, TRANSCRIPTION + "completed")[-1].transcript == TEXTS[ZH]


def test_keywords_are_honoured(served, monkeypatch):
    with present(served, transcription={"keywords": ["公园"], "languages": ["zh"]}) as connection:
        send(connection, audio(ZH))
        done = until(connection, TRANSCRIPTION + "completed")[-1]
    assert done.transcript == TEXTS[ZH]
    with present(served, turn_detection=None, transcription={"keywords": ["星期五", "公园"]}) as connection:
        connection.session.update(
            session={"type": "transcription", "audio": {"input": {"transcription": {"keywords": []}}}}
        )
        session = until(connection, "session.updated")[-1].session
        assert session.audio.input.transcription is None
        assert session.audio.input.turn_detection is None  # what an update does not name stays


def test_prompt_and_keywords_reach_the_recogniser(tmp_path):
    seen = []
    build = told_system(lambda batch: seen.extend(speech.context for speech in batch))
    with serving(tmp_path, build, detector=always_speech, name="told") as running:
        said = {"prompt": "a call", "keywords": ["Ada", "Bo"]}
        with present(running, transcription=said, turn_detection=None) as connection:
            send(connection, np.zeros(48000, np.int16))
            connection.input_audio_buffer.commit()
            until(connection, TRANSCRIPTION + "completed")
    context = seen[-1]
    assert context.prompt == "a call"
    assert [phrase.text for phrase in context.hotwords] == ["Ada", "Bo"]


def test_a_failed_pass_is_failed_and_the_session_goes_on(tmp_path):
    calls = []

    def fail(batch):
        calls.append(batch)
        if 1 < len(calls) < 4:
            raise ValueError("secret words")

    build = lambda: System(Modules(asr=Told(fail)))  # noqa: E731
    with (
        serving(tmp_path, build, detector=always_speech, name="told") as running,
        present(running, transcription={"delay": "xhigh"}) as connection,
    ):
        send(connection, np.zeros(60000, np.int16))  # speech until 1.5 s, and the silence that ends it
        failed = until(connection, TRANSCRIPTION + "failed")[-1]
        assert failed.error.code == "transcription_failed"
        assert "secret" not in json.dumps(failed.to_dict())
        calls.extend([None] * 9)
        send(connection, np.zeros(48000, np.int16))
        assert until(connection, TRANSCRIPTION + "completed")[-1].transcript


def test_what_the_address_asks_for(told):
    for query, status in (("?intent=conversation", 400), ("?model=gpt-9", 404), ("?model=whisper-1", None)):
        if status is None:
            with told.socket(f"/v1/realtime{query}") as socket:
                assert json.loads(socket.recv())["type"] == "session.created"
            continue
        from websockets.exceptions import InvalidStatus

        with pytest.raises(InvalidStatus) as refused:
            told.socket(f"/v1/realtime{query}").__enter__()
        assert refused.value.response.status_code == status
        assert set(json.loads(refused.value.response.body)["error"]) == {"message", "type", "param", "code"}


def test_keys(tmp_path, monkeypatch):
    from websockets.exceptions import InvalidStatus

    monkeypatch.setenv(KEY, "sesame")
    with serving(tmp_path, told_system(), detector=always_speech) as running:
        for path, how in (
            ("/v1/realtime", {"additional_headers": {"Authorization": "Bearer sesame"}}),
            ("/v1/realtime", {"additional_headers": {"X-API-Key": "sesame"}}),
            ("/v1/realtime?api_key=sesame", {}),
            ("/v1/realtime", {"subprotocols": ["realtime", "openai-insecure-api-key.sesame"]}),
            ("/v1/stream?rate=8000&key=sesame", {}),
        ):
            with running.socket(path, **how) as socket:
                assert json.loads(socket.recv())["type"] in ("session.created", "ready")
                assert socket.subprotocol == ("realtime" if "subprotocols" in how else None)
        for how in ({}, {"additional_headers": {"X-API-Key": "wrong"}}):
            with pytest.raises(InvalidStatus) as refused:
                running.socket("/v1/realtime", **how).__enter__()
            assert refused.value.response.status_code == 401
        with pytest.raises(InvalidStatus) as refused:
            running.socket("/v1/realtime?key=sesame", origin="https://evil.example").__enter__()
        assert refused.value.response.status_code == 403


def test_text_grows_by_what_follows():
    for partials, final, deltas in (
        (["hello", "hello world"], "Hello, world again.", ["hello", " world", " again."]),
        (["你好", "你好谁"], "你好，谁？", ["你好", "谁", "？"]),
        (["a b"], "A c d.", ["a b", ""]),  # corrected: what was said cannot be taken back
        ([], "All of it.", ["All of it."]),
    ):
        said = Growing()
        assert [*map(said.partial, partials), said.final(final)] == deltas
        assert said.text == final
    said = Growing()
    assert [said.final("One."), said.partial("two"), said.final("Two three."), said.text] == [
        *("One.", " two", " three.", "One. Two three."),
    ]
