"""firered-score lid, and how far confidences can be believed."""

import numpy as np
import pytest
from sklearn import metrics
from support.scoring_sides import call, rows_of, score_of, write_side

from firered.scoring.metrics.calibration import calibrate

REF = {"u1": "zh mandarin", "u2": "zh yue", "u3": "en", "u4": "en", "u5": "zh yue"}
HYP = {"u1": "zh-mandarin", "u2": "zh-mandarin", "u3": "en", "u4": "de", "x": "en"}


@pytest.fixture
def sides(tmp_path):
    """Five references; of the hypotheses two are right, two wrong, u5 missing, x extra."""
    reference = write_side(tmp_path / "ref", utt2lang=REF)
    confidences = {"u1": 0.95, "u2": 0.55, "u3": 0.9, "u4": 0.35, "u5": 0.7, "x": 0.5}
    hypothesis = write_side(tmp_path / "hyp", utt2lang=HYP, utt2lang_conf=confidences)
    return reference, hypothesis, tmp_path / "out"


def test_accuracy_and_tables(sides, monkeypatch, caplog):
    assert call(monkeypatch, "lid", *sides) == 1
    assert "1 hypotheses have no reference and are not scored: x" in caplog.text
    score = score_of(sides[2])
    assert score["metrics"]["accuracy%"]["value"] == 40  # the missing one is wrong
    assert [score[name] for name in ("utterances", "correct", "missing", "extra")] == [5, 2, 1, 1]
    assert sum(bin_["weight"] for bin_ in score["calibration"]["bins"]) == 4  # what has a label and is scored
    rows = rows_of(sides[2] / "by_language.tsv")
    assert rows["en"] == {"utterances": "2", "correct": "1", "recall%": "50.00", "precision%": "100.00", "F1%": "66.67"}
    assert rows["zh-mandarin"]["precision%"] == "50.00"
    assert rows["zh-yue"]["precision%"] == "-"
    assert rows_of(sides[2] / "confusions.tsv")["zh-yue"] == {
        "en": "0",
        "zh-mandarin": "1",
        "zh-yue": "0",
        "(missing)": "1",
        "de": "0",
    }
    for name in ("confusions.png", "calibration.png"):
        assert (sides[2] / name).read_bytes().startswith(b"\x89PNG")
    text = (sides[2] / "score.txt").read_text()
    assert "2 of 5 utterances, 1 without a hypothesis (wrong), 1 hypotheses without a reference" in text


def test_languages_only(sides, monkeypatch):
    call(monkeypatch, "lid", *sides, "--level", "language")
    assert score_of(sides[2])["correct"] == 3
    assert score_of(sides[2])["levels"] is None


def test_a_line_without_a_label_is_wrong_and_no_fault(sides, monkeypatch):
    reference, hypothesis, out = sides
    write_side(hypothesis, utt2lang={**HYP, "u3": ""})
    call(monkeypatch, "lid", reference, hypothesis, out, "--allow-extra")
    score = score_of(out)
    assert [score[name] for name in ("correct", "missing")] == [1, 1]
    assert rows_of(out / "confusions.tsv")["en"]["(none)"] == "1"
    assert score["levels"]["elsewhere"] == [0, 1]  # u4 alone was found to be in another language
    reference.joinpath("utt2lang").write_text("u1\n")
    assert call(monkeypatch, "lid", reference, hypothesis, out) == 1  # of the reference it is a fault


def test_languages_and_dialects_apart(tmp_path, monkeypatch):
    pairs = {
        ("zh mandarin", "zh mandarin"): 3,
        ("zh yue", "zh mandarin"): 2,  # the language is right
        ("zh yue", "zh"): 1,  # and here, without a dialect
        ("zh yue", "en"): 1,
        ("zh", "zh yue"): 1,  # nothing says which dialect is right
        ("en", "en"): 4,
        ("en", "en mandarin"): 2,  # the language is right, the dialect out of place
        ("en", "de yue"): 1,
        ("en", "zh yue"): 1,  # wrong, but Chinese has dialects
        ("en", ""): 1,  # missing
    }
    labels = [pair for pair, times in pairs.items() for _ in range(times)]
    reference = {f"u{number:02d}": pair[0] for number, pair in enumerate(labels)}
    hypothesis = {f"u{number:02d}": pair[1] for number, pair in enumerate(labels) if pair[1]}
    sides = (write_side(tmp_path / name, utt2lang=table) for name, table in (("ref", reference), ("hyp", hypothesis)))
    call(monkeypatch, "lid", *sides, tmp_path / "out")
    score = score_of(tmp_path / "out")
    assert score["levels"] == {"language": [13, 17], "dialect": [3, 6], "elsewhere": [3, 8]}
    assert score["metrics"]["language accuracy%"]["value"] == pytest.approx(100 * 13 / 17)
    assert score["metrics"]["dialect accuracy%"]["value"] == 50
    assert score["metrics"]["dialect elsewhere%"]["value"] == 37.5
    assert "a dialect after a language that has none: 37.50 % (3 of 8)" in (tmp_path / "out/score.txt").read_text()


