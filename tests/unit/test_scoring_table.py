"""firered-table: scores beside the papers' figures."""

import json
import re
import subprocess
from dataclasses import replace

import pytest
from support.paths import TOP
from support.scoring_sides import call, score_of, write_side
from support.tables import beside, rows, table, under

from firered.hub.find import system_name
from firered.scoring.config import TableConfig
from firered.scoring.published import averages, published
from firered.scoring.reports.results import Result, with_averages
from firered.scoring.reports.table import results_page

MANDARIN = ("aishell1", "aishell2", "ws-net", "ws-meeting")
MADE_BY = {"model_sha256": None, "commit": None, "version": "0", "date": "2026-01-01"}
PAPERS_RULE = ("--normalizer", "firered-released", "--number-normalization")


def result(test_set, value, system="FireRedASR2-AED", metric="CER%", normalizer="firered-released+numbers"):
    return Result(system, test_set, metric, normalizer, value, None, "0 of 1")


@pytest.fixture
def scored(tmp_path, monkeypatch):
    """The folder of a score: aishell1 at 25% CER by the papers' rule."""
    reference = write_side(tmp_path / "ref", text={"a": "你好吗是", "b": "好的", "c": "再见"})
    hypothesis = write_side(tmp_path / "hyp", text={"a": "你好吗是", "b": "好", "c": "再见了"})
    settings = "# firered-asr --model M\nguard: 'off'\nguard_repeats: 5\nnbest: 1\nbeam_size: 3\nelm_dir: null\n"
    (hypothesis / "config.yaml").write_text(settings)
    (tmp_path / "model.pth.tar").write_bytes(b"weights")
    options = "--test-set", "aishell1", "--system", "FireRedASR2-AED", "--model", tmp_path / "model.pth.tar"
    assert call(monkeypatch, reference, hypothesis, tmp_path / "scores/aishell1", *options, *PAPERS_RULE) == 0
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
        "Normaliser": "firered-released+numbers",
        "Here": "**25.00**",
        "Published": "0.57",
        "Difference": "+24.43",
        "Missing": "0 of 3",
    }
    assert re.fullmatch(r"\[\d+\.\d\d, \d+\.\d\d\]", row["95% interval"])
    (others,) = beside(text, "FireRedASR2S, table 6")
    assert (others["Here"], others["FireRedASR2-AED"], others["FireRedASR2-LLM"]) == ("**25.00**", "0.57", "0.64")
    assert beside(text, "FireRedASR, table 2")[0]["FireRedASR-AED"] == "0.55"
    assert beside(text, "FunAudio-ASR, table 1")[0]["Kimi-Audio"] == "0.71"
    assert rows(text, -1) == [
        {
            "Test set": "aishell1",
            "Normaliser": "firered-released+numbers",
            "Utterances": "3",
            "Model (SHA-256)": made_by["model_sha256"][:12],
            "Settings": "beam_size 3",
            "Commit": made_by["commit"] or "-",
            "Version": made_by["version"],
            "Date": made_by["date"],
        }
    ]


def test_two_normalisers_are_two_rows(scored, tmp_path, monkeypatch):
    options = "--test-set", "aishell1", "--system", "FireRedASR2-AED", "--normalizer", "firered"
    (tmp_path / "hyp/text").write_text("a 你好吗是\nb 好\n")
    call(monkeypatch, tmp_path / "ref", tmp_path / "hyp", scored / "own", *options)
    table(monkeypatch, scored, tmp_path / "RESULTS.md")
    found = {row["Normaliser"]: row for row in rows((tmp_path / "RESULTS.md").read_text())}
    own, papers = found["firered"], found["firered-released+numbers"]
    assert (own["Here"], own["Missing"]) == ("**37.50**", "1 of 3")
    # The figure is the system's, but only of the same rule a difference means something.
    assert (own["Published"], own["Difference"]) == ("0.57", "-")
    assert (papers["Published"], papers["Difference"]) == ("0.57", "+24.43")


def test_the_same_figure_twice_is_an_error(scored, tmp_path, monkeypatch, caplog):
    (scored / "again").mkdir()
    (scored / "again/score.json").write_bytes((scored / "aishell1/score.json").read_bytes())
    assert table(monkeypatch, scored, tmp_path / "RESULTS.md") == 1
    first, second = scored / "again/score.json", scored / "aishell1/score.json"
    assert f"{second}: FireRedASR2-AED aishell1 CER% firered-released+numbers is already in {first}" in caplog.text


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
    assert found["firered-released+numbers", "Avg-Mandarin-4"] is None


