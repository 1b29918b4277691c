"""Marks in any text: after whole words, every character kept, none doubled; capitals, width, and words with times."""

import random
import re

import pytest
from support.tiny_punc import punc_of, write_tiny

from firered.punc.marking import Layout, timed
from firered.punc.text import strip_marks, without_marks
from firered.results import Word
from firered.text.units import CHARACTER

MARKS = "，。？！,.?!"
ALPHABETS = [
    "abcxyz",
    "éüßñø",
    "e\u0301o\u0308",
    "привет",
    "γειάς",
    "שלום",
    "مرحبا",
    "नमस्ते",
    "สวัสดี",
    "안녕하세요",
    "გამარჯობა",
    "አማርኛ",
]
WHOLE = ["1,000", "3.14", "10:30", "2024-05-01", "a@b.com", "www.a.com/b?c=d", "U.S.", "e.g.", "don't", "don’t", "C++"]
WHOLE += ["iPhone15", ".net", "e-mail", "rock'n'roll", "cafe\u0301", "i", "i'm", "50%", "#tag", "x_y"]
AROUND = ['"{}"', "({})", "“{}”", "«{}»", "{},", "{}.", "{}?!", "[{}]"]


@pytest.fixture(scope="module")
def punc(tmp_path_factory):
    return punc_of(write_tiny(tmp_path_factory.mktemp("m") / "FireRedPunc"))


def made_up(draw: random.Random, han: bool = True) -> str:
    """A text of words of all scripts, some in quotation marks, some with marks; with `han` of Han and kana, too."""
    words = []
    for _ in range(draw.randint(1, 12)):
        alphabet = draw.choice(ALPHABETS)
        word = alphabet[0] + "".join(draw.choices(alphabet, k=draw.randint(0, 8)))
        word = draw.choice([word, word, draw.choice(WHOLE)])
        if draw.random() < 0.2:
            word = draw.choice(AROUND).format(word)
        if han and draw.random() < 0.5:
            word = "".join(draw.choices("今天天气很好カナ，、《》（）。", k=draw.randint(1, 6))) + word
        words.append(word + draw.choice(["", " ", " ", " "] if han else [" "]))
    return " ".join("".join(words).split())


def without(text: str) -> str:
    return re.sub(f"[{MARKS}]", "", text).casefold()


@pytest.mark.parametrize("seed", range(150))
def test_but_for_marks_the_output_is_the_input(seed, punc):
    draw = random.Random(seed)
    text = made_up(draw)
    layout = Layout(text)
    for chance in (1.0, 0.4):
        marks = [draw.choice("，。？！") if draw.random() < chance else "" for _ in layout.stretches]
        assert without("".join(layout.marked(marks))) == without(text)
    assert without(punc(text).punc_text) == without(text)
    assert without("".join(Layout(text).marked([""] * len(layout.stretches)))) == without(text)


@pytest.mark.parametrize("seed", range(150))
def test_marks_stand_after_whole_words_that_have_none(seed):
    draw = random.Random(seed)
    text = made_up(draw, han=False)
    layout = Layout(text)
    marked = "".join(layout.marked([draw.choice("，。？！") for _ in layout.stretches]))
    for before, after in zip(text.split(), marked.split(), strict=True):
        assert after.casefold().startswith(before.casefold())
        has_one = before.rstrip("\"'”»)]")[-1:] in set(".,?!")
        assert re.fullmatch("" if has_one else "[,.?!]", after[len(before) :]), (before, after)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("我的iphone15和mac好", "我，的，iphone15，和，mac，好，"),
        ("我用 python 写 3.5 版", "我，用， python， 写， 3.5， 版，"),
        ("他说“你好”《书》", "他，说，“你，好”，《书》，"),
        ("你好，世界。", "你，好，世，界。"),
        ("かｶﾞ葛\U000e0100が\u3099", "か，ｶﾞ，葛\U000e0100，が\u3099，"),
        ("the u.s. and .net", "The, u.s. and, .net,"),
        ("你好 hello world", "你，好， hello, world,"),
        ("hello 你好", "Hello, 你，好，"),
        ("你好world", "你，好，world，"),
        ("привет как", "привет, как,"),
        ("hello , world", "Hello , world,"),
        ("well — i 😀 go", "Well — I, 😀 go,"),
        ("中-英", "中-英，"),
        ("。", "。"),
        ("😀", "😀"),
        ("", ""),
    ],
)
def test_where_marks_stand_and_how_wide(text, expected):
    layout = Layout(text)
    assert "".join(layout.marked(["，"] * len(layout.stretches))) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it is ok is i think i'm ok", "It is. Ok is. I think. I'm ok."),
        ("iPhone is OpenAI", "iPhone is. OpenAI."),
        ("john@x.com says node.js", "john@x.com says. node.js."),
        ("été à l'école", "Été à. L'école."),
        ("ok. yes! u.s. army", "Ok. Yes! u.s. army."),
        ("说ok 好ok", "说ok。 好ok。"),
        ("(then) 'tis i’ve", "(Then) 'tis. I’ve."),
    ],
)
def test_capitals_start_sentences_and_what_came_as_a_capital_stays(text, expected):
    layout = Layout(text)
    marks = ["。" if number % 2 else "" for number in range(len(layout.stretches))]
    assert "".join(layout.marked([*marks[:-1], "。"])) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好，世界。真的？！", "你好世界真的"),
        ("ok,ok. wait...what", "ok ok wait what"),
        ("3.14, 1,000 at 10:30. don't e-mail", "3.14 1,000 at 10:30 don't e-mail"),
        ("visit www.example.com/a?b=c, .net; the u.s. army.", "visit www.example.com/a?b=c .net the u.s. army"),
        ("привет, как дела?", "привет как дела"),
        ('he said "hello," then', 'he said "hello" then'),
    ],
)
def test_strip_takes_marks_off_the_ends_of_words(text, expected):
    assert " ".join(without_marks(text).split()) == expected
    assert len(strip_marks(text)) == len(text)
    assert strip_marks(text).replace(" ", "") == expected.replace(" ", "")


