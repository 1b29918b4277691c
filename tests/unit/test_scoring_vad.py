"""firered-score vad: its frames, its labels, and its figures against scikit-learn's."""

import math

import numpy as np
import pytest
from praatio import textgrid
from sklearn import metrics
from support.scoring_sides import call, rows_of, score_of, write_side

from firered.data.archives import write_matrix
from firered.errors import DataError
from firered.scoring.config import VadScoreConfig
from firered.scoring.inputs.labels import read_labels, read_uem
from firered.scoring.metrics.frames import FrameCounts, Roc
from firered.scoring.reports.vad import sweep
from firered.scoring.vad import frames_of


def random_frames(seed, kind):
    """Labels and posteriors of frames: all different, with many ties, or as sure as can be."""
    generator = np.random.default_rng(seed)
    speech = generator.random(5000) < 0.4
    scores = np.clip(generator.normal(np.where(speech, 0.65, 0.35), 0.2), 0, 1).astype(np.float32)
    return speech, {"plain": scores, "ties": scores.round(1), "sure": scores.round()}[kind]


@pytest.mark.parametrize("kind", ["plain", "ties", "sure"])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
def test_figures_are_those_of_scikit_learn(kind, threshold):
    speech, scores = random_frames(1, kind)
    roc = Roc.of(speech, scores)
    assert roc.auc == pytest.approx(100 * metrics.roc_auc_score(speech, scores), rel=1e-12)
    decided = scores >= np.float32(threshold)
    rejections, false_alarms, misses, hits = metrics.confusion_matrix(speech, decided).ravel().tolist()
    assert roc.at(threshold) == FrameCounts(hits, false_alarms, misses, rejections) == FrameCounts.of(speech, decided)
    rates = roc.at(threshold).rates
    assert rates["F1%"] == pytest.approx(100 * metrics.f1_score(speech, decided))
    assert rates["MR%"] == pytest.approx(100 - 100 * metrics.recall_score(speech, decided))
    assert rates["FAR%"] == pytest.approx(100 - 100 * metrics.recall_score(~speech, ~decided))


@pytest.mark.parametrize("kind", ["plain", "ties", "sure"])
def test_the_curve_is_that_of_scikit_learn(kind):
    speech, scores = random_frames(2, kind)
    roc = Roc.of(speech, scores)
    false_alarms, hits, thresholds = metrics.roc_curve(speech, scores, drop_intermediate=False)
    np.testing.assert_array_equal(roc.thresholds, thresholds[1:])
    np.testing.assert_allclose(roc.hits / speech.sum(), hits[1:])
    np.testing.assert_allclose(roc.false_alarms / (~speech).sum(), false_alarms[1:])
    precision, recall, thresholds = metrics.precision_recall_curve(speech, scores)
    threshold, f1 = roc.best()
    all_f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    assert f1 == pytest.approx(100 * all_f1.max())
    assert threshold in thresholds


def test_the_sweep_is_the_decision_at_every_hundredth():
    speech, scores = random_frames(3, "plain")
    for threshold, *rates in sweep(Roc.of(speech, scores)):
        decided = FrameCounts.of(speech, scores >= np.float32(threshold))
        assert rates == list(decided.rates.values())


def test_a_class_without_frames_has_no_rate():
    only_speech = Roc.of(np.ones(3, bool), np.array([0.1, 0.6, 0.9], np.float32))
    assert only_speech.auc is None
    assert only_speech.at(0.5).rates == {"F1%": pytest.approx(80), "FAR%": None, "MR%": pytest.approx(100 / 3)}


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], "0000000000"),
        ([(0.02, 0.05)], "0011100000"),
        ([(0.024, 0.046)], "0011100000"),  # to the nearest boundary
        ([(0.025, 0.055)], "0001110000"),
        ([(0.0, 0.02), (0.01, 0.03), (0.08, 0.5)], "1110000011"),  # speakers at once; beyond the end
        ([(0.07, math.inf)], "0000000111"),
        ([(0.03, 0.03)], "0000000000"),
    ],
)
def test_frames_of_labels(spans, expected):
    assert "".join(str(int(frame)) for frame in frames_of(spans, 10)) == expected


