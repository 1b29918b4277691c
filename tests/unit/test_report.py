"""The page of a transcript: what it holds, and that nothing in it can break out of its place."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.signals import noise, sine, write_wav
from support.transcripts import ANY, EVIL, TEXTS, everywhere, in_language, made, meeting

from firered.audio.config import AudioConfig
from firered.audio.like import Rxfilename
from firered.data.write import one_line
from firered.errors import AudioError
from firered.output import report as module
from firered.output.published import published, read_transcript
from firered.output.report import report


class Page(HTMLParser):
    """What a parser of HTML makes of a page: its elements, and the text of those that hold text alone."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.elements, self.texts, self._inside = [], {}, ""
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, tuple(dict(attrs))))
        self._inside = dict(attrs).get("id", tag)
        if tag == "meta" and dict(attrs).get("http-equiv"):
            self.policy = dict(attrs)["content"]

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, data):
        self.texts[self._inside] = self.texts.get(self._inside, "") + data

    @property
    def data(self):
        return json.loads(self.texts["data"])


def page_of(transcript, tmp_path, audio=None, **options):
    report(transcript, audio, tmp_path / "page.html", **options)
    return Page(tmp_path / "page.html")


# What a page holds


def test_the_data_of_a_page(tmp_path):
    transcript = meeting()
    data = page_of(transcript, tmp_path).data
    assert [sentence["words"] for sentence in data["sentences"]] == [
        [[1000, 1400, "Hello ", 0], [1400, 2000, "world.", 0]],
        [[3000, 3500, "你", 0], [3500, 4000, "好。", 0]],
    ]
    assert data["languages"] == {"en": "English", "zh yue": "Chinese (Yue)"}
    for part in data["sentences"]:
        del part["words"]
    record = published(transcript)
    del record["words"], data["languages"]
    assert data == record


def test_words_of_hotwords_are_marked(tmp_path):
    transcript = replace(meeting(), hotwords=["WORLD", "hell", "好"])
    data = page_of(transcript, tmp_path).data
    assert [[word[3] for word in sentence["words"]] for sentence in data["sentences"]] == [[0, 1], [0, 1]]
    assert data["hotwords"] == ["WORLD", "hell", "好"]
    assert read_transcript(published(transcript)) == transcript


@pytest.mark.parametrize(
    ("lang", "name"),
    [("en", "English"), ("zh yue", "Chinese (Yue)"), ("<sos> <sos>", "<sos> <sos>"), ("zh nowhere", "Chinese")],
)
def test_names_of_languages(lang, name, tmp_path):
    transcript = in_language(made([(0, 1000, "a")]), lang)
    found = page_of(transcript, tmp_path).data["languages"][lang]
    assert found.startswith(name)


def test_nothing_is_fetched(tmp_path):
    page = page_of(meeting(), tmp_path)
    assert not {name for _, names in page.elements for name in names} & {"src", "href", "srcset", "data", "action"}
    assert "link" not in dict(page.elements)
    text = (tmp_path / "page.html").read_text()
    assert set(re.findall(r"https?://[^\s\"']*", text)) == {"http://www.w3.org/2000/svg"}  # a name, not a place


def test_the_only_script_that_may_run_is_the_page_s_own(tmp_path):
    page = page_of(meeting(), tmp_path)
    digest = base64.b64encode(hashlib.sha256(page.texts["script"].encode()).digest()).decode()
    assert page.policy.startswith(f"default-src 'none'; script-src 'sha256-{digest}';")


# Sound


def decoded(link):
    assert link.startswith("data:audio/mpeg;base64,")
    content = base64.b64decode(link.partition(",")[2])
    samples, rate = soundfile.read(io.BytesIO(content))
    return samples, rate, len(content)


def test_sound_in_the_page_is_where_it_was(tmp_path):
    samples = noise(16000 * 5, 0.001)
    samples[32000:33600] += sine(0.1)
    path = write_wav(tmp_path / "a.wav", samples)
    played, rate, size = decoded(page_of(made(dur_s=5.0), tmp_path, path).data["audio"])
    assert rate == 16000
    assert size == pytest.approx(5 * 40000 / 8, rel=0.05)
    assert abs(len(played) - len(samples)) <= 1152  # a frame of MP3
    assert np.flatnonzero(np.abs(played) > 0.25)[[0, -1]] == pytest.approx([32000, 33600], abs=32)  # 2 ms


