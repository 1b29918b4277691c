"""Where subtitles and lines end, and which words belong to which text."""

import math
import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from support.transcripts import ANY, CONFIGS, made, transcripts

from firered.data.write import in_turn, one_line
from firered.errors import OptionError
from firered.output.config import SubtitleConfig
from firered.output.subtitles import cues
from firered.output.timed_text import split_for_lines, timed_pieces
from firered.text.width import columns

PLAIN = SubtitleConfig()


def shown(transcript, config=PLAIN):
    return [(cue.start_ms, cue.end_ms, "|".join(cue.lines)) for cue in cues(transcript, config)]


def evenly(text, start=0, step=300):
    """Words of a text, each as long as the other, for `made`."""
    found = re.findall(r"[A-Za-z']+|[\u4e00-\u9fff]", text)
    return [(start + step * n, start + step * (n + 1), word.lower()) for n, word in enumerate(found)]


LONG = "We shall go on to the end, we shall fight in France, we shall fight on the seas and oceans."
CHINESE = "就是说从一月份到六月份，每个部门完成了多少指标，还差多少。"


@pytest.mark.parametrize(
    ("text", "config", "expected"),
    [
        ("Hello world.", PLAIN, ["Hello world."]),
        (CHINESE, PLAIN, ["就是说从一月份到六月份，", "每个部门完成了多少指标，还差多少。"]),  # of 9.5 s
        (CHINESE, SubtitleConfig(max_cue_seconds=0), ["就是说从一月份到六月份，|每个部门完成了多少指标，还差多少。"]),
        (
            CHINESE.replace("，", ""),
            SubtitleConfig(max_cue_seconds=0),
            ["就是说从一月份到六月份每个部|门完成了多少指标还差多少。"],
        ),
        ("Oh, we shall fight on and on.", SubtitleConfig(max_line_width=20), ["Oh, we shall|fight on and on."]),
        (
            CHINESE,
            SubtitleConfig(max_line_width=24, max_line_count=1, max_cue_seconds=0),
            ["就是说从一月份到六月份，", "每个部门完成了多少指标，", "还差多少。"],
        ),
        (
            LONG,
            SubtitleConfig(max_cue_seconds=0),
            [
                "We shall go on to the end,|we shall fight in France,",
                "we shall fight on the seas and oceans.",
            ],
        ),
        (LONG, SubtitleConfig(max_line_width=0, max_cue_seconds=0), [LONG]),
        (
            LONG,
            SubtitleConfig(max_line_width=0, max_cue_seconds=4),
            ["We shall go on to the end,", "we shall fight in France,", "we shall fight on the seas and oceans."],
        ),
        ("用TensorFlow写", SubtitleConfig(max_line_width=11, max_line_count=3), ["用|TensorFlow|写"]),
        ("用TensorFlow写", SubtitleConfig(max_line_width=11), ["用|TensorFlow", "写"]),
        ("用TensorFlow写", SubtitleConfig(max_line_width=6, max_line_count=9), ["用|Tensor|Flow写"]),
        ("(你好)“世界”", SubtitleConfig(max_line_width=6, max_line_count=9), ["(你好)|“世界”"]),
        ("它$5 it", SubtitleConfig(max_line_width=4, max_line_count=9), ["它$5|it"]),
        ("它$5 it", SubtitleConfig(max_line_width=3, max_line_count=9), ["它|$5|it"]),
        ("one - two", SubtitleConfig(max_line_width=5), ["one -|two"]),
        ("3.14 don't", SubtitleConfig(max_line_width=5), ["3.14|don't"]),
        ("ก็ก็ก็ก็", SubtitleConfig(max_line_width=3), ["ก็ก็ก็|ก็"]),
        ("……", PLAIN, ["……"]),
    ],
)
def test_lines(text, config, expected):
    words = evenly(text, step=350)
    end = words[-1][1] if words else 1000
    assert [lines for _, _, lines in shown(made([(0, end, text)], words), config)] == expected


