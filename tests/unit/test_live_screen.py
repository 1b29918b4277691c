"""Captions on a terminal: what stands on it after partial and final text, in any width, with any text."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.terminal import Terminal

from firered.output.screen import Screen, caption, erasing
from firered.results.live import Event, Final, Partial
from firered.runs.captions import _messages_beside


def partial(stable, unstable, start_s=1.0):
    return Partial(1, start_s, start_s + 1, stable, unstable, None, 0.0, 0.0)


def final(text, start_s=1.0):
    return Final(1, start_s, start_s + 1, text, (), (), None, 1.0, (), None, 0.0, 0.0)


def shown(width, height, *results):
    terminal = Terminal(width, height)
    screen = Screen(terminal, lambda: (terminal.width, terminal.height))
    for result in results:
        screen.give(result)
    return terminal


def test_stable_text_is_plain_and_the_rest_dim():
    terminal = shown(60, 10, partial("good ", "morn"), partial("good morning", " every"))
    assert terminal.text() == ["0:01.0  good morning every"]
    assert terminal.dimmed() == [" every"]


def test_a_final_takes_the_place_of_the_partial_text_and_stays():
    results = [
        partial("你好", "谁星"),
        final("你好，谁星期三去公园？"),
        partial("", "it", 65.2),
        final("It rains.", 65.2),
    ]
    assert shown(60, 10, *results).text() == ["0:01.0  你好，谁星期三去公园？", "1:05.2  It rains.", ""]


def test_the_start_of_speech_is_seen_and_speech_without_text_leaves_nothing():
    start = Event("speech_start", 1, 3723.4, 3723.5, 3724.0)
    assert shown(60, 10, start).text() == ["1:02:03.4  …"]
    assert shown(60, 10, start, final("")).text() == [""]


def test_text_that_is_longer_than_the_terminal_is_wide_is_written_anew_as_a_whole():
    words = " ".join(f"word{n}" for n in range(12))
    partials = [partial(words[:n], words[n : n + 9]) for n in range(0, len(words), 7)]
    assert shown(40, 10, *partials, final(words)).text() == [
        "0:01.0  word0 word1 word2 word3 word4",
        "        word5 word6 word7 word8 word9",
        "        word10 word11",
        "",
    ]


def test_wide_characters_count_twice_and_none_is_cut_in_half():
    terminal = shown(30, 10, partial("", "这是一个很长的句子没有停顿也没有空格"))
    assert terminal.text() == ["0:01.0  这是一个很长的句子", "        没有停顿也没有空格"]


def test_a_text_that_is_higher_than_the_terminal_shows_its_end():
    text = " ".join(f"word{n:02d}" for n in range(40))
    terminal = shown(40, 4, final("Before."), partial(text, ""), partial(text, " more"))
    assert terminal.text() == [
        "0:01.0  Before.",
        "…       word32 word33 word34 word35",
        "        word36 word37 word38 word39",
        "        more",
    ]


TEXTS = st.text(st.sampled_from("ab,.' 你好。ｱé\u0301한\n\t\x1b"), max_size=60)


@settings(deadline=None, max_examples=300)
@given(st.integers(12, 90), st.integers(3, 9), st.lists(st.tuples(TEXTS, TEXTS, st.booleans()), max_size=12))
def test_only_finals_and_the_last_partial_are_left(width, height, spoken):
    terminal = Terminal(width, height)
    screen = Screen(terminal, lambda: (width, height))
    expected = []
    for stable, unstable, ends in spoken:
        screen.give(partial(stable, unstable))
        if ends:
            screen.give(final(stable))
            rows = caption(1.0, stable, "", width) if "".join(stable.replace("\x1b", "").split()) else []
            expected += [row.plain for row in rows]
    screen.erase()
    expected = [row.replace("\u0301", "").rstrip() for row in expected]  # which the terminal has no place for
    assert [line.rstrip() for line in terminal.text()] == [*expected, ""]


@settings(deadline=None)
@given(st.integers(1, 90), TEXTS, TEXTS)
def test_no_line_is_as_wide_as_the_terminal_and_no_character_is_lost(width, stable, unstable):
    rows = caption(0.0, stable, unstable, width)
    assert all(row.width < max(width, 3) for row in rows)
    kept = "".join(row.plain + row.dim for row in rows).removeprefix("0:00.0")
    assert "".join(kept.split()) == "".join((stable + unstable).replace("\x1b", "").split())


def test_a_terminal_that_has_become_narrower_has_more_lines_to_erase():
    assert erasing(None, 10) == ""
    assert erasing([5], 10) == "\r\x1b[J"
    assert erasing([25, 0, 10], 10) == "\r\x1b[4A\x1b[J"


def test_messages_stand_above_what_is_being_spoken():
    terminal = Terminal(60, 10)
    screen = Screen(terminal, lambda: (60, 10))
    handler = logging.StreamHandler(terminal)
    root = logging.getLogger()
    before, root.handlers[:] = root.handlers[:], [handler]
    try:
        with _messages_beside(screen):
            screen.give(partial("good", " day"))
            logging.getLogger("any").warning("captions are late")
            screen.refresh()
            screen.refresh()
        assert handler.filters == []
    finally:
        root.handlers[:] = before
    assert terminal.text() == ["captions are late", "0:01.0  good day"]


def test_the_end_leaves_what_stands_there():
    terminal = Terminal(60, 10)
    screen = Screen(terminal, lambda: (60, 10))
    screen.give(partial("good", " day"))
    screen.close()
    screen.close()
    assert terminal.text() == ["0:01.0  good day", ""]


@pytest.mark.parametrize("encoding", ["ascii", "utf-8", None])
def test_a_terminal_that_cannot_show_a_character_gets_a_question_mark(encoding):
    terminal = Terminal(60, 10)
    terminal.encoding = encoding
    Screen(terminal, lambda: (60, 10)).give(final("你好"))
    assert terminal.text()[0] == ("0:01.0  ??" if encoding == "ascii" else "0:01.0  你好")