def test_an_average_without_a_value_is_shown_where_the_papers_print_it():
    def names(system):
        sets = [result(name, 1, system) for name in MANDARIN]
        return [figure.test_set for figure in with_averages(sets) if figure.test_set.startswith("Avg-")]

    assert names("FireRedASR2-AED") == ["Avg-Mandarin-4", "Avg-All-24"]
    assert names("FireRedASR-LLM") == ["Avg-Mandarin-4", "Avg-Mandarin-6"]
    assert names("another") == ["Avg-Mandarin-4", "Avg-Mandarin-6", "Avg-All-24"]


NOT_THE_MEAN = {  # FunAudio-ASR: (table, system): what is printed, and the mean of the rows
    ("funaudio-asr-2", "Kimi-Audio"): (13.54, 13.44),
    ("funaudio-asr-4", "FunAudio-ASR w/ NRT"): (11.58, 11.62),
    ("funaudio-asr-4", "FunAudio-ASR NRT+RL"): (11.45, 11.47),
    ("funaudio-asr-8", "FunAudio-ASR Offline w/o RL"): (8.78, 8.03),
    ("funaudio-asr-8", "FunAudio-ASR Offline w/ RL"): (8.42, 7.66),
    ("funaudio-asr-8", "FunAudio-ASR Streaming w/o RL"): (10.05, 9.16),
    ("funaudio-asr-8", "FunAudio-ASR Streaming w/ RL"): (9.13, 8.28),
}


def test_published_averages_are_those_of_the_published_sets_but_for_seven():
    """The lists of sets are right: the papers' own figures give the papers' own averages, but for rounding."""
    names = {name for name, _, _ in averages()}
    others = {
        (figure.table, figure.system): (figure.value, pytest.approx(figure.mean_of_rows, abs=0.0051))
        for figure in published()
        if figure.test_set in names and figure.mean_of_rows is not None
    }
    assert others == NOT_THE_MEAN


def test_a_printed_average_that_is_none_of_its_rows_is_shown_with_their_mean_and_no_difference():
    own = result("Avg-noise-11", 11.0, "FunAudio-ASR w/ NRT", "WER%")
    text = "\n".join(results_page("t", [own])) + "\n"
    row = rows(text)[0]
    assert (row["Published"], row["Difference"]) == ("11.58 (its rows: 11.62)", "-")
    assert "prints 11.58 as Avg-noise-11 of FunAudio-ASR w/ NRT; the mean of its rows is 11.62" in text


def test_the_papers_own_rows_give_the_average_that_it_prints():
    """FireRedASR-AED on the four Mandarin sets of FireRedASR, table 2: 0.55, 2.52, 4.88 and 4.76 are 3.18."""
    printed = {
        figure.test_set: figure.value
        for figure in published()
        if (figure.table, figure.system) == ("fireredasr-2", "FireRedASR-AED")
    }
    sets = with_averages([result(name, printed[name], "FireRedASR-AED-L") for name in MANDARIN])
    text = "\n".join(results_page("t", sets)) + "\n"
    found = {row["Test set"]: (row["Here"], row["Published"], row["Difference"]) for row in rows(text)}
    assert found["Avg-Mandarin-4"] == ("**3.18**", "3.18", "+0.00")
    others = {row["Test set"]: row for row in beside(text, "FireRedASR, table 2")}
    assert others["Avg-Mandarin-4"]["FireRedASR-AED"] == "3.18"


def test_average_6_is_of_all_channels_of_aishell_2():
    sets = ("aishell1", "aishell2", "aishell2-android", "aishell2-mic", "ws-net", "ws-meeting")
    found = with_averages([result(name, value, "FireRedASR-LLM") for value, name in enumerate(sets)])
    assert [(figure.test_set, figure.value) for figure in found[6:]] == [
        ("Avg-Mandarin-4", 2.5),
        ("Avg-Mandarin-6", 2.5),
    ]
    text = "\n".join(results_page("t", found)) + "\n"
    assert next(row for row in rows(text) if row["Test set"] == "Avg-Mandarin-6")["Published"] == "2.86"


