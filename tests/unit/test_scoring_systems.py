"""firered-table with several systems: columns, reductions, paired differences, and what systems take."""

import json
import re

import numpy as np
import pytest
from support.scoring_sides import call, score_of, write_side
from support.tables import beside, table, under

from firered.errors import OptionError
from firered.scoring.config import SampleConfig, TableConfig
from firered.scoring.metrics.bootstrap import paired_difference, ratio
from firered.scoring.published import published, relative_reduction
from firered.scoring.reports.results import Result
from firered.scoring.reports.table import results_page

PAPERS_RULE = ("--normalizer", "firered-released", "--number-normalization")
REFERENCE = {f"u{number:03d}": "今天天气很好我们" for number in range(60)}


def with_errors(every):
    """The texts with one error in every so many of them."""
    return {key: text[1:] if number % every == 0 else text for number, (key, text) in enumerate(REFERENCE.items())}


@pytest.fixture
def scores(tmp_path, monkeypatch):
    """Scores of two systems on aishell1, the second with errors in more utterances."""
    reference = write_side(tmp_path / "ref", text=REFERENCE)
    for system, every in (("FireRedASR2-AED", 10), ("whisper-base", 2)):
        hypothesis = write_side(tmp_path / system, text=with_errors(every))
        out = tmp_path / "scores" / system
        named = "--test-set", "aishell1", "--system", system
        assert call(monkeypatch, reference, hypothesis, out, *named, *PAPERS_RULE) == 0
    return tmp_path / "scores"


def page(scores, monkeypatch, *options):
    out = scores.parent / "RESULTS.md"
    assert table(monkeypatch, scores, out, *options) == 0
    return out.read_text(encoding="utf-8")


def test_measured_columns_stand_beside_printed_ones(scores, monkeypatch):
    text = page(scores, monkeypatch)
    (row,) = beside(text, "FireRedASR2S, table 6")
    assert list(row)[:5] == ["Test set", "Metric", "Normaliser", "FireRedASR2-AED (here)", "whisper-base (here)"]
    assert re.fullmatch(r"\*\*1\.25\*\* \[\d\.\d\d, \d\.\d\d\]", row["FireRedASR2-AED (here)"])
    assert row["whisper-base (here)"].startswith("**6.25** [")
    assert list(row)[5:] == [
        figure.system for figure in published() if (figure.table, figure.test_set) == ("fireredasr2s-6", "aishell1")
    ]
    assert row["FireRedASR2-AED"] == "0.57"
    assert beside(text, "FireRedASR, table 2")[0]["Whisper-Large-v3"] == "5.14"
    assert text.count("Beside FireRedASR2S, table 6.") == 1
    # Each system's own section is as that of one alone, with what produced it.
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        *("## Side by side", "## FireRedASR2-AED", "## whisper-base"),
    ]


def test_a_system_without_a_figure_has_a_dash_and_one_of_another_task_no_column():
    figures = [
        Result("FireRedVAD", "fleurs-vad-102", "AUC-ROC%", "-", 99.0, (98.0, 99.5), "0 of 1"),
        Result("FireRedVAD", "fleurs-vad-102", "F1%", "-", 97.0, None, "0 of 1"),
        Result("webrtcvad", "fleurs-vad-102", "AUC-ROC%", "-", None, None, "0 of 1"),
        Result("webrtcvad", "fleurs-vad-102", "F1%", "-", 53.0, None, "0 of 1"),
        Result("FireRedPunc", "punc-zh", "F1%", "-", 83.0, None, "0 of 1"),
    ]
    text = "\n".join(results_page("t", figures)) + "\n"
    auc, f1 = beside(text, "FireRedASR2S, table 3")
    assert (auc["Metric"], auc["FireRedVAD (here)"], auc["webrtcvad (here)"]) == (
        "AUC-ROC",
        "**99.00** [98.00, 99.50]",
        "-",
    )
    assert (auc["WebRTC-VAD"], f1["WebRTC-VAD"], f1["webrtcvad (here)"]) == ("-", "52.30", "**53.00**")
    assert "FireRedPunc (here)" not in auc
    assert "webrtcvad (here)" not in beside(text, "FireRedASR2S, table 5")[0]


