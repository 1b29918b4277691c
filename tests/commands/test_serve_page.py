"""The page of the server in a browser: a recording, the microphone, subtitles."""

import re

import numpy as np
import pytest
import soundfile
from support.browser import CHROMIUM, page

pytest.importorskip("fastapi")
pytest.importorskip("websockets")

from support.serving import ZH, serving

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here to open the page in")

TEXT = ["你好，", "谁星期三去公园？"]
LINES = "[...document.querySelectorAll('#captions li')].map((line) => line.textContent)"


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("page")) as running:
        yield running


def saved(tab, form):
    """The content of a file that is downloaded."""
    return tab.run(
        f"""new Promise((done) => {{
            const make = URL.createObjectURL;
            URL.createObjectURL = (blob) => {{ URL.createObjectURL = make; blob.text().then(done); return "data:,"; }};
            document.querySelector('[data-form="{form}"]').click();
        }})"""
    )


def test_it_needs_nothing_from_elsewhere(served):
    with served.http() as http:
        answers = [http.get(path) for path in ("/", "/page/page.js", "/page/page.css")]
    assert [answer.status_code for answer in answers] == [200] * 3
    for answer in answers:
        assert not re.search(r"https?://(?!localhost)", answer.text.replace("${location", ""))
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    html = answers[0].text
    for field in re.findall(r'<(?:input|textarea)[^>]* id="(\w+)"', html):
        assert f'<label for="{field}"' in html  # whoever cannot see it hears what it is
    assert html.count("<script") == 1


def test_a_recording(served, tmp_path):
    with page(tmp_path, served.url) as tab:
        assert tab.run("document.querySelector('[data-form=srt]').disabled")
        tab.run("document.querySelector('#hotwords').value = '公园\\n'")
        tab.put_file("#file", ZH)
        tab.wait_for("document.querySelector('#state').textContent === 'Done.'")
        assert tab.run(LINES) == [f"00:00:00{text}" for text in TEXT]
        time = r"00:00:0\d,\d{3}"
        cues = [rf"{number}\n{time} --> {time}\n{text}\n" for number, text in enumerate(TEXT, 1)]
        assert re.fullmatch("\n".join(cues), saved(tab, "srt"))
        assert saved(tab, "vtt").startswith("WEBVTT\n\n00:00:0")
        assert saved(tab, "txt") == "\n".join(TEXT) + "\n"
        broken = tmp_path / "broken.wav"
        broken.write_bytes(b"RIFF")
        tab.put_file("#file", broken)
        assert "broken.wav" in tab.wait_for("document.querySelector('#trouble').textContent")
        assert tab.text("#state") == "Failed."


def test_the_microphone(served, tmp_path):
    samples, rate = soundfile.read(ZH, dtype="int16")
    sound = tmp_path / "spoken.wav"
    soundfile.write(sound, np.concatenate([samples, np.zeros(2 * rate, np.int16)]), rate)
    options = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
    with page(tmp_path, served.url, *options, f"--use-file-for-fake-audio-capture={sound}%noloop") as tab:
        tab.run(
            """window.seen = [];
            new MutationObserver(() => window.seen.push([document.querySelector("#stable").textContent,
                document.querySelector("#unstable").textContent])).observe(document.querySelector("#open"),
                { childList: true, subtree: true, characterData: true })"""
        )
        tab.run("document.querySelector('#speak').click()")
        tab.wait_for("document.querySelector('#speak').getAttribute('aria-pressed') === 'true'")
        tab.wait_for(f"({LINES}).length > 0")
        tab.run("document.querySelector('#speak').click()")
        tab.wait_for("document.querySelector('#state').textContent === 'Done.'")
        assert "公园" in "".join(tab.run(LINES))
        seen = tab.run("window.seen")
        assert tab.text("#speak") == "Speak into the microphone"
    assert any(stable for stable, _ in seen)
    assert any(unstable for _, unstable in seen)


def test_where_there_is_no_microphone_it_says_what_to_do(served, tmp_path):
    with page(tmp_path, served.url) as tab:
        tab.run("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
        tab.run("document.querySelector('#speak').click()")
        assert "localhost" in tab.text("#trouble")
        assert tab.run("document.querySelector('#speak').getAttribute('aria-pressed')") == "false"