RELEASE = "FireRedASR2S, table 6"
DIALECTS = {name for average, _, sets in averages() if average == "Avg-All-24" for name in sets} - {
    *("aishell1", "aishell2", "ws-net", "ws-meeting", "kespeech")
}
PLACES = {name for average, _, sets in averages() if average == "Avg-noise-11" for name in sets}
BESIDE = {
    **{name: [RELEASE, "FireRedASR, table 2", "FunAudio-ASR, table 1"] for name in ("aishell1", "ws-meeting")},
    **{
        name: [RELEASE, "FireRedASR, table 2", "FunAudio-ASR, table 1", "FunAudio-ASR, table 7"]
        for name in ("aishell2", "ws-net")
    },
    "kespeech": [RELEASE, "FireRedASR, table 5"],
    **{name: [RELEASE] for name in sorted(DIALECTS)},
    **{
        f"librispeech-test-{name}": ["FireRedASR, table 5", "FunAudio-ASR, table 1", "FunAudio-ASR, table 7"]
        for name in ("clean", "other")
    },
    **{f"fleurs-{name}": ["FunAudio-ASR, table 1", "FunAudio-ASR, table 7"] for name in ("zh", "en")},
    **{f"fleurs-{name}": ["FunAudio-ASR, table 7"] for name in ("id", "th", "vi")},
    **{f"commonvoice-{name}": ["FunAudio-ASR, table 7"] for name in ("zh", "en", "id", "th", "vi")},
    **{f"gigaspeech2-{name}": ["FunAudio-ASR, table 7"] for name in ("id", "th", "vi")},
    "code-switch-a": ["FunAudio-ASR, table 5"],
    **{name: ["FunAudio-ASR, table 4"] for name in sorted(PLACES)},
    "fleurs-vad-102": ["FireRedASR2S, table 3"],
    **{f"{name}-lid": ["FireRedASR2S, table 4"] for name in ("fleurs", "commonvoice", "zh-dialects")},
    **{f"punc-{name}": ["FireRedASR2S, table 5"] for name in ("zh", "en")},
}


def tables_beside(test_set):
    """The papers' tables that hold a test set, by any metric."""
    return list(dict.fromkeys(figure.title for figure in published() if figure.test_set == test_set))


@pytest.mark.parametrize(("test_set", "tables"), BESIDE.items(), ids=BESIDE)
def test_which_tables_stand_beside_a_test_set(test_set, tables):
    assert sorted(tables_beside(test_set)) == sorted(tables)


def recipe_sets():
    """(recipe, test set) of every recipe: of its run.sh, and of its table of sets."""
    for script in sorted(TOP.glob("egs/*/run.sh")):
        for named in re.findall(r"""^sets=["']?([^"'\n]+)""", script.read_text(encoding="utf-8"), re.M):
            yield from ((script.parent.name, name) for name in named.split())
        table = script.parent / "tables/sets.tsv"
        for line in table.read_text(encoding="utf-8").splitlines() if table.exists() else ():
            if line.strip() and not line.startswith("#"):
                yield script.parent.name, line.split("\t")[0]


def test_the_sets_of_recipes_are_named_as_the_papers_sets_are():
    found = dict.fromkeys(name for _, name in recipe_sets())
    assert {"aishell1", "ws-net", "librispeech-test-clean", "md-wu", "fleurs-vad-102"} <= found.keys()
    assert {name: tables_beside(name) for name in found if name not in BESIDE and tables_beside(name)} == {}


def test_the_open_nano_has_a_difference_only_to_the_paper_that_measured_it():
    """FireRedASR2S measured Fun-ASR-Nano-2512 (table 6); FunAudio-ASR's columns are of models of its own."""
    sets = [result(name, 2.0, "Fun-ASR-Nano-2512") for name in ("aishell1", "ws-net", "fleurs-zh", "commonvoice-zh")]
    text = "\n".join(results_page("t", sets)) + "\n"
    found = {row["Test set"]: (row["Published"], row["Difference"]) for row in rows(text)}
    assert found == {
        "aishell1": ("1.96", "+0.04"),
        "ws-net": ("6.93", "-4.93"),
        "fleurs-zh": ("-", "-"),
        "commonvoice-zh": ("-", "-"),
    }
    assert beside(text, "FunAudio-ASR, table 1")[0]["FunAudio-ASR-nano"] == "1.80"
    own = "\n".join(results_page("t", [result("aishell1", 2.0, "FunAudio-ASR-nano")])) + "\n"
    assert (rows(own)[0]["Published"], rows(own)[0]["Difference"]) == ("1.80", "-")