def test_rows_that_no_paper_has_stand_alone():
    figures = [Result(system, "ami", "F1%", "-", 90.0, None, "0 of 1") for system in ("a", "b")]
    text = "\n".join(results_page("t", figures)) + "\n"
    assert under(text, "Beside no published figure.")[0]["b (here)"] == "**90.00**"


def test_relative_reduction_is_that_of_the_paper():
    """FireRedASR, table 4: its CERR of FireRedASR-LLM against each system, by the figures that it prints."""
    printed = {
        (figure.test_set, figure.system): figure.value for figure in published() if figure.table == "fireredasr-4"
    }
    expected = {
        "multi-source speech": {"ProviderA-Large": 23.7, "ProviderA-Base": 38.6, "Paraformer-Large": 40.0},
        "multi-source singing": {"ProviderA-Large": 50.2, "ProviderA-Base": 67.0, "Paraformer-Large": 66.7},
    }
    for test_set, of_set in expected.items():
        for system, reduction in of_set.items():
            ours = relative_reduction(printed[test_set, system], printed[test_set, "FireRedASR-LLM"])
            assert round(ours, 1) == reduction
    assert relative_reduction(0.0, 1.0) is None


@pytest.mark.parametrize(
    ("baseline", "expected"),
    [
        ("whisper-base", {"whisper-base": "6.25", "FireRedASR2-AED (here)": "+80.00"}),
        ("FireRedASR2-AED", {"FireRedASR2-AED": "1.25", "whisper-base (here)": "-400.00"}),
        ("Doubao-ASR", {"Doubao-ASR": "1.52", "FireRedASR2-AED (here)": "+17.76", "whisper-base (here)": "-311.18"}),
    ],
)
def test_reductions_against_a_baseline_that_is_measured_or_printed(scores, monkeypatch, baseline, expected):
    text = page(scores, monkeypatch, "--baseline", baseline)
    (row,) = under(text, f"Relative reduction of errors against {baseline}")
    assert {name: row[name] for name in list(row)[3:]} == expected


def test_a_baseline_whose_rule_is_not_known_reduces_nothing(scores, monkeypatch):
    text = page(scores, monkeypatch, "--baseline", "Kimi-Audio")
    assert "No row has an error rate of Kimi-Audio by the rule of the others." in text


def test_higher_is_better_has_no_reduction():
    figures = [
        Result(system, "fleurs-vad-102", metric, "-", value, None, "0 of 1")
        for system, value in (("a", 10.0), ("b", 5.0))
        for metric in ("F1%", "MR%")
    ]
    text = "\n".join(results_page("t", figures, TableConfig(baseline="a"))) + "\n"
    (row,) = under(text, "Relative reduction of errors against a")
    assert (row["Metric"], row["b (here)"]) == ("MR", "+50.00")


def test_a_baseline_that_nobody_knows_is_an_error(scores, monkeypatch, caplog):
    assert table(monkeypatch, scores, scores.parent / "R.md", "--baseline", "nobody") == 1
    assert (
        "baseline: no score is of nobody, and no paper names it; there are FireRedASR2-AED, whisper-base" in caplog.text
    )
    assert not (scores.parent / "R.md").exists()
    with pytest.raises(OptionError):
        list(results_page("t", [], TableConfig(baseline="nobody")))


# Differences


def test_the_paired_bootstrap_is_that_of_drawing_utterances_one_by_one():
    generator = np.random.default_rng(1)
    tokens = generator.integers(5, 9, 200)
    first = np.stack([generator.integers(0, 3, 200), tokens], axis=1)
    second = np.stack([first[:, 0] + generator.integers(0, 2, 200), tokens], axis=1)
    drawn = generator.integers(0, 200, (4000, 200))
    rates = [100 * side[drawn, 0].sum(axis=1) / side[drawn, 1].sum(axis=1) for side in (first, second)]
    found = paired_difference(first, second, ratio, SampleConfig(bootstrap=4000))
    assert found.value == pytest.approx(100 * (first[:, 0].sum() - second[:, 0].sum()) / tokens.sum())
    assert found.interval == pytest.approx(np.percentile(rates[0] - rates[1], [2.5, 97.5]), rel=0.03)
    assert found.p == pytest.approx(2 / 4001)
    assert found == paired_difference(first, second, ratio, SampleConfig(bootstrap=4000))
    assert found != paired_difference(first, second, ratio, SampleConfig(bootstrap=4000, seed=1))


