"""The published scorer's rule, on what the published tool made of strings, and against a second writing of the rule."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.paths import GOLDENS

from firered.scoring.config import NormalizerConfig
from firered.scoring.text.normalise import normalizer

ours = normalizer(NormalizerConfig(normalizer="firered-released"))


@pytest.mark.parametrize(("text", "tokens"), json.loads((GOLDENS / "scoring_released.json").read_text()))
def test_the_published_tool_gives_the_same_tokens(text, tokens):
    assert ours(text) == tokens


# The rule once more, character by character and without regular expressions. The marks are those of the tool.
MARKS = set(
    ',.?!":()[]{}/;`|=+，。？！＂＃＄％＆＇（）＊＋－／：；＜＝＞＠［＼］＾＿｀｛｜｝～｟｠｢｣､\u3000、〃〈〉《》「」『』【】〔〕'
    "〖〗〘〙〚〛〜〝〞〟〰〾〿–—‘’‛“”„‟…‧﹏﹑﹔·｡"
)
LETTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def is_single(text, at):
    """Whether an ASCII letter without a letter or apostrophe beside it stands here."""
    beside = text[at - 1 : at] + text[at + 1 : at + 2] if at else text[1:2]
    return text[at : at + 1] in LETTERS and not (set(beside) & (LETTERS | {"'"}))


def published(text):
    text = " ".join(text.split()).replace("<unk>", "")
    spaced = ""
    for at, character in enumerate(text):
        if character not in MARKS:
            spaced += character
        elif at == 0 or text[at - 1] not in MARKS:
            spaced += " "
    if -1 < spaced.find("<") < spaced.rfind(">"):
        spaced = spaced[: spaced.find("<")] + spaced[spaced.rfind(">") + 1 :]
    gaps = {
        at
        for at, character in enumerate(spaced)
        if character == " " and at and is_single(spaced, at - 1) and is_single(spaced, at + 1)
    }
    # Five gaps at every other place are six letters.
    if not any(all(at + 2 * more in gaps for more in range(5)) for at in gaps):
        spaced = "".join(character for at, character in enumerate(spaced) if at not in gaps)
    tokens = [""]
    for character in spaced.upper():
        if "\u4e00" <= character <= "\u9fff" or "\u3040" <= character <= "\u30ff" or "\u31f0" <= character <= "\u31ff":
            tokens += [character, ""]
        elif character.isspace():
            tokens.append("")
        else:
            tokens[-1] += character
    return [token for token in tokens if token]


PIECES = st.sampled_from(
    [
        *"abCD   '-<>,.!#$%&*@\\^_~01・々〇𠮷﨑ｶが中国。ß．",
        *(
            "<unk>",
            "<a>",
            " A B C ",
            " A B C D E F ",
            "A, B, C",
            "A,.B",
            "\u200b",
            "\ufeff",
            "e\u0301",
            "\u00a0",
            "\x1c",
        ),
        *("\ufe0f", "\u3400", "\u309a", "\u2019"),
    ]
)
TEXTS = st.lists(st.one_of(PIECES, PIECES, PIECES, st.characters(exclude_categories=("Cs",))), max_size=14).map("".join)


@given(TEXTS)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_every_string_gives_the_published_tokens(text):
    assert ours(text) == published(text)


@pytest.mark.nightly
@given(TEXTS)
@settings(max_examples=10_000, deadline=None)
def test_very_many_strings_give_the_published_tokens(text):
    assert ours(text) == published(text)


def test_every_character_alone_and_between_letters():
    for code in (*range(1, 0x3400), *range(0x4DB0, 0x4E10), *range(0x9FF0, 0xA010), *range(0xF900, 0x10000), 0x20BB7):
        for text in (chr(code), f"A{chr(code)}B"):
            assert ours(text) == published(text), hex(code)
