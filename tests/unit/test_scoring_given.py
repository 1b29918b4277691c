"""Results that were made elsewhere: which file is of which set, and what the reports say of it."""

import hashlib
import json
import logging
from pathlib import Path

import pytest

from firered.errors import DataError, OptionError
from firered.scoring.commands import run_error_rate, run_table, run_vad
from firered.scoring.config import (
    ErrorRateConfig,
    NormalizerConfig,
    SampleConfig,
    SourceConfig,
    TableConfig,
    VadScoreConfig,
)
from firered.scoring.inputs.given import given_for

SETS = ["ws-net", "ws-meeting"]


@pytest.fixture
def folder(tmp_path):
    for name in ("ws-net.txt", "ws-meeting", "a, ws-net=b.txt"):
        (tmp_path / name).write_text("1 一\n")
    return tmp_path


def test_a_file_is_of_the_only_set(folder):
    path = folder / "a, ws-net=b.txt"
    assert given_for(str(path), "aishell1", ["aishell1"]) == path
    with pytest.raises(OptionError, match="is one file, for ws-net and ws-meeting; give `set=file`, or a folder"):
        given_for(str(path), "ws-net", SETS)


def test_a_folder_has_a_file_for_each_set(folder):
    assert given_for(str(folder), "ws-net", SETS) == folder / "ws-net.txt"
    assert given_for(str(folder), "ws-meeting", SETS) == folder / "ws-meeting"
    with pytest.raises(DataError, match=r"no file aishell1 or aishell1\.\* here; --sets takes some of the sets"):
        given_for(str(folder), "aishell1", ["aishell1"])
    (folder / "ws-net.trn").write_text("")
    with pytest.raises(DataError, match=r"several files of ws-net: ws-net\.trn, ws-net\.txt; keep one"):
        given_for(str(folder), "ws-net", SETS)


def test_a_data_directory_is_of_the_only_set(folder):
    (folder / "text").write_text("1 一\n")
    assert given_for(str(folder), "aishell1", ["aishell1"]) == folder
    with pytest.raises(DataError, match="no file ws-chuan"):
        given_for(str(folder), "ws-chuan", ["ws-chuan", "ws-net"])


@pytest.mark.parametrize("between", [",", " ", ", "])
def test_pairs_of_set_and_path_whose_paths_have_commas_and_blanks(folder, between):
    given = f"ws-net={folder}/a, ws-net=b.txt{between}ws-meeting={folder}/ws-meeting"
    with pytest.raises(OptionError, match="ws-net is there twice"):
        given_for(given, "ws-net", SETS)
    odd = folder / "a, b =c.txt"
    odd.write_text("")
    given = f"ws-net={odd}{between}ws-meeting={folder}/ws-meeting"
    assert [given_for(given, name, SETS) for name in SETS] == [odd, folder / "ws-meeting"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("ws-net={0}/ws-net.txt", "nothing is given of ws-meeting, only of ws-net; --sets"),
        ("ws-met={0}/ws-net.txt", "ws-met is not one of the test sets here: ws-net, ws-meeting"),
        ("ws-meeting={0}/nothing", "nothing: no such file or directory"),
        ("{0}/nothing", "nothing: no such file or directory"),
    ],
)
def test_what_is_not_there_is_named(folder, given, message):
    with pytest.raises((DataError, OptionError), match=message):
        given_for(given.format(folder), "ws-meeting", SETS)


def scored(reference, hypothesis, out, **more):
    paths, source = (reference, hypothesis, out), SourceConfig(test_set="aishell1", system="Doubao-ASR")
    sample = SampleConfig(bootstrap=0, **more)
    return run_error_rate(paths, NormalizerConfig(), ErrorRateConfig(), sample, source)


@pytest.fixture
def reference(tmp_path):
    path = tmp_path / "ref"
    path.write_text("a 一二三四\nb 五六\nc 七八九十\n")
    return path


def test_missing_count_as_deletions_unknown_ids_are_warned_of_and_the_file_is_named_with_its_digest(
    reference, tmp_path, caplog
):
    made = tmp_path / "elsewhere/doubao.txt"
    made.parent.mkdir()
    made.write_text("a 一二三\nc 七八九十\nzz 一\n")
    (made.parent / "config.yaml").write_text("model: of another program\n")
    assert scored(reference, made, tmp_path / "score", allow_extra=True) == 0
    (unknown,) = (record for record in caplog.records if "have no reference" in record.message)
    assert (unknown.levelno, unknown.message.endswith(": zz")) == (logging.WARNING, True)
    assert "1 references have no hypothesis: b" in caplog.text
    score = json.loads((tmp_path / "score/score.json").read_text())
    assert score["metrics"]["CER%"]["value"] == pytest.approx(30.0)  # one of a and both of b, of ten
    digest = hashlib.sha256(made.read_bytes()).hexdigest()
    assert score["provenance"]["hypothesis_sha256"] == digest
    assert (score["settings"], score["provenance"]["model"]) == (None, None)
    assert f"hypothesis  {made} {digest}\n" in (tmp_path / "score/score.txt").read_text()
    assert run_table([tmp_path / "score"], tmp_path / "RESULTS.md", TableConfig()) == 0
    page = (tmp_path / "RESULTS.md").read_text()
    assert "## Doubao-ASR\n" in page
    assert f"| file doubao.txt {digest[:12]} |" in page
    assert "| 1 of 3 |" in page


def test_a_file_of_another_set_is_an_error(reference, tmp_path):
    made = tmp_path / "other.txt"
    made.write_text("x 一\ny 二\n")
    with pytest.raises(DataError, match=r"other\.txt: none of its ids is in the reference: it has x and the like"):
        scored(reference, made, tmp_path / "score", allow_extra=True)


def test_voice_activity_of_other_recordings_is_an_error(tmp_path):
    for name in ("ref", "hyp"):
        Path(tmp_path / f"{name}.rttm").write_text(f"SPEAKER {name} 1 0.0 1.0 <NA> <NA> speech <NA> <NA>\n")
    (tmp_path / "reco2dur").write_text("ref 2\n")
    paths = tmp_path / "ref.rttm", tmp_path / "hyp.rttm", tmp_path / "score"
    with pytest.raises(DataError, match="none of its ids is in the reference"):
        run_vad(paths, VadScoreConfig(), SampleConfig(bootstrap=0), SourceConfig())
