import json
import math
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firered.data.datadir import (
    DataDir,
    Segment,
    format_segment,
    parse_segments,
    read_table,
    spk2utt_of,
    utt2spk_of,
    write_lines,
    write_table,
)
from firered.data.partition import combine, current_split, share_out, split, subset
from firered.errors import DataError, FireRedError, OptionError, Problem


def make(path, **files):
    """A directory with these files: `wav_scp` stands for wav.scp, `_jsonl` and so on alike."""
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        for suffix in ("scp", "jsonl", "yaml"):
            name = name.replace(f"_{suffix}", f".{suffix}")
        (path / name).write_text(content, encoding="utf-8")
    return path


def contents(path):
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(path.iterdir()) if file.is_file()}


def rows(**values):
    return "".join(f"{key} {value}\n" for key, value in values.items())


# Two recordings of one speaker each, cut into utterances; every known file is there, sorted.
def full(path):
    return make(
        path,
        wav_scp="r1 /data/a b.wav\nr2 sox r2.flac -t wav - |\n",
        reco2dur="r1 4.00\nr2 3.00\n",
        reco2file_and_channel="r1 fileA A\nr2 fileB B\n",
        segments="s1-a r1 0.00 1.50\ns1-b r1 2.00 4.00\ns2-c r2 0.00 3.00\n",
        text="s1-a 你好 world\ns1-b\ns2-c two  words\n",
        utt2spk="s1-a s1\ns1-b s1\ns2-c s2\n",
        spk2utt="s1 s1-a s1-b\ns2 s2-c\n",
        spk2gender="s1 f\ns2 m\n",
        utt2dur="s1-a 1.50\ns1-b 2.00\ns2-c 3.00\n",
        utt2num_frames="s1-a 148\ns1-b 198\ns2-c 298\n",
        utt2lang="s1-a zh\ns1-b zh\ns2-c en\n",
        feats_scp="s1-a f.ark:5\ns1-b f.ark:99\ns2-c f.ark:200\n",
        vad_scp="s1-a v.ark:5\ns1-b v.ark:99\ns2-c v.ark:200\n",
        probs_scp="r1 p.ark:3\nr2 p.ark:7\n",
        rttm="SPEAKER r1 1 0.00 1.50 <NA> <NA> s1 <NA> <NA>\n"
        "SPEAKER r1 1 2.00 2.00 <NA> <NA> s1 <NA> <NA>\n"
        "SPEAKER r2 1 0.00 3.00 <NA> <NA> s2 <NA> <NA>\n",
        ctm="r1 1 0.10 0.20 你\nr1 1 0.30 0.20 好\nr1 1 10.00 0.20 world\nr2 1 0.00 1.00 two\n",
        sentences_jsonl='{"uttid": "s1-a", "text": "你"}\n{"uttid": "s1-a", "text": "好"}\n{"uttid": "s2-c"}\n',
        failed="s1-b no speech in it\n",
    )


# ---- tables


def test_read_table_keeps_order_inner_blanks_and_paths_with_spaces(tmp_path):
    (tmp_path / "wav.scp").write_text("b \t/a  dir/x y.wav \na cat a.wav |\n丙 c\n", encoding="utf-8")
    assert read_table(tmp_path / "wav.scp") == {"b": "/a  dir/x y.wav", "a": "cat a.wav |", "丙": "c"}
    assert list(read_table(tmp_path / "wav.scp")) == ["b", "a", "丙"]


def test_read_table_tolerates_crlf_and_a_missing_last_newline(tmp_path):
    (tmp_path / "text").write_bytes(b"a 1\r\nb 2")
    assert read_table(str(tmp_path / "text")) == {"a": "1", "b": "2"}


def test_read_table_of_an_empty_file_is_empty(tmp_path):
    (tmp_path / "text").touch()
    assert read_table(tmp_path / "text") == {}


def test_only_plain_white_space_separates(tmp_path):
    (tmp_path / "text").write_bytes("a\t你　好　\nb　c d\n".encode())
    problems = []
    assert read_table(tmp_path / "text", problems) == {"a": "你　好　"}
    assert "white space" in problems[0].reason


