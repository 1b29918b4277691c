"""Words of a CTM find their utterances: by recording and segments, by utterance, by file and channel."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firered.data.datadir import DataDir, line_key
from firered.data.utterance import Utterance
from firered.data.write import one_line
from firered.errors import DataError, Problem
from firered.results import Word
from firered.runs.asr import ctm_lines
from firered.runs.ctm import TimedTexts, utterance_words
from firered.runs.inputs import Inputs


def timed(tmp_path: Path, ctm: str, texts: dict[str, str], **tables: str) -> tuple[TimedTexts, list[Problem]]:
    """What becomes of a CTM beside a data directory of these tables, and the lines that could not be read."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, content in tables.items():
        (folder / name).write_text(content)
    (tmp_path / "ctm").write_text(ctm)
    problems: list[Problem] = []
    return utterance_words(tmp_path / "ctm", texts, DataDir(folder, []), problems), problems


def plain(found: TimedTexts) -> dict[str, list[tuple[str, float, float]]]:
    return {key: [(word.text, word.start_s, word.end_s) for word in words] for key, words in found.words.items()}


SEGMENTS = "a rec 1.000 2.000\nb rec 2.000 3.000\n"


def test_words_of_a_recording_go_to_its_segments(tmp_path):
    ctm = "rec 1 1.100 0.200 hi\nrec 1 1.500 0.500 you\nrec 1 2.000 0.300 你\n"
    found, problems = timed(tmp_path, ctm, {"a": "hi you", "b": "你"}, segments=SEGMENTS)
    assert plain(found) == {"a": [("hi", 1.1, 1.3), ("you", 1.5, 2.0)], "b": [("你", 2.0, 2.3)]}
    assert found.reasons == {}
    assert problems == []


def test_times_of_an_utterance_are_put_on_its_recordings_axis(tmp_path):
    ctm = ";; made by hand\na 1 0.100 0.200 hi 0.98\nb 1 0.000 0.300 you\n"
    found, _ = timed(tmp_path, ctm, {"a": "hi", "b": "you"}, segments=SEGMENTS)
    assert plain(found) == {"a": [("hi", 1.1, 1.3)], "b": [("you", 2.0, 2.3)]}


def test_without_segments_every_recording_is_an_utterance(tmp_path):
    found, _ = timed(tmp_path, "a 1 0.100 0.200 hi\nother 1 0 1 you\n", {"a": "Hi!", "e": ""})
    assert plain(found) == {"a": [("hi", 0.1, 0.3)], "e": []}
    assert found.reasons == {}


def test_file_and_channel(tmp_path):
    ctm = "call A 0.1 0.2 hi\ncall B 0.1 0.2 you\n"
    found, _ = timed(tmp_path, ctm, {"x-A": "hi", "x-B": "you"}, reco2file_and_channel="x-A call A\nx-B call B\n")
    assert plain(found) == {"x-A": [("hi", 0.1, 0.3)], "x-B": [("you", 0.1, 0.3)]}


def test_segments_that_overlap_are_told_apart_by_their_texts(tmp_path):
    segments = "a rec 0.000 2.000\nb rec 1.000 3.000\n"
    ctm = "".join(f"rec 1 {n / 2:.3f} 0.500 {word}\n" for n, word in enumerate("我你们好吗呢"))
    found, _ = timed(tmp_path, ctm, {"a": "我你好", "b": "们吗呢"}, segments=segments)
    assert {key: "".join(word.text for word in words) for key, words in found.words.items()} == {
        "a": "我你好",
        "b": "们吗呢",
    }


def test_words_that_begin_together_go_in_the_order_of_the_text(tmp_path):
    ctm = "a 1 0.500 0.000 b\na 1 0.500 0.000 c\na 1 0.500 0.100 a\n"
    found, _ = timed(tmp_path, ctm, {"a": "c a, b"})
    assert [word.text for word in found.words["a"]] == ["c", "a", "b"]


def test_utterances_that_are_not_among_the_texts_are_passed_over(tmp_path):
    ctm = "rec 1 1.100 0.200 hi\nrec 1 1.990 0.020 so\nrec 1 2.010 0.200 you\n"
    found, problems = timed(tmp_path, ctm, {"b": "you"}, segments=SEGMENTS)
    assert plain(found) == {"b": [("you", 2.01, 2.21)]}
    assert (found.reasons, problems) == ({}, [])


@pytest.mark.parametrize(
    ("ctm", "reason"),
    [
        ("b 1 0 1 x\n", "no words of this utterance"),
        ("a 1 0 1 hi\n", "the words end before 'you'"),
        ("a 1 0 .1 hi\na 1 .1 .1 me\na 1 .2 .1 you\n", "the word 'me' where the text continues with 'you'"),
        ("a 1 0 .1 hi\na 1 .1 .1 you\na 1 .2 .1 too\n", "the word 'too' where the text has ended"),
        ("rec 1 0.2 0.1 hi\nrec 1 0.3 0.1 you\n", "no words of this utterance"),
    ],
)
def test_words_that_are_not_the_texts(ctm, reason, tmp_path):
    found, _ = timed(tmp_path, ctm, {"a": "hi you"}, segments="a rec 1.000 2.000\n")
    assert found.words == {}
    assert found.reasons == {"a": f"{tmp_path}/ctm: {reason}"}


def test_bad_lines_are_named(tmp_path):
    ctm = "a 1 0 1 hi\na 1 x 1 you\na 1 2\na 1 <NA> <NA> me\n"
    found, problems = timed(tmp_path, ctm, {"a": "hi"})
    assert plain(found) == {"a": [("hi", 0.0, 1.0)]}
    assert [problem.reason.removeprefix(f"{tmp_path}/") for problem in problems] == [
        "ctm:2: time 'x' is not a number",
        "ctm:3: 3 fields are too few for ctm",
        "ctm: no time in 'a 1 <NA> <NA> me'",
    ]


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="ctm: no such file"):
        utterance_words(tmp_path / "ctm", {}, None, [])


def spoken(recording: str, start_s: float, end_s: float) -> Inputs:
    return Inputs([Utterance("u", recording, start_s=start_s, end_s=end_s)])


SPELT = st.text(min_size=1, max_size=8) | st.sampled_from(["", " ", "▁", "a b", "x\u00a0y", "\x1f", "你"])


@given(st.lists(st.tuples(SPELT, st.integers(0, 3000), st.integers(-5, 900)), max_size=8), st.floats(0, 99))
def test_whatever_is_written_can_be_read(words, offset_s):
    """Empty words are none, white space in one does not begin the next field, and no time is negative."""
    given_words = [Word(text, start / 1000, (start + length) / 1000) for text, start, length in words]
    lines = ctm_lines(spoken("rec", offset_s, offset_s + 9), {"u": given_words})
    fields = [line.split() for line in lines]
    assert len(lines) == sum(bool(one_line(word.text)) for word in given_words)
    assert all(len(line) == 5 and "\n" not in line for line in fields)
    assert all(float(duration) > 0 for *_, duration, _ in fields)
    starts = [float(start) for _, _, start, _, _ in fields]
    assert starts == sorted(starts)
    assert all(line_key("ctm", line)[0] == "rec" for line in lines)
