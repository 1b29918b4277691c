"""firered-asr --streaming: the text of the streaming pass, when it was known, and the final one."""

import json

import pytest
from support.commands import command
from support.paths import EGS
from support.streaming import MODEL, write_streaming

from firered.data.datadir import read_table, write_table

WAV = EGS / "mini/test/wav"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_streaming(tmp_path_factory.mktemp("streaming") / "model")


@pytest.fixture
def data(tmp_path):
    """Two segments of one recording, not in the order of their ids, and a recording of its own."""
    folder = tmp_path / "data"
    folder.mkdir()
    write_table(folder / "wav.scp", {name: str(WAV / f"{name}.flac") for name in ("talk-zh-00001", "f3-zh-00003")})
    segments = {"a": "talk-zh-00001 6.0 10.0", "b": "talk-zh-00001 0.5 5.5", "c": "f3-zh-00003 0.0 1.2"}
    write_table(folder / "segments", segments)
    return folder


def asr(model, data, out, *options):
    return command("asr", data, out, "--model", model, "--timestamps", "pauses", *options)


def test_files_have_both_texts_and_their_times(model, data, tmp_path):
    options = ("--mode", "rescore", "--streaming", "--chunk-seconds", 0.32)
    done = asr(model, data, tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "out/live.jsonl").read_text().splitlines()]
    finals = [line for line in lines if line["kind"] == "final"]
    assert [(line["reco"], line["start_s"]) for line in finals] == [
        ("f3-zh-00003", 0.0),
        ("talk-zh-00001", 0.5),
        ("talk-zh-00001", 6.0),
    ]
    keys = dict(zip("cba", finals, strict=True))
    assert read_table(tmp_path / "out/text") == {key: keys[key]["text"] for key in "abc"}
    first = read_table(tmp_path / "out/text_streaming")
    for key, final in keys.items():
        own = [one for one in lines if (one["reco"], one["segment"]) == (final["reco"], final["segment"])]
        shown = [one for one in own if one["kind"] == "partial"]
        assert shown[-1]["unstable"] == first[key]
        assert all(final["start_s"] < one["heard_s"] <= final["heard_s"] for one in shown)
        assert [one["heard_s"] for one in shown] == sorted(one["heard_s"] for one in shown)
    # the first pass alone writes the same, as its text
    done = asr(model, data, tmp_path / "first", "--mode", "ctc_prefix", "--streaming", "--chunk-seconds", 0.32)
    assert done.returncode == 0, done.stderr
    assert read_table(tmp_path / "first/text") == first
    done = asr(model, data, tmp_path / "masked", "--mode", "ctc_prefix", "--chunk-seconds", 0.32)
    assert read_table(tmp_path / "masked/text") == first
    assert not (tmp_path / "masked/live.jsonl").exists()

    write_table(tmp_path / "ref/text", {"talk-zh-00001": "昨天", "f3-zh-00003": "你好谁星期三去公园"})
    done = command("score", "live", tmp_path / "ref", tmp_path / "out", tmp_path / "score")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "score/score.json").read_text())["flicker"]


def test_files_of_an_earlier_run_go(model, data, tmp_path):
    asr(model, data, tmp_path / "out", "--mode", "ctc_prefix", "--streaming")
    assert (tmp_path / "out/text_streaming").exists()
    done = asr(model, data, tmp_path / "out", "--no-resume")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out/text_streaming").exists()
    assert not (tmp_path / "out/live.jsonl").exists()


def test_a_model_of_whole_utterances_and_other_modes_are_refused(model, data, tmp_path):
    done = asr(MODEL, data, tmp_path / "out", "--streaming", "--mode", "rescore")
    assert done.returncode == 1
    assert "was made for whole utterances" in done.stderr
    done = asr(model, data, tmp_path / "out", "--streaming")
    assert done.returncode != 0
    assert "streaming: works with mode ctc_prefix or rescore, not attention" in done.stderr