def test_every_bad_line_is_named(tmp_path):
    file = tmp_path / "text"
    file.write_bytes(b"a 1\n\nb\na 2\nc \xff\n\xff\xfe 1\nd x\ry\ne 5\n")
    with pytest.raises(DataError) as error:
        read_table(file)
    lines = str(error.value).split("\n")
    assert lines == [
        f"{file}:2: empty line",
        f"{file}:3: nothing after id b",
        f"{file}:4: id a is already on line 1",
        f"{file}:5: not UTF-8: invalid start byte at byte 3",
        f"{file}:6: not UTF-8: invalid start byte at byte 1",
        f"{file}:7: holds a carriage return; end lines with a newline",
    ]
    problems = [Problem("before", "was there")]
    assert read_table(file, problems) == {"a": "1", "e": "5"}
    assert [problem.key for problem in problems] == ["before", "text:2", "b", "a", "c", "text:6", "d"]
    assert [problem.reason for problem in problems[1:]] == lines


def test_a_long_list_of_bad_lines_is_cut(tmp_path):
    (tmp_path / "text").write_text("".join(f"u{n}\n" for n in range(13)))
    with pytest.raises(DataError) as error:
        read_table(tmp_path / "text")
    lines = str(error.value).split("\n")
    assert len(lines) == 11
    assert lines[-1] == "... and 3 more"


def test_an_empty_value_may_be_allowed(tmp_path):
    (tmp_path / "text").write_text("a\nb \nc 1\n")
    assert read_table(tmp_path / "text", empty_value_ok=True) == {"a": "", "b": "", "c": "1"}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"wav\.scp: no such file"):
        read_table(tmp_path / "wav.scp")
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path)


def test_write_table_sorts_by_code_point_and_reads_back(tmp_path):
    table = {"b": "x  y", "a-2": "", "a": "/a b.wav", "Z": " padded ", "乙": "1", "a_2": "2"}
    write_table(tmp_path / "new" / "text", table)
    assert (tmp_path / "new" / "text").read_text("utf-8") == "Z padded\na /a b.wav\na-2\na_2 2\nb x  y\n乙 1\n"
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["text"]
    assert read_table(tmp_path / "new" / "text", empty_value_ok=True)["a-2"] == ""


def test_written_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "plain").touch()
    write_table(tmp_path / "text", {"a": "1"})
    assert (tmp_path / "text").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize(
    "bad", [{"": "1"}, {"a b": "1"}, {"a\u3000": "1"}, {"a": "1\n2"}, {"a": "1\r"}, {"a": "\udcff"}]
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, bad):
    write_table(tmp_path / "text", {"old": "1"})
    with pytest.raises(DataError, match="text"):
        write_table(tmp_path / "text", {"z": "1", **bad})
    assert contents(tmp_path) == {"text": "old 1\n"}


def test_a_write_that_fails_leaves_no_trace(tmp_path, monkeypatch):
    def broken(*_):
        raise OSError("disk full")

    write_lines(tmp_path / "text", ["old"])
    monkeypatch.setattr(os, "replace", broken)
    with pytest.raises(FireRedError, match="text: cannot be written: disk full"):
        write_lines(tmp_path / "text", ["new"])
    assert contents(tmp_path) == {"text": "old\n"}


# ---- segments and speakers


def test_segments_are_parsed(tmp_path):
    (tmp_path / "segments").write_text("u1 rec 0.44 1.82\nu2 rec 2 -1\n")
    segments = parse_segments(tmp_path / "segments")
    assert segments == {"u1": Segment("rec", 0.44, 1.82), "u2": Segment("rec", 2.0, math.inf)}
    assert format_segment(segments["u1"]) == "rec 0.440 1.820"
    assert format_segment(segments["u2"]) == "rec 2.000 -1.000"
    write_table(tmp_path / "again", {key: format_segment(segment) for key, segment in segments.items()})
    assert parse_segments(tmp_path / "again") == segments


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("rec 0", "3 fields"),
        ("rec 0 1 2", "5 fields"),
        ("rec x 1", "start 'x' is not a number"),
        ("rec 0 nan", "end 'nan' is not a number"),
        ("rec 0 inf", "end 'inf' is not a number"),
        ("rec -0.1 1", "start -0.1 is negative"),
        ("rec 1 1", "end 1 is not after start 1"),
        ("rec 1 -2", "end -2 is not after start 1"),
    ],
)
def test_bad_segments_are_named(tmp_path, value, reason):
    file = tmp_path / "segments"
    file.write_text(f"good rec 0 1\nbad {value}\nempty\n")
    with pytest.raises(DataError) as error:
        parse_segments(file)
    assert [line.split(": ")[0] for line in str(error.value).split("\n")] == [f"{file}:2", f"{file}:3"]
    assert reason in str(error.value)
    problems = []
    assert parse_segments(file, problems) == {"good": Segment("rec", 0.0, 1.0)}
    assert {problem.key for problem in problems} == {"bad", "empty"}


