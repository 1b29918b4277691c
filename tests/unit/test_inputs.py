import math
import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from support.signals import noise, write_wav

from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples, of_utterance
from firered.audio.frontend import NUM_BINS, fbank
from firered.audio.load import read
from firered.data.archives import MatrixWriter
from firered.data.utterance import Utterance, make_id
from firered.data.validate import validate
from firered.errors import AudioError, DataError
from firered.runs.config import RunConfig
from firered.runs.inputs import Inputs, audio_files, channel_name, resolve, unique_ids
from firered.runs.prepare import prepare

MIX, EACH = AudioConfig(), AudioConfig(channel="each")


def data_dir(path, **tables):
    """A data directory; `wav_scp` stands for wav.scp."""
    path.mkdir(parents=True, exist_ok=True)
    for name, content in tables.items():
        (path / name.replace("_scp", ".scp")).write_text(content)
    return path


def found_in(*paths, config=MIX, by_segment=True):
    return resolve([str(path) for path in paths], config, by_segment=by_segment)


def names(inputs):
    return [utterance.id for utterance in inputs.utterances]


def problems(inputs):
    return {problem.key: problem.reason for problem in inputs.problems}


# Files and folders


def test_a_folder_and_all_below_it(tmp_path):
    top = tmp_path / "我的 录音"
    for name in ("b.WAV", "sub/deeper/a.flac", "sub/c d.mp3", "一 二.ogg"):
        write_wav(top / name)
    for name in ("notes.txt", "wav", "b.json", ".hidden"):
        (top / name).write_text("no audio")
    inputs = found_in(top)
    assert names(inputs) == ["a", "b", "c_d", "一_二"]
    assert inputs.problems == []
    for utterance in inputs.utterances:
        assert utterance.recording == utterance.speaker == utterance.id
        assert Path(utterance.rxfilename).is_absolute()
        assert Path(utterance.rxfilename).is_file()


def test_linked_folders_are_read_once_and_loops_not_for_ever(tmp_path):
    write_wav(tmp_path / "in/a.wav")
    write_wav(tmp_path / "elsewhere/b.wav")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    (tmp_path / "in/x").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/y").symlink_to(tmp_path / "elsewhere")
    assert [path.name for path in audio_files(tmp_path / "in")] == ["a.wav", "b.wav"]


def test_a_link_to_nowhere_is_left_to_the_reader(tmp_path):
    write_wav(tmp_path / "a.wav")
    (tmp_path / "b.wav").symlink_to(tmp_path / "gone.wav")
    assert names(found_in(tmp_path)) == ["a", "b"]


def test_files_and_folders_and_wav_scp_together(tmp_path):
    write_wav(tmp_path / "one.wav")
    write_wav(tmp_path / "folder/two.wav")
    (tmp_path / "my.wav.scp").write_text(f"three sox {tmp_path}/one.wav -t wav - |\nfour {tmp_path}/folder/two.wav\n")
    inputs = found_in(tmp_path / "one.wav", tmp_path / "folder", tmp_path / "my.wav.scp")
    assert names(inputs) == ["four", "one", "three", "two"]
    assert inputs.utterances[2].rxfilename == f"sox {tmp_path}/one.wav -t wav - |"


def test_any_suffix_will_do_for_a_file_that_is_named(tmp_path):
    assert names(found_in(write_wav(tmp_path / "a.wav").rename(tmp_path / "a.dat"))) == ["a"]


def test_a_missing_file_is_a_problem_and_no_exception(tmp_path):
    inputs = found_in(write_wav(tmp_path / "a.wav"), tmp_path / "no such.wav")
    assert names(inputs) == ["a"]
    assert problems(inputs) == {"no_such": f"{tmp_path}/no such.wav: no such file"}


def test_bad_lines_of_a_wav_scp_are_problems(tmp_path):
    (tmp_path / "wav.scp").write_bytes(b"a /x/a.wav\nalone\na /x/b.wav\n\xff\xfe x\nb /x/b.wav\n")
    inputs = found_in(tmp_path / "wav.scp")
    assert names(inputs) == ["a", "b"]
    assert {key: reason.split(": ", 1)[0] for key, reason in problems(inputs).items()} == {
        "alone": f"{tmp_path}/wav.scp:2",
        "a": f"{tmp_path}/wav.scp:3",
        "wav.scp:4": f"{tmp_path}/wav.scp:4",
    }


