"""Uploads as browsers and phones make them: whole, or refused with the fault."""

import subprocess

import pytest
from support.api_check import check_error
from support.tools import needs_ffmpeg

pytest.importorskip("fastapi")

from support.serving import TALK_EN, serving

pytestmark = needs_ffmpeg
POST = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("serve")) as served:
        yield served


@pytest.fixture(scope="module")
def expected(server):
    return post(server, TALK_EN.read_bytes()).json()


def post(server, content, **fields):
    with server.http() as http:
        return http.post(POST, files={"file": ("talk", content)}, data={"response_format": "verbose_json", **fields})


def encoded(tmp_path, name, *options):
    """The talk in another container."""
    path = tmp_path / name
    command = ["ffmpeg", "-nostdin", "-v", "error", "-i", TALK_EN, *options, path]
    subprocess.run(list(map(str, command)), check=True)
    return path.read_bytes()


WAYS = {
    "index_last.m4a": ("-c:a", "aac", "-b:a", "96k"),
    "index_last.mp4": ("-c:a", "aac", "-b:a", "96k"),
    "index_first.m4a": ("-c:a", "aac", "-b:a", "96k", "-movflags", "+faststart"),
    "browser.webm": ("-c:a", "libopus", "-b:a", "64k"),
    "browser.ogg": ("-c:a", "libopus", "-b:a", "64k"),
    "music.mp3": ("-b:a", "96k"),
    "plain.aac": ("-b:a", "96k"),
}


@pytest.mark.parametrize("name", WAYS)
def test_in_full_length(server, expected, tmp_path, name):
    content = encoded(tmp_path, name, *WAYS[name])
    if name.startswith("index_last"):
        assert content.index(b"mdat") < content.index(b"moov")
    body = post(server, content).json()
    assert body["duration"] == pytest.approx(expected["duration"], abs=0.15)
    assert body["text"].split()[:3] == expected["text"].split()[:3]
    assert abs(len(body["text"]) - len(expected["text"])) < 0.2 * len(expected["text"])


def test_webm_as_it_is_recorded(server, expected, tmp_path):
    """Browsers cannot seek back to write how long it is."""
    content = subprocess.run(
        ["ffmpeg", "-nostdin", "-v", "error", "-i", str(TALK_EN), "-c:a", "libopus", "-f", "webm", "-"],
        check=True,
        capture_output=True,
    ).stdout
    assert post(server, content).json()["duration"] == pytest.approx(expected["duration"], abs=0.15)


@pytest.mark.parametrize("name", ["index_last.m4a", "index_first.m4a", "browser.webm"])
def test_truncated(server, expected, tmp_path, name):
    """What is there of a recording that can be decoded is no success where some is missing."""
    content = encoded(tmp_path, name, *WAYS[name])
    answer = post(server, content[: len(content) // 2])
    if answer.status_code == 200:  # a webm has no end by which a missing one is known
        assert name == "browser.webm"
        assert 0.3 < answer.json()["duration"] / expected["duration"] < 0.7
        return
    assert answer.status_code == 400
    message = check_error(answer.json(), param="file", code="invalid_audio")["message"]
    assert message.startswith("talk: ")
    assert "/tmp" not in message


def test_a_picture_and_a_film_without_sound(server, tmp_path):
    for name, options in (
        ("picture.png", ("-f", "lavfi", "-i", "color=red:s=64x64", "-frames:v", "1")),
        ("film.mp4", ("-f", "lavfi", "-i", "color=red:s=64x64:d=1")),
    ):
        path = tmp_path / name
        subprocess.run(["ffmpeg", "-nostdin", "-v", "error", *options, str(path)], check=True)
        answer = post(server, path.read_bytes())
        assert answer.status_code == 400
        check_error(answer.json(), param="file", code="invalid_audio")


def test_ffmpeg_has_a_time_limit(tmp_path):
    encoded(tmp_path, "short.m4a", "-c:a", "aac")
    long = tmp_path / "long.m4a"  # 100 minutes, of which nothing is encoded again
    repeat = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "error",
        "-stream_loop",
        "220",
        "-i",
        tmp_path / "short.m4a",
        "-c",
        "copy",
        long,
    ]
    subprocess.run(list(map(str, repeat)), check=True)
    with serving(tmp_path, media_s=0.1) as served:
        answer = post(served, long.read_bytes())
        assert answer.status_code == 400
        assert "took more than 0.1 s" in check_error(answer.json())["message"]
