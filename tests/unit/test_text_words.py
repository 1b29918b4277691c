"""The words of a text: what is one, what stands around it, and that nothing falls between two."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firered.text.joining import join_texts
from firered.text.words import mark_places, words_of


def shown(text: str) -> list[str]:
    """Each word with what is around it; in braces the word itself where that is less."""
    found = []
    for word in words_of(text):
        own = text[word.first : word.last]
        whole = text[word.start : word.end]
        found.append(whole if own == whole else whole.replace(own, f"{{{own}}}") if own else f"{whole}{{}}")
    return found


@pytest.mark.parametrize(
    "text",
    [
        "1,000,000 3.14 10:30 2024-05-01 $5 50% 1/2 10：30 ３．１４",
        "docker C++ c# .net node.js iPhone15 GPT-4o e-mail well-known",
        "U.S. e.g. i.e. a.m. Ph.D. Dr. don't don’t rock’n’roll",
        "john@example.com www.example.com/a?b=c,d https://a.b/c;d!e?f=g#h /usr/lib a_b",
        "https://zh.wikipedia.org/wiki/中文 www.a.com/搜?q=你好&n=1",
        "café cafe\u0301 über naïve Łódź İstanbul",
        "привет γειά שלום مرحبا नमस्ते สวัสดี 안녕 \u1112\u1161\u11ab",
    ],
)
def test_words_by_white_space_are_whole(text):
    assert shown(text) == text.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \u3000", []),
        ("我的iphone15和macbook", ["我", "的", "iphone15", "和", "macbook"]),
        ("看a.com好 1/2好", ["看", "a.com", "好", "1/2", "好"]),
        ("写了3.5版本，", ["写", "了", "3.5", "版", "{本}，"]),
        ("カタカナ々が\u3099ｶﾞ葛\U000e0100", ["カ", "タ", "カ", "ナ", "々", "が\u3099", "ｶﾞ", "葛\U000e0100"]),
        ("hello, world!", ["{hello},", "{world}!"]),
        ("hello , world", ["{hello} ,", "world"]),
        ('he said "hello", (then)', ["he", "said", '"{hello}",', "({then})"]),
        ("他说“你好”，《书》", ["他", "说", "“{你}", "{好}”，", "《{书}》"]),
        ('他说"你好"然后', ["他", "说", '"{你}', '{好}"', "然", "后"]),
        ("ok,ok wait...what a,1 really?!no", ["{ok},", "ok", "{wait}...", "what", "{a},", "1", "{really}?!", "no"]),
        ("well — i", ["well", "—{}", "i"]),
        ("中-英 你好——世界", ["中-英", "你", "好——世", "界"]),
        ("thanks 😀👍🏽 你好😀", ["thanks", "😀👍🏽{}", "你", "好", "😀{}"]),
        ("[noise] 你<unk>好", ["[{noise}]", "你", "<{unk}>", "好"]),
        ("¿qué? كيف؟ क्या।", ["¿{qué}?", "{كيف}؟", "{क्या}।"]),
        ("etc. u.s., the end.", ["etc.", "{u.s.},", "the", "{end}."]),
        ("，。", ["，。{}"]),
    ],
)
def test_words_and_signs(text, words):
    assert shown(text) == words


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("3.14, 10:30. u.s. .net www.a.com/b?c=d", ",."),
        ("你好，世界。真的？！", "，。？！"),
        ("a.b.c. end... - ' \" ( )", "..."),
        ("10：30：好", "："),
    ],
)
def test_marks_are_those_at_the_ends_of_words(text, places):
    assert "".join(text[place] for place in mark_places(text)) == places


SIGNS = "aZ5你かｶﾞ안é\u0301\u200d.,?!:;'\"-—/@()“”‘’《》，。：😀🇩🇪 \u3000\n"


@settings(max_examples=300)
@given(st.text(st.one_of(st.characters(), st.sampled_from(SIGNS)), max_size=40))
def test_every_character_but_white_space_belongs_to_one_word(text):
    words = words_of(text)
    at = 0
    for word in words:
        assert at <= word.start <= word.first <= word.last <= word.end
        assert word.start < word.end
        assert not text[at : word.start].strip()
        at = word.end
    assert not text[at:].strip()


@pytest.mark.parametrize(
    ("texts", "joined"),
    [
        (["hello", "world", "", "你好", "世界", "ok"], "hello world你好世界ok"),
        (["привет", "как", "дела"], "привет как дела"),
        (["café", "über", "안녕", "세계", "สวัสดี"], "café über 안녕 세계 สวัสดี"),
        (
            ["Hello world.", "How are you?", "", "你好，", "ok.", "好", "カナ", "ｶﾅ"],
            "Hello world. How are you?你好，ok.好カナｶﾅ",
        ),
        (["great 😀", "yes"], "great 😀 yes"),
    ],
)
def test_texts_are_joined_with_spaces_but_next_to_chinese_and_japanese(texts, joined):
    assert join_texts(texts) == joined