def test_a_wav_scp_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"gone\.scp: no such file"):
        found_in(tmp_path / "gone.scp")


def test_nothing_to_work_on(tmp_path):
    with pytest.raises(DataError, match=r"neither a data directory .* nor a folder with audio"):
        found_in(tmp_path)
    with pytest.raises(DataError, match="nothing to work on"):
        found_in(data_dir(tmp_path / "empty", wav_scp=""))


def test_data_directories_among_other_inputs(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "wav.scp").write_text(f"{name} /{name}.wav\nboth /{name}-both.wav\n")
    (tmp_path / "one/segments").write_text("one-a one 0.5 1.5\n")
    write_wav(tmp_path / "c.wav")
    paths = [str(tmp_path / name) for name in ("one", "two", "c.wav")]
    whole = resolve(paths, AudioConfig(), by_segment=False)
    assert [(utterance.id, utterance.rxfilename) for utterance in whole.utterances] == [
        ("both", "/one-both.wav"), ("c", f"{tmp_path}/c.wav"), ("one", "/one.wav"), ("two", "/two.wav")
    ]  # fmt: skip
    assert problems(whole) == {"both": f"{tmp_path}/two: another input has this id already"}
    parts = resolve(paths, AudioConfig(), by_segment=True)
    assert [(utterance.id, utterance.start_s) for utterance in parts.utterances] == [
        ("both", 0),
        ("c", 0),
        ("one-a", 0.5),
        ("two", 0),
    ]


def test_an_id_that_a_wav_scp_has_already(tmp_path):
    write_wav(tmp_path / "a.wav")
    (tmp_path / "wav.scp").write_text("a /x/other.wav\n")
    inputs = found_in(tmp_path / "wav.scp", tmp_path / "a.wav")
    assert [(utterance.id, utterance.rxfilename) for utterance in inputs.utterances] == [("a", "/x/other.wav")]
    assert problems(inputs) == {"a": f"{tmp_path}/a.wav: another input has this id already"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a.wav", "b.wav"], {"a": "a.wav", "b": "b.wav"}),
        (["x/a.wav", "y/a.wav", "y/b.wav"], {"x-a": "x/a.wav", "y-a": "y/a.wav", "b": "y/b.wav"}),
        (["a.wav", "x/a.wav"], {"a_wav": "a.wav", "x-a": "x/a.wav"}),
        (["a.wav", "a.flac"], {"a_wav": "a.wav", "a_flac": "a.flac"}),
        (["x/z/a.wav", "x/w/a.wav"], {"z-a": "x/z/a.wav", "w-a": "x/w/a.wav"}),  # no more of the path than needed
        (["a b.wav", "a_b.wav"], {"a_b_wav": "a_b.wav", "a_b_wav-2": "a b.wav"}),
        (["x/a.wav", "y/a.wav", "x-a.wav"], {"x_a_wav": None, "y-a": "y/a.wav", "x-a": "x-a.wav"}),
    ],
)
def test_ids_are_unique(tmp_path, files, expected):
    ids = unique_ids([tmp_path / name for name in files])
    assert sorted(str(path.relative_to(tmp_path)) for path in ids.values()) == sorted(files)
    if all(expected.values()) and "a_b_wav" not in expected:
        assert {key: str(path.relative_to(tmp_path)) for key, path in ids.items()} == expected
    else:  # which of two gets which is free, but not by chance
        assert len(ids) == len(expected)
        assert ids == unique_ids([tmp_path / name for name in files])


def test_ids_do_not_depend_on_how_a_folder_is_named(tmp_path, monkeypatch):
    for name in ("x/a.wav", "y/a.wav", "a.flac"):
        write_wav(tmp_path / "in" / name)
    monkeypatch.chdir(tmp_path)
    expected = {utterance.id: utterance.rxfilename for utterance in found_in(tmp_path / "in").utterances}
    assert len(expected) == 3
    for way in ("in", "./in", "in/"):
        assert {utterance.id: utterance.rxfilename for utterance in found_in(way).utterances} == expected