def test_labels_that_nobody_has_corrected_give_no_difference():
    source = {"drafts": 2, "utterances": 1, "provenance": MADE_BY}
    figures = [
        Result("FireRedVAD", "fleurs-vad-102", "F1%", "-", 97.0, None, "0 of 1", given)
        for given in (source, source | {"drafts": 0})
    ]
    first, second = ("\n".join(results_page("t", [figure])) + "\n" for figure in figures)
    assert [rows(text)[0]["Difference"] for text in (first, second)] == ["-", "-0.57"]
    said = "fleurs-vad-102: 2 of its labels are a detector's uncorrected drafts: no difference to published figures."
    assert said in first


def test_an_error_rate_stands_beside_figures_that_call_it_otherwise():
    text = "\n".join(results_page("t", [result("code-switch-a", 2.0, "another", "MER%")])) + "\n"
    assert beside(text, "FunAudio-ASR, table 5")[0]["Metric"] == "MER"
    assert "-" not in list(beside(text, "FunAudio-ASR, table 5")[0].values())[4:]


def test_every_table_that_holds_the_set_is_beside_it():
    text = "\n".join(results_page("t", [result("aishell1", 3.0, "another")])) + "\n"
    tables = {figure.title for figure in published() if figure.test_set == "aishell1"}
    assert tables == {"FireRedASR2S, table 6", "FireRedASR, table 2", "FunAudio-ASR, table 1"}
    for title in tables:
        (row,) = beside(text, title)
        of_table = [figure for figure in published() if (figure.title, figure.test_set) == (title, "aishell1")]
        assert list(row)[4:] == [figure.system for figure in of_table]
        assert list(row.values())[4:] == [f"{figure.value:.2f}" for figure in of_table]
    (row,) = rows(text)
    assert (row["Published"], row["Difference"]) == ("-", "-")


@pytest.mark.parametrize("system", ["FireRedASR-AED-L", "FireRedASR-AED"])
def test_a_system_has_several_names(system):
    text = "\n".join(results_page("t", [result("aishell1", 3.0, system)])) + "\n"
    (row,) = rows(text)
    assert (row["Published"], row["Difference"]) == ("0.55", "+2.45")


def test_no_difference_where_the_papers_rule_is_not_known():
    text = "\n".join(results_page("t", [result("aishell1", 3.0, "FunAudio-ASR")])) + "\n"
    (row,) = rows(text)
    assert (row["Published"], row["Difference"]) == ("1.22", "-")


def test_speechio_has_no_published_figures_beside_it():
    sets = [result("aishell1", 3.0, normalizer=name) for name in ("speechio", "speechio+t2s")]
    text = "\n".join(results_page("t", sets)) + "\n"
    assert list(rows(text)[0]) == ["Test set", "Metric", "Normaliser", "Here", "95% interval", "Missing"]
    assert [row["Normaliser"] for row in rows(text)] == ["speechio", "speechio+t2s"]
    assert "written from a description" in text
    assert "0.57" not in text
    assert "Beside" not in text


def test_an_average_is_of_one_model():
    def of_model(test_set, digest):
        made_by = {"provenance": {"model_sha256": digest}}
        return Result("mine", test_set, "CER%", "firered", 1.0, None, "0 of 1", made_by)

    found = with_averages([of_model(name, "a") for name in MANDARIN])[-1]
    assert (found.test_set, found.value) == ("Avg-All-24", None)
    averages_of = {
        figure.test_set: (figure.value, figure.missing)
        for figure in with_averages([of_model(name, str(name == "ws-net")) for name in MANDARIN])
    }
    assert averages_of["Avg-Mandarin-4"] == (None, "not one model")


NAMES = {
    "a published name with its size": ("FireRedASR2-AED", True, "FireRedASR2-AED"),
    "of the first generation": ("FireRedASR-AED-L", True, "FireRedASR-AED-L"),
    "a small model under a published name": ("FireRedASR2-AED", False, "FireRedASR2-AED (other weights)"),
    "a name of one's own": ("exp/aed_s", True, "aed_s"),
    "the part that the papers call by the whole": ("FireRedVAD/VAD", True, "FireRedVAD"),
    "another part": ("FireRedVAD/Stream-VAD", True, "FireRedVAD/Stream-VAD"),
    "a small part": ("FireRedVAD/VAD", False, "FireRedVAD (other weights)"),
}