# Labels


def write_textgrid(path, tiers, end=2.0):
    grid = textgrid.Textgrid(0, end)
    for name, entries in tiers.items():
        grid.addTier(textgrid.IntervalTier(name, entries, 0, end))
    path.parent.mkdir(parents=True, exist_ok=True)
    grid.save(str(path), "long_textgrid", includeBlankSpaces=True)
    return path


RTTM = "SPEAKER a 1 0.5 1.0 <NA> <NA> {} <NA> <NA>\n"
LABELS = {  # file in REF, content
    "segments": ("segments", "a-1 a 0.5 1.5\n"),
    "rttm": ("rttm", ";; a comment\nSPKR-INFO a 1 <NA> <NA> <NA> unknown x <NA>\n" + RTTM.format("anna")),
    "rttm with music": ("rttm", RTTM.format("speech") + "SPEAKER a 1 1.7 0.2 <NA> <NA> music <NA> <NA>\n"),
    "rttm files": ("sub/a.rttm", RTTM.format("speech")),
    "lines": ("a.lab", "0.5 1.5\n"),
    "lines with labels": ("a.txt", "0 0.5 sil\n0.5 0.9 speech\n0.9\t1.5\tAnna says\n1.5 2 noise\n"),
}


@pytest.mark.parametrize(("name", "content"), LABELS.values(), ids=LABELS)
def test_formats_of_labels(tmp_path, name, content):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    for path in (tmp_path, tmp_path / name):
        spans = read_labels(path, VadScoreConfig()).spans
        assert list(spans) == ["a"]
        np.testing.assert_array_equal(frames_of(spans["a"], 200).nonzero()[0], np.arange(50, 150))


def test_textgrids(tmp_path):
    write_textgrid(
        tmp_path / "a.TextGrid", {"anna": [(0.5, 1, "hello")], "noise": [(1.2, 1.6, "music"), (1.7, 2, "x")]}
    )
    write_textgrid(tmp_path / "b.TextGrid", {"anna": [(0, 1, "sil")], "noise": []})
    labels = read_labels(tmp_path, VadScoreConfig())
    assert labels.spans == {"a": [(0.5, 1.0), (1.7, 2.0)], "b": []}
    assert labels.durations == {"a": 2.0, "b": 2.0}
    assert read_labels(tmp_path, VadScoreConfig(tier="anna")).spans == {"a": [(0.5, 1.0)], "b": []}
    assert read_labels(tmp_path, VadScoreConfig(nonspeech="hello, X")).spans["a"] == [(1.2, 1.6)]
    with pytest.raises(DataError, match="no tier 'bob' of intervals; there are anna, noise"):
        read_labels(tmp_path, VadScoreConfig(tier="bob"))


BAD = {  # file, content: the message about it
    "words for times": ("a.lab", "0 1\nx 2\n", "a.lab:2: could not convert string to float: 'x': 'x 2'"),
    "one time": ("a.lab", "0.5\n", "a.lab:1: 1 fields where 2 are needed: '0.5'"),
    "backwards": ("a.lab", "2 1\n", "a.lab:1: from 2 to 1 is no stretch of time"),
    "before the start": ("a.lab", "-1 1\n", "a.lab:1: from -1 to 1 is no stretch of time"),
    "no time at all": ("a.lab", "nan 1\n", "a.lab:1: from nan to 1 is no stretch of time"),
    "a short rttm": ("rttm", "SPEAKER a 1 0.5 1\n", "rttm:1: 5 fields where 8 are needed"),
    "segments": ("segments", "a-1 a 3\n", "segments:1"),
    "no TextGrid": ("a.TextGrid", "not one\n", "a.TextGrid: not a readable TextGrid"),
    "bytes": ("a.lab", b"\xff\xfe\x00", "a.lab:1: UTF-16, not UTF-8"),
    "nothing known": ("a.doc", "", "no labels here: neither rttm nor segments"),
}


