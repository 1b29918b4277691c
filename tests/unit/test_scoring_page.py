"""The HTML page of aligned errors: what it holds, what it links to, and how it behaves in a browser."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest
from support.scoring_sides import call, write_side

from firered.data.datadir import DataDir
from firered.scoring.reports.page import audio_link

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
REF = {"a-1": "你好，世界", "a-2": "打开 Wi-Fi", "b-1": "再见", "b-2": ""}
HYP = {"a-1": "你号世界啊", "a-2": "打开 wi-fi", "b-2": "嗯"}


@pytest.fixture
def sides(tmp_path):
    """References, hypotheses (b-1 missing) and the folder for the report."""
    reference = write_side(tmp_path / "ref", text=REF, utt2spk={key: key[0] for key in REF})
    hypothesis = write_side(tmp_path / "hyp", text=HYP, utt2conf={"a-1": 0.9, "a-2": 0.95, "b-2": 0.2})
    return reference, hypothesis, tmp_path / "out"


class Page(HTMLParser):
    """The elements of a page, and the content of its scripts."""

    def __init__(self, path):
        super().__init__()
        self.elements, self.scripts = [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.data = json.loads(self.scripts[0])

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] == "script" and data.strip():
            self.scripts.append(data)


def test_the_page_holds_the_utterances_with_errors(sides, monkeypatch):
    call(monkeypatch, *sides)
    data = Page(sides[2] / "errors.html").data
    assert [utterance["id"] for utterance in data["utterances"]] == ["a-1", "b-1", "b-2"]
    first = data["utterances"][0]
    assert first["parts"] == ["你", ["好", "号"], "世", "界", ["", "啊"]]
    assert (first["counts"], first["confidence"], first["labels"]) == ([1, 0, 1], 0.9, ["a"])
    assert data["utterances"][1]["missing"]
    assert data["total"]["errors"] == 5


def test_the_page_is_cut_at_the_utterances_with_most_errors(sides, monkeypatch):
    call(monkeypatch, *sides, "--page-utterances", "2")
    assert [utterance["id"] for utterance in Page(sides[2] / "errors.html").data["utterances"]] == ["a-1", "b-1"]


def test_the_page_needs_nothing_from_elsewhere(sides, monkeypatch):
    call(monkeypatch, *sides)
    page = Page(sides[2] / "errors.html")
    assert not [attrs for _, attrs in page.elements if {"src", "href"} & attrs.keys()]
    assert not re.search(r"https?://|@import|url\(", (sides[2] / "errors.html").read_text(encoding="utf-8"))


def test_text_cannot_become_markup_or_code(tmp_path, monkeypatch):
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \" ' \u2028 {{data}}"
    reference = write_side(tmp_path / "ref", text={"<b>u": evil})
    hypothesis = write_side(tmp_path / "hyp", text={"<b>u": "你"})
    title = "</title><script>alert(3)</script>"
    call(monkeypatch, reference, hypothesis, tmp_path / "out", "--normalizer", "none", "--test-set", title)
    page = Page(tmp_path / "out/errors.html")
    assert len(page.scripts) == 2
    assert not [tag for tag, _ in page.elements if tag == "img"]
    (utterance,) = page.data["utterances"]
    assert utterance["id"] == "<b>u"
    assert [part[0] for part in utterance["parts"] if part[0]] == evil.split()


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        ({"wav_scp": {"u": "{wav}"}}, "../audio/a%20%23%E5%A5%BD.wav"),
        ({"wav_scp": {"r": "{wav}"}, "segments": {"u": "r 1.5 2.25"}}, "../audio/a%20%23%E5%A5%BD.wav#t=1.500,2.250"),
        ({"wav_scp": {"r": "{wav}"}, "segments": {"u": "r 1.5 -1"}}, "../audio/a%20%23%E5%A5%BD.wav#t=1.500"),
        ({"wav_scp": {"u": "sox {wav} -t wav - |"}}, None),
        ({"wav_scp": {"u": "/nowhere.wav"}}, None),
        ({}, None),
    ],
    ids=["file", "segment", "segment to the end", "pipe", "not there", "no wav.scp"],
)
def test_links_to_audio(tmp_path, tables, expected):
    wav = tmp_path / "audio" / "a #好.wav"
    wav.parent.mkdir()
    wav.touch()
    filled = {name: {k: v.format(wav=wav) for k, v in table.items()} for name, table in tables.items()}
    assert audio_link(DataDir(write_side(tmp_path / "ref", **filled)), "u", tmp_path / "out") == expected


# Each changes the form (`set(field, value)`), as a user does; then the ids that are shown.
ACTIONS = {
    "as it opens": ("", ["a-1", "b-1", "b-2"]),
    "an id": ("set('find', 'B-')", ["b-1", "b-2"]),
    "words of the hypothesis": ("set('find', '你号世界')", ["a-1"]),
    "a speaker": ("set('label0', 'a')", ["a-1"]),
    "number of errors": ("set('errors', 2)", ["a-1", "b-1"]),
    "error rate": ("set('rate', 60)", ["b-1", "b-2"]),
    "no hypothesis": ("form.missing.click()", ["b-1"]),
    "without deletions": ("form.querySelector('[name=kind][value=\"1\"]').click()", ["a-1", "b-2"]),
    "a confusion": ("document.querySelectorAll('.confusion')[3].click()", ["a-1"]),
    "in order of the rate": ("set('order', 'rate')", ["b-1", "b-2", "a-1"]),
}


@pytest.mark.skipif(BROWSER is None, reason="no chromium here")
def test_filters_in_a_browser(sides, monkeypatch, tmp_path):
    call(monkeypatch, *sides)
    probe = """<script>
    const set = (field, value) => { form[field].value = value; form.dispatchEvent(new Event("input")); };
    const ids = () => [...document.querySelectorAll("article h2")].map((heading) => heading.textContent);
    const reset = () => { form.reset(); confusion = null; apply(); };
    const results = ACTIONS.map((action) => { reset(); eval(action); return ids(); });
    document.body.replaceChildren(JSON.stringify(results));
    </script></body>"""
    probe = probe.replace("ACTIONS", json.dumps([action for action, _ in ACTIONS.values()]))
    page = (sides[2] / "errors.html").read_text(encoding="utf-8")
    (tmp_path / "probe.html").write_text(page.replace("</body>", probe), encoding="utf-8")
    flags = ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom")
    command = [BROWSER, *flags, (tmp_path / "probe.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r"<body>(.*)</body>", done.stdout, re.DOTALL)
    assert found, done.stderr
    assert dict(zip(ACTIONS, json.loads(found[1]), strict=True)) == {name: ids for name, (_, ids) in ACTIONS.items()}
