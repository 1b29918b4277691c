"""Every format as a whole, and as the libraries of others read it."""

import csv
import html
import io
import json
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pysrt
import pytest
import webvtt
from hypothesis import given
from praatio import textgrid
from support.paths import TESTS
from support.transcripts import ANY, CONFIGS, in_language, in_ms, made, transcripts

from firered.data.write import one_line
from firered.output.config import SubtitleConfig
from firered.output.formats import FORMATS, SUFFIXES
from firered.output.published import read_transcript
from firered.output.subtitles import cues

DATA = TESTS / "data/formats"
PLAIN = SubtitleConfig()


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_file(name):
    transcript = read_transcript(json.loads((DATA / "meeting.jsonl").read_text()))
    assert FORMATS[name](transcript, PLAIN) == (DATA / f"meeting{SUFFIXES[name]}").read_text()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("srt", ""),
        ("vtt", "WEBVTT\n"),
        ("ctm", ""),
        ("rttm", ""),
        ("txt", ""),
        ("tsv", "start\tend\ttext\tlang\n"),
        (
            "jsonl",
            '{"uttid": "a", "text": "", "sentences": [], "vad_segments_ms": [], "dur_s": 100.0, "words": [], '
            '"wav_path": "a.wav", "status": "no speech"}\n',
        ),
    ],
)
def test_a_transcript_without_speech(name, content):
    assert FORMATS[name](made(), PLAIN) == content


def test_a_sentence_without_text_has_a_row_but_no_subtitle():
    transcript = in_language(made([(0, 1000, ""), (1000, 2000, " \n")]), "en")
    assert FORMATS["tsv"](transcript, PLAIN) == "start\tend\ttext\tlang\n0\t1000\t\ten\n1000\t2000\t\ten\n"
    assert FORMATS["srt"](transcript, PLAIN) + FORMATS["txt"](transcript, PLAIN) == ""


def test_hours():
    transcript = made([(100 * 3600000 + 61001, 100 * 3600000 + 62000, "late")], dur_s=400000.0)
    assert FORMATS["srt"](transcript, PLAIN) == "1\n100:01:01,001 --> 100:01:02,000\nlate\n\n"
    assert FORMATS["vtt"](transcript, PLAIN) == "WEBVTT\n\n100:01:01.001 --> 100:01:02.000\nlate\n"


@pytest.mark.parametrize(("name", "first"), [("ctm", "my_tape 1 0.000 1.000 New_York"), ("rttm", "SPEAKER my_tape 1 ")])
def test_white_space_begins_no_field(name, first):
    transcript = made([(0, 1000, "New York")], [(0, 1000, "New\u00a0York")], uttid="my tape")
    assert FORMATS[name](transcript, PLAIN).startswith(first)


@pytest.mark.parametrize("text", ["a --> b", "a ---> b", "a ----> b"])
def test_no_text_looks_like_a_line_of_times(text):
    (block,) = FORMATS["srt"](made([(0, 1000, text)]), PLAIN).split("\n\n")[:-1]
    assert block.count("-->") == 1
    assert FORMATS["vtt"](made([(0, 1000, text)]), PLAIN).count("-->") == 1


# What other tools read


@given(ANY, CONFIGS)
def test_srt_as_pysrt_reads_it(transcript, config):
    items = pysrt.from_string(FORMATS["srt"](transcript, config), error_handling=pysrt.ERROR_RAISE)
    expected = cues(transcript, config)
    assert [(subtitle.start.ordinal, subtitle.end.ordinal) for subtitle in items] == [
        (cue.start_ms, cue.end_ms) for cue in expected
    ]
    assert [subtitle.text for subtitle in items] == ["\n".join(cue.lines).replace("-->", "→") for cue in expected]
    assert [subtitle.index for subtitle in items] == list(range(1, len(items) + 1))


@given(ANY, CONFIGS)
def test_vtt_as_webvtt_reads_it(transcript, config):
    captions = webvtt.from_string(FORMATS["vtt"](transcript, config)).captions
    expected = cues(transcript, config)
    assert [round(1000 * caption.start_in_seconds) for caption in captions] == [
        cue.start_ms // 1000 * 1000 for cue in expected
    ]
    assert [caption.start[-3:] for caption in captions] == [f"{cue.start_ms % 1000:03d}" for cue in expected]
    assert [html.unescape(caption.raw_text) for caption in captions] == ["\n".join(cue.lines) for cue in expected]
    assert not any(set("<>") & set(caption.raw_text) for caption in captions)