def test_speaker_maps_are_each_others_inverse():
    utt2spk = {"u2": "b", "u1": "b", "u3": "a"}
    assert spk2utt_of(utt2spk) == {"a": "u3", "b": "u1 u2"}
    assert utt2spk_of(spk2utt_of(utt2spk)) == utt2spk
    with pytest.raises(DataError, match="u1 is of a and of b"):
        utt2spk_of({"a": "u1", "b": "u1"})


# ---- DataDir


def test_tables_are_read_once_and_none_where_missing(tmp_path):
    data = DataDir(full(tmp_path))
    assert data.wav_scp == {"r1": "/data/a b.wav", "r2": "sox r2.flac -t wav - |"}
    assert data.text == {"s1-a": "你好 world", "s1-b": "", "s2-c": "two  words"}
    assert data.table("token") is None
    assert DataDir(tmp_path / "text").utt2spk is None
    (tmp_path / "wav.scp").unlink()
    assert data.wav_scp == data.table("wav.scp") == {"r1": "/data/a b.wav", "r2": "sox r2.flac -t wav - |"}
    for name in ("utt2spk", "spk2utt", "utt2dur", "reco2dur", "utt2num_frames", "utt2lang"):
        assert getattr(data, name) == read_table(tmp_path / name)
    assert data.feats_scp == read_table(tmp_path / "feats.scp")
    assert data.segments == parse_segments(tmp_path / "segments")


def test_bad_lines_become_problems_once(tmp_path):
    make(tmp_path, segments="u1 r 0 1\nu2 r 1 0\nu3\n", utt2dur="u1 x\n", wav_scp="r\n")
    problems = []
    data = DataDir(tmp_path, problems)
    assert data.utterances() == ["u1"]
    assert data.durations() == {"u1": 1.0}
    assert data.durations() == {"u1": 1.0}
    assert data.table("segments") == {"u1": "r 0 1", "u2": "r 1 0"}
    assert data.wav_scp == {}
    assert sorted(problem.key for problem in problems) == ["r", "u1", "u2", "u3"]
    with pytest.raises(DataError, match=r"segments:2"):
        DataDir(tmp_path).utterances()


def test_utterances_come_from_the_most_telling_file(tmp_path):
    make(tmp_path, utt2lang="l zh\n")
    assert DataDir(tmp_path).utterances() == ["l"]
    make(tmp_path, text="t2 x\nt1 y\n")
    assert DataDir(tmp_path).utterances() == ["t1", "t2"]
    make(tmp_path, feats_scp="f x\n")
    assert DataDir(tmp_path).utterances() == ["f"]
    make(tmp_path, wav_scp="w x\n")
    assert DataDir(tmp_path).utterances() == ["w"]
    make(tmp_path, segments="s w 0 1\n")
    assert DataDir(tmp_path).utterances() == ["s"]
    with pytest.raises(DataError, match="no such data directory"):
        DataDir(tmp_path / "gone").utterances()


def test_durations_take_the_best_there_is(tmp_path):
    make(tmp_path, wav_scp="a x\nb x\nc x\nd x\n", utt2num_frames="a 100\nb 100\nc 100\n")
    assert DataDir(tmp_path).durations() == {"a": 1.0, "b": 1.0, "c": 1.0}
    make(tmp_path, reco2dur="b 2.5\nc 2.5\nnobody 9\n")
    assert DataDir(tmp_path).durations() == {"a": 1.0, "b": 2.5, "c": 2.5}
    make(tmp_path, utt2dur="c 3.5\n")
    assert DataDir(tmp_path).durations() == {"a": 1.0, "b": 2.5, "c": 3.5}


