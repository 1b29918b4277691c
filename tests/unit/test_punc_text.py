"""Text, tokens and tags: what becomes of every character, the final rules, sentences (no model)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firered.errors import ModelError
from firered.punc.punctuate import Window, token_windows
from firered.punc.text import bare, build_text, rule_fix, sentence_ends, strip_marks
from firered.punc.tokens import Piece, PieceTokenizer
from firered.text.width import sentence_width

MARKS = ["", "，", "。", "？", "！"]
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "ok", "##ok", "cafe", "is", "##a", "你", "好", "'", ",", ".", "="]
TOKENS += ["ᄋ", "##ᅡ", "##ᆫ", "##ᄂ", "##ᅧ", "##ᆼ", "1", "##2", "mask", "[", "]"]
TOKENIZER = PieceTokenizer(TOKENS)


def pieces_of(text: str) -> list[Piece]:
    return TOKENIZER.cut([text])[0]


# The published rules with published results, then what the words of the rules say.
RULES = [
    ("i'm ok. how are you? i'm fine.", "I'm ok. How are you? I'm fine."),
    ("Tim，", "Tim,"),
    ("hello，world。good", "Hello, world. Good"),
    ("so i did，ok！", "So I did, ok!"),
    ("^a，b", "^a, b"),
    ("你好，world。", "你好，world。"),
    ("i。", "I."),
    ("", ""),
    ("，", "，"),
    ("a，b，c", "A, b, c"),
    ("hello，你好", "Hello, 你好"),
    ("no i don't！", "No I don't!"),
    ("价格是x，yz，123元。", "价格是x, yz，123元。"),
    ("THE END。next", "The end. Next"),
    ("i think i'll go，i've said i'd go", "I think I'll go, I've said I'd go"),
    ("hi i's wifi-i is，i'mmense", "Hi i's wifi-i is, i'mmense"),
    ("好。 ok", "好。 Ok"),
    ("好。ok", "好。ok"),
    ("café，à la carte。été", "Café, à la carte. Été"),
]


@pytest.mark.parametrize(("text", "expected"), RULES)
def test_final_rules(text, expected):
    assert rule_fix(text) == expected


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("ok ok", "00", "ok ok"),
        ("ok ok", "10", "ok，ok"),
        ("okok ok", "000", "okok ok"),
        ("okok", "10", "ok，ok"),
        ("你 好", "12", "你，好。"),
        ("你ok 好", "034", "你ok？好！"),
        ("ok'a ok", "0000", "ok'a ok"),
        ("café ok 12", "0000", "café ok 12"),
    ],
)
def test_spaces_come_between_latin_words_without_a_mark(text, tags, expected):
    pieces = pieces_of(text)
    assert build_text(pieces, [MARKS[int(tag)] for tag in tags]) == expected


@pytest.mark.parametrize(
    ("text", "ids", "texts"),
    [
        ("", [], []),
        (" \t\u3000\u2028", [], []),
        ("你好", [10, 11], ["你", "好"]),
        ("OKok 你", [5, 6, 10], ["OK", "ok", "你"]),
        ("안녕", [16, 17, 18, 19, 20, 21], ["", "", "안", "", "", "녕"]),
        ("café cafe\u0301", [7, 7], ["café", "cafe\u0301"]),
        ("İs", [8], ["İs"]),
        ("≠", [15], ["≠"]),
        ("你\x00\u200d好\ufffd", [10, 11], ["你\x00\u200d", "好\ufffd"]),
        ("\u0301你", [10], ["\u0301你"]),
        ("\x00\u200b", [1], ["\x00\u200b"]),
        ("饕餮👨\u200d👩\u200d👧", [1, 1, 1], ["饕", "餮", "👨\u200d👩\u200d👧"]),
        ("a" * 101, [1], ["a" * 101]),
        ("[MASK]", [25, 24, 26], ["[", "MASK", "]"]),
        ("你\ud83d好", [10, 11], ["你\ud83d", "好"]),
        ("[CLS]ok", [25, 1, 26, 5], ["[", "CLS", "]", "ok"]),
    ],
)
def test_every_character_belongs_to_a_token(text, ids, texts):
    found = pieces_of(text)
    assert [piece.id for piece in found] == ids
    assert [piece.text for piece in found] == texts


def test_which_tokens_are_latin_and_which_go_on():
    found = pieces_of("okok café 12 ' 你 " + "a" * 101 + " ß")
    assert [piece.latin for piece in found] == [True, True, True, True, True, False, False, True, False]
    assert [piece.continues for piece in found] == [False, True, False, False, True, False, False, False, False]


def test_a_vocabulary_without_unknown_is_refused():
    with pytest.raises(ModelError, match=r"v\.txt: no \[UNK\]"):
        PieceTokenizer(["a", "b"], "v.txt")


# Characters that normalisation drops, splits, folds or joins come up often enough to meet.
NASTY = (
    "aiIk'.,?!，。？！ \n\r\t\u3000\x00\x1c\x85\u200b\u200d\ufeff\ufffd\u0301\u0345안녕\u1100你饕😀İΣςßéŉıſK#[]UNK_~"
)
TEXTS = st.text(st.one_of(st.characters(), st.sampled_from(NASTY)), max_size=50)


@settings(max_examples=400)
@given(TEXTS, st.randoms(use_true_random=False))
def test_without_marks_and_spaces_the_output_is_the_input(text, draw):
    pieces = pieces_of(text)
    assert "".join(piece.text for piece in pieces) == "".join(text.split())
    marks = [draw.choice(MARKS) if piece.text else "" for piece in pieces]
    assert bare(rule_fix(build_text(pieces, marks))) == bare(text)


def test_every_character_there_is_survives():
    everything = [chr(code) for code in (*range(0x32000), *range(0xE0000, 0xE0200), *range(0xFFFF0, 0x100010))]
    for start in range(0, len(everything), 4096):
        text = " ".join(everything[start : start + 4096])
        pieces = pieces_of(text)
        assert "".join(piece.text for piece in pieces) == "".join(text.split()), hex(start)
        assert bare(rule_fix(build_text(pieces, [""] * len(pieces)))) == bare(text), hex(start)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("Hello, World! ", "helloworld"), ("你，好。ok？", "你好ok"), ("、3.14", "、314"), ("ΑΣ ας", "ασασ")],
)
def test_bare_text(text, expected):
    assert bare(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好，世界。真的？！", "你好 世界 真的  "),
        ("ok,ok.", "ok ok "),
        ("3.14 and 1,000 at 10:30.", "3.14 and 1,000 at 10:30 "),
        ("see firered.ai: yes; no…", "see firered.ai  yes  no "),
        ("don't e-mail 《书》", "don't e-mail 《书》"),
        (".5 a. b,c", ".5 a  b c"),
        ("the u.s. army, .net and a?b=c.", "the u.s. army  .net and a?b=c "),
    ],
)
def test_marks_taken_out(text, expected):
    assert strip_marks(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("", 0), ("你好", 2), ("ing", 1.5), ("m'1", 1.5), ("é", 1), ("-", 1)])
def test_width(text, expected):
    assert sentence_width(text) == expected


def probabilities(*words: tuple[float, float, float]) -> np.ndarray:
    """(W, 5) of no mark, comma and full stop; the others get what is left."""
    return np.array([[a, b, c, (1 - a - b - c) / 2, (1 - a - b - c) / 2] for a, b, c in words])


SURE, MARK, STOP = (0.9, 0.06, 0.04), (0.2, 0.7, 0.1), (0.1, 0.1, 0.8)


@pytest.mark.parametrize(
    ("words", "widths", "longest", "expected"),
    [
        ([SURE, MARK, SURE, STOP], [1] * 4, 0, {1: 1, 3: 2}),
        ([SURE, MARK, SURE], [1] * 3, -1, {1: 1, 2: 0}),
        ([], [], -1, {}),
        ([], [], 5, {}),
        # the last word gets its likeliest mark
        ([SURE], [1], 5, {0: 1}),
        # where a mark is likely, the width does not matter
        ([MARK, STOP], [9, 9], 5, {0: 1, 1: 2}),
        # an even chance counts as a mark only with a longest width
        ([(0.4, 0.4, 0.1), SURE], [1, 1], 0, {1: 0}),
        ([(0.4, 0.4, 0.1), SURE], [1, 1], 5, {0: 1, 1: 1}),
        # too wide at the third word: cut after the earlier one with the least certain "no mark"
        ([(0.8, 0.1, 0.1), (0.5, 0.1, 0.4), SURE, SURE], [1] * 4, 2, {1: 2, 3: 1}),
        # the first of several alike, and the words after the cut count anew
        ([SURE] * 5, [1] * 5, 2, {0: 1, 1: 1, 2: 1, 4: 1}),
        # a single word that is too wide stays whole
        ([SURE, SURE, SURE], [9, 9, 9], 5, {0: 1, 1: 1, 2: 1}),
        # too wide at the last word too
        ([(0.6, 0.3, 0.1), SURE, SURE], [2, 2, 2], 5, {0: 1, 2: 1}),
    ],
)
def test_where_sentences_end(words, widths, longest, expected):
    assert sentence_ends(probabilities(*words).reshape(-1, 5), widths, longest) == expected


@pytest.mark.parametrize(
    ("length", "size", "overlap", "expected"),
    [
        (0, 4, 0, []),
        (3, 4, 0, [(0, 3, 0, 3)]),
        (4, 4, 0, [(0, 4, 0, 4)]),
        (9, 4, 0, [(0, 4, 0, 4), (4, 8, 4, 8), (8, 9, 8, 9)]),
        (1, 4, 2, [(0, 1, 0, 1)]),
        (4, 4, 2, [(0, 4, 0, 4)]),
        (7, 4, 2, [(0, 4, 0, 3), (2, 6, 3, 5), (4, 7, 5, 7)]),
        (6, 4, 3, [(0, 4, 0, 2), (1, 5, 2, 3), (2, 6, 3, 6)]),
    ],
)
def test_windows(length, size, overlap, expected):
    assert token_windows(length, size, overlap) == [Window(*fields) for fields in expected]


@given(st.integers(0, 300), st.integers(1, 40), st.data())
def test_every_token_is_predicted_once_and_away_from_edges(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    found = token_windows(length, size, overlap)
    assert [token for window in found for token in range(window.first, window.last)] == list(range(length))
    for window in found:
        assert window.start <= window.first < window.last <= window.end <= window.start + size
        for token in (window.first, window.last - 1):
            assert room(window, token, length) >= max(room(other, token, length) for other in found) - 1


def room(window: Window, token: int, length: int) -> float:
    """How far a token is from the nearer of a window's edges; the text's own ends are none."""
    if not window.start <= token < window.end:
        return -1
    left = token - window.start if window.start else length
    right = window.end - 1 - token if window.end < length else length
    return min(left, right)