def test_reference_labels_are_mapped(sides, tmp_path, monkeypatch):
    (tmp_path / "map").write_text("# ours\ten\nen\tde\nzh yue\tzh mandarin\n")
    call(monkeypatch, "lid", *sides, "--lang-map", tmp_path / "map")
    assert score_of(sides[2])["correct"] == 3


@pytest.mark.parametrize("line", ["en de", "en\t", "en\tde\tfr"])
def test_a_map_that_cannot_be_read(sides, tmp_path, monkeypatch, caplog, line):
    (tmp_path / "map").write_text(f"zh\tzh\n{line}\n")
    assert call(monkeypatch, "lid", *sides, "--lang-map", tmp_path / "map") == 1
    assert f"{tmp_path}/map:2: not `label<TAB>label`" in caplog.text


def test_rates_are_those_of_scikit_learn(tmp_path, monkeypatch):
    generator = np.random.default_rng(1)
    names = np.array(["en", "zh-yue", "zh-wu", "ja"])
    reference = generator.choice(names, 400)
    hypothesis = np.where(generator.random(400) < 0.8, reference, generator.choice(names, 400))
    keys = [f"u{number:03d}" for number in range(400)]
    sides = (
        write_side(tmp_path / name, utt2lang=dict(zip(keys, labels, strict=True)))
        for name, labels in (("ref", reference), ("hyp", hypothesis))
    )
    assert call(monkeypatch, "lid", *sides, tmp_path / "out") == 0
    accuracy = score_of(tmp_path / "out")["metrics"]["accuracy%"]
    assert accuracy["value"] == pytest.approx(100 * metrics.accuracy_score(reference, hypothesis))
    assert accuracy["interval"][0] < accuracy["value"] < accuracy["interval"][1]
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        reference, hypothesis, labels=sorted(names)
    )
    rows = rows_of(tmp_path / "out/by_language.tsv")
    for label, *rates, count in zip(sorted(names), recall, precision, f1, support, strict=True):
        assert int(rows[label]["utterances"]) == count
        shown = [float(rows[label][name]) for name in ("recall%", "precision%", "F1%")]
        assert shown == pytest.approx([100 * rate for rate in rates], abs=0.0051)
    matrix = [list(map(int, row.values())) for row in rows_of(tmp_path / "out/confusions.tsv").values()]
    assert matrix == metrics.confusion_matrix(reference, hypothesis, labels=sorted(names)).tolist()


# Calibration


def test_the_calibration_error_by_hand():
    """Of two bins, with 2 and 1 of weight: |0.95 - 0.5| and |0.25 - 1|."""
    found = calibrate(np.array([0.9, 1.0, 0.25]), np.array([1.0, 0.0, 1.0]), np.ones(3))
    assert found.error == pytest.approx((2 * 0.45 + 0.75) / 3)
    assert [(bin_["from"], bin_["weight"]) for bin_ in found.to_json()["bins"]] == [(0.2, 1.0), (0.9, 2.0)]


def test_tokens_weigh():
    found = calibrate(np.array([0.8, 0.8]), np.array([10.0, 0.0]), np.array([10.0, 30.0]))
    assert found.error == pytest.approx(0.8 - 0.25)


def test_confidences_that_are_true_have_a_small_error():
    generator = np.random.default_rng(1)
    confidences = generator.random(200_000)
    right = generator.random(200_000) < confidences
    assert calibrate(confidences, right, np.ones(200_000)).error < 0.01
    assert calibrate(np.sqrt(confidences), right, np.ones(200_000)).error == pytest.approx(2 / 3 - 1 / 2, abs=0.01)


def test_no_confidences_no_calibration():
    assert calibrate(np.zeros(0), np.zeros(0), np.zeros(0)) is None
    assert calibrate(np.array([0.5]), np.zeros(1), np.zeros(1)) is None
