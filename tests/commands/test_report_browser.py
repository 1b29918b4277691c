"""The page of a transcript as a browser shows it."""

import base64
import json
import re
import shutil
import subprocess
from urllib.parse import unquote

import pytest
from support.signals import noise, write_wav
from support.transcripts import EVIL, everywhere, meeting

from firered.data.write import one_line
from firered.output.report import report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium here to open the page in")

TOOLS = """
const $ = (selector) => document.querySelector(selector), $$ = (selector) => [...document.querySelectorAll(selector)];
const texts = (selector) => $$(selector).map((element) => element.textContent);
const press = (key) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const answer = (value) => { $("#answer").textContent = btoa(encodeURIComponent(JSON.stringify(value))); };
"""


@pytest.fixture
def in_browser(tmp_path):
    """Runs a script in the page of a transcript, and returns what it gives to `answer`.

    The script is part of the page, so that the page's policy has to be relaxed: injected markup could run.
    """

    def run(script, transcript, audio=None):
        page = tmp_path / "page.html"
        report(transcript, audio, page)
        text = re.sub(r"script-src 'sha256-[^']*'", "script-src 'unsafe-inline'", page.read_text())
        page.write_text(text.replace("</body>", f'<pre id="answer"></pre><script>{TOOLS}{script}</script></body>'))
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
        command += ["--autoplay-policy=no-user-gesture-required", "--virtual-time-budget=8000", "--dump-dom"]
        dom = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=300, check=True).stdout
        return json.loads(unquote(base64.b64decode(re.search(r'<pre id="answer">([^<]*)', dom)[1]).decode()))

    return run


def test_all_that_was_found_is_seen(in_browser):
    script = """answer({
        rows: texts("#rows .row").map((text) => text.replace(/\\s+/g, " ")), troubles: texts("#troubles li").length,
        poor: texts(".row.poor .text"), legend: texts("#legend b, #legend span span"),
        lanes: texts(".lane > :first-child"), status: $("#status").textContent, words: texts(".word") })"""
    seen = in_browser(script, meeting())
    assert seen["rows"] == [
        "0:00.0♪ music until 0:00.9",
        "0:01.0Hello world.English0.90",
        "0:03.0你好。Chinese (Yue)0.40",
        "0:05.0Failed recognition failed: out of memoryuntil 0:06.0",
        "0:06.0No text speech, but no text was recogniseduntil 0:07.0",
        "0:07.0In doubt the same word 9 times 啦啦啦until 0:08.0",
    ]
    assert (seen["status"], seen["troubles"]) == ("partial", 3)
    assert seen["poor"] == ["你好。"]
    assert seen["legend"][:3] == ["Language", "English", "Chinese (Yue)"]
    assert seen["lanes"] == ["speech", "music", "language", "confidence", "to check", ""]
    assert seen["words"] == ["Hello ", "world.", "你", "好。"]


def test_mouse_and_keys_go_to_places(in_browser):
    script = """
        const place = () => [$("#now").textContent, texts(".word.now").join()];
        const after = (what) => { what(); return place(); };
        answer([place(), after(() => $$(".word")[1].click()), after(() => press("ArrowDown")),
                after(() => $$(".word")[3].click()), after(() => press("ArrowRight")), after(() => press("ArrowRight")),
                after(() => press("ArrowLeft")), after(() => press("ArrowUp")),
                after(() => $$(".row .time")[1].click()), $("#overview").getAttribute("aria-valuetext")])"""
    assert in_browser(script, meeting()) == [
        ["0:00.0", ""],
        ["0:01.4", "world."],
        ["0:03.0", "你"],
        ["0:03.5", "好。"],
        ["0:08.5", ""],
        ["0:10.0", ""],
        ["0:05.0", ""],
        ["0:01.0", "Hello "],
        ["0:01.0", "Hello "],
        "0:01",
    ]


def test_words_light_up_as_they_are_played(in_browser, tmp_path):
    """With a player whose clock the test moves on: headless, nothing is played."""
    script = """
        const audio = $("#audio"), lit = [];
        let playing = false, position = 0;
        Object.defineProperties(audio, { paused: { get: () => !playing }, currentTime: { get: () => position } });
        const change = (event) => { playing = event === "play"; audio.dispatchEvent(new Event(event)); };
        audio.play = () => { change("play"); return Promise.resolve(); };
        audio.pause = () => change("pause");
        const label = () => $("#play").getAttribute("aria-label");
        const labels = [label()];
        press(" ");
        labels.push(label());
        for (; playing && position < 5; position += 0.05) {
            audio.dispatchEvent(new Event("timeupdate"));
            const now = texts(".word.now").join();
            if (now !== lit[lit.length - 1]) lit.push(now);
        }
        press(" ");
        answer([lit, [...labels, label()], $("#notice").textContent]);"""
    seen = in_browser(script, meeting(), write_wav(tmp_path / "a.wav", noise(160000)))
    assert seen == [
        ["", "Hello ", "world.", "", "你", "好。", ""],
        ["Play", "Pause", "Play"],
        "The sound is part of this page.",
    ]


def test_smuggled_markup_does_not_run(in_browser):
    text = " ".join(EVIL)
    script = 'answer([document.title, $("h1").textContent, texts(".word").join(""), $$("img").length])'
    assert in_browser(script, everywhere(text)) == [f"{one_line(text)} · transcript", one_line(text), text, 0]