def test_ids_hold_no_white_space():
    assert make_id(" a \t b\u3000c\n") == "a_b_c"
    assert make_id("  ") == "_"


@pytest.mark.skipif(os.name != "posix", reason="names of bytes are of POSIX")
def test_a_name_that_no_table_can_hold_is_a_problem_of_its_own(tmp_path):
    write_wav(tmp_path / "in/good.wav")
    try:
        write_wav(tmp_path / "in/x.wav").rename(os.fsdecode(os.fsencode(tmp_path / "in") + b"/\xc4\xe3.wav"))
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    write_wav(tmp_path / "in/a\nb.wav")
    inputs = found_in(tmp_path / "in")
    assert names(inputs) == ["good"]
    assert {key: reason.rpartition("/")[2] for key, reason in problems(inputs).items()} == {
        "??": "??.wav': the name is not UTF-8; rename the file",
        "a_b": "a\\nb.wav': the name breaks the line; rename the file",
    }


# Data directories


def test_a_data_directory(tmp_path):
    path = data_dir(tmp_path / "d", wav_scp="b /x/b.wav\na cat a.wav |\n", utt2spk="a s1\nb s1\n", reco2dur="a 1.5\n")
    inputs = found_in(path)
    assert [
        (utterance.id, utterance.recording, utterance.rxfilename, utterance.speaker) for utterance in inputs.utterances
    ] == [
        ("a", "a", "cat a.wav |", "s1"),
        ("b", "b", "/x/b.wav", "s1"),
    ]
    assert inputs.utterances[0].duration_s == 1.5
    assert math.isnan(inputs.utterances[1].duration_s)
    assert inputs.problems == []


SEGMENTED = {
    "wav_scp": "r1 /x/1.wav\nr2 /x/2.wav\n",
    "segments": "u1 r1 0.5 1.25\nu2 r2 1 -1\nu3 r3 0 1\n",
    "utt2spk": "u1 s1\nu2 s2\nu3 s2\n",
    "reco2dur": "r1 10\nr2 20\n",
    "utt2dur": "u1 0.75\nu2 nonsense\n",
}


def test_a_segment_a_line(tmp_path):
    inputs = found_in(data_dir(tmp_path, **SEGMENTED))
    assert [
        (utterance.id, utterance.recording, utterance.rxfilename, utterance.start_s, utterance.end_s)
        for utterance in inputs.utterances
    ] == [
        ("u1", "r1", "/x/1.wav", 0.5, 1.25),
        ("u2", "r2", "/x/2.wav", 1.0, math.inf),
    ]
    assert [utterance.speaker for utterance in inputs.utterances] == ["s1", "s2"]
    assert inputs.utterances[0].duration_s == 0.75
    assert math.isnan(inputs.utterances[1].duration_s)
    assert problems(inputs) == {"u3": "segments: recording r3 is not in wav.scp"}


def test_bad_segment_lines_are_problems_and_the_rest_is_kept(tmp_path):
    lines = ["a r1 0 1", "b r1 1 1", "c r1 2 1", "d r1 -1 1", "e r1 x 1", "f r1 1", "g r1 nan 1", "h r1 3 4"]
    inputs = found_in(data_dir(tmp_path, wav_scp="r1 /x/1.wav\n", segments="\n".join(lines) + "\n"))
    assert names(inputs) == ["a", "h"]
    assert problems(inputs) == {
        "b": f"{tmp_path}/segments:2: end 1 is not after start 1",
        "c": f"{tmp_path}/segments:3: end 1 is not after start 2",
        "d": f"{tmp_path}/segments:4: start -1 is negative",
        "e": f"{tmp_path}/segments:5: start 'x' is not a number",
        "f": f"{tmp_path}/segments:6: 3 fields where `utterance recording start end` is needed",
        "g": f"{tmp_path}/segments:7: start 'nan' is not a number",
    }


