"""The words of a text: where it is cut, and that nothing of it is lost."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firered.text.timed_words import is_silent, word_spans, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world.", "Hello, world."),
        (
            "mail joe@test.org 3.14 5pm -3 don’t O'Neil cook-dinner",
            "mail joe@test.org 3.14 5pm -3 don’t O'Neil cook-dinner",
        ),
        (
            "café cafe\u0301 Ｏｆｆｉｃｅ привет مرحبا 안녕 テスト สวัสดี",
            "café cafe\u0301 Ｏｆｆｉｃｅ привет مرحبا 안녕 テスト สวัสดี",
        ),
        ("👍🏽 👨‍👩‍👧", "👍🏽 👨‍👩‍👧"),
        ("你好世界", "你 好 世 界"),
        ("卡拉OK的T恤 3月5日", "卡 拉 OK 的 T 恤 3 月 5 日"),
        ("𠮷野家二〇二六 葛\U000e0100城", "𠮷 野 家 二 〇 二 六 葛\U000e0100 城"),
        ("テストの日", "テストの 日"),
        ("《你好》，“世界”！", "《你 好》， “世 界”！"),
        ("我用python，写C++和.NET。", "我 用 python， 写 C++ 和 .NET。"),
        ("……你好", "……你 好"),
        ("中-英 好👍吗", "中- 英 好 👍 吗"),
        ("<|zh|>你好 [笑声]吧 <unk> [noise] <joe@x.org>", "<|zh|> 你 好 [笑声] 吧 <unk> [noise] <joe@x.org>"),
        ("10\u00a0000\u3000x\u2028y", "10 000 x y"),
        ("a — b , c", "a — b , c"),
        ("a \u200b b\ufeff", "a b\ufeff"),  # a word is something to see
        (" \t\u3000", ""),
    ],
)
def test_where_texts_are_cut(text, expected):
    assert words(text) == expected.split(" ") if expected else words(text) == []


LETTERS = st.sampled_from("你好𠮷a1.,'’-。，“”《》()<>[]|/@%é\u0301\u200b\u00a0\u3000 \tの👍🏽ก안ＡĳßİΣ")


@given(st.text(LETTERS, max_size=20) | st.text(max_size=20))
def test_words_joined_are_the_text_without_its_white_space(text):
    spans = word_spans(text)
    assert all(before.end <= after.start for before, after in pairwise(spans))
    kept = [stretch for stretch in text.split() if not all(char in "\u200b" for char in stretch)]
    found = "".join(words(text))
    if all(char.isprintable() or char.isspace() or char == "\u200b" for char in text):
        assert found == "".join(kept)
    assert all(len(word.split()) == 1 for word in words(text))


def test_what_is_not_spoken():
    assert is_silent("—…，")
    assert is_silent("\u0301\u200b")
    assert not any(map(is_silent, ("a", "你", "@", "%", "👍", "-3")))