def test_systems_that_err_alike_do_not_differ():
    counts = np.stack([np.arange(50) % 3, np.full(50, 9)], axis=1)
    found = paired_difference(counts, counts, ratio, SampleConfig())
    assert (found.value, found.interval, found.p) == (0, (0, 0), 1)


def test_pairing_finds_what_separate_intervals_do_not():
    """One error less in every fifth utterance, where utterances differ much more from each other."""
    generator = np.random.default_rng(3)
    first = np.stack([generator.integers(0, 9, 100), np.full(100, 10)], axis=1)
    second = first.copy()
    second[::5, 0] += 1
    assert paired_difference(first, second, ratio, SampleConfig()).interval[1] < 0


@pytest.mark.parametrize("counts", [np.array([[1, 2]]), np.array([[0, 0], [0, 0]])], ids=["one utterance", "no tokens"])
def test_no_difference_of_one_utterance_or_of_no_tokens(counts):
    assert paired_difference(counts, counts, ratio, SampleConfig()) is None


def differences(text):
    return under(text, "Differences between systems")


def test_the_difference_of_two_systems(scores, monkeypatch):
    (row,) = differences(page(scores, monkeypatch))
    assert (row["First"], row["Second"], row["Difference"]) == ("whisper-base", "FireRedASR2-AED", "+5.00")
    low, high = map(float, row["95% interval"].strip("[]").split(", "))
    assert 0 < low < 5 < high
    assert row["p"] == "0.002"
    assert "Why not" not in row
    (row,) = differences(page(scores, monkeypatch, "--baseline", "whisper-base"))
    assert (row["First"], row["Second"], row["Difference"]) == ("FireRedASR2-AED", "whisper-base", "-5.00")
    assert "Differences between systems" not in page(scores, monkeypatch, "--bootstrap", "0")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: lines[:-2], "not the same utterances: 2 are in one of the two only"),
        (lambda lines: [*lines[:-1], "u059\t0\t9"], "not the same references: 1 utterances differ"),
        (None, "no counts.tsv beside the score of whisper-base; score it again"),
    ],
    ids=["utterances", "references", "an earlier version"],
)
def test_where_systems_cannot_be_compared_the_page_says_why(scores, monkeypatch, change, reason):
    file = scores / "whisper-base/counts.tsv"
    if change:
        file.write_text("".join(f"{line}\n" for line in change(file.read_text().splitlines())))
    else:
        file.unlink()
    (row,) = differences(page(scores, monkeypatch))
    assert (row["Difference"], row["p"], row["Why not"]) == ("-", "-", reason)


def test_damaged_counts_are_an_error(scores, monkeypatch, caplog):
    (scores / "whisper-base/counts.tsv").write_text("id\terrors\ttokens\nu000\tx\t3\n")
    assert table(monkeypatch, scores, scores.parent / "R.md") == 1
    assert "whisper-base/counts.tsv: not the counts that firered-score writes" in caplog.text


