"""Paths of any kind in the options of recipes, and what becomes of the sets that are good where one is not."""

import shutil
import subprocess
from pathlib import Path

import pytest
from support.corpora import EGS, lay_out
from support.paths import GOLDENS

# Blanks, what shells expand, separators, quotes, a launcher's word, what printf and sed read, and no English.
ODD = "-a b&c%d JOB\"q'$(touch EXPANDED)`touch EXPANDED`*汉;{}\\n~$HOME"


@pytest.fixture(autouse=True)
def installed():
    if not (EGS.parent / ".venv/bin/firered-score").exists():
        pytest.skip("recipes work in .venv, which is not set up here")


def run(recipe, folder, *args, script="run"):
    command = ["bash", EGS / recipe / f"{script}.sh", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


@pytest.fixture
def odd(tmp_path):
    """A folder of an odd name to work in."""
    folder = tmp_path / ODD
    folder.mkdir()
    yield folder
    assert not list(tmp_path.rglob("EXPANDED"))


def moved(layout, folder):
    """A corpus in `folder`, under an odd name that begins with a dash: that name."""
    name = f"{ODD} {layout}"
    lay_out(layout, folder).rename(folder / name)
    return name


@pytest.mark.parametrize(
    ("recipe", "layouts"),
    [
        ("zh_dialects_lid", {"corpus": "kespeech", "magichub": "magichub"}),
        ("fleurs_vad_102", {"corpus": "fleurs", "labels": "fleurs_labels"}),
    ],
)
def test_corpora_in_odd_places_are_prepared(recipe, layouts, odd):
    options = [word for option, layout in layouts.items() for word in (f"--{option}", moved(layout, odd))]
    done = run(recipe, odd, *options, "--exp", ODD, "--stop-stage", -1)
    assert done.returncode == 0, done.stderr
    name = (odd / ODD / "sets").read_text().strip()
    for line in (odd / ODD / name / "data/wav.scp").read_text().splitlines():
        path = Path(line.split(" ", 1)[1])
        assert path.is_file()
        assert path.is_relative_to(odd)


def test_scores_and_table_in_odd_places(odd):
    (odd / f"{ODD} models").mkdir()
    (odd / f"{ODD} models/FireRedASR2-AED").symlink_to(GOLDENS / "tiny/FireRedASR2-AED")
    options = ["--corpus", moved("librispeech", odd), "--exp", ODD, "--models", f"{ODD} models"]
    options += ["--sets", "librispeech-test-other"]
    done = run("librispeech", odd, *options, "--stop-stage", -1)
    assert done.returncode == 0, done.stderr
    of_set = odd / ODD / "librispeech-test-other"
    shutil.copytree(of_set / "data", of_set / "asr")
    done = run("librispeech", odd, *options, "--stage", 6)
    assert done.returncode == 0, done.stderr
    assert "| librispeech-test-other | WER | firered | **0.00** |" in (odd / ODD / "RESULTS.md").read_text()


@pytest.mark.parametrize("recipe", ["fsdd", "mini", "musan_vad", "lid", "punc"])
def test_folders_of_trainings_in_odd_places(recipe, odd):
    script = "run" if recipe in ("fsdd", "mini") else "train"
    more = ["--splits", "official"] if recipe == "fsdd" else []
    done = run(recipe, odd, "--dir", ODD, "--stage", 99, *more, script=script)
    assert done.returncode == 0, done.stderr
    assert (odd / ODD).is_dir()


def test_a_set_that_cannot_be_prepared_does_not_stop_the_others_and_the_exit_status_tells(tmp_path):
    corpus = lay_out("librispeech", tmp_path)
    shutil.rmtree(corpus / "LibriSpeech/test-clean")
    for sets in ("", "librispeech-test-clean librispeech-test-other"):
        options = ["--corpus", corpus, "--models", tmp_path, *(["--sets", sets] if sets else [])]
        done = run("librispeech", tmp_path, *options, "--stop-stage", -1)
        assert done.returncode == 1
        assert "librispeech-test-clean: " in done.stderr
        assert done.stderr.endswith(
            "run.sh: not all of the test sets could be prepared: see the errors of stage -1 above\n"
        )
        assert (tmp_path / "exp/librispeech/sets").read_text() == "librispeech-test-other\n"
    done = run("librispeech", tmp_path, *options)
    assert "no FireRedASR2-AED model here" in done.stderr  # which the set that is there is to be decoded with
    shutil.rmtree(corpus / "LibriSpeech/test-other")
    done = run("librispeech", tmp_path, *options)
    assert (done.returncode, "stage 3" in done.stdout) == (1, False)
    assert not (tmp_path / "exp/librispeech/sets").exists()
