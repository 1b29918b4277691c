"""What is not seen is no error of any rule that normalises, and is named by those that do not."""

import sys
import unicodedata
from collections import Counter

import pytest
from support.scoring_sides import call, score_of, write_side

from firered.errors import OptionError
from firered.scoring.config import NORMALIZERS, NormalizerConfig, PuncScoreConfig
from firered.scoring.lid import _at_level
from firered.scoring.punc import _marks, tokens_and_marks
from firered.scoring.text.normalise import normalizer
from firered.text.invisible import _INVISIBLE, invisible_in, is_composed, visible

AS_THEY_ARE = ("firered-released", "none")
NORMALISING = [name for name in NORMALIZERS if name not in AS_THEY_ARE]
# Signs that stand under a number: of the category Cf, and seen.
SEEN = {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
UNSEEN = {
    "zero width space": "\u200b",
    "zero width non-joiner": "\u200c",
    "zero width joiner": "\u200d",
    "left-to-right mark": "\u200e",
    "right-to-left mark": "\u200f",
    "Arabic letter mark": "\u061c",
    "embedding": "\u202a",
    "isolate": "\u2068",
    "word joiner": "\u2060",
    "byte-order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "grapheme joiner": "\u034f",
    "emoji variation selector": "\ufe0f",
    "ideographic variation selector": "\U000e0100",
    "tag": "\U000e0067",
    "Hangul filler": "\u3164",
    "Mongolian vowel separator": "\u180e",
    "annotation": "\ufff9",
    "delete": "\x7f",
    "bell": "\x07",
}


def test_all_format_and_control_characters_are_on_the_list():
    characters = [chr(code) for code in range(sys.maxunicode + 1)]
    listed = set(_INVISIBLE.findall("".join(characters)))
    formats = {character for character in characters if unicodedata.category(character) == "Cf"}
    controls = {chr(code) for code in range(0xA0) if unicodedata.category(chr(code)) == "Cc"}
    wanted = formats - set(map(chr, SEEN)) | {character for character in controls if not character.isspace()}
    assert wanted <= listed
    assert {unicodedata.category(character) for character in listed - wanted} == {"Mn", "Lo", "Cn"}


@pytest.mark.parametrize("name", NORMALISING)
@pytest.mark.parametrize("character", UNSEEN.values(), ids=UNSEEN)
def test_it_is_no_error_wherever_it_stands(name, character):
    rule = normalizer(NormalizerConfig(normalizer=name))
    text = "你好 hello A I <unk>123 caf\u00e9 葛 が"
    for at in range(len(text) + 1):
        assert rule(text[:at] + character + text[at:]) == rule(text)


@pytest.mark.parametrize("options", [{"t2s": True}, {"number_normalization": True}])
def test_it_is_no_error_of_the_other_steps(options):
    rule = normalizer(NormalizerConfig(normalizer="firered", **options))
    assert rule("電\u200b視 1\u200b2 個") == rule("電視 12 個")


@pytest.mark.parametrize("name", NORMALISING)
@pytest.mark.parametrize(
    "text", ["caf\u00e9 \u00c5ngstr\u00f6m", "がギュ パ", "한국어", "\u1ec7t \u0958", "\uf900\ufa11"]
)
def test_forms_of_a_letter_are_no_error(name, text):
    rule = normalizer(NormalizerConfig(normalizer=name))
    assert rule(unicodedata.normalize("NFD", text)) == rule(unicodedata.normalize("NFC", text)) == rule(text)


def test_an_invisible_character_does_not_keep_an_accent_apart():
    assert visible("e\u034f\u0301") == "\u00e9"


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u2009", "\u2028", "\x1c", "\t"])
def test_one_kind_of_space_is_as_good_as_another(space):
    rule = normalizer(NormalizerConfig(normalizer="firered"))
    assert rule(f"去{space}A{space}I{space}公司") == rule("去 A I 公司")


def test_ascii_and_other_good_text_stays():
    for text in ("a-b it's 5%", "你好，世界。", "\u0600 \u06dd", "नमस्ते"):
        assert visible(text) == text


def test_counted_by_name():
    found = invisible_in("a\u200bb\u200b\ufe0f\x07")
    assert found == Counter({"U+200B ZERO WIDTH SPACE": 2, "U+FE0F VARIATION SELECTOR-16": 1, "U+0007 (control)": 1})
    assert is_composed("\u00e9")
    assert not is_composed("e\u0301")


def test_punctuation_and_languages_as_well():
    classes = _marks(PuncScoreConfig())
    assert tokens_and_marks("你\u200b好\ufeff，he\u00adllo\u200e.", classes) == tokens_and_marks(
        "你好，hello.", classes
    )
    assert _at_level("zh\u200b-yue", "label") == "zh-yue"


@pytest.fixture
def sides(tmp_path):
    reference = write_side(tmp_path / "ref", text={"a": "你好 caf\u00e9", "b": "好"})
    hypothesis = write_side(tmp_path / "hyp", text={"a": "你\u200b好 cafe\u0301", "b": "好\u200b\ufeff"})
    return reference, hypothesis, tmp_path / "out"


@pytest.mark.parametrize("name", AS_THEY_ARE)
def test_rules_that_keep_them_count_and_name_them(sides, monkeypatch, caplog, name):
    assert call(monkeypatch, *sides, "--normalizer", name) == 0
    score = score_of(sides[2])
    characters = {"U+200B ZERO WIDTH SPACE": 2, "U+FEFF ZERO WIDTH NO-BREAK SPACE": 1}
    assert score["errors"] > 0
    assert score["unseen"] == {"hypothesis": {"characters": characters, "utterances": 2, "not_nfc": 1}}
    warning = "hypothesis: invisible characters in 2 utterances: U+200B ZERO WIDTH SPACE (2), U+FEFF"
    assert warning in caplog.text
    for report in ("score.txt", "errors.html"):
        assert warning in (sides[2] / report).read_text(encoding="utf-8")


def test_rules_that_leave_them_out_have_nothing_to_say(sides, monkeypatch, caplog):
    assert call(monkeypatch, *sides, "--normalizer", "firered") == 0
    assert score_of(sides[2])["errors"] == 0
    assert score_of(sides[2])["unseen"] == {}
    assert "invisible" not in caplog.text


def test_clean_text_has_no_warning(tmp_path, monkeypatch, caplog):
    side = write_side(tmp_path / "ref", text={"a": "你好，caf\u00e9"})
    assert call(monkeypatch, side, side, tmp_path / "out", "--normalizer", "none") == 0
    assert "\nwarning" not in (tmp_path / "out/score.txt").read_text()


def test_numbers_and_whisper_do_not_go_together():
    with pytest.raises(OptionError, match="number_normalization: whisper-en has its own rule"):
        NormalizerConfig(normalizer="whisper-en", number_normalization=True)
