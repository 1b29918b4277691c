"""Every recipe of egs/ from its corpus' layout to its RESULTS.md, with small models: what is tested is the wiring."""

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from support.corpora import EGS, lay_out
from support.paths import GOLDENS

from firered.asr.families import FAMILIES
from firered.scoring.published import averages, published

TOP = EGS.parent
BIN = f"{TOP}/.venv/bin:{os.environ['PATH']}"
CER, WER = ("firered-released", "firered", "speechio", "firered-t2s"), ("firered-released", "firered", "whisper-en")
OTHER = ("firered-released", "firered")
RATES = ("AUC-ROC", "F1", "FAR", "MR")

# recipe: options with the layouts that are given to them; its stages; of the sets to be run (of most recipes one, for
# the others go the same way) how many utterances, the reports, what RESULTS.md has a row of, the published figure in it
RECIPES = {
    "aishell": ({"corpus": "aishell"}, (3,), {"aishell1": (3, CER, "CER", "0.57")}),
    "aishell2": ({"corpus": "aishell2"}, (3,), {"aishell2": (2, CER, "CER", "2.51")}),
    "wenetspeech": (
        {"corpus": "wenetspeech"},
        (3,),
        {"ws-net": (2, CER, "CER", "4.57")},
    ),
    "kespeech": ({"corpus": "kespeech"}, (3,), {"kespeech": (3, CER, "CER", "3.60")}),
    "wenetspeech_yue": (
        {"corpus": "wenetspeech_yue"},
        (3,),
        {"ws-yue-long": (1, CER, "CER", "8.54")},
    ),
    "wenetspeech_chuan": (
        {"corpus": "wenetspeech_chuan"},
        (3,),
        {"ws-chuan-easy": (2, CER, "CER", "10.60")},
    ),
    "magichub": (
        {"corpus": "magichub"},
        (3,),
        {"md-wuhan": (2, CER, "CER", "10.81")},
    ),
    "opencpop": ({"corpus": "opencpop"}, (3,), {"opencpop": (2, CER, "CER", "1.17")}),
    "librispeech": (
        {"corpus": "librispeech"},
        (3,),
        {"librispeech-test-clean": (2, WER, "WER", "1.93")},
    ),
    "fleurs": (
        {"corpus": "fleurs"},
        (3,),
        {"fleurs-zh": (2, CER, "CER", "2.64"), "fleurs-en": (1, WER, "WER", "5.84")},
    ),
    "commonvoice": ({"corpus": "commonvoice_asr"}, (3,), {"commonvoice-zh": (2, CER, "CER", "5.76")}),
    "gigaspeech2": ({"corpus": "gigaspeech2"}, (3,), {"gigaspeech2-vi": (1, OTHER, "WER", "8.66")}),
    "noise": ({"corpus": "noise"}, (3,), {"noise-canteen": (2, CER, "CER", "")}),
    "code_switching": ({"corpus": "code_switching"}, (3,), {"code-switch-a": (2, CER, "CER", "")}),
    "fleurs_lid": ({"corpus": "fleurs"}, (2,), {"fleurs-lid": (3, ("",), "accuracy", "97.18")}),
    "commonvoice_lid": ({"corpus": "commonvoice"}, (2,), {"commonvoice-lid": (3, ("",), "accuracy", "92.07")}),
    "zh_dialects_lid": (
        {"corpus": "kespeech", "magichub": "magichub"},
        (2,),
        {"zh-dialects-lid": (6, ("",), "accuracy", "88.47")},
    ),
    "fleurs_vad_102": (
        {"corpus": "fleurs", "labels": "fleurs_labels"},
        (0, 1),
        {"fleurs-vad-102": (3, ("",), "AUC-ROC", "99.60")},
    ),
    "ami_vad": ({"corpus": "ami"}, (0, 1), {"ami": (2, ("",), "F1", "-")}),
    "ten_vad": ({"corpus": "ten_vad"}, (0, 1), {"ten-vad": (2, ("",), "F1", "-")}),
    "punc": (
        {"corpus": "punc"},
        (5,),
        {"punc-zh": (2, ("",), "precision", "82.84"), "punc-en": (2, ("",), "precision", "78.40")},
    ),
}
# These go the way of aishell, magichub or fleurs_lid: their corpora are prepared in test_prepare, the rest is shared.
ALIKE = {
    *("aishell2", "wenetspeech", "kespeech", "wenetspeech_yue", "wenetspeech_chuan", "opencpop", "commonvoice_lid"),
    *("fleurs", "commonvoice", "gigaspeech2", "ten_vad"),
    *("noise", "code_switching"),
}
# What else is in egs/: what recipes share, the corpora that models are trained on, and recipes with tests of their own
OTHERS = {
    *("common", "fsdd", "mini", "mini_funaudio", "mini_scaling", "musan_vad", "lid"),
    *("mini_hotwords", "aishell_hotword", "librispeech_hotword"),
}


