"""Characters, widths, page templates and RTTM lines: the small rules that several packages share."""

import pytest

from firered.audio.framing import num_frames
from firered.data.rttm import NON_SPEECH, parse_rttm
from firered.output.html import fill, script_data
from firered.text.units import is_character, is_ideograph
from firered.text.width import cells, columns, padded, sentence_width, spoken_length


@pytest.mark.parametrize(
    ("token", "for_models", "for_scoring"),
    [
        ("好", True, True),
        ("㐀", True, True),  # extension A
        ("𠀀", False, True),  # extension B: the models' tokenizer leaves it to SentencePiece
        ("\uf900", False, True),  # a compatibility form
        ("〇", False, True),
        ("か", False, True),
        ("ｶ", False, True),
        ("，", False, False),
        ("a", False, False),
        ("한", False, False),
        ("好好", False, False),
        ("", False, False),
    ],
)
def test_what_a_chinese_character_is(token, for_models, for_scoring):
    assert (is_ideograph(token), is_character(token)) == (for_models, for_scoring)


@pytest.mark.parametrize(
    ("text", "on_screen", "in_table"), [("ab", 2, 2), ("好，", 4, 4), ("ｆ", 2, 2), ("e\u0301", 1, 2), ("", 0, 0)]
)
def test_columns_and_cells(text, on_screen, in_table):
    assert (columns(text), cells(text)) == (on_screen, in_table)
    assert padded(text, 6) == text + " " * (6 - in_table)


@pytest.mark.parametrize(("text", "spoken", "sentence"), [("你好", 2, 2), ("it's", 2.5, 2), ("é1", 1.5, 1.5)])
def test_latin_letters_count_half(text, spoken, sentence):
    assert (spoken_length(text), sentence_width(text)) == (spoken, sentence)


def test_a_template_is_filled_once():
    assert fill("<{{a}}|{{b}}|{{a}}>", {"a": "{{b}}", "b": r"\1"}) == r"<{{b}}|\1|{{b}}>"
    with pytest.raises(KeyError):
        fill("{{unknown}}", {})


def test_data_cannot_end_its_script():
    assert script_data({"text": "</script>好"}) == '{"text": "\\u003c/script>好"}'


def test_rttm_lines():
    line = "SPEAKER r1 1 0.5 1.0 <NA> <NA> anna <NA> <NA>"
    assert parse_rttm(line) == ("r1", (0.5, 1.5, "anna"))
    assert parse_rttm("SPEECH r1 1 2 0.25 <NA> <NA> noise") == ("r1", (2.0, 2.25, "noise"))
    assert parse_rttm("SPKR-INFO r1 1 <NA> <NA> <NA> unknown anna <NA>") == ("r1", None)
    for bad in ("SPEAKER r1 1 0.5", line.replace("0.5", "<NA>")):
        with pytest.raises(ValueError, match=r"4 fields where 8|could not convert"):
            parse_rttm(bad)
    assert all(label == label.lower() for label in NON_SPEECH)


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98)])
def test_frames_of_a_signal(samples, frames):
    assert num_frames(samples) == frames