def test_durations_with_segments(tmp_path):
    make(tmp_path, segments="u1 a 1 2.5\nu2 a 3 -1\nu3 b 3 -1\nu4 b 2 -1\n", reco2dur="a 10\n", utt2dur="u1 7\nu3 8\n")
    assert DataDir(tmp_path).durations() == {"u1": 1.5, "u2": 7.0, "u3": 8.0}


@pytest.mark.parametrize("value", ["nan", "-1", "x"])
def test_a_bad_duration_is_named(tmp_path, value):
    make(tmp_path, wav_scp="a x\n", utt2dur=f"a {value}\n")
    with pytest.raises(DataError, match=r"utt2dur:1: duration"):
        DataDir(tmp_path).durations()


# ---- subset


def test_subset_cuts_every_known_file(tmp_path):
    source = full(tmp_path / "all")
    make(source, notes="of no concern\n")
    subset(DataDir(source), ["s2-c"], tmp_path / "some")
    assert contents(tmp_path / "some") == {
        "wav.scp": "r2 sox r2.flac -t wav - |\n",
        "reco2dur": "r2 3.00\n",
        "reco2file_and_channel": "r2 fileB B\n",
        "segments": "s2-c r2 0.00 3.00\n",
        "text": "s2-c two  words\n",
        "utt2spk": "s2-c s2\n",
        "spk2utt": "s2 s2-c\n",
        "spk2gender": "s2 m\n",
        "utt2dur": "s2-c 3.00\n",
        "utt2num_frames": "s2-c 298\n",
        "utt2lang": "s2-c en\n",
        "feats.scp": "s2-c f.ark:200\n",
        "vad.scp": "s2-c v.ark:200\n",
        "probs.scp": "r2 p.ark:7\n",
        "rttm": "SPEAKER r2 1 0.00 3.00 <NA> <NA> s2 <NA> <NA>\n",
        "ctm": "r2 1 0.00 1.00 two\n",
        "sentences.jsonl": '{"uttid": "s2-c"}\n',
        "failed": "",
    }


def test_subset_keeps_a_speaker_with_fewer_utterances(tmp_path):
    subset(DataDir(full(tmp_path / "all")), ["s1-b"], tmp_path / "some")
    assert contents(tmp_path / "some")["spk2utt"] == "s1 s1-b\n"
    assert contents(tmp_path / "some")["failed"] == "s1-b no speech in it\n"


def test_subset_without_segments_takes_recordings_for_utterances(tmp_path):
    make(tmp_path / "all", wav_scp="b x\na y\n", reco2dur="a 1\nb 2\n", spk2utt="s b a\n", spk2gender="s f\nt m\n")
    subset(DataDir(tmp_path / "all"), ["a"], tmp_path / "some")
    assert contents(tmp_path / "some") == {
        "wav.scp": "a y\n",
        "reco2dur": "a 1\n",
        "spk2utt": "s a\n",
        "spk2gender": "s f\n",
    }


def test_subset_refuses_unknown_utterances(tmp_path):
    with pytest.raises(DataError, match="no utterance x, y"):
        subset(DataDir(full(tmp_path / "all")), ["y", "s1-a", "x"], tmp_path / "some")
    assert not (tmp_path / "some").exists()


# ---- split


def test_split_balances_by_duration(tmp_path):
    durations = {"a": 10, "b": 1, "c": 6, "d": 5, "e": 4, "f": 1}
    make(tmp_path, wav_scp=rows(**dict.fromkeys(durations, "x")), utt2dur=rows(**durations))
    parts = split(DataDir(tmp_path), 3)
    assert parts == [tmp_path / "split3utt" / number for number in "123"]
    assert [list(read_table(part / "wav.scp")) for part in parts] == [["a"], ["b", "c", "f"], ["d", "e"]]


def test_split_takes_the_mean_for_a_missing_duration(tmp_path):
    make(tmp_path, wav_scp=rows(a="x", b="x", c="x", d="x"), utt2dur=rows(a=1, b=9))
    parts = split(DataDir(tmp_path), 2, tmp_path / "out")
    assert [list(read_table(part / "wav.scp")) for part in parts] == [["a", "b"], ["c", "d"]]


def test_split_fills_every_part_even_with_no_or_zero_durations(tmp_path):
    make(tmp_path / "none", wav_scp=rows(a="x", b="x", c="x"))
    make(tmp_path / "zero", wav_scp=rows(a="x", b="x", c="x"), utt2dur=rows(a=0, b=0, c=0))
    for name in ("none", "zero"):
        parts = split(DataDir(tmp_path / name), 3)
        assert [list(read_table(part / "wav.scp")) for part in parts] == [["a"], ["b"], ["c"]]