def test_every_recipe_is_here():
    folders = {path.name for path in EGS.iterdir() if path.is_dir()}
    assert folders == RECIPES.keys() | OTHERS
    for recipe in RECIPES:
        files = {str(path.relative_to(EGS / recipe)) for path in (EGS / recipe).rglob("*") if path.is_file()}
        assert {"run.sh", "README.md", "local/prepare.py"} <= files, recipe
        assert len((EGS / recipe / "run.sh").read_text().splitlines()) <= 30, recipe


def test_the_overview_has_every_set_with_its_published_figure():
    lines = (EGS / "README.md").read_text().splitlines()
    for recipe, (_, _, sets) in RECIPES.items():
        assert any(f"[{recipe}]({recipe}/README.md)" in line for line in lines), recipe
        for name, (_, _, _, figure) in sets.items():
            (row,) = (line for line in lines if f"| {name} |" in line)
            assert figure.replace("-", "none") in row


def test_sets_without_a_recipe_are_of_tables_that_the_overview_calls_private():
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in (EGS / "README.md").read_text().splitlines()]
    prepared = {cell for row in rows for cell in row}
    private = {
        (paper, number)
        for row in rows
        if len(row) == 3 and "private" in row[2]
        for paper, _, numbers in [row[0].partition(",")]
        for number in re.findall(r"\d+", numbers)
    }
    open_sets = {
        (figure.title, figure.test_set)
        for figure in published()
        if figure.test_set not in prepared
        and not figure.test_set.startswith(("Avg-", "punc-avg"))
        and (figure.paper, figure.table.rpartition("-")[2]) not in private
    }
    assert open_sets == set()


def test_every_set_of_funaudio_asrs_table_1_and_of_an_average_has_a_recipe():
    lines = (EGS / "README.md").read_text()
    sets = {figure.test_set for figure in published() if figure.table == "funaudio-asr-1"}
    assert len(sets) == 8
    sets |= {name for _, _, members in averages() for name in members}
    assert {"aishell2-android", "aishell2-mic"} <= sets
    private = {name for name in sets if name.startswith("industry-")}
    assert {name for name in sets - private if f"| {name} |" not in lines} == set()


@pytest.fixture(scope="module")
def models(tiny_vad_models, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "FireRedVAD").symlink_to(tiny_vad_models / "FireRedVAD")
    for name in ("FireRedLID", "FireRedASR2-AED", "FireRedPunc"):
        (folder / name).symlink_to(GOLDENS / "tiny" / name)
    return folder


def run(recipe, folder, models, *more):
    """A recipe on its corpus in `folder`, where it also writes, to exp/<recipe>."""
    short = folder / "short.yaml"
    short.write_text("decode_max_len: 8\n")  # on tones the small models do not find an end
    args = ["--models", models, *(() if "--model" in more else ("--asr-config", short)), *more]
    for option, layout in RECIPES[recipe][0].items():
        args += [f"--{option}", folder / layout if (folder / layout).exists() else lay_out(layout, folder)]
    return subprocess.run(
        ["bash", EGS / recipe / "run.sh", *map(str, args)], capture_output=True, text=True, cwd=folder
    )


@pytest.fixture(scope="module")
def done(request, models, tmp_path_factory):
    """What became of each recipe; all that are asked for run in turn, two at a time."""
    if not shutil.which("firered-score", path=BIN):
        pytest.skip("recipes work in .venv, which is not set up here")
    asked = [item.callspec.params["recipe"] for item in request.session.items if hasattr(item, "callspec")
             and item.originalname == "test_from_corpus_to_results"]  # fmt: skip
    folders = {recipe: tmp_path_factory.mktemp(recipe) for recipe in asked}
    with ThreadPoolExecutor(2) as pool:
        runs = {
            recipe: pool.submit(run, recipe, folders[recipe], models, "--sets", " ".join(RECIPES[recipe][2]))
            for recipe in asked
        }
        yield lambda recipe: (runs[recipe].result(), folders[recipe] / "exp" / recipe)