def test_whole_recordings_of_a_directory_with_segments(tmp_path):
    inputs = found_in(data_dir(tmp_path, **SEGMENTED, feats_scp="u1 f.ark:3\nr1 f.ark:9\n"), by_segment=False)
    assert [
        (utterance.id, utterance.feats, utterance.end_s, utterance.duration_s) for utterance in inputs.utterances
    ] == [
        ("r1", "", math.inf, 10.0),
        ("r2", "", math.inf, 20.0),
    ]


def test_features_are_used_where_they_are(tmp_path):
    path = data_dir(tmp_path, wav_scp="a /x/a.wav\nb /x/b.wav\n", feats_scp="a f.ark:3\nc f.ark:9\n", utt2dur="c 2\n")
    for by_segment in (True, False):
        assert [
            (utterance.id, utterance.rxfilename, utterance.feats)
            for utterance in found_in(path, by_segment=by_segment).utterances
        ] == [
            ("a", "/x/a.wav", "f.ark:3"),
            ("b", "/x/b.wav", ""),
            ("c", "", "f.ark:9"),
        ]
    assert found_in(path).utterances[2].duration_s == 2.0


def test_features_of_segments_need_no_audio(tmp_path):
    inputs = found_in(data_dir(tmp_path, segments="u1 r1 0 1\nu2 r1 1 2\n", feats_scp="u1 f.ark:3\n"))
    assert [(utterance.id, utterance.rxfilename, utterance.feats) for utterance in inputs.utterances] == [
        ("u1", "", "f.ark:3")
    ]
    assert problems(inputs) == {"u2": "segments: recording r1 is not in wav.scp"}


def test_channels_of_a_table(tmp_path):
    path = data_dir(
        tmp_path,
        wav_scp="a /x/1.wav\nb /x/1.wav\nc /x/1.wav\nd /x/2.wav\n",
        reco2file_and_channel="a 1 A\nb 1 B\nc 1 12\nd 2 left\n",
    )
    inputs = found_in(path)
    assert {utterance.id: utterance.channel for utterance in inputs.utterances} == {"a": 1, "b": 2, "c": 12, "d": None}
    assert problems(inputs) == {"d": "reco2file_and_channel: channel 'left' is neither a letter nor a number"}


# One recording a channel


def test_each_channel_is_a_recording(tmp_path):
    call = write_wav(tmp_path / "in/call.wav", noise((8000, 2)))
    write_wav(tmp_path / "in/mono.wav")
    (tmp_path / "in/broken.wav").write_bytes(b"")
    inputs = found_in(tmp_path / "in", config=EACH)
    assert [(utterance.id, utterance.recording, utterance.channel) for utterance in inputs.utterances] == [
        ("call-A", "call-A", 1),
        ("call-B", "call-B", 2),
        ("mono", "mono", None),
    ]
    assert problems(inputs) == {"broken": f"{tmp_path}/in/broken.wav: the file is empty"}
    for utterance in inputs.utterances[:2]:
        got = np.concatenate([*of_utterance(utterance, EACH)])
        np.testing.assert_array_equal(got, fbank(read(call, AudioConfig(channel=str(utterance.channel)))))


def test_each_channel_of_what_has_been_split_already(tmp_path):
    write_wav(tmp_path / "in/call.wav", noise((8000, 2)))
    first = found_in(tmp_path / "in", config=EACH)
    first.write_tables(names(first), tmp_path / "out")
    second = found_in(tmp_path / "out", config=EACH)
    assert [(utterance.id, utterance.channel, utterance.rxfilename) for utterance in second.utterances] == [
        (utterance.id, utterance.channel, utterance.rxfilename) for utterance in first.utterances
    ]


def test_each_channel_of_stored_features(tmp_path):
    inputs = found_in(data_dir(tmp_path, feats_scp="a f.ark:3\n"), config=EACH)
    assert names(inputs) == ["a"]
    assert inputs.problems == []


@pytest.mark.parametrize(("number", "name"), [(1, "A"), (2, "B"), (26, "Z"), (27, "27")])
def test_names_of_channels(number, name):
    assert channel_name(number) == name


# The data directory of a run


def tables(path):
    return {file.name: file.read_text() for file in sorted(path.iterdir())}