@given(ANY)
def test_textgrid_as_praatio_reads_it(tmp_path_factory, transcript):
    path = tmp_path_factory.getbasetemp() / "a.TextGrid"
    path.write_text(FORMATS["textgrid"](transcript, PLAIN))
    grid = textgrid.openTextgrid(path, includeEmptyIntervals=True, reportingMode="error")
    kinds = list(dict.fromkeys(event.kind for event in transcript.events))
    last = ["troubles"] if transcript.troubles else []
    assert list(grid.tierNames) == ["sentences", "words", "segments", "languages", *kinds, *last]
    for tier in map(grid.getTier, grid.tierNames):
        assert tier.entries[0].start == 0
        assert tier.entries[-1].end == tier.maxTimestamp >= transcript.dur_s
        assert all(entry.start < entry.end for entry in tier.entries)
        assert all(entry.end == following.start for entry, following in pairwise(tier.entries))
    expected = [
        one_line(sentence.text) for sentence in sorted(transcript.sentences, key=lambda sentence: sentence.start_s)
    ]
    found = [entry.label for entry in grid.getTier("sentences").entries if entry.label]
    assert found == [text for text in expected if text]


@given(transcripts())
def test_textgrid_times_are_those_of_the_words(tmp_path_factory, transcript):
    words = [word for word in transcript.words if word.end_s > word.start_s and one_line(word.text)]
    transcript = replace(transcript, words=words, dur_s=400.0)
    path = tmp_path_factory.getbasetemp() / "b.TextGrid"
    path.write_text(FORMATS["textgrid"](transcript, PLAIN))
    tier = textgrid.openTextgrid(path, includeEmptyIntervals=False).getTier("words")
    assert [(round(1000 * entry.start), round(1000 * entry.end), entry.label) for entry in tier.entries] == [
        (*span, one_line(word.text)) for span, word in zip(in_ms(words), words, strict=True)
    ]


@pytest.fixture(scope="module")
def meeteval():
    return pytest.importorskip("meeteval", reason="meeteval is not installed here: it needs a C++ compiler")


@given(transcripts())
def test_ctm_as_meeteval_reads_it(meeteval, transcript):
    found = meeteval.io.CTM.parse(FORMATS["ctm"](transcript, PLAIN)).lines
    words = sorted(transcript.words, key=lambda word: word.start_s)
    assert [
        (line.filename, line.channel, line.begin_time, line.duration, line.word, line.confidence) for line in found
    ] == [
        ("a", "1", thousandths(start), thousandths(max(1, end - start)), text, None)
        for word, (start, end) in zip(words, in_ms(words), strict=True)
        if (text := one_line(word.text).replace(" ", "_"))
    ]


@given(transcripts())
def test_rttm_as_meeteval_reads_it(meeteval, transcript):
    found = meeteval.io.RTTM.parse(FORMATS["rttm"](transcript, PLAIN)).lines
    assert all((line.type, line.filename, line.channel) == ("SPEAKER", "a", "1") for line in found)
    events = [event for event in transcript.events if event.kind != "speech"]
    others = [(*span, event.kind) for span, event in zip(in_ms(events), events, strict=True)]
    segments = [(round(1000 * start), round(1000 * end), "speech") for start, end in transcript.segments]
    spans = sorted(segments + others)
    assert [(line.begin_time, line.duration, line.speaker_id) for line in found] == [
        (thousandths(start), thousandths(end - start), kind) for start, end, kind in spans
    ]


def thousandths(ms):
    return Decimal(ms) / 1000


@given(ANY)
def test_tables_and_records_hold_everything(transcript):
    assert read_transcript(json.loads(FORMATS["jsonl"](transcript, PLAIN))) == transcript
    rows = list(csv.reader(io.StringIO(FORMATS["tsv"](transcript, PLAIN)), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert rows[0] == ["start", "end", "text", "lang"]
    assert rows[1:] == [
        [str(start), str(end), one_line(sentence.text), ""]
        for sentence, (start, end) in zip(transcript.sentences, in_ms(transcript.sentences), strict=True)
    ]
    texts = [one_line(sentence.text) for sentence in transcript.sentences]
    assert FORMATS["txt"](transcript, PLAIN).split("\n")[:-1] == [text for text in texts if text]
