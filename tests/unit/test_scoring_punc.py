"""firered-score punc: marks at tokens, with or without the same words."""

import random

import pytest
from sklearn.metrics import precision_recall_fscore_support
from support.scoring_sides import call, rows_of, score_of, write_side

from firered.scoring.config import PuncScoreConfig
from firered.scoring.punc import CLASSES, _marks, tokens_and_marks

MARKS = _marks(PuncScoreConfig())

TEXTS = {  # text: tokens, and the mark before the first and after each
    "你好，世界。": ("你 好 世 界", ["", "", "comma", "", "period"]),
    "Hello, world!": ("hello world", ["", "comma", "exclamation"]),
    "真的？ 是.": ("真 的 是", ["", "", "question", "period"]),
    "it's well-known, O’Neil": ("it's well-known o’neil", ["", "", "comma", ""]),
    "3.14，1,000 2.": ("3.14 1,000 2", ["", "comma", "", "period"]),
    "用iphone。手": ("用 iphone 手", ["", "", "period", ""]),
    "你：“好”、吗；": ("你 好 吗", ["", "", "", ""]),
    "真的？！": ("真 的", ["", "", "question"]),
    "“好。”他说": ("好 他 说", ["", "period", "", ""]),
    "，好": ("好", ["comma", ""]),
    "，": ("", ["comma"]),
    "": ("", [""]),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.items(), ids=list(TEXTS))
def test_tokens_and_marks(text, expected):
    tokens, marks = expected
    assert tokens_and_marks(text, MARKS) == (tokens.split(), marks)


def scored(tmp_path, monkeypatch, reference, hypothesis, *options):
    """score.json of texts, one an utterance, and the exit status."""
    sides = (
        write_side(tmp_path / name, text=dict(enumerate(texts)))
        for name, texts in (("r", reference), ("h", hypothesis))
    )
    status = call(monkeypatch, "punc", *sides, tmp_path / "out", *options)
    return score_of(tmp_path / "out"), status


def counts(score, name):
    return tuple(score["marks"][name][part] for part in ("hits", "false", "missed"))


CASES = {  # reference, hypothesis: mark, (hits, false, missed)
    "right": ("你好，吗？", "你好，吗？", "comma", (1, 0, 0)),
    "either width": ("hello, ok", "hello， ok", "comma", (1, 0, 0)),
    "missed": ("你好，吗", "你好吗", "comma", (0, 0, 1)),
    "false": ("你好吗", "你，好吗", "comma", (0, 1, 0)),
    "another mark: missed ...": ("你好。", "你好，", "period", (0, 0, 1)),
    "... and false": ("你好。", "你好，", "comma", (0, 1, 0)),
    "one token off": ("你好，吗", "你，好吗", "comma", (0, 1, 1)),
    "other words at the same place": ("你好，吗。", "你号，吗。", "comma", (1, 0, 0)),
    "after a word that the hypothesis lacks": ("你好，吗。", "你吗。", "comma", (0, 0, 1)),
    "the next is found though": ("你好，吗。", "你吗。", "period", (1, 0, 0)),
    "after a word that the reference lacks": ("你吗。", "你好，吗。", "comma", (0, 1, 0)),
    "after two of them": ("甲乙，丙丁。", "甲字乙，丙丁字。", "period", (0, 1, 1)),
    "upper and lower case": ("Hello, you.", "hello, You.", "comma", (1, 0, 0)),
}


@pytest.mark.parametrize(("reference", "hypothesis", "mark", "expected"), CASES.values(), ids=CASES)
def test_marks_by_hand(tmp_path, monkeypatch, reference, hypothesis, mark, expected):
    assert counts(scored(tmp_path, monkeypatch, [reference], [hypothesis])[0], mark) == expected