def test_subtitles_are_cut_at_word_times():
    text = "One two three, four five six."
    words = [(500, 900, "one"), (900, 1500, "two"), (1500, 2000, "three"), (5000, 5500, "four")]
    words += [(5500, 6000, "five"), (6000, 6500, "six")]
    assert shown(made([(400, 6800, text)], words), SubtitleConfig(max_cue_seconds=5)) == [
        (400, 2000, "One two three,"),
        (5000, 6800, "four five six."),
    ]


def test_a_pause_is_a_place_to_cut():
    words = [(0, 200, "a"), (200, 400, "b"), (400, 600, "c"), (600, 800, "d"), (4000, 4200, "e"), (4200, 4400, "f")]
    assert shown(made([(0, 4400, "a b c d e f")], words), SubtitleConfig(max_cue_seconds=3)) == [
        (0, 800, "a b c d"),
        (4000, 4400, "e f"),
    ]


def test_without_words_time_is_shared_out_by_columns():
    transcript = made([(1000, 9000, "你好世界 abcdefgh")])
    assert shown(transcript, SubtitleConfig(max_cue_seconds=5)) == [
        (1000, 5235, "你好世界"),  # 9 of 17 columns, its blank among them
        (5235, 9000, "abcdefgh"),
    ]


@pytest.mark.parametrize(("seconds", "end_ms"), [(7, 7000), (30, 20000), (0, 20000)])
def test_what_cannot_be_cut_is_taken_away_in_time(seconds, end_ms):
    transcript = made([(0, 20000, "Ah.")], [(0, 20000, "ah")])
    assert shown(transcript, SubtitleConfig(max_cue_seconds=seconds)) == [(0, end_ms, "Ah.")]


def test_times_that_no_player_would_show():
    transcript = made([(0, 1000, "a"), (1000, 1000, "b"), (1000, 2000, "c"), (1500, 1700, "d"), (1600, 1600, "e")])
    assert shown(transcript) == [
        (0, 1000, "a"), (1000, 1040, "b"), (1040, 1500, "c"), (1500, 1600, "d"), (1600, 1640, "e"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(5, 9), (0, 4)], [(0, 4), (5, 9)]),
        ([(0, 6), (4, 9)], [(0, 4), (4, 9)]),
        ([(3, 3), (3, 9)], [(3, 5), (5, 9)]),
        ([(0, 9), (1, 3)], [(0, 9), (9, 11)]),  # less than the shortest would be left of the first
        ([(7, 2)], [(7, 9)]),
    ],
)
def test_in_turn(spans, expected):
    assert in_turn([(*span, "") for span in spans], 2) == [(*span, "") for span in expected]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"max_line_width": 1}, "max_line_width: 1 is less than the 2 columns of a Chinese character"),
        ({"max_line_width": -1}, "max_line_width: -1 is less than 0"),
        ({"max_line_count": 0}, "max_line_count: 0 is less than 1"),
        ({"max_cue_seconds": -1}, "max_cue_seconds: -1.0 is less than 0"),
    ],
)
def test_options_that_will_not_do(values, reason):
    with pytest.raises(OptionError, match=reason):
        SubtitleConfig(**values)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abc", 3), ("你好，", 6), ("ｆ", 2), ("한국", 4), ("e\u0301", 1), ("ก็", 1), ("“”…", 3), ("😀", 2), ("", 0)],
)
def test_columns(text, expected):
    assert columns(text) == expected