@pytest.mark.parametrize(("name", "content", "reason"), BAD.values(), ids=BAD)
def test_labels_that_cannot_be_read(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as error:
        read_labels(tmp_path, VadScoreConfig())
    assert f"{tmp_path}" in str(error.value)
    assert reason in str(error.value)


def test_stretches_that_are_scored(tmp_path):
    (tmp_path / "x.uem").write_text(";; comment\na 1 0.5 1.5\na 1 2 3\nb NA 0 9\n")
    assert read_uem(tmp_path / "x.uem") == {"a": [(0.5, 1.5), (2.0, 3.0)], "b": [(0.0, 9.0)]}


# The command

SPANS = {"a": (0.5, 1.0), "b": (0.2, 0.4), "c": (0.0, 0.3)}
FRAMES = {"a": 198, "b": 98, "c": 98}


@pytest.fixture
def sides(tmp_path):
    """Labels of a (2 s), b and c (1 s); posteriors of a and b that are right but for 10 frames each, and of x."""
    reference = write_side(
        tmp_path / "ref",
        segments={f"{key}-1": f"{key} {start} {end}" for key, (start, end) in SPANS.items()},
        wav_scp={key: f"/audio/{key}.wav" for key in SPANS},
        reco2dur={"a": 2, "b": 1, "c": 1},
        utt2lang={"a": "en", "b": "zh", "c": "zh"},
    )
    hypothesis = tmp_path / "hyp"
    hypothesis.mkdir()
    table = {}
    for key, flipped in (("a", slice(50, 60)), ("b", slice(80, 90)), ("x", slice(0, 0))):
        speech = frames_of([SPANS.get(key, (0, 1))], FRAMES.get(key, 98))
        speech[flipped] ^= True
        write_matrix(hypothesis / f"{key}.ark", np.where(speech, 0.9, 0.2).astype(np.float32)[:, None])
        table[key] = hypothesis / f"{key}.ark"
    write_side(hypothesis, probs_scp=table)
    return reference, hypothesis, tmp_path / "out"


def test_posteriors(sides, monkeypatch, caplog):
    assert call(monkeypatch, "vad", *sides) == 1
    assert "1 hypotheses have no reference and are not scored: x" in caplog.text
    score = score_of(sides[2])
    counts = {name: score["posteriors"][name] for name in ("hits", "false_alarms", "misses", "rejections")}
    assert counts == {"hits": 60, "false_alarms": 10, "misses": 40, "rejections": 284}  # all 30 of c are missed
    assert (score["frames"], score["speech_frames"], score["utterances"], score["missing"]) == (394, 100, 3, 1)
    speech = np.concatenate([frames_of([SPANS[key]], FRAMES[key]) for key in "abc"])
    found = np.concatenate([frames_of([(0.6, 1.0)], 198), frames_of([(0.2, 0.4), (0.8, 0.9)], 98), np.zeros(98, bool)])
    scores = np.where(found, 0.9, 0.2)
    scores[-98:] = 0
    assert score["metrics"]["AUC-ROC%"]["value"] == pytest.approx(100 * metrics.roc_auc_score(speech, scores))
    assert score["metrics"]["F1%"]["value"] == pytest.approx(100 * metrics.f1_score(speech, found))
    assert score["metrics"]["MR%"]["value"] == pytest.approx(40)
    assert score["metrics"]["FAR%"]["value"] == pytest.approx(1000 / 294)
    low, high = score["metrics"]["MR%"]["interval"]
    assert 0 <= low <= 40 <= high <= 100


def test_its_tables_and_picture(sides, monkeypatch):
    call(monkeypatch, "vad", *sides)
    out = sides[2]
    languages = rows_of(out / "by_language.tsv")
    assert {name: (row["hits"], row["misses"], row["false_alarms"]) for name, row in languages.items()} == {
        "en": ("40", "10", "0"),
        "zh": ("20", "30", "10"),
    }
    assert languages["en"]["MR%"] == "20.00"
    assert set(rows_of(out / "by_recording.tsv")) == set(SPANS)
    sweep_rows = rows_of(out / "sweep.tsv")
    assert len(sweep_rows) == 99
    assert sweep_rows["0.50"]["MR%"] == "40.00"
    assert (out / "sweep.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "missing").read_text() == "c\n"
    text = (out / "score.txt").read_text()
    assert "posteriors, speech at 0.5 or more" in text
    assert "3 recordings, 3.94 s, speech in 1.00 s, frames of 10 ms" in text


def test_the_threshold_is_an_option(sides, monkeypatch):
    call(monkeypatch, "vad", *sides, "--threshold", "0.2")
    assert score_of(sides[2])["metrics"]["MR%"]["value"] == 30  # only c, which has no posteriors
    call(monkeypatch, "vad", *sides, "--threshold", "0.95")
    assert score_of(sides[2])["metrics"]["MR%"]["value"] == 100


def test_segments_alone(sides, tmp_path, monkeypatch):
    reference, _, out = sides
    found = write_side(tmp_path / "found", segments={"a-1": "a 0.6 1.1", "b-1": "b 0.2 0.4"})
    assert call(monkeypatch, "vad", reference, found, out) == 0
    score = score_of(out)
    assert score["metrics"]["AUC-ROC%"] == {"value": None, "interval": None}
    assert [score["segments"][name] for name in ("hits", "false_alarms", "misses")] == [60, 10, 40]
    assert not (out / "sweep.png").exists()


def test_posteriors_and_segments(sides, monkeypatch):
    reference, hypothesis, out = sides
    write_side(hypothesis, segments={"a-1": "a 0.5 1", "b-1": "b 0.2 0.4"})
    call(monkeypatch, "vad", reference, hypothesis, out)
    score = score_of(out)
    assert (score["posteriors"]["misses"], score["segments"]["misses"]) == (40, 30)


def test_only_what_the_uem_names_is_scored(sides, tmp_path, monkeypatch):
    (tmp_path / "x.uem").write_text("a 1 0.55 1.05\n")
    call(monkeypatch, "vad", *sides, "--uem", tmp_path / "x.uem")
    score = score_of(sides[2])
    assert (score["frames"], score["speech_frames"], score["posteriors"]["misses"]) == (50, 45, 5)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda ref, hyp: write_side(ref, reco2dur={"a": 2}), "c: how long is it? Put a reco2dur beside the labels"),
        (lambda ref, hyp: write_matrix(hyp / "a.ark", np.zeros((9, 3), np.float32)), "3 columns; posteriors of speech"),
        (lambda ref, hyp: write_matrix(hyp / "a.ark", np.full((9, 1), 7, np.float32)), "not between 0 and 1"),
        (lambda ref, hyp: write_side(ref, segments={}, wav_scp={}, reco2dur={}), "ref: names no recordings"),
        (lambda ref, hyp: (hyp / "probs.scp").unlink(), "no labels here"),
    ],
    ids=["no duration", "of mVAD", "no probabilities", "no recordings", "nothing found"],
)
def test_input_that_cannot_be_used(sides, monkeypatch, caplog, damage, reason):
    damage(*sides[:2])
    assert call(monkeypatch, "vad", *sides) == 1
    assert reason in caplog.text
    assert not (sides[2] / "score.json").exists()


def test_labels_beyond_the_end_are_told(sides, monkeypatch, caplog):
    write_side(sides[0], segments={"b-1": "b 0.2 1.4"})
    call(monkeypatch, "vad", *sides)
    assert "b: labels go on to 1.40 s, 98 frames only to 0.98 s" in caplog.text