@pytest.mark.parametrize(
    "recipe", [pytest.param(name, marks=pytest.mark.nightly) if name in ALIKE else name for name in RECIPES]
)
def test_from_corpus_to_results(recipe, done):
    _, stages, sets = RECIPES[recipe]
    process, exp = done(recipe)
    assert process.returncode == 0, process.stderr
    assert " (other weights)" in (exp / "RESULTS.md").read_text()  # small models under published names
    for stage in (-1, *stages, 6):
        assert f"stage {stage}: " in process.stdout
    rows = [[cell.strip() for cell in line.split("|")] for line in (exp / "RESULTS.md").read_text().splitlines()]
    for name, (utterances, reports, metric, figure) in sets.items():
        for report in reports:
            score = json.loads((exp / name / "score" / report / "score.json").read_text())
            assert (score["test_set"], score["utterances"], score["missing"]) == (name, utterances, 0), report
        # Sets of two or three made-up utterances may have as many English words as to make a mixed rate of it.
        of_set = [row for row in rows if row[1:2] == [name] and row[2] in (metric, "MER")]
        here = [row for row in of_set if row[5].startswith("[") or row[5] == "-"]  # those with an interval
        assert len(here) == len(reports)
        assert any(figure in row for row in of_set)  # of the same system, or of another in a table of the papers


def test_recordings_are_drawn_with_drafts_that_are_then_labels(models, tmp_path):
    if not shutil.which("firered-score", path=BIN):
        pytest.skip("recipes work in .venv, which is not set up here")
    done = run("fleurs_vad_102", tmp_path, models, "--annotate", "my labels")
    assert done.returncode == 0, done.stderr
    assert "4 recordings of 3 languages, listed in my labels/drawn.tsv" in done.stderr
    assert len(list((tmp_path / "my labels").rglob("*.TextGrid"))) == 4
    (tmp_path / "my labels").rename(tmp_path / "fleurs_labels.new")
    shutil.rmtree(tmp_path / "fleurs_labels")
    (tmp_path / "fleurs_labels.new").rename(tmp_path / "fleurs_labels")
    done = run("fleurs_vad_102", tmp_path, models, "--stop-stage", "-1")
    assert done.returncode == 0, done.stderr
    drafts = tmp_path / "exp/fleurs_vad_102/fleurs-vad-102/data/drafts"
    assert drafts.read_text().split() == [
        word for name in (10004, 10005, 20001, 30001) for word in (f"{name}", "uncorrected")
    ]


def test_other_systems_stand_in_the_same_table_and_one_that_cannot_be_run_does_not_stop_them(models, tmp_path):
    if not shutil.which("firered-score", path=BIN):
        pytest.skip("recipes work in .venv, which is not set up here")
    pytest.importorskip("webrtcvad", reason="pip install 'firered[peers]' brings webrtcvad")
    done = run("ami_vad", tmp_path, models, "--system", "fsmn-vad firered webrtcvad")
    assert done.returncode == 1
    exp = tmp_path / "exp/ami_vad"
    assert "no weights of fsmn-vad here" in done.stderr
    assert "not all systems could be run and scored on all sets" in done.stderr
    titles = [line for line in (exp / "RESULTS.md").read_text().splitlines() if line.startswith("## ")]
    assert titles == ["## Side by side", "## FireRedVAD (other weights)", "## webrtcvad"]
    score = json.loads((exp / "ami/systems/webrtcvad/score/score.json").read_text())
    assert (score["system"], score["utterances"], score["missing"]) == ("webrtcvad", 2, 0)
    assert score["metrics"]["AUC-ROC%"]["value"] is None
    assert json.loads((exp / "ami/score/score.json").read_text())["metrics"]["AUC-ROC%"]["value"] > 0
    wrong = run("ami_vad", tmp_path, models, "--system", "firered webrtc")
    assert wrong.returncode == 1
    assert "system: webrtc: no vad system of this name; there are " in wrong.stderr