def test_tables_of_files(tmp_path):
    for name in ("b", "a", "c"):
        write_wav(tmp_path / f"in/{name}.wav")
    inputs = found_in(tmp_path / "in")
    inputs.write_tables(["a", "c"], tmp_path / "out")
    assert tables(tmp_path / "out") == {
        "wav.scp": f"a {tmp_path}/in/a.wav\nc {tmp_path}/in/c.wav\n",
        "utt2spk": "a a\nc c\n",
        "spk2utt": "a a\nc c\n",
    }
    assert validate(tmp_path / "out", text=False, feats=False) == []


def test_tables_of_channels(tmp_path):
    write_wav(tmp_path / "in/call.wav", noise((8000, 2)))
    write_wav(tmp_path / "in/x-B.wav")
    inputs = found_in(tmp_path / "in", config=EACH)
    inputs.write_tables(names(inputs), tmp_path / "out")
    assert tables(tmp_path / "out") == {
        "wav.scp": f"call-A {tmp_path}/in/call.wav\ncall-B {tmp_path}/in/call.wav\nx-B {tmp_path}/in/x-B.wav\n",
        "reco2file_and_channel": "call-A call A\ncall-B call B\n",
        "utt2spk": "call-A call-A\ncall-B call-B\nx-B x-B\n",
        "spk2utt": "call-A call-A\ncall-B call-B\nx-B x-B\n",
    }


def test_tables_of_a_data_directory_keep_what_it_has(tmp_path):
    path = data_dir(tmp_path / "in", **SEGMENTED, text="u1 hello\nu2 你好\n")
    inputs = found_in(path)
    inputs.write_tables(iter(["u2"]), tmp_path / "out")
    assert tables(tmp_path / "out") == {
        "wav.scp": "r2 /x/2.wav\n",
        "segments": "u2 r2 1 -1\n",
        "utt2spk": "u2 s2\n",
        "spk2utt": "s2 u2\n",
        "reco2dur": "r2 20\n",
        "utt2dur": "u2 nonsense\n",
        "text": "u2 你好\n",
    }


@pytest.mark.parametrize("table", [{"utt2spk": "a s\nb s\n"}, {"spk2utt": "s a b\n"}])
def test_speakers_are_told_both_ways(tmp_path, table):
    inputs = found_in(data_dir(tmp_path / "in", wav_scp="a /x/a.wav\nb /x/b.wav\n", **table))
    inputs.write_tables(["a", "b"], tmp_path / "out")
    written = tables(tmp_path / "out")
    assert (written["utt2spk"], written["spk2utt"]) == ("a s\nb s\n", "s a b\n")


def test_tables_of_segments_where_the_recordings_were_gone_through(tmp_path):
    path = data_dir(tmp_path / "in", wav_scp="r1 /x/1.wav\nr2 /x/2.wav\n", segments="u1 r1 0 1\nu2 r1 1 2\nu3 r2 0 1\n")
    inputs = found_in(path, by_segment=False)
    inputs.write_tables(["u1", "u2"], tmp_path / "out")
    assert tables(tmp_path / "out") == {
        "wav.scp": "r1 /x/1.wav\n",
        "segments": "u1 r1 0 1\nu2 r1 1 2\n",
        "utt2spk": "u1 u1\nu2 u2\n",
        "spk2utt": "u1 u1\nu2 u2\n",
    }


def test_tables_of_channels_of_a_data_directory(tmp_path):
    write_wav(tmp_path / "call.wav", noise((8000, 2)))
    write_wav(tmp_path / "mono.wav")
    path = data_dir(
        tmp_path / "in",
        wav_scp=f"call {tmp_path}/call.wav\nmono {tmp_path}/mono.wav\n",
        utt2spk="call s1\nmono s2\n",
        spk2utt="s1 call\ns2 mono\n",
    )
    inputs = found_in(path, config=EACH)
    inputs.write_tables(names(inputs), tmp_path / "out")
    assert tables(tmp_path / "out") == {
        "wav.scp": f"call-A {tmp_path}/call.wav\ncall-B {tmp_path}/call.wav\nmono {tmp_path}/mono.wav\n",
        "reco2file_and_channel": "call-A call A\ncall-B call B\n",
        "utt2spk": "call-A call-A\ncall-B call-B\nmono s2\n",
        "spk2utt": "call-A call-A\ncall-B call-B\ns2 mono\n",
    }