KINDS = {
    "vad": (
        {"rttm": None, "reco2dur": {"a": 3, "b": 2, "c": 4}},
        [{"segments": {"a-1": "a 0.5 1.5", "b-1": "b 0.2 0.4", "c-1": "c 1 2"}}, {"segments": {"a-1": "a 0 3"}}],
        {"F1", "FAR", "MR"},
    ),
    "lid": (
        {"utt2lang": {"a": "zh", "b": "en", "c": "zh"}},
        [{"utt2lang": {"a": "zh", "b": "en", "c": "en"}}, {"utt2lang": {"a": "en", "b": "en", "c": "en"}}],
        {"accuracy"},
    ),
    "punc": (
        {"text": {"a": "你好，世界。", "b": "好吗？", "c": "再见。"}},
        [
            {"text": {"a": "你好，世界。", "b": "好吗。", "c": "再见。"}},
            {"text": {"a": "你好世界。", "b": "好吗？", "c": "再见，"}},
        ],
        {"precision", "recall", "F1"},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_score_can_be_paired(kind, tmp_path, monkeypatch):
    tables, sides, metrics = KINDS[kind]
    reference = write_side(tmp_path / "ref", **{name: given for name, given in tables.items() if given})
    if kind == "vad":
        spans = {"a": (0.5, 1.0), "b": (0.1, 0.5), "c": (1.0, 1.2)}
        lines = (f"SPEAKER {key} 1 {start} {length} <NA> <NA> x <NA> <NA>\n" for key, (start, length) in spans.items())
        (reference / "rttm").write_text("".join(lines))
    for number, found in enumerate(sides):
        hypothesis = write_side(tmp_path / f"hyp{number}", **found)
        named = "--test-set", "mine", "--system", f"system{number}"
        call(monkeypatch, kind, reference, hypothesis, tmp_path / f"scores/{number}", *named)
    found = {row["Metric"]: row for row in differences(page(tmp_path / "scores", monkeypatch))}
    assert found.keys() == metrics
    for metric, row in found.items():
        values = [score_of(tmp_path / f"scores/{number}")["metrics"][f"{metric}%"]["value"] for number in (0, 1)]
        assert float(row["Difference"]) == pytest.approx(values[1] - values[0], abs=0.0051)


def test_what_is_not_made_of_counts_has_no_difference(tmp_path):
    source = {
        "task": "vad",
        "utterances": 1,
        "provenance": {"model_sha256": None, "commit": None, "version": "", "date": ""},
    }
    figures = [
        Result(system, "mine", "AUC-ROC%", "-", value, None, "0 of 1", source, folder)
        for system, value, folder in (("a", 90.0, tmp_path / "a"), ("b", 80.0, tmp_path / "b"))
    ]
    text = "\n".join(results_page("t", figures)) + "\n"
    assert differences(text)[0]["Why not"] == "AUC-ROC is not made of counts of utterances"


# What systems take


def test_parameters_speed_and_memory_where_they_are_known(scores, monkeypatch):
    assert "What the systems take" not in page(scores, monkeypatch)
    speed = {"audio_s": 100.0, "seconds": 5.0, "peak_memory_mb": 812.4, "peak_device_memory_mb": None}
    file = scores / "whisper-base/score.json"
    score = score_of(scores / "whisper-base")
    score["speed"] = speed | {"device": "a machine", "threads": 2, "rtf": 0.05}
    score["provenance"]["parameters"] = 71825920
    file.write_text(json.dumps(score))
    ours, theirs = under(page(scores, monkeypatch), "What the systems take")
    assert theirs == {
        **{"System": "whisper-base", "Parameters": "71.8 M", "RTF": "0.0500", "Memory, MB": "812"},
        **{"Device": "a machine", "Threads": "2"},
    }
    assert set(list(ours.values())[1:]) == {"-"}


def test_a_decoding_that_is_scored_twice_counts_once(scores, monkeypatch, tmp_path):
    score = score_of(scores / "whisper-base")
    speed = {"audio_s": 100.0, "seconds": 5.0, "peak_memory_mb": 1.0, "peak_device_memory_mb": 7.0, "device": "x"}
    for number, (hypothesis, seconds) in enumerate([("one", 5.0), ("one", 5.0), ("two", 10.0)]):
        of_file = score | {"test_set": f"set{number}", "speed": speed | {"threads": None, "seconds": seconds}}
        of_file["provenance"] = score["provenance"] | {"hypothesis": hypothesis}
        (tmp_path / f"scores/w{number}").mkdir()
        (tmp_path / f"scores/w{number}/score.json").write_text(json.dumps(of_file))
    row = under(page(scores, monkeypatch), "What the systems take")[-1]
    assert (row["RTF"], row["GPU memory, MB"]) == ("0.0750", "7")
