"""The recipes of hotwords: their corpora with lists, and the way from there to rows with lists and without."""

import json
import logging
import os
import shutil
import subprocess

import pytest
from support.corpora import EGS, lay_out, prepare_of
from support.paths import GOLDENS
from support.signals import sine, write_wav

from firered.cli.corpus import write_sets
from firered.data.datadir import DataDir
from firered.errors import DataError

BIN = f"{EGS.parent}/.venv/bin:{os.environ['PATH']}"
OF_RECIPE = {"aishell_hotword": ("aishell", "seaco"), "librispeech_hotword": ("librispeech", "deep_bias")}


def lay_out_all(recipe, folder):
    """Corpus and lists of a recipe."""
    return [folder / name if (folder / name).exists() else lay_out(name, folder) for name in OF_RECIPE[recipe]]


def write(recipe, out, *folders, sets=(), allow_missing=False):
    write_sets(prepare_of(recipe).read(*folders), out, list(sets), allow_missing=allow_missing)
    return {name: DataDir(out / name / "data") for name in (out / "sets").read_text().split()}


def test_every_recipe_of_hotwords_is_in_the_overview_and_has_its_files():
    overview = (EGS / "README.md").read_text()
    for recipe in OF_RECIPE:
        files = {str(path.relative_to(EGS / recipe)) for path in (EGS / recipe).rglob("*") if path.is_file()}
        assert {"run.sh", "README.md", "local/prepare.py"} <= files
        assert len((EGS / recipe / "run.sh").read_text().splitlines()) <= 9
        assert f"[{recipe}]({recipe}/README.md)" in overview


def test_the_subset_of_aishell_has_its_utterances_its_list_and_its_r1_words(tmp_path, caplog):
    name = "test-aishell1-ne"
    data = write("aishell_hotword", tmp_path / "out", *lay_out_all("aishell_hotword", tmp_path), sets=[name])[name]
    assert data.table("text") == {"BAC009S0764W0121": "今天天气很好", "BAC009S0765W0123": "请打开窗户"}
    assert data.table("utt2hotwords") == dict.fromkeys(data.table("text"), name)
    assert data.table("utt2spk") == {"BAC009S0764W0121": "S0764", "BAC009S0765W0123": "S0765"}
    assert (data.path / f"hotwords/{name}.txt").read_text().split() == ["天气", "窗户", "门户"]
    assert (data.path / "hotwords_r1.txt").read_text().split() == ["窗户"]
    warned = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert f"{name}: expected 808 utterances, found 2" in warned
    assert [f"expected {number} hotwords" in caplog.text for number in (400, 226)] == [True, True]
    assert "another transcript" not in caplog.text


def test_the_development_set_is_read_by_its_texts_where_there_are_no_ids(tmp_path, caplog):
    corpus, lists = lay_out_all("aishell_hotword", tmp_path)
    key, name = "BAC009S0724W0121", "dev-aishell1-ne"
    write_wav(corpus / f"data_aishell/wav/dev/S0724/{key}.wav", sine(0.5))
    with (corpus / "data_aishell/transcript/aishell_transcript_v0.8.txt").open("a") as file:
        file.write(f"{key} 广州市 房地产 中介 行会\n")
    data = write("aishell_hotword", tmp_path / "out", corpus, lists / "data", sets=[name])[name]
    assert data.table("text") == {key: "广州市房地产中介协会"}  # as the lists' texts have it, with a warning
    assert f"another transcript of 1 utterances, such as {key}" in caplog.text


def test_each_utterance_of_librispeech_has_its_own_list(tmp_path):
    folders = lay_out_all("librispeech_hotword", tmp_path)
    names = ["librispeech-test-clean-100", "librispeech-test-other-100"]
    found = write("librispeech_hotword", tmp_path / "out", *folders, sets=names)
    clean = found[names[0]]
    assert clean.table("text") == {"1089-134686-0000": "HE HOPED FOR STEW", "1089-134686-0001": "AND IT'S A FINE DAY"}
    assert clean.table("utt2hotwords") == {key: key for key in clean.table("text")}
    lists = {path.stem: path.read_text().split() for path in (clean.path / "hotwords").iterdir()}
    assert lists == {
        "1089-134686-0000": ["lydgate", "mimics", "stew"],
        "1089-134686-0001": ["aeon", "o'neil", "zohn"],
    }
    other = tmp_path / "out/librispeech-test-other-100/data/hotwords"
    (other / "of an earlier run.txt").touch()
    write("librispeech_hotword", tmp_path / "out", folders[0], folders[1] / "is21_deep_bias/ref", sets=names)
    assert [path.stem for path in other.iterdir()] == ["367-130732-0000"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("he hoped for stew", "he hoped for stews", "has another transcript: 'he hoped for stews'"),
        ('["stew"]', "['stew']", "test-clean.biasing_100.tsv:1: not a list of words in brackets"),
        ('\t["lydgate", "mimics", "stew"]', "", "3 columns where 4 are needed"),
    ],
)
def test_tables_that_are_not_of_this_corpus_or_form_are_refused(tmp_path, before, after, said):
    corpus, lists = lay_out_all("librispeech_hotword", tmp_path)
    table = lists / "is21_deep_bias/ref/test-clean.biasing_100.tsv"
    table.write_text(table.read_text().replace(before, after, 1))
    with pytest.raises(DataError) as error:
        write("librispeech_hotword", tmp_path / "out", corpus, lists, sets=["librispeech-test-clean-100"])
    assert said in str(error.value)