def test_tables_of_channels_of_segments(tmp_path):
    write_wav(tmp_path / "call.wav", noise((8000, 2)))
    path = data_dir(tmp_path / "in", wav_scp=f"call {tmp_path}/call.wav\n", segments="u1 call 0 0.2\nu2 call 0.2 0.5\n")
    inputs = found_in(path, config=EACH)
    inputs.write_tables(names(inputs), tmp_path / "out")
    assert names(inputs) == ["u1-A", "u1-B", "u2-A", "u2-B"]
    assert validate(tmp_path / "out", text=False, feats=False) == []
    assert (tmp_path / "out/wav.scp").read_text() == f"call-A {tmp_path}/call.wav\ncall-B {tmp_path}/call.wav\n"


def test_many_tables_are_written_in_time_that_grows_with_them(tmp_path):
    # It takes a tenth of a second; with a pass over all for each it would be minutes.
    import time

    keys = [f"u{number:06d}" for number in range(20000)]
    data_dir(tmp_path / "in", wav_scp="".join(f"{key} /x/{key}.wav\n" for key in keys))
    inputs = found_in(tmp_path / "in")
    begun = time.monotonic()
    inputs.write_tables(keys, tmp_path / "out")
    assert time.monotonic() - begun < 60
    assert len((tmp_path / "out/utt2spk").read_text().splitlines()) == 20000


# Frames


def joined(frames):
    return np.concatenate([np.zeros((0, NUM_BINS), np.float32), *frames])


def test_frames_of_a_recording(tmp_path):
    path = write_wav(tmp_path / "a.wav", noise(12345))
    frames = of_utterance(Utterance("a", "a", str(path)), MIX)
    np.testing.assert_array_equal(joined(frames), fbank(read(path)))
    assert frames.key == "a"
    assert frames.count == 75
    assert frames.duration_s == 12345 / 16000


def test_frames_of_a_segment(tmp_path):
    path = write_wav(tmp_path / "a.wav")
    frames = of_utterance(Utterance("u", "a", str(path), start_s=0.1, end_s=0.3), MIX)
    np.testing.assert_array_equal(joined(frames), fbank(read(path)[1600:4800]))
    assert frames.duration_s == pytest.approx(0.2)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("end_s", [0.5, 0.5015, math.inf])