def test_loads_are_shared_out_evenly_whatever_their_order():
    loads = {"a": 5.0, "b": 4.0, "c": 3.0, "d": 3.0, "e": 3.0}
    assert share_out(loads, 2) == [["a", "d"], ["b", "c", "e"]]
    assert share_out(dict(reversed(loads.items())), 2) == share_out(loads, 2)
    assert share_out({"a": 0.0, "b": 0.0, "c": 0.0}, 2) == [["a", "c"], ["b"]]
    assert share_out({"a": 1.0}, 3) == [["a"]]
    assert share_out({}, 3) == []


def test_split_keeps_a_recording_together(tmp_path):
    parts = split(DataDir(full(tmp_path)), 5)
    assert len(parts) == 2
    assert [list(read_table(part / "segments")) for part in parts] == [["s1-a", "s1-b"], ["s2-c"]]


def test_split_removes_old_parts_but_no_strangers(tmp_path):
    make(tmp_path, wav_scp=rows(a="x", b="x", c="x"), segments="a a 0 1\nb b 0 1\nc c 0 1\n")
    out = tmp_path / "out"
    assert len(split(DataDir(tmp_path), 3, out)) == 3
    (out / "3" / "my.log").touch()
    make(out / "log", wav_scp="z x\n")
    (tmp_path / "segments").unlink()
    assert len(split(DataDir(tmp_path), 1, out)) == 1
    assert sorted(file.name for file in out.iterdir()) == ["1", "3", "log"]
    assert contents(out / "1") == {"wav.scp": "a x\nb x\nc x\n"}
    assert contents(out / "3") == {"my.log": ""}
    assert contents(out / "log") == {"wav.scp": "z x\n"}


def test_split_does_not_overwrite_its_source(tmp_path):
    make(tmp_path / "2", wav_scp="a x\n")
    with pytest.raises(DataError, match="its part 2"):
        split(DataDir(tmp_path / "2"), 1, tmp_path)
    assert contents(tmp_path / "2") == {"wav.scp": "a x\n"}


def test_what_cannot_be_split(tmp_path):
    with pytest.raises(DataError, match="no utterances to split"):
        split(DataDir(tmp_path), 2)
    make(tmp_path, wav_scp="")
    with pytest.raises(DataError, match="no utterances to split"):
        split(DataDir(tmp_path), 2)
    make(tmp_path, wav_scp="a x\n")
    with pytest.raises(OptionError, match="0 is less than 1"):
        split(DataDir(tmp_path), 0)


def test_split_with_problems_continues_and_reports_each_once(tmp_path):
    full(tmp_path)
    make(tmp_path, text="s1-a\ns1-b x\n\ns2-c y\n", rttm="SPEAKER r1 1 x 1\nSPEAKER r1 1 0 1\n")
    problems = []
    parts = split(DataDir(tmp_path, problems), 2)
    assert [contents(part)["rttm"] for part in parts] == ["SPEAKER r1 1 0 1\n", ""]
    assert sorted(problem.key for problem in problems) == ["rttm:1", "text:3"]


def test_a_split_is_current_until_something_changes(tmp_path):
    source = make(tmp_path / "data", wav_scp=rows(a="x", b="x"), text=rows(a="1", b="2"))
    assert current_split(DataDir(source), 2) == []
    past = source.stat().st_mtime - 100
    for name in ("wav.scp", "text"):
        os.utime(source / name, (past, past))
    parts = split(DataDir(source), 2)
    assert current_split(DataDir(source), 2) == parts
    assert current_split(DataDir(source), 9, source / "split2utt") == parts
    assert current_split(DataDir(source), 1, source / "split2utt") == []
    (parts[1] / "text").rename(parts[1] / "gone")
    assert current_split(DataDir(source), 2) == []
    (parts[1] / "gone").rename(parts[1] / "text")
    os.utime(source / "text", (past + 1000, past + 1000))
    assert current_split(DataDir(source), 2) == []
    os.utime(source / "text", (past, past))
    (source / "text").unlink()
    assert current_split(DataDir(source), 2) == []


