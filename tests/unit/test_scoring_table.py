"""firered-table: scores beside the papers' figures."""

import json
import re
import sys

import pytest
from support.scoring_sides import call, score_of, write_side

from firered.cli import table as cli
from firered.scoring.reports.table import Result, averages, published, results_page, with_averages

MANDARIN = ("aishell1", "aishell2", "ws-net", "ws-meeting")


def table(monkeypatch, *arguments):
    """The exit status of firered-table."""
    monkeypatch.setattr(sys, "argv", ["firered-table", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.table()
    return ended.value.code or 0


def rows(text, number=0):
    """The rows of a table of a Markdown text, as dictionaries."""
    tables = re.findall(r"(?:^\|.*\n)+", text, re.M)
    heading, _, *body = ([cell.strip() for cell in line.split("|")[1:-1]] for line in tables[number].splitlines())
    return [dict(zip(heading, cells, strict=True)) for cells in body]


def result(test_set, value, system="FireRedASR2-AED", metric="CER%", normalizer="firered"):
    return Result(system, test_set, metric, normalizer, value, None, "0 of 1")


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """The folder of a score: aishell1 at 25% CER, with one of three hypotheses missing."""
    reference = write_side(tmp_path / "ref", text={"a": "你好吗是", "b": "好的", "c": "再见"})
    hypothesis = write_side(tmp_path / "hyp", text={"a": "你好吗是", "b": "好的"})
    (tmp_path / "model.pth.tar").write_bytes(b"weights")
    options = "--test-set", "aishell1", "--system", "FireRedASR2-AED", "--model", tmp_path / "model.pth.tar"
    assert call(monkeypatch, reference, hypothesis, tmp_path / "scores/aishell1", *options) == 0
    return tmp_path / "scores"


def test_a_score_beside_the_papers(scored, tmp_path, monkeypatch):
    assert table(monkeypatch, scored, tmp_path / "RESULTS.md", "--title", "AISHELL-1") == 0
    text = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    made_by = score_of(scored / "aishell1")["provenance"]
    assert text.startswith("# AISHELL-1\n")
    assert "## FireRedASR2-AED" in text
    (row,) = rows(text)
    assert {name: row[name] for name in list(row)[:8] if name != "95% interval"} == {
        "Test set": "aishell1",
        "Metric": "CER",
        "Normaliser": "firered",
        "Here": "**25.00**",
        "Published": "0.57",
        "Difference": "+24.43",
        "Missing": "1 of 3",
    }
    assert re.fullmatch(r"\[\d+\.\d\d, \d+\.\d\d\]", row["95% interval"])
    assert row["FireRedASR2-LLM"] == "0.64"
    assert "FireRedASR-AED" not in row  # of another paper
    assert rows(text, 1) == [
        {
            "Test set": "aishell1",
            "Normaliser": "firered",
            "Utterances": "3",
            "Model (SHA-256)": made_by["model_sha256"][:12],
            "Commit": made_by["commit"] or "-",
            "Version": made_by["version"],
            "Date": made_by["date"],
        }
    ]


def test_two_normalisers_are_two_rows(scored, tmp_path, monkeypatch):
    options = "--test-set", "aishell1", "--system", "FireRedASR2-AED", "--normalizer", "firered-released"
    call(monkeypatch, tmp_path / "ref", tmp_path / "hyp", scored / "released", *options)
    table(monkeypatch, scored, tmp_path / "RESULTS.md")
    found = {row["Normaliser"]: (row["Here"], row["Missing"]) for row in rows((tmp_path / "RESULTS.md").read_text())}
    assert found == {"firered": ("**25.00**", "1 of 3"), "firered-released": ("**0.00**", "1 of 3")}


def test_the_same_figure_twice_is_an_error(scored, tmp_path, monkeypatch, caplog):
    (scored / "again").mkdir()
    (scored / "again/score.json").write_bytes((scored / "aishell1/score.json").read_bytes())
    assert table(monkeypatch, scored, tmp_path / "RESULTS.md") == 1
    first, second = scored / "again/score.json", scored / "aishell1/score.json"
    assert f"{second}: FireRedASR2-AED aishell1 CER% firered is already in {first}" in caplog.text


def test_a_score_without_names_goes_by_its_folder(scored, tmp_path, monkeypatch):
    score = score_of(scored / "aishell1")
    score["test_set"] = score["system"] = None
    (scored / "aishell1/score.json").write_text(json.dumps(score))
    table(monkeypatch, scored / "aishell1/score.json", tmp_path / "RESULTS.md")
    text = (tmp_path / "RESULTS.md").read_text()
    assert "## no system named" in text
    assert rows(text)[0]["Test set"] == "aishell1"
    assert rows(text)[0]["Difference"] == "-"


@pytest.mark.parametrize("content", ["[]", "{}", "{", '{"metrics": 3}', '{"metrics": {"CER%": {}}, "system": "x"}'])
def test_what_is_no_score(tmp_path, monkeypatch, caplog, content):
    (tmp_path / "score.json").write_text(content)
    assert table(monkeypatch, tmp_path, tmp_path / "RESULTS.md") == 1
    assert f"{tmp_path}/score.json: not a score.json of firered-score" in caplog.text
    assert not (tmp_path / "RESULTS.md").exists()


def test_a_folder_without_scores(tmp_path, monkeypatch, caplog):
    assert table(monkeypatch, tmp_path, tmp_path / "RESULTS.md") == 1
    assert "no score.json here; firered-score writes them" in caplog.text


# Averages


def test_averages_give_every_set_the_same_weight():
    sets = [result(name, value) for name, value in zip(MANDARIN, (1, 2, 3, 6), strict=True)]
    (average,) = [figure for figure in with_averages(sets) if figure.test_set == "Avg-Mandarin-4"]
    assert (average.value, average.missing) == (3, "0 of 4 sets")
    text = "\n".join(results_page("t", with_averages(sets))) + "\n"
    row = next(row for row in rows(text) if row["Test set"] == "Avg-Mandarin-4")
    assert (row["Here"], row["Published"], row["Difference"]) == ("**3.00**", "3.05", "-0.05")


def test_an_average_of_which_sets_are_missing_has_no_value():
    sets = [result(name, 1) for name in MANDARIN[:3]]
    found = {figure.test_set: (figure.value, figure.missing) for figure in with_averages(sets)}
    assert found["Avg-Mandarin-4"] == (None, "1 of 4 sets")
    assert found["Avg-All-24"] == (None, "21 of 24 sets")
    assert "Avg-Dialect-19" not in found


def test_averages_do_not_mix_systems_or_normalisers():
    sets = [result(name, 1) for name in MANDARIN[:2]] + [result(name, 9, normalizer="speechio") for name in MANDARIN]
    found = {(figure.normalizer, figure.test_set): figure.value for figure in with_averages(sets)}
    assert found["speechio", "Avg-Mandarin-4"] == 9
    assert found["firered", "Avg-Mandarin-4"] is None


def test_an_average_without_a_value_is_shown_where_the_papers_print_it():
    def names(system):
        sets = [result(name, 1, system) for name in MANDARIN]
        return [figure.test_set for figure in with_averages(sets) if figure.test_set.startswith("Avg-")]

    assert names("FireRedASR2-AED") == ["Avg-Mandarin-4", "Avg-All-24"]
    assert names("FireRedASR-LLM") == ["Avg-Mandarin-4", "Avg-Mandarin-6"]
    assert names("another") == ["Avg-Mandarin-4", "Avg-Mandarin-6", "Avg-All-24"]


def test_published_averages_are_those_of_the_published_sets():
    """The lists of sets are right: the papers' own figures give the papers' own averages, but for rounding."""
    of_table = [figure for figure in published() if figure.table == "fireredasr2s-6"]
    values = {(figure.system, figure.test_set): figure.value for figure in of_table}
    for system in {figure.system for figure in of_table}:
        for name, _, sets in averages():
            if (system, name) in values:
                mean = sum(values[system, name] for name in sets) / len(sets)
                assert mean == pytest.approx(values[system, name], abs=0.0101), (system, name)


def test_a_system_of_no_table_is_put_beside_one_paper():
    text = "\n".join(results_page("t", [result("aishell1", 3.0, "another")])) + "\n"
    others = list(rows(text)[0])[8:]
    assert others == [
        figure.system for figure in published() if (figure.table, figure.test_set) == ("fireredasr2s-6", "aishell1")
    ]


def test_where_two_tables_differ_the_first_stands():
    text = "\n".join(results_page("t", [result("fleurs-zh", 3.0, "Kimi-Audio")])) + "\n"
    assert {
        figure.value for figure in published() if (figure.test_set, figure.system) == ("fleurs-zh", "Kimi-Audio")
    } == {
        3.11,
        2.69,
    }
    assert rows(text)[0]["Published"] == "3.11"


def test_rows_are_in_the_order_of_the_papers():
    sets = [result(name, 1) for name in ("unknown", "opencpop", "ws-net", "aishell1")]
    text = "\n".join(results_page("t", sets)) + "\n"
    assert [row["Test set"] for row in rows(text)] == ["aishell1", "ws-net", "opencpop", "unknown"]


def test_other_metrics_have_their_figures():
    figures = [
        result("fleurs-vad-102", 97.0, "FireRedVAD", "F1%", "-"),
        result("fleurs-lid", 97.0, "FireRedLID", "accuracy%", "-"),
        result("punc-zh", 83.0, "FireRedPunc", "F1%", "-"),
    ]
    text = "\n".join(results_page("t", figures)) + "\n"
    found = {row["Test set"]: row["Difference"] for number in (0, 2, 4) for row in rows(text, number)}
    assert found == {"fleurs-vad-102": "-0.57", "fleurs-lid": "-0.18", "punc-zh": "+0.04"}


def test_names_cannot_break_the_table():
    text = "\n".join(results_page("t", [result("a|b", 1)])) + "\n"
    assert r"a\|b" in text