def test_a_model_of_ones_own_with_its_name_and_the_published_settings(models, tmp_path):
    if not shutil.which("firered-score", path=BIN):
        pytest.skip("recipes work in .venv, which is not set up here")
    own = ["--model", GOLDENS / "tiny/FireRedASR2-LLM", "--system", "FireRedASR-LLM"]
    done = run("librispeech", tmp_path, models, "--sets", "librispeech-test-clean", *own)
    assert done.returncode == 0, done.stderr
    exp = tmp_path / "exp/librispeech"
    published = yaml.safe_load((TOP / "conf/asr_llm.yaml").read_text())
    decoded = yaml.safe_load((exp / "librispeech-test-clean/asr/config.yaml").read_text())
    assert published["repetition_penalty"] == 3.0
    assert {name: decoded[name] for name in published} == published
    page = (exp / "RESULTS.md").read_text()
    assert "## FireRedASR-LLM\n" in page
    assert "repetition_penalty 3.0, llm_length_penalty 1.0" in page
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]
    figures = {row[2]: row[5:7] for row in rows if len(row) == 8 and row[:2] == ["librispeech-test-clean", "WER"]}
    assert figures.keys() == {"firered-released+numbers", "firered", "whisper-en"}
    assert {name for name, (_, difference) in figures.items() if difference != "-"} == {"firered-released+numbers"}
    assert {paper for paper, _ in figures.values()} == {"1.73"}


def test_every_family_has_its_published_settings():
    for family in FAMILIES:
        settings = yaml.safe_load((TOP / f"conf/asr_{family}.yaml").read_text())
        assert settings.keys() <= FAMILIES[family].config.names()


def test_sets_of_an_average_are_scored_by_the_same_rules():
    """Or some of the averages over recipes would lack sets for ever."""
    called = {
        recipe: [line for line in (EGS / recipe / "run.sh").read_text().splitlines() if line.startswith("recognise")]
        for recipe in RECIPES
    }
    of_averages = {name for _, metric, sets in averages() for name in sets if metric == "CER%"}
    chinese = {recipe for recipe, (_, stages, sets) in RECIPES.items() if stages == (3,) and of_averages & sets.keys()}
    assert len(chinese) == 8
    assert {line for recipe in chinese for line in called[recipe]} == {'recognise "${chinese[@]}"'}


@pytest.mark.parametrize(
    ("language", "names"), [("zh", CER), ("zh-TW", CER), ("yue", CER), ("en", WER), ("th", OTHER), ("ast", OTHER)]
)
def test_rules_are_those_of_the_sets_language(language, names, tmp_path):
    (tmp_path / "a set/data").mkdir(parents=True)
    (tmp_path / "a set/data/utt2lang").write_text(f"u1 {language}\nu2 {language}\n")
    script = '. "$0/common/recipe.sh" && rules_of "a set" && printf "%s\\n" "${own[@]}"'
    command = ["bash", "-euc", f"recipe=$0/fleurs; {script}", EGS, "--exp", tmp_path]
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, env={**os.environ, "PATH": BIN})
    assert done.returncode == 0, done.stderr
    rules = done.stdout.splitlines()
    assert tuple(rule.split()[0] for rule in rules) == names
    assert ("--number-normalization" in rules[0]) == (names != OTHER)


def test_stages_alone_and_sets_by_name(models, tmp_path):
    if not shutil.which("firered-score", path=BIN):
        pytest.skip("recipes work in .venv, which is not set up here")
    only = ["--sets", "librispeech-test-other", "--exp", "here"]
    first = run("librispeech", tmp_path, models, *only, "--stop-stage", -1)
    assert first.returncode == 0, first.stderr
    assert sorted(path.name for path in (tmp_path / "here").iterdir()) == ["librispeech-test-other", "sets"]
    last = run("librispeech", tmp_path, models, *only, "--stage", 6)
    assert last.returncode != 0
    assert "librispeech-test-other/asr: no such file" in last.stderr


def test_what_is_missing_stops_a_recipe_before_any_model_runs(models, tmp_path):
    corpus = lay_out("kespeech", tmp_path)
    next(corpus.rglob("1000002_bbbb0001.wav")).unlink()
    broken = run("kespeech", tmp_path, models)
    assert broken.returncode == 1
    assert "1000002_bbbb0001 no audio" in broken.stderr
    assert "stage 3" not in broken.stdout
    allowed = run("kespeech", tmp_path, models, "--allow-missing", "true", "--stop-stage", -1)
    assert allowed.returncode == 0, allowed.stderr
    assert "kespeech: expected 19723 utterances, found 2" in allowed.stderr


def test_help_names_the_recipe_and_its_sets():
    done = subprocess.run(["bash", EGS / "librispeech/run.sh", "--help"], capture_output=True, text=True)
    assert "bash egs/librispeech/run.sh --corpus" in done.stdout
    assert "[librispeech-test-clean librispeech-test-other]" in done.stdout