# ---- combine


@pytest.mark.parametrize("nj", [1, 2, 3, 50])
def test_combining_a_split_gives_the_whole(tmp_path, nj):
    source = full(tmp_path / "all")
    parts = split(DataDir(source), nj, tmp_path / "parts")
    combine(parts[::-1], tmp_path / "out")
    assert contents(tmp_path / "out") == contents(source)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_combining_any_split_gives_the_whole(tmp_path_factory, data):
    tmp_path = tmp_path_factory.mktemp("any")
    ids = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=4)
    recordings = data.draw(st.lists(ids, min_size=1, max_size=6, unique=True))
    per_recording = data.draw(st.integers(0, 3))  # 0: no segments, recordings are the utterances
    cut = {f"{reco}-{n}": reco for reco in recordings for n in range(per_recording)}
    utterances = list(cut or recordings)
    speakers = {utt: f"s{data.draw(st.integers(0, 2))}" for utt in utterances}
    source = tmp_path / "all"
    write_table(source / "wav.scp", {reco: f"/x/{reco}.wav" for reco in recordings})
    if cut:
        write_table(source / "segments", {utt: f"{reco} 0.5 {1 + len(utt)}" for utt, reco in cut.items()})
    write_table(source / "text", {utt: data.draw(st.sampled_from(["", "字", "a  b"])) for utt in utterances})
    write_table(source / "utt2spk", speakers)
    write_table(source / "spk2utt", spk2utt_of(speakers))
    known = data.draw(st.lists(st.sampled_from(utterances), unique=True))
    write_table(source / "utt2dur", {utt: str(data.draw(st.integers(0, 99))) for utt in known})
    write_lines(source / "x.jsonl", [json.dumps({"uttid": utt, "n": n}) for utt in sorted(utterances) for n in (2, 1)])
    nj = data.draw(st.integers(1, 8))
    parts = split(DataDir(source), nj, tmp_path / "parts")
    assert len(parts) == min(nj, len(recordings))
    assert all(DataDir(part).utterances() for part in parts)
    combine(data.draw(st.permutations(parts)), tmp_path / "out")
    assert contents(tmp_path / "out") == contents(source)


def test_combine_joins_tables_that_only_some_parts_have(tmp_path):
    make(tmp_path / "1", wav_scp="b x\nc y\n", utt2spk="b s\nc s\n", spk2utt="s b c\n", text="b 1\nc 2\n")
    make(tmp_path / "2", wav_scp="a z\nb x\n", utt2spk="a s\nb s\n", failed="a too short\n")
    combine([tmp_path / "1", tmp_path / "2"], tmp_path / "out")
    assert contents(tmp_path / "out") == {
        "wav.scp": "a z\nb x\nc y\n",
        "utt2spk": "a s\nb s\nc s\n",
        "spk2utt": "s a b c\n",
        "text": "b 1\nc 2\n",
        "failed": "a too short\n",
    }


