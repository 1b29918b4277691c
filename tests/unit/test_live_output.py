"""Files of a live stream: lines that the scorer reads, subtitles like those of a transcript, nothing lost by a kill."""

import io
import json

import pytest

from firered.errors import FireRedError
from firered.output.config import SubtitleConfig
from firered.output.formats import FORMATS
from firered.output.live import JsonLines, Lines, Subtitles, live_line
from firered.results import Sentence, Transcript, Trouble, Word
from firered.results.live import Event, Final, Partial
from firered.scoring.inputs.live import read_live


def final(number, start_s, *sentences, **more):
    """Sentences (text, start, end) of a segment; a word for each character that is no mark."""
    made = [Sentence(text, begin, end) for text, begin, end in sentences]
    words = []
    for text, begin, end in sentences:
        parts = text.replace(".", " ").replace(",", " ").split()
        each = (end - begin) / max(len(parts), 1)
        words += [Word(part, begin + n * each, begin + (n + 1) * each) for n, part in enumerate(parts)]
    text, end_s = " ".join(sentence.text for sentence in made), made[-1].end_s if made else start_s + 1
    fixed = {"lang": "en", "confidence": 0.91234, "hotwords": (), "revised": None, "known_s": end_s, "heard_s": end_s}
    return Final(number, start_s, end_s, text, words, made, **{**fixed, **more})


FINALS = [
    final(1, 0.5, ("Hello world.", 0.5, 1.2), ("How are you?", 1.3, 2.0)),
    final(2, 2.4),
    final(
        3, 3.5, ("This one is much longer, and it goes on, and on, until nobody can read it at a glance.", 3.5, 14.9)
    ),
    final(4, 14.9, ("A --> <b> & c.", 14.9, 14.91)),
    final(5, 14.92, ("Soon.", 14.92, 15.5)),
]


@pytest.mark.parametrize("kind", ["srt", "vtt"])
def test_subtitles_are_those_of_the_transcript(kind, tmp_path):
    config = SubtitleConfig(max_line_width=30)
    made = Subtitles(tmp_path / "a", False, kind, config)
    for one in FINALS:
        made.give(one, 0.0)
        made.give(Event("speech_end", one.segment, 1.0, 1.0, 1.0), 0.0)
    whole = Transcript(
        "", "", [s for one in FINALS for s in one.sentences], [], 16.0, [w for one in FINALS for w in one.words], ""
    )
    # Before it is closed: whoever kills the process finds all of it.
    assert (tmp_path / "a").read_text(encoding="utf-8") == FORMATS[kind](whole, config)
    made.close()


def test_lines_are_what_the_scorer_reads(tmp_path):
    results = [
        Event("speech_start", 1, 0.5, 0.6, 0.7),
        Partial(1, 0.5, 1.1, "你好", "谁星", "zh", 1.1, 1.2),
        Partial(1, 0.5, 1.7, "good", " day", None, 1.7, 1.8),
        Event("trouble", 1, 1.8, 1.8, 1.8, "language failed: no luck"),
        Event("speech_end", 1, 2.0, 2.1, 2.2),
        final(1, 0.5, ("Good day.", 0.5, 2.0), heard_s=2.2, cut=True, revised=("car", "carry"), hotwords=("day",)),
        final(2, 2.0, heard_s=3.0, troubles=(Trouble(2.0, 3.0, "recognition failed", kind="failed"),)),
    ]
    made = JsonLines(tmp_path / "live.jsonl", False, "r")
    for number, result in enumerate(results):
        made.give(result, 0.3 * number + 0.70049)
    streams, problems = read_live(tmp_path)
    assert problems == []
    (stream,) = streams.values()
    assert [event.name for event in stream.events] == ["speech_start", "speech_end"]
    assert [partial.text for partial in stream.segments[1].partials] == ["你好谁星", "good day"]
    assert [partial.stable for partial in stream.segments[1].partials] == ["你好", "good"]
    assert [word.text for word in stream.segments[1].final.words] == ["Good", "day"]
    assert [given.clock_s for given in stream.given] == [0.7, 1.0, 1.3, 1.9, 2.2, 2.5]
    lines = [json.loads(line) for line in (tmp_path / "live.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines[4] | {"confidence": 0.912, "cut": True, "revised": ["car", "carry"], "hotwords": ["day"]} == lines[4]
    assert lines[5]["troubles"][0]["reason"] == "recognition failed"
    assert not {"cut", "revised", "hotwords"} & set(lines[5])


def test_a_trouble_has_no_line():
    assert live_line("r", Event("trouble", 1, 1.0, 1.0, 1.0, "no luck"), 1.0) is None


def test_lines_of_text_are_a_kaldi_table():
    for ids, expected in (
        (True, "r-0000500-0002000 Hello world. How are you?\nr-0014920-0015500 Soon.\n"),
        (False, "Hello world. How are you?\nSoon.\n"),
    ):
        out = io.StringIO()
        lines = Lines(out, "r", ids)
        for result in (FINALS[0], Partial(2, 2, 3, "no", "", None, 3, 3), FINALS[1], FINALS[4]):
            lines.give(result, 0.0)
        lines.close()
        assert out.getvalue() == expected


def test_a_file_that_is_there_is_kept(tmp_path):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(FireRedError, match=r"a: cannot be written: File exists"):
        JsonLines(tmp_path / "a", False, "r")
    assert (tmp_path / "a").read_text() == "mine"
    Subtitles(tmp_path / "a", True, "vtt", SubtitleConfig())
    assert (tmp_path / "a").read_text() == "WEBVTT\n"