@pytest.mark.parametrize(("directory", "large", "name"), NAMES.values(), ids=NAMES)
def test_the_name_of_a_system_is_that_of_its_directory(tmp_path, monkeypatch, directory, large, name):
    model = tmp_path / directory
    model.mkdir(parents=True)
    with (model / "model.pth.tar").open("wb") as stream:
        stream.truncate(2_000_000_000 if large else 1000)  # takes no room
    assert system_name(model) == system_name(model / "model.pth.tar") == name
    monkeypatch.chdir(model)
    assert system_name(".") == name


def test_a_score_names_the_system_by_its_model(tmp_path, monkeypatch):
    side = write_side(tmp_path / "ref", text={"a": "好"})
    model = write_side(tmp_path / "FireRedASR2-AED")
    (model / "model.pth.tar").write_bytes(b"weights")
    assert call(monkeypatch, side, side, tmp_path / "out", "--model", model) == 0
    assert score_of(tmp_path / "out")["system"] == "FireRedASR2-AED (other weights)"
    assert call(monkeypatch, side, side, tmp_path / "out", "--model", model, "--system", "FireRedASR2-AED") == 0
    assert score_of(tmp_path / "out")["system"] == "FireRedASR2-AED"


def test_settings_that_cannot_be_read_are_no_reason_not_to_score(tmp_path, monkeypatch, caplog):
    side = write_side(tmp_path / "ref", text={"a": "好"})
    (side / "config.yaml").write_text("# firered-asr --model M\na: [")
    assert call(monkeypatch, side, side, tmp_path / "out") == 0
    assert score_of(tmp_path / "out")["settings"] is None
    assert "config.yaml: not readable as YAML" in caplog.text


def test_the_commit_is_that_of_the_checkout(scored):
    if not (TOP / ".git").exists():
        pytest.skip("not a git checkout")
    head = subprocess.run(["git", "-C", TOP, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout
    assert head.startswith(score_of(scored / "aishell1")["provenance"]["commit"].removesuffix("-dirty"))


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
    found = {row["Test set"]: row["Difference"] for number in (0, 3, 6) for row in rows(text, number)}
    assert found == {"fleurs-vad-102": "-0.57", "fleurs-lid": "-0.18", "punc-zh": "+0.04"}


def test_names_cannot_break_the_table():
    text = "\n".join(results_page("t", [result("a|b", 1)])) + "\n"
    assert r"a\|b" in text


# Passes


def passed(system, value, test_set="code-switch-a", **counts):
    source = {"substitutions": 3, "deletions": 2, "insertions": 1, "tokens": 60, "utterances": 1, "settings": {}}
    one = result(test_set, value, system, "MER%", "firered")
    return replace(one, source={**source, **counts, "provenance": MADE_BY})


def test_passes_of_a_system_stand_side_by_side_and_beside_those_that_papers_print():
    made = [
        passed("Own live final", 9.0, deletions=0),
        passed("Own streaming 0.64 s", 11.0),
        passed("Own streaming full", 10.5),
        passed("Own streaming 0.32 s", 12.0, substitutions=7),
        passed("Own", 10.0),
        passed("Other", 5.0),  # it has no other pass
    ]
    text = "\n".join([*results_page("T", made, TableConfig(bootstrap=0)), ""])
    found = under(text, "## Offline, streaming pass and live final")
    own = [row for row in found if row["System"] == "Own"]
    assert [(row["Pass"], row["Error rate"]) for row in own] == [
        ("offline", "**10.00**"),
        ("streaming 0.32 s", "**12.00**"),
        ("streaming 0.64 s", "**11.00**"),
        ("streaming full", "**10.50**"),
        ("live final", "**9.00**"),
    ]
    assert [own[1][name] for name in ("Sub.", "Del.", "Ins.", "of")] == ["7", "2", "1", "60"]
    printed = {(row["System"], row["Pass"]): row["Error rate"] for row in found if row["System"] != "Own"}
    assert printed["FunAudio-ASR w/ RL (FunAudio-ASR, table 5)", "offline"] == "1.59"
    assert printed["FunAudio-ASR w/ RL (FunAudio-ASR, table 5)", "streaming"] == "2.28"
    assert len(printed) == 6
    alone = "\n".join(results_page("T", [passed("Own", 10.0), passed("Other", 5.0)], TableConfig(bootstrap=0)))
    assert "streaming pass" not in alone