def test_the_page_plays_the_channel_that_was_transcribed(tmp_path):
    path = write_wav(tmp_path / "a.wav", np.stack([sine(1, amplitude=0.1), sine(1, amplitude=0.8)], 1))
    for channel, loudest in ((1, 0.1), (2, 0.8)):
        data = page_of(made(dur_s=1.0), tmp_path, path, config=AudioConfig(), channel=channel).data
        assert np.abs(decoded(data["audio"])[0]).max() == pytest.approx(loudest, rel=0.1)


@pytest.mark.parametrize("name", ["a.wav", "会议 1.wav", "a#b?c%20d.wav", "<script>alert(1)<.wav", 'it\'s "so".wav'])
def test_long_sound_is_linked(name, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EMBED_S", 0.4)
    path = write_wav(tmp_path / "sounds" / name)
    (tmp_path / "pages").mkdir()
    data = page_of(made(dur_s=0.5), tmp_path / "pages", path).data
    assert re.fullmatch(r"[\w./%'~-]+", data["audio"], re.ASCII)
    assert (tmp_path / "pages" / unquote(data["audio"])).samefile(path)
    assert len(base64.b64decode(data["peaks"]["pairs"])) == 2 * 50


def test_long_sound_that_is_no_file_is_not_linked(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "EMBED_S", 0.4)
    path = write_wav(tmp_path / "a.wav")
    data = page_of(made(dur_s=0.5), tmp_path, Rxfilename(f"cat {path} |")).data
    assert data["audio"] is None
    assert len(base64.b64decode(data["peaks"]["pairs"])) == 2 * 50


def test_without_a_recording(tmp_path):
    assert {"audio", "peaks"}.isdisjoint(page_of(meeting(), tmp_path).data)


def test_peaks(tmp_path):
    """The root of amplitudes, relative to the loudest: a quarter as loud is drawn half as high."""
    samples = np.concatenate([np.zeros(1600), np.full(1600, 0.2), np.full(1600, -0.05)]).astype(np.float32)
    peaks = page_of(made(dur_s=0.3), tmp_path, write_wav(tmp_path / "a.wav", samples)).data["peaks"]
    pairs = np.frombuffer(base64.b64decode(peaks["pairs"]), np.int8).reshape(-1, 2)
    assert peaks["step_s"] == 0.01
    assert pairs.tolist() == [[0, 0]] * 10 + [[127, 127]] * 10 + [[-64, -64]] * 10


def test_a_recording_that_cannot_be_read_leaves_no_page(tmp_path):
    (tmp_path / "a.wav").write_text("no audio")
    with pytest.raises(AudioError):
        report(made(), tmp_path / "a.wav", tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


# Nothing gets out of its place


@given(st.one_of(TEXTS, st.text()))
@example(EVIL[0])
@example(EVIL[1])
@example(EVIL[2])
@example(EVIL[3])
@example(EVIL[4])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_text_stays_text(tmp_path, text):
    page, plain = page_of(everywhere(text), tmp_path), page_of(everywhere("a"), tmp_path)
    assert page.elements == plain.elements
    assert page.texts["script"] == plain.texts["script"]
    assert "<" not in page.texts["data"]
    data = page.data
    assert (data["uttid"], data["wav_path"], data["sentences"][0]["text"]) == (text, text, text)
    assert data["troubles"] == [{"start_ms": 0, "end_ms": 1, "reason": text, "text": text, "kind": text}]
    assert page.texts["title"].strip() == f"{one_line(text)} · transcript".strip()


def test_a_name_that_is_no_unicode(tmp_path):
    """File names are bytes; those that are not UTF-8 come as surrogates, which no file can hold."""
    page = page_of(made(uttid="a\udcff"), tmp_path)
    assert page.data["uttid"] == "a?"


@given(ANY)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_pages_of_any_transcript_hold_it(tmp_path, transcript):
    data = page_of(transcript, tmp_path).data
    assert [sentence["text"] for sentence in data["sentences"]] == [sentence.text for sentence in transcript.sentences]
    assert data.get("troubles", []) == published(transcript).get("troubles", [])
    assert data["vad_segments_ms"] == published(transcript)["vad_segments_ms"]