# Words and the text they are in


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("你好，世界。", "你 好 世 界", "你/好，/世/界。"),
        ("Hello world.", "hello world", "Hello /world."),
        ("我用Python写。", "我 用 python 写", "我/用/Python/写。"),
        ('He said: "No."', "he said no", 'He /said: /"No."'),
        ("他说：“不”。", "他 说 不", "他/说：/“不”。"),
        ("《你好》", "你 好", "《你/好》"),
        ("it's 3.14", "it's 3.14", "it's /3.14"),
        ("Straße ÉTÉ", "STRASSE été", "Straße /ÉTÉ"),
        ("a b c", "a x c", "a b /c"),  # what no word belongs to goes with the one before
        ("x a", "a", "x a"),
        ("a b", "a b b", "a /b"),
        ("……", "a", ""),
        ("", "a", ""),
        ("a", "……", ""),
    ],
)
def test_pieces(text, words, expected):
    timed = [(100 * n, 100 * n + 50, word) for n, word in enumerate(words.split())]
    (pieces,) = timed_pieces(made([(0, 1000, text)], timed))
    assert "/".join(piece.text for piece in pieces) == expected
    assert {(piece.start_ms, piece.end_ms) for piece in pieces} <= {(start, end) for start, end, _ in timed}


def test_words_at_one_time_belong_to_the_sentence_that_says_them():
    sentences = [(0, 1000, "好，"), (1000, 1000, "好，"), (1000, 2000, "好好。")]
    words = [(0, 1000, "好"), (1000, 1000, "好"), (1000, 1500, "好"), (1500, 2000, "好")]
    found = timed_pieces(made(sentences, words))
    assert [[(piece.start_ms, piece.end_ms, piece.text) for piece in pieces] for pieces in found] == [
        [(0, 1000, "好，")], [(1000, 1000, "好，")], [(1000, 1500, "好"), (1500, 2000, "好。")],
    ]  # fmt: skip


def test_pieces_stay_in_their_sentence_and_in_order():
    (pieces,) = timed_pieces(made([(100, 500, "a b c")], [(100, 400, "a"), (300, 350, "b"), (450, 900, "c")]))
    assert [(piece.start_ms, piece.end_ms) for piece in pieces] == [(100, 400), (400, 400), (450, 500)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好，世界。", "你/好，/世/界。"),
        ("a bc,  d", "a /bc,  /d"),
        ("用Python写", "用/Python/写"),
        ("他e\u0301", "他/e\u0301"),
        ("か\u3099く", "か\u3099/く"),
        (" - ", " - "),
        ("", ""),
    ],
)
def test_where_lines_may_end(text, expected):
    assert "/".join(split_for_lines(text)) == expected


# Whatever the transcript


def letters(text):
    return "".join(one_line(text).split())


@given(transcripts(), CONFIGS)
def test_subtitles_hold_all_text_in_order(transcript, config):
    assert in_subtitles(transcript, config) == "".join(letters(sentence.text) for sentence in transcript.sentences)


@given(transcripts(wild=True), CONFIGS)
def test_subtitles_lose_no_text_whatever_the_times(transcript, config):
    whole = "".join(letters(sentence.text) for sentence in transcript.sentences)
    assert Counter(in_subtitles(transcript, config)) == Counter(whole)


def in_subtitles(transcript, config):
    return "".join(letters("".join(cue.lines)) for cue in cues(transcript, config))


@given(ANY, CONFIGS)
def test_subtitles_fit(transcript, config):
    found = cues(transcript, config)
    assert all(cue.start_ms >= 0 and cue.start_ms + 40 <= cue.end_ms for cue in found)
    assert all(cue.end_ms <= following.start_ms for cue, following in pairwise(found))
    assert all(1 <= len(cue.lines) <= config.max_line_count for cue in found)
    assert all(cue.end_ms - cue.start_ms <= 1000 * (config.max_cue_seconds or math.inf) for cue in found)
    for line in (line for cue in found for line in cue.lines):
        assert line == one_line(line) != ""
        assert not config.max_line_width or columns(line) <= config.max_line_width


@given(ANY)
def test_pieces_are_the_text(transcript):
    for sentence, pieces in zip(transcript.sentences, timed_pieces(transcript), strict=True):
        assert "".join(piece.text for piece in pieces) in ("", sentence.text)
        times = [time for piece in pieces for time in (piece.start_ms, piece.end_ms)]
        assert times == sorted(times) or sentence.start_s > sentence.end_s
        assert "".join(split_for_lines(sentence.text)) == sentence.text