def test_a_segment_to_the_end_of_its_recording(tmp_path, rate, end_s):
    path = write_wav(tmp_path / "a.wav", noise(rate // 2), rate)
    frames = of_utterance(Utterance("u", "a", str(path), start_s=0.1, end_s=end_s), MIX)
    assert len(joined(frames)) == 38
    assert frames.duration_s == pytest.approx(0.4, abs=0.001)


@pytest.mark.parametrize(
    ("end_s", "options", "cut"),
    [
        (0.504, {}, True),
        (0.6, {}, True),
        (1.0, {}, True),
        (1.01, {}, False),
        (0.6, {"max_overshoot": 0.0}, False),
        (0.6, {"max_overshoot": 0.05}, False),
        (9.0, {"max_overshoot": 10.0}, True),
        (1e6, {"allow_truncated": True}, True),
    ],
)
@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_segment_beyond_the_end_of_its_recording(tmp_path, caplog, rate, end_s, options, cut):
    path = write_wav(tmp_path / "a.wav", noise(rate // 2), rate)
    frames = of_utterance(Utterance("u", "r", str(path), start_s=0.1, end_s=end_s), AudioConfig(**options))
    what = f"the segment ends at {end_s:.3f} s, the recording r at 0.500 s"
    if cut:
        assert len(joined(frames)) == 38
        assert frames.duration_s == pytest.approx(0.4)
        assert f"u: {what}; cut there" in caplog.text
    else:
        with pytest.raises(AudioError, match=f"{what}; --max-overshoot"):
            joined(frames)


def test_a_segment_that_starts_after_its_recording(tmp_path):
    path = write_wav(tmp_path / "a.wav")
    with pytest.raises(AudioError, match=r"from 0\.700 s on, r holds no samples"):
        joined(of_utterance(Utterance("u", "r", str(path), start_s=0.7, end_s=0.8), MIX))


def stored(path, matrix):
    with MatrixWriter(path) as writer:
        return writer.write("a", [matrix])[0]


def test_stored_frames_are_taken_as_they_are(tmp_path):
    matrix = noise((30, NUM_BINS), 15.0)
    place = stored(tmp_path / "f.ark", matrix)
    frames = of_utterance(Utterance("a", "a", "/no/such.wav", feats=place, duration_s=0.3141), MIX)
    np.testing.assert_array_equal(joined(frames), matrix)
    assert frames.duration_s == 0.3141
    unknown = of_utterance(Utterance("a", "a", feats=place), MIX)
    joined(unknown)
    assert unknown.duration_s == pytest.approx(30 * 0.01 + 0.015)  # what 30 windows span


@pytest.mark.parametrize(
    ("matrix", "reason"),
    [
        (noise((30, 40)), "40 columns, filterbanks here have 80"),
        (np.full((30, NUM_BINS), np.nan, np.float32), "holds NaN"),
        (np.zeros((0, NUM_BINS), np.float32), "no frames"),
    ],
)
def test_stored_frames_that_cannot_be_used(tmp_path, matrix, reason):
    place = stored(tmp_path / "f.ark", matrix)
    with pytest.raises(DataError, match=reason):
        joined(of_utterance(Utterance("a", "a", feats=place), MIX))


def test_stored_rows_beyond_the_matrix(tmp_path, caplog):
    matrix = noise((30, NUM_BINS), 15.0)
    place = stored(tmp_path / "f.ark", matrix)
    for last, options in ((79, {}), (29 + 500, {"allow_truncated": True}), (34, {"max_overshoot": 0.05})):
        frames = of_utterance(Utterance("a", "a", feats=f"{place}[10:{last}]"), AudioConfig(**options))
        np.testing.assert_array_equal(joined(frames), matrix[10:])
        assert "cut there" in caplog.text
    for last, options in ((80, {}), (35, {"max_overshoot": 0.05}), (30, {"max_overshoot": 0.0})):
        with pytest.raises(DataError, match="no such range, rows of the matrix: 30"):
            joined(of_utterance(Utterance("a", "a", feats=f"{place}[10:{last}]"), AudioConfig(**options)))


def test_stored_frames_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=r"f\.ark:3: no such file"):
        joined(of_utterance(Utterance("a", "a", feats=f"{tmp_path}/f.ark:3"), MIX))


def test_frames_of_a_signal_in_pieces():
    signal = noise(5000) * 32768
    frames = of_samples("a", [signal[a:b] for a, b in pairwise([0, 10, 700, 701, 5000])])
    np.testing.assert_allclose(joined(frames), fbank(signal), rtol=0, atol=1e-5)
    assert frames.duration_s == 5000 / 16000


def test_frames_are_read_when_they_are_asked_for():
    of_utterance(Utterance("a", "a", "/no/such.wav"), MIX)  # the error belongs to the iteration
    with pytest.raises(AudioError, match=r"/no/such\.wav: no such file"):
        joined(of_utterance(Utterance("a", "a", "/no/such.wav"), MIX))


def test_tables_of_nothing(tmp_path):
    Inputs().write_tables([], tmp_path)
    assert set(tables(tmp_path).values()) == {""}


def test_prepared_channels_of_segments_can_be_worked_on(tmp_path):
    write_wav(tmp_path / "call.wav", noise((8000, 2)))
    data_dir(tmp_path / "in", wav_scp=f"call {tmp_path}/call.wav\n", segments="u1 call 0 0.2\nu2 call 0.2 0.5\n")
    assert prepare([str(tmp_path / "in")], tmp_path / "out", EACH, RunConfig()) == 0
    assert validate(tmp_path / "out", text=False, feats=False) == []
    assert (tmp_path / "out/reco2dur").read_text() == "call-A 0.5\ncall-B 0.5\n"
    assert names(found_in(tmp_path / "out")) == ["u1-A", "u1-B", "u2-A", "u2-B"]