def at_times(text: str) -> list[Word]:
    return [Word(word, number, number + 1) for number, word in enumerate(text.split())]


@pytest.mark.parametrize(
    ("words", "text", "stretches"),
    [
        ("привет как дела", None, [("привет ", 0, 1), ("как ", 1, 2), ("дела", 2, 3)]),
        ("今 天 hello world", None, [("今", 0, 1), ("天", 1, 2), ("hello ", 2, 3), ("world", 3, 4)]),
        ("今天 hello", "今天 hello", [("今天 ", 0, 1), ("hello", 1, 2)]),
        # words of the text that have several times, and times of several words of the text
        ("i phone 15", "iphone15", [("iphone15", 0, 3)]),
        ("สวัส ดี", "สวัสดี", [("สวัสดี", 0, 2)]),
        ("今天 天气", "今 天 天 气", [("今 天 ", 0, 1), ("天 气", 1, 2)]),
        # marks and capitals are the text's; the text of other words is not theirs
        ("hello world", "Hello, world!", [("Hello, ", 0, 1), ("world!", 1, 2)]),
        ("hello world", "hello there", [("hello ", 0, 1), ("world", 1, 2)]),
        ("straße maß", "STRASSE, MASS", [("STRASSE, ", 0, 1), ("MASS", 1, 2)]),
        ("", "", []),
    ],
)
def test_words_keep_their_times(words, text, stretches):
    layout, times = timed(at_times(words), text)
    pieces = layout.marked([""] * len(layout.stretches))
    found = [(piece.casefold(), *span) for piece, span in zip(pieces, times, strict=True)]
    assert found == [(piece.casefold(), start, end) for piece, start, end in stretches]


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize("longest", [-1, 4])
def test_sentences_are_the_text_and_their_times_are_of_their_words(seed, longest, punc):
    draw = random.Random(seed)
    text = made_up(draw)
    cut = CHARACTER.sub(lambda found: f" {found[0]} ", text).split()
    words = [Word(word, number, number + 1) for number, word in enumerate(cut)]
    ours = punc_of_longest(punc, longest)
    (result,) = ours.sentences([words], texts=[text])
    assert without(result.punc_text) == without(text)
    assert without("".join(part.text for part in result.sentences)).replace(" ", "") == without(text).replace(" ", "")
    spoken = [word for word in words if without(word.text)]
    assert (result.sentences[0].start_s, result.sentences[-1].end_s) == (spoken[0].start_s, spoken[-1].end_s)
    for part in result.sentences:
        inside = [word.text for word in spoken if part.start_s <= word.start_s < part.end_s]
        assert without("".join(inside)) == without(part.text).replace(" ", "")


def punc_of_longest(punc, longest):
    return type(punc)(
        punc.model, punc.tokenizer, punc.marks, type(punc.config)(sentence_max_length=longest), punc.device
    )


def test_a_mark_of_the_text_ends_a_sentence_and_that_of_an_abbreviation_does_not(punc):
    words = at_times("hello world u.s. army ok")
    (result,) = punc.sentences([words], texts=["Hello, world. U.S. army ok"])
    first, second, *rest = result.sentences
    assert (first.text, first.start_s, first.end_s) == ("Hello,", 0, 1)
    assert (second.text, second.start_s, second.end_s) == ("world.", 1, 2)
    assert rest[0].text.startswith("U.S. army")


def test_published_rules_are_there_to_be_asked_for(punc):
    published = type(punc)(punc.model, punc.tokenizer, punc.marks, type(punc.config)(published=True), punc.device)
    assert without(published("Привет Как").punc_text) == "приветкак"
    assert re.sub(f"[{MARKS}]", "", punc("Привет Как").punc_text) == "Привет Как"