def test_the_overall_score_leaves_exclamation_marks_out(tmp_path, monkeypatch):
    score, status = scored(tmp_path, monkeypatch, ["好，好。好？好！"], ["好，好，好？好。"])
    assert status == 0
    assert counts(score, "exclamation") == (0, 0, 1)
    figures = {name: figure["value"] for name, figure in score["metrics"].items()}
    assert figures == {"precision%": 50, "recall%": pytest.approx(200 / 3), "F1%": pytest.approx(400 / 7)}
    assert rows_of(tmp_path / "out/by_mark.tsv")["overall"]["reference"] == "3"
    assert "overall leaves exclamation marks out" in (tmp_path / "out/score.txt").read_text()


def test_a_missing_hypothesis_misses_all_its_marks(tmp_path, monkeypatch):
    score, _ = scored(tmp_path, monkeypatch, ["好，好。", "好。"], ["好，好。"])
    assert counts(score, "period") == (1, 0, 1)
    assert (score["missing"], score["utterances"], score["differing_words"]) == (1, 2, 0)


def test_an_extra_hypothesis_is_an_error(tmp_path, monkeypatch, caplog):
    score, status = scored(tmp_path, monkeypatch, ["好。"], ["好。", "好。"])
    assert (status, score["extra"], counts(score, "period")) == (1, 1, (1, 0, 0))
    assert "1 hypotheses have no reference and are not scored: 1" in caplog.text


def test_other_words_are_told(tmp_path, monkeypatch):
    score, _ = scored(tmp_path, monkeypatch, ["你好。"], ["你号。"])
    assert score["differing_words"] == 1
    assert "1 utterances have other words than the reference" in (tmp_path / "out/score.txt").read_text()


def test_a_table_of_marks_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "marks").write_text("# mine\n、\tcomma\n", encoding="utf-8")
    score, _ = scored(tmp_path, monkeypatch, ["一、二，"], ["一、二"], "--marks", tmp_path / "marks")
    assert counts(score, "comma") == (1, 0, 0)


@pytest.mark.parametrize("line", ["、 comma", "、\tpause", "、、\tcomma"])
def test_a_table_of_marks_that_cannot_be_read(tmp_path, monkeypatch, caplog, line):
    (tmp_path / "marks").write_text(f"{line}\n", encoding="utf-8")
    sides = [write_side(tmp_path / name, text={"u": "好。"}) for name in ("r", "h")]
    assert call(monkeypatch, "punc", *sides, tmp_path / "out", "--marks", tmp_path / "marks") == 1
    assert f"{tmp_path}/marks:1: not `mark<TAB>" in caplog.text


def test_rates_are_those_of_scikit_learn(tmp_path, monkeypatch):
    generator = random.Random(1)
    reference, hypothesis, right, found = [], [], [], []
    for _ in range(100):
        marks = generator.choices(["", *"，。？！"], (8, 4, 3, 2, 1), k=30)
        others = [mark if generator.random() < 0.8 else generator.choice(["", *"，。？！"]) for mark in marks]
        reference.append("".join(f"字{mark}" for mark in marks))
        hypothesis.append("".join(f"字{mark}" for mark in others))
        right += marks
        found += others
    score, _ = scored(tmp_path, monkeypatch, reference, hypothesis)
    rows = rows_of(tmp_path / "out/by_mark.tsv")
    each = precision_recall_fscore_support(right, found, labels=list("，。？！"))
    for place, name in enumerate(CLASSES):
        shown = [float(rows[name][rate]) for rate in ("precision%", "recall%", "F1%")]
        assert shown == pytest.approx([100 * rates[place] for rates in each[:3]], abs=0.0051)
        assert int(rows[name]["reference"]) == each[3][place]
    micro = precision_recall_fscore_support(right, found, labels=list("，。？"), average="micro")
    for name, rate in zip(("precision%", "recall%", "F1%"), micro, strict=False):
        figure = score["metrics"][name]
        assert figure["value"] == pytest.approx(100 * rate)
        assert figure["interval"][0] < figure["value"] < figure["interval"][1]