def test_line_files_are_sorted_by_what_they_mean(tmp_path):
    make(
        tmp_path / "1",
        rttm=";; a comment\nSPEAKER r 1 10.0 1.0 <NA> <NA> a <NA> <NA>\nSPEAKER r 1 9.5 1.0 <NA> <NA> a <NA> <NA>\n",
        ctm="r 1 10.0 0.1 b\nr 1 9.5 0.1 a\n",
        x_jsonl='{"uttid": "u", "n": 2}\n{"uttid": "u", "n": 1}\n',
        live_jsonl='{"reco": "r", "n": 6}\n',
        failed="b why\n",
    )
    make(
        tmp_path / "2",
        rttm="SPEAKER r 1 9.5 1.0 <NA> <NA> a <NA> <NA>\nSPKR-INFO r 1 <NA> <NA> <NA> unknown a <NA> <NA>\n",
        ctm="q 2 0.0 0.1 c\nr 1 9.5 0.1 a\n",
        x_jsonl='{"uttid": "t", "n": 3}\n',
        live_jsonl='{"reco": "q", "n": 5}\n{"reco": "q", "n": 4}\n',
        failed="a why\nb so\n",
    )
    combine([tmp_path / "1", tmp_path / "2"], tmp_path / "out")
    assert contents(tmp_path / "out") == {
        "rttm": "SPKR-INFO r 1 <NA> <NA> <NA> unknown a <NA> <NA>\n"
        "SPEAKER r 1 9.5 1.0 <NA> <NA> a <NA> <NA>\n"
        "SPEAKER r 1 10.0 1.0 <NA> <NA> a <NA> <NA>\n",
        "ctm": "q 2 0.0 0.1 c\nr 1 9.5 0.1 a\nr 1 10.0 0.1 b\n",
        "x.jsonl": '{"uttid": "t", "n": 3}\n{"uttid": "u", "n": 2}\n{"uttid": "u", "n": 1}\n',
        "live.jsonl": '{"reco": "q", "n": 5}\n{"reco": "q", "n": 4}\n{"reco": "r", "n": 6}\n',
        "failed": "a why\nb so\nb why\n",
    }
    combine([tmp_path / "2", tmp_path / "1", tmp_path / "2"], tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("text", "u one\n", "u other\n"),
        ("spk2utt", "a u\n", "b u\n"),
        ("x.jsonl", '{"uttid": "u", "n": 1}\n', '{"uttid": "u", "n": 2}\n'),
    ],
)
def test_combine_names_what_does_not_agree(tmp_path, name, one, other):
    for part, content in (("1", one), ("2", other)):
        make(tmp_path / part, failed="u why\n")
        (tmp_path / part / name).write_text(content)
    make(tmp_path / "out", text="u old\n")
    with pytest.raises(DataError) as error:
        combine([tmp_path / "1", tmp_path / "2"], tmp_path / "out")
    assert str(error.value) == f"u is not the same in {tmp_path / '1' / name} and in {tmp_path / '2' / name}"
    assert contents(tmp_path / "out") == {"text": "u old\n"}


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("rttm", "SPEAKER r 1 0.0", "4 fields are too few for rttm"),
        ("rttm", "SPEAKER r 1 zero 1.0", "time 'zero' is not a number"),
        ("ctm", "r 1 0.0 0.1", "4 fields are too few for ctm"),
        ("ctm", "r 1 nan 0.1 a", "time 'nan' is not a number"),
        ("x.jsonl", "{", 'not a JSON object with an "uttid"'),
        ("x.jsonl", "[1]", 'not a JSON object with an "uttid"'),
        ("x.jsonl", '{"uttid": 1}', 'not a JSON object with an "uttid"'),
        ("live.jsonl", '{"uttid": "u"}', 'not a JSON object with an "reco"'),
    ],
)
def test_bad_lines_of_line_files_are_named(tmp_path, name, line, reason):
    make(tmp_path / "1")
    file = tmp_path / "1" / name
    file.write_text(f"{line}\n")
    with pytest.raises(DataError) as error:
        combine([tmp_path / "1"], tmp_path / "out")
    assert str(error.value) == f"{file}:1: {reason}"


def test_combine_copies_a_config_that_all_parts_share(tmp_path):
    for part in ("1", "2"):
        make(tmp_path / part, text=f"{part} x\n", config_yaml="beam: 3\n")
    parts = [tmp_path / "1", tmp_path / "2"]
    combine(parts, tmp_path / "out")
    assert contents(tmp_path / "out") == {"text": "1 x\n2 x\n", "config.yaml": "beam: 3\n"}
    make(tmp_path / "2", config_yaml="beam: 4\n")
    combine(parts, tmp_path / "out")
    assert contents(tmp_path / "out") == {"text": "1 x\n2 x\n"}


def test_combine_forgets_earlier_failures_but_keeps_other_files(tmp_path):
    make(tmp_path / "out", failed="a out of memory\n", wav_scp="a x\n", notes="mine\n")
    make(tmp_path / "1", text="a 1\n")
    combine([tmp_path / "1"], tmp_path / "out")
    assert contents(tmp_path / "out") == {"text": "a 1\n", "wav.scp": "a x\n", "notes": "mine\n"}


def test_combine_wants_every_part(tmp_path):
    make(tmp_path / "1", text="a 1\n")
    make(tmp_path / "bare")
    with pytest.raises(DataError, match=r"no data in .*bare, .*gone"):
        combine([tmp_path / "1", tmp_path / "bare", tmp_path / "gone"], tmp_path / "out")
    with pytest.raises(DataError, match="no data directories"):
        combine([], tmp_path / "out")


# ---- scripts
