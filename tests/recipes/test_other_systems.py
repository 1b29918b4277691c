"""Recipes with results that were made elsewhere, and with other systems in the place of the model."""

import json
import subprocess

import pytest
from support.corpora import EGS, lay_out

from firered.data.datadir import read_table
from firered.peers import PEERS
from firered.scoring.published import published

SETS = ("librispeech-test-clean", "librispeech-test-other")


@pytest.fixture(autouse=True)
def installed():
    if not (EGS.parent / ".venv/bin/firered-score").exists():
        pytest.skip("recipes work in .venv, which is not set up here")


def run(recipe, folder, *args):
    command = ["bash", EGS / recipe / "run.sh", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder in which the two sets of LibriSpeech are prepared, and what a service may have made of them."""
    folder = tmp_path_factory.mktemp("librispeech")
    done = run("librispeech", folder, "--corpus", lay_out("librispeech", folder), "--stop-stage", -1)
    assert done.returncode == 0, done.stderr
    (folder / "a service").mkdir()
    for name in SETS:
        (folder / f"a service/{name}.txt").write_text((folder / f"exp/librispeech/{name}/data/text").read_text())
    return folder


def rows(folder):
    page = (folder / "exp/librispeech/RESULTS.md").read_text()
    return page, [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines()]


def test_transcripts_made_elsewhere_stand_beside_the_papers_under_their_name(prepared):
    made = prepared / f"a service/{SETS[0]}.txt"
    lines = made.read_text().splitlines()
    made.write_text("\n".join(["no-such-utterance a b", *lines[1:], ""]))
    given = ["--hyp", "a service", "--system", "Whisper-Large-v3"]
    done = run("librispeech", prepared, "--stage", 6, *given)
    assert done.returncode == 0, done.stderr
    assert "warning 1 hypotheses have no reference and are not scored: no-such-utterance" in done.stderr
    assert "1 references have no hypothesis" in done.stderr
    page, table = rows(prepared)
    assert "## Whisper-Large-v3\n" in page
    here = {row[0]: row for row in table if len(row) == 8 and row[1:3] == ["WER", "firered-released+numbers"]}
    assert here[SETS[1]][3] == "**0.00**"
    assert here[SETS[0]][7] == f"1 of {len(lines)}"
    assert f"| file {made.name} " in page
    score = prepared / "exp/librispeech" / SETS[0] / "systems/Whisper-Large-v3/score/firered/score.json"
    assert json.loads(score.read_text())["provenance"]["model"] is None
    again = run("librispeech", prepared, "--stage", 6, "--hyp", "a service", "--system", "Another w/ RL")
    assert again.returncode == 0, again.stderr
    page, _ = rows(prepared)
    assert "## Whisper-Large-v3\n" in page
    assert "## Another w/ RL\n" in page


def test_what_is_wrong_with_one_set_is_told_and_the_other_is_scored(prepared):
    assert "say with --system" in run("librispeech", prepared, "--stage", 6, "--hyp", "a service").stderr
    (prepared / "of another").write_text("x-1 a b c\n")
    given = f"{SETS[0]}=of another,{SETS[1]}=a service/{SETS[1]}.txt"
    done = run("librispeech", prepared, "--stage", 6, "--hyp", given, "--system", "Mixed")
    assert done.returncode == 1
    assert "of another: none of its ids is in the reference: it has x-1 and the like" in done.stderr
    assert "not all systems could be run and scored" in done.stderr
    page, _ = rows(prepared)
    mixed = page[page.index("## Mixed\n") :]
    assert SETS[1] in mixed
    assert f"| {SETS[0]} |" not in mixed.split("\n## ")[0]
    missing = run("librispeech", prepared, "--stage", 6, "--hyp", f"{SETS[1]}=none", "--system", "None")
    assert missing.returncode == 1
    assert f"nothing is given of {SETS[0]}" in missing.stderr
    assert "none: no such file" in missing.stderr


def test_the_overview_says_of_every_system_of_the_tables_how_its_row_is_made():
    """Once each, with an adapter that there is."""
    text = (EGS / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## Other systems\n")[2].partition("\n## ")[0]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines() if line.startswith("| ")]
    how = [(name, row[1]) for row in cells[1:] for name in row[0].split(", ")]
    assert sorted(name for name, _ in how) == sorted({figure.system for figure in published()})
    for name, way in how:
        if way.startswith("`--system "):
            peer = PEERS[way.removeprefix("`--system ").rstrip("`")]
            assert peer.printed_name in (name, "")
        else:
            assert way in ("ours", "transformers", "hyp", "private"), name
    printed = {peer.printed_name for peer in PEERS.values() if peer.printed_name}
    assert printed <= {name for name, way in how if way.startswith("`--system ")}


def test_a_name_of_another_kind_of_system_is_refused(prepared):
    done = run("librispeech", prepared, "--stage", 6, "--system", "whisper-lid")
    assert done.returncode == 1
    assert "whisper-lid: no asr system of this name; there are paraformer" in done.stderr


@pytest.mark.parametrize("recipe", ["punc", "fleurs_vad_102"])
def test_the_references_themselves_are_right(recipe, tmp_path):
    """Of punctuation and voice activity: texts and RTTM that are made elsewhere."""
    layouts = {"punc": {"corpus": "punc"}, "fleurs_vad_102": {"corpus": "fleurs", "labels": "fleurs_labels"}}[recipe]
    corpora = [word for option, layout in layouts.items() for word in (f"--{option}", lay_out(layout, tmp_path))]
    done = run(recipe, tmp_path, *corpora, "--stop-stage", -1)
    assert done.returncode == 0, done.stderr
    exp = tmp_path / "exp" / recipe
    (tmp_path / "made").mkdir()
    table = {"punc": "text", "fleurs_vad_102": "rttm"}[recipe]
    for name in (exp / "sets").read_text().split():
        file = tmp_path / "made" / f"{name}.{table}"
        file.write_bytes((exp / name / "data" / table).read_bytes())
    done = run(recipe, tmp_path, "--stage", 6, "--hyp", "made", "--system", "A service")
    assert done.returncode == 0, done.stderr
    found = [line for line in (exp / "RESULTS.md").read_text().splitlines() if "| F1 |" in line]
    assert found
    assert all("**100.00**" in line for line in found)


def test_another_system_runs_in_the_place_of_the_model(tmp_path):
    from support.tiny_peers import write_whisper

    write_whisper(tmp_path / "tiny whisper")
    given = ["--corpus", lay_out("fleurs", tmp_path), "--system", "whisper-lid", "--model", "tiny whisper"]
    done = run("fleurs_lid", tmp_path, *given)
    assert done.returncode == 0, done.stderr
    of_system = tmp_path / "exp/fleurs_lid/fleurs-lid/systems/whisper-lid"
    found = read_table(of_system / "lid/utt2lang")
    assert found.keys() == read_table(tmp_path / "exp/fleurs_lid/fleurs-lid/data/utt2lang").keys()
    assert set(found.values()) <= {"en", "iw", "zh-yue"}
    page = (tmp_path / "exp/fleurs_lid/RESULTS.md").read_text()
    assert "## whisper-lid (tiny whisper)\n" in page
    assert "package transformers" in page