def test_a_third_column_that_is_not_what_is_said_is_warned_of(tmp_path, caplog):
    corpus, lists = lay_out_all("librispeech_hotword", tmp_path)
    table = lists / "is21_deep_bias/ref/test-clean.biasing_100.tsv"
    table.write_text(table.read_text().replace('["stew"]', "[]", 1))
    write("librispeech_hotword", tmp_path / "out", corpus, lists, sets=["librispeech-test-clean-100"])
    assert "of 1 utterances such as 1089-134686-0000" in caplog.text


@pytest.mark.parametrize(
    ("recipe", "sets", "get"),
    [
        ("aishell_hotword", "test-aishell1-ne", "R1ckShi/SeACo-Paraformer"),
        ("librispeech_hotword", "librispeech-test-clean-2000", "facebookresearch/fbai-speech"),
    ],
)
def test_lists_that_are_not_there_are_named_with_where_to_get_them(recipe, sets, get, tmp_path):
    (tmp_path / "lists").mkdir()
    corpus, _ = lay_out_all(recipe, tmp_path)
    with pytest.raises(DataError) as error:
        write(recipe, tmp_path / "out", corpus, tmp_path / "lists", sets=[sets])
    assert f"git clone https://github.com/{get}" in str(error.value)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    (folder / "FireRedASR2-AED").symlink_to(GOLDENS / "tiny/FireRedASR2-AED")
    return folder


def run(recipe, folder, models, *more):
    if not shutil.which("firered-score", path=BIN):
        pytest.skip("recipes work in .venv, which is not set up here")
    corpus, lists = lay_out_all(recipe, folder)
    (folder / "short.yaml").write_text("decode_max_len: 8\n")  # on tones the small models do not find an end
    options = ["--models", models, "--asr-config", folder / "short.yaml", "--corpus", corpus, "--lists", lists, *more]
    command = ["bash", EGS / recipe / "run.sh", *options]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=folder)


@pytest.mark.nightly
def test_from_corpus_and_lists_to_rows_with_lists_and_without(models, tmp_path):
    done = run("aishell_hotword", tmp_path, models, "--sets", "test-aishell1-ne", "--system", "Small")
    assert done.returncode == 0, done.stderr
    of_set = tmp_path / "exp/aishell_hotword/test-aishell1-ne"
    without = {path.name for path in (of_set / "without_lists/data").iterdir()}
    assert {"wav.scp", "text", "utt2lang"} <= without
    assert not [name for name in without if "hotwords" in name]
    scores = [json.loads((of_set / part / "score/firered/score.json").read_text()) for part in ("without_lists", ".")]
    assert [score["system"] for score in scores] == ["Small without lists", "Small"]
    for score in scores:
        assert score["hotwords"]["reference"] == 2  # 天气 and 窗户
        assert score["hotwords"]["r1_phrases"] == ["窗户"]
        assert score["hotwords"]["parts"]["R1"]["reference"] == 1
    page = (tmp_path / "exp/aishell_hotword/RESULTS.md").read_text()
    for figure in ("hotword recall", "hotword F1", "hotword recall (R1)", "B-CER", "U-CER"):
        assert f"| test-aishell1-ne | {figure} | firered+numbers |" in page
    assert "| Small without lists | Small |" in page


def test_what_is_recognised_without_lists_is_the_same_data_without_their_tables(tmp_path):
    data = tmp_path / "a set/data"
    (data / "hotwords").mkdir(parents=True)
    names = {"wav.scp", "text", "utt2lang", "utt2spk"}
    for name in names | {"utt2hotwords", "spk2hotwords", "hotwords_r1.txt", "hotwords/a set.txt"}:
        (data / name).write_text(f"u {name}\n")
    stub = """recognise_set() { printf '%s\\n' "$system" "$@"; }"""
    script = f'. "$0/common/recipe.sh" && directory=d && {stub} && recognise_offline "a set"'
    command = ["bash", "-euc", f"recipe=$0/aishell_hotword; {script}", EGS, "--exp", tmp_path]
    env = {**os.environ, "PATH": BIN}
    for more, runs in (([], 2), (["--without-lists", "false"], 1)):
        command_of_both = [*map(str, command), "--system", "Small", *more]
        done = subprocess.run(command_of_both, capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr
        assert [line for line in done.stdout.splitlines() if line] == [
            *("Small", "a set"), *("Small without lists", "a set", "without_lists"),
        ][: 2 if runs == 1 else 5]  # fmt: skip
    without = tmp_path / "a set/without_lists/data"
    assert {path.name: path.read_text() for path in without.iterdir()} == {name: f"u {name}\n" for name in names}


def test_results_made_elsewhere_are_scored_by_the_lists_of_each_utterance(models, tmp_path):
    name = "librispeech-test-clean-100"
    (tmp_path / "heard").write_text("1089-134686-0000 he hoped for stew\n1089-134686-0001 and its a fine aeon\n")
    options = ["--sets", name, "--system", "Another", "--hyp", tmp_path / "heard"]
    done = run("librispeech_hotword", tmp_path, models, *options)
    assert done.returncode == 0, done.stderr
    file = tmp_path / f"exp/librispeech_hotword/{name}/systems/Another/score/firered/score.json"
    found = json.loads(file.read_text())["hotwords"]
    assert (found["reference"], found["hypothesis"], found["right"]) == (1, 2, 1)  # stew; aeon, which nobody said
    assert (found["biased"]["errors"], found["biased"]["tokens"]) == (0, 1)
    assert (found["unbiased"]["errors"], found["unbiased"]["tokens"]) == (2, 8)
