"""Lists of hotwords that a data directory's tables name, through runs, splits and merges, and the report on them."""

import json

import pytest
from support.commands import command
from support.paths import EGS

import firered
from firered.audio.config import AudioConfig
from firered.data.datadir import DataDir, write_table
from firered.data.hotwords import COLUMNS, merged_reports
from firered.data.partition import combine, subset
from firered.errors import DataError
from firered.hotwords.lists import HotwordList
from firered.runs.asr import run_asr
from firered.runs.config import RunConfig
from firered.runs.hotwords import lists_of, write_hotwords
from firered.runs.inputs import resolve
from firered.runtime.context import Context

WAVS = {name: EGS / f"mini/test/wav/{name}.flac" for name in ("f3-zh-00000", "f3-zh-00003")}


def data_dir(path, **tables):
    path.mkdir()
    write_table(path / "wav.scp", {key: str(wav) for key, wav in WAVS.items()})
    write_table(path / "utt2spk", dict.fromkeys(WAVS, "f3"))
    for name, table in tables.items():
        write_table(path / name, table)
    (path / "hotwords").mkdir()
    (path / "hotwords/one.txt").write_text("你好水\n")
    (path / "hotwords/two.txt").write_text("公元\n")
    return path


def given(path):
    found = lists_of(resolve([str(path)], AudioConfig(), by_segment=True))
    return {key: own.texts for key, own in found.items()}


def test_the_narrowest_table_names_the_list_of_an_utterance(tmp_path):
    tables = {
        "reco2hotwords": dict.fromkeys(WAVS, "one two"),
        "spk2hotwords": {"f3": "two"},
        "utt2hotwords": {"f3-zh-00003": "one"},
    }
    assert given(data_dir(tmp_path / "data", **tables)) == {"f3-zh-00000": ("公元",), "f3-zh-00003": ("你好水",)}
    (tmp_path / "data/spk2hotwords").unlink()
    assert given(tmp_path / "data")["f3-zh-00000"] == ("你好水", "公元")
    assert given(data_dir(tmp_path / "bare")) == {}


def test_a_list_that_is_not_there_is_named(tmp_path):
    path = data_dir(tmp_path / "data", utt2hotwords={"f3-zh-00003": "three"})
    with pytest.raises(DataError, match=r"utt2hotwords: f3-zh-00003: there is no list .*hotwords/three\.txt"):
        given(path)


def test_lists_go_with_the_parts_of_a_directory(tmp_path):
    path = data_dir(tmp_path / "data", utt2hotwords={"f3-zh-00000": "two", "f3-zh-00003": "one"})
    parts = []
    for number, key in enumerate(WAVS):
        subset(DataDir(path), [key], tmp_path / str(number))
        parts.append(tmp_path / str(number))
    assert [path.name for path in (parts[0] / "hotwords").iterdir()] == ["two.txt"]
    combine(parts, tmp_path / "whole")
    assert given(tmp_path / "whole") == given(path)


def test_reports_of_jobs_are_added_up(tmp_path):
    for number, row in enumerate(("你好水\t1\t2\t0\t0\t1\t", "你好水\t0\t3\t0\t1\t1\tno text sounds like it")):
        (tmp_path / str(number)).write_text("\t".join(COLUMNS) + f"\n{row}\n其他{number}\t0\t0\t0\t0\t0\tx\n")
    head, first, *others = merged_reports([tmp_path / "0", tmp_path / "1"])
    assert (head, first) == ("\t".join(COLUMNS), "你好水\t1\t5\t0\t1\t2\t")
    assert others == ["其他0\t0\t0\t0\t0\t0\tx", "其他1\t0\t0\t0\t0\t0\tx"]
    (tmp_path / "1").write_text("你好水 1\n")
    with pytest.raises(DataError, match="1:1: no line of a report"):
        merged_reports([tmp_path / "1"])


def test_what_became_of_each_entry_is_reported(tmp_path):
    asr = firered.load(EGS / "mini/models/FireRedASR2-AED", device="cpu", hotword_score=3.0, hotword_use="graph")
    path = data_dir(tmp_path / "data", utt2hotwords={"f3-zh-00003": "one"})
    out = tmp_path / "out"
    context = Context(hotwords=["诶诶", "不在"])
    assert run_asr([str(path)], out, tmp_path, asr, AudioConfig(), RunConfig(), context) == 0
    head, *rows = [line.split("\t") for line in (out / "hotwords.tsv").read_text().splitlines()]
    assert head == list(COLUMNS)
    assert rows == [
        ["诶诶", "0", "1", "0", "0", "0", "no token for 诶: corrected only"],
        ["不在", "0", "1", "0", "0", "0", ""],
        ["你好水", "1", "1", "0", "0", "1", ""],
    ]
    (line,) = [line for line in (out / "asr.jsonl").read_text().splitlines() if "f3-zh-00003" in line]
    (found,) = json.loads(line)["hotwords"]
    assert found.pop("score") > 0.9
    assert found == {"text": "你好水", "used": ["graph"], "start": 0, "end": 3}
    assert run_asr([str(WAVS["f3-zh-00003"])], out, tmp_path, asr, AudioConfig(), RunConfig()) == 0
    assert not (out / "hotwords.tsv").exists()


def test_other_commands_do_not_read_the_lists(tmp_path):
    path = data_dir(tmp_path / "data", utt2hotwords={"f3-zh-00003": "three"})
    done = command("lid", "--model", EGS / "mini/models/FireRedLID", path, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    done = command("asr", "--model", EGS / "mini/models/FireRedASR2-AED", path, tmp_path / "out")
    assert done.returncode != 0
    assert "there is no list" in done.stderr


def test_an_entry_of_which_nothing_can_be_said_is_reported_so(tmp_path):
    lists = [HotwordList(["...", "你好水"])]
    write_hotwords(tmp_path / "hotwords.tsv", lists, [], lambda _: {})
    _, first, second = (tmp_path / "hotwords.tsv").read_text(encoding="utf-8").splitlines()
    assert first.split("\t")[0] == "..."
    assert first.endswith("nothing of it can be said")
    assert second.endswith("no text sounds like it")
