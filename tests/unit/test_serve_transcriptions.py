"""POST /v1/audio/transcriptions with the openai client and with a strict checker, on the bundled models."""

import pytest
import soundfile
from support.api_check import check_error, check_events, check_json, check_verbose, events_of
from support.paths import EGS

import firered
from firered.output.config import SubtitleConfig
from firered.output.formats import srt, vtt

pytest.importorskip("fastapi")
openai = pytest.importorskip("openai")

from support.serving import EN, TALK_EN, TALK_ZH, ZH, serving, wav_bytes  # noqa: E402


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("serve")) as served:
        yield served


@pytest.fixture(scope="module")
def client(server):
    import httpx

    with openai.OpenAI(
        base_url=f"{server.url}/v1", api_key="none", max_retries=0, http_client=httpx.Client(trust_env=False)
    ) as made:
        yield made


@pytest.fixture(scope="module")
def system():
    return firered.load(EGS / "mini/models", device="cpu")


def post(server, path=ZH, *, file=..., **fields):
    """The answer to a form; lists become fields with brackets."""
    form = {f"{name}[]" if isinstance(value, list) else name: value for name, value in fields.items()}
    name, content = (path.name, path.read_bytes()) if file is ... else file
    with server.http() as http:
        return http.post("/v1/audio/transcriptions", data=form, files={"file": (name, content)})


# --- the openai client ---


@pytest.mark.parametrize("model", ["whisper-1", "FireRedASR2-AED"])
def test_text(client, system, model):
    found = client.audio.transcriptions.create(file=ZH, model=model)
    assert found.text == system(ZH).text
    assert found.usage.type == "duration"
    assert found.usage.seconds == pytest.approx(system(ZH).dur_s, abs=1e-3)


@pytest.mark.parametrize("path", [ZH, EN, TALK_EN])
def test_verbose_json_has_what_the_system_has(client, system, path):
    found = client.audio.transcriptions.create(
        file=path, model="whisper-1", response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    expected = system(path)
    assert found.text == expected.text
    assert found.language == ("chinese" if path == ZH else "english")
    assert isinstance(found.duration, float)
    assert [(word.word, word.start, word.end) for word in found.words] == [
        (word.text, word.start_s, word.end_s) for word in expected.words
    ]
    assert [(one.text, one.start, one.end) for one in found.segments] == [
        (one.text, one.start_s, one.end_s) for one in expected.sentences
    ]


@pytest.mark.parametrize(("form", "write"), [("srt", srt), ("vtt", vtt)])
def test_subtitles(client, system, form, write):
    found = client.audio.transcriptions.create(file=TALK_ZH, model="whisper-1", response_format=form)
    assert found == write(system(TALK_ZH), SubtitleConfig())


def test_plain_text(client, system):
    found = client.audio.transcriptions.create(file=ZH, model="whisper-1", response_format="text")
    assert found == f"{system(ZH).text}\n"


@pytest.mark.parametrize("path", [TALK_ZH, TALK_EN])
def test_a_stream_of_the_client(client, system, path):
    events = list(client.audio.transcriptions.create(file=path, model="whisper-1", stream=True))
    deltas = [event for event in events if event.type == "transcript.text.delta"]
    assert len(deltas) > 3
    assert [event.type for event in events].count("transcript.text.done") == 1
    assert "".join(event.delta for event in deltas) == events[-1].text == system(path).text


def test_log_probs(client):
    found = client.audio.transcriptions.create(file=ZH, model="whisper-1", include=["logprobs"])
    written = "".join(entry.token for entry in found.logprobs)
    assert written == found.text.replace("，", "").replace("？", "")
    assert all(entry.logprob <= 0 for entry in found.logprobs)


def test_keywords_are_listened_for(client):
    found = client.audio.transcriptions.create(file=ZH, model="whisper-1", extra_body={"keywords": ["公园"]})
    assert "公园" in found.text


def test_settings_of_the_voice_detector_by_the_client(client):
    settings = {"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 3000}

    def count(chunking):
        found = client.audio.transcriptions.create(
            file=TALK_ZH, model="whisper-1", response_format="verbose_json", chunking_strategy=chunking
        )
        return len({segment.seek for segment in found.segments})

    assert count(settings) < count("auto")


def test_models(client):
    assert [model.id for model in client.models.list()] == ["FireRedASR2-AED", "whisper-1"]
    assert client.models.retrieve("whisper-1").id == "whisper-1"
    with pytest.raises(openai.NotFoundError) as error:
        client.models.retrieve("gpt-4o-transcribe")
    assert error.value.code == "model_not_found"


def test_errors_have_the_clients_classes(client):
    with pytest.raises(openai.BadRequestError) as error:
        client.audio.transcriptions.create(file=ZH, model="whisper-1", temperature=0.7)
    assert (error.value.param, error.value.code) == ("temperature", "unsupported_parameter")
    with pytest.raises(openai.NotFoundError):
        client.audio.transcriptions.create(file=ZH, model="gpt-4o-transcribe")


# --- the bodies, strictly ---


def test_json(server):
    check_json(post(server, model="whisper-1").json())
    check_json(post(server, include=["logprobs"]).json(), log_probs=True)


def test_verbose_json(server):
    for units, has in (
        ([], {"segments": True}),
        (["segment"], {"segments": True}),
        (["word"], {"words": True, "segments": False}),
        (["word", "segment"], {"words": True, "segments": True}),
    ):
        body = post(server, TALK_ZH, response_format="verbose_json", timestamp_granularities=units).json()
        check_verbose(body, **has)


@pytest.mark.parametrize("path", [TALK_ZH, TALK_EN, ZH, EN])
def test_events(server, system, path):
    answer = post(server, path, stream="true", include=["logprobs"])
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert check_events(events_of(answer.text), log_probs=True) == system(path).text


def test_media_types(server):
    for form, kind in (("srt", "application/x-subrip"), ("vtt", "text/vtt"), ("text", "text/plain")):
        assert post(server, response_format=form).headers["content-type"].split(";")[0] == kind


def test_audio_without_speech_is_an_empty_text(server):
    quiet = wav_bytes(2.0)
    body = post(server, file=("noise.wav", quiet), response_format="verbose_json").json()
    check_verbose(body)
    assert body["text"] == ""
    events = events_of(post(server, file=("noise.wav", quiet), stream="true").text)
    assert check_events(events) == ""
    assert [event["type"] for event in events] == ["transcript.text.done"]


def test_settings_of_the_voice_detector_are_honoured(server):
    def segments(text):
        body = post(server, TALK_ZH, response_format="verbose_json", chunking_strategy=text).json()
        return {segment["seek"] for segment in body["segments"]}

    usual = segments("auto")
    assert len(segments('{"type": "server_vad", "silence_duration_ms": 3000}')) < len(usual)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "0.5"}, "temperature"),
        ({"prompt": "Talk of parks."}, "prompt"),
        ({"language": "fr"}, "language"),
        ({"response_format": "diarized_json"}, "response_format"),
        ({"seed": "1"}, "seed"),
    ],
)
def test_what_cannot_be_honoured_is_refused(server, fields, param):
    answer = post(server, **fields)
    assert answer.status_code == 400
    check_error(answer.json(), param=param)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"no audio at all", "not "), (b"RIFF" + bytes(100), "zeros"), (wav_bytes()[:2000], "cut short")],
)
def test_what_is_no_audio_is_refused(server, content, reason):
    answer = post(server, file=("talk.wav", content))
    assert answer.status_code == 400
    error = check_error(answer.json(), param="file", code="invalid_audio")
    assert reason in error["message"]
    assert "talk.wav" in error["message"]
    assert "/tmp" not in error["message"]
    assert "--" not in error["message"]


def test_bodies_that_are_no_form(server):
    with server.http() as http:
        for how in ({"json": {"file": "a"}}, {"content": b"abc"}, {"data": {"file": "a"}}):
            answer = http.post("/v1/audio/transcriptions", **how)
            assert answer.status_code == 400
            check_error(answer.json())
        answer = http.post("/v1/audio/transcriptions", files={"model": (None, "whisper-1")})
        check_error(answer.json(), param="file", code="missing_required_parameter")
        answer = http.post("/v1/audio/transcriptions", files={"audio": ("a.wav", wav_bytes())})
        check_error(answer.json(), param="audio", code="unknown_parameter")
        twice = [("file", ("a.wav", wav_bytes())), ("file", ("b.wav", wav_bytes()))]
        check_error(http.post("/v1/audio/transcriptions", files=twice).json(), param="file")


def test_paths_that_are_not_there(server):
    with server.http() as http:
        for method, path, status in (
            ("GET", "/v1/nothing", 404),
            ("GET", "/v1/audio/transcriptions", 405),
            ("POST", "/v1/audio/translations", 404),
            ("GET", "/docs", 404),
            ("GET", "/v1/models/no/such", 404),
        ):
            answer = http.request(method, path)
            assert answer.status_code == status
            check_error(answer.json())


def test_several_channels_and_rates(server, tmp_path, system):
    samples, rate = soundfile.read(ZH, dtype="int16")
    soundfile.write(tmp_path / "two.wav", samples[:, None].repeat(2, 1), rate)
    assert post(server, tmp_path / "two.wav").json()["text"] == system(ZH).text
