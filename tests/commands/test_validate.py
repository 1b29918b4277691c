import os
import subprocess
import sys
from pathlib import Path

import pytest

from firered.data.validate import validate

SCRIPT = Path(__file__).resolve().parents[2] / "utils" / "validate_data_dir.py"

WHOLE = {
    "wav.scp": "a1 /x/a b~1.wav\nb1 sox b.flac -t wav - |\n",
    "text": "a1 你好 world\nb1\n",
    "utt2spk": "a1 a\nb1 b\n",
    "spk2utt": "a a1\nb b1\n",
    "spk2gender": "a f\nb m\n",
    "feats.scp": "a1 f.ark:3\nb1 f.ark:9\n",
    "utt2dur": "a1 1.5\nb1 2\n",
    "reco2dur": "a1 1.5\nb1 2\n",
    "reco2file_and_channel": "a1 fa A\nb1 fb 12\n",
    "utt2num_frames": "a1 148\nb1 198\n",
    "utt2lang": "a1 zh\nb1 en\n",
    "vad.scp": "a1 v.ark:3\nb1 v.ark:9\n",
}

CUT = {
    "wav.scp": "r1 r1.wav\nr2 r2.wav\n",
    "reco2dur": "r1 2.0\nr2 3.0\n",
    "reco2file_and_channel": "r1 f1 A\nr2 f2 B\n",
    "segments": "a1 r1 0 2.001\nb1 r2 0.5 -1\n",
    "probs.scp": "r1 p.ark:3\n",
    **{name: WHOLE[name] for name in ("text", "utt2spk", "spk2utt", "feats.scp", "utt2dur")},
}


def make(path, files, **changes):
    """The files with some contents replaced (`wav_scp` stands for wav.scp), or left out where None."""
    files = {**files, **{name.replace("_scp", ".scp"): content for name, content in changes.items()}}
    path.mkdir(exist_ok=True)
    for name, content in files.items():
        if content is not None:
            (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def errors_of(path, **options):
    return [error.removeprefix(f"{path}/") for error in validate(path, **options)]


@pytest.mark.parametrize("files", [WHOLE, CUT])
def test_a_sound_directory_has_no_errors(tmp_path, files):
    assert validate(make(tmp_path, files)) == []
    assert validate(str(tmp_path)) == []


def test_a_missing_directory_is_named(tmp_path):
    assert errors_of(tmp_path / "gone") == [f"{tmp_path / 'gone'}: no such data directory"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"utt2spk": None, "spk2gender": None}, ["utt2spk: no such file"]),
        ({"spk2utt": None}, ["spk2utt: no such file"]),
        ({"wav_scp": None}, ["wav.scp: no such file"]),
        ({"text": None}, ["text: no such file"]),
        ({"feats_scp": None}, ["feats.scp: no such file"]),
        # form
        (
            {"spk2gender": ""},
            ["spk2gender: is empty", "spk2gender: no line for speaker a", "spk2gender: no line for speaker b"],
        ),
        ({"text": "a1 x\nb1 y"}, ["text:2: no newline at the end of the file"]),
        ({"text": "b1 y\na1 x\n"}, ["text:2: a1 comes after b1: not sorted; use LC_ALL=C sort"]),
        ({"text": "a1 x\na1 x\nb1 y\n"}, ["text:2: id a1 is already on line 1"]),
        ({"text": "a1 x\n\nb1 y\n"}, ["text:2: empty line"]),
        ({"utt2lang": "a1 zh\nb1\n"}, ["utt2lang:2: nothing after id b1", "utt2lang: no line for utterance b1"]),
        (
            {"text": b"a1 \xff\nb1 y\n"},
            ["text:1: not UTF-8: invalid start byte at byte 4", "text: no line for utterance a1"],
        ),
        (
            {"text": "\ufeffa1 x\nb1 y\n"},
            ["text:1: begins with a byte-order mark (BOM), which Kaldi takes for a part of the id"],
        ),
        ({"text": "a1 x\r\nb1 y\n"}, ["text:1: the line ends in a carriage return (Windows)"]),
        ({"text": "a1 x\n b1 y\n"}, ["text:2: white space before the id"]),
        (
            {"text": "a1\u3000x\nb1 y\n"},
            ["text:1: id 'a1\\u3000x' holds white space", "text: no line for utterance a1"],
        ),
        # text
        ({"text": "a1 x <s>\nb1 y\n"}, ["text:1: a1 holds <s>, which cannot be a word"]),
        ({"text": "a1 x\nb1 </s> #0\n"}, ["text:2: b1 holds #0", "text:2: b1 holds </s>"]),
        (
            {"text": "a1 x\u3000y\nb1 y\n"},
            ["text:1: a1 holds the white space U+3000 IDEOGRAPHIC SPACE; use a plain blank"],
        ),
        ({"text": "a1 x\nb1 y\u200bz\n"}, ["text:2: b1 holds the non-printable character U+200B ZERO WIDTH SPACE"]),
        ({"text": "a1 x\x07\nb1 y\n"}, ["text:1: a1 holds the non-printable character U+0007"]),
        # values
        ({"wav_scp": "a1 ~/a.wav\nb1 sox ~me/b.flac |\n"}, ["wav.scp:1: the path of a1 holds ~", "wav.scp:2: "]),
        (
            {"utt2spk": "a1 a\nb1 b c\n"},
            [
                "utt2spk:2: b1 has 2 fields after it where one speaker is needed",
                "spk2utt:2: b1 of b is of b c in utt2spk",
                "utt2spk:2: b1 is not listed under b c in spk2utt",
                "spk2gender: no line for speaker b c",
                "spk2gender:2: speaker b is not in utt2spk",
            ],
        ),
        ({"spk2gender": "a f\nb w\n"}, ["spk2gender:2: gender 'w' of b is neither m nor f"]),
        (
            {"reco2file_and_channel": "a1 fa C\nb1 fb 0\n"},
            ["reco2file_and_channel:1: channel C", "reco2file_and_channel:2: "],
        ),
        ({"reco2file_and_channel": "a1 fa A\nb1 fb\n"}, ["reco2file_and_channel:2: 2 fields where"]),
        ({"utt2dur": "a1 0\nb1 x\n"}, ["utt2dur:1: duration '0' of a1", "utt2dur:2: duration 'x' of b1"]),
        ({"reco2dur": "a1 -1\nb1 nan\n"}, ["reco2dur:1: duration '-1' of a1", "reco2dur:2: duration 'nan' of b1"]),
        ({"utt2num_frames": "a1 0\nb1 1.5\n"}, ["utt2num_frames:1: frame count '0'", "utt2num_frames:2: "]),
        # ids
        ({"text": "a1 x\n"}, ["text: no line for utterance b1 (utt2spk:2)"]),
        ({"wav_scp": "a1 x\nb1 y\nc1 z\n"}, ["wav.scp:3: utterance c1 is not in utt2spk"]),
        ({"feats_scp": "a1 x\nc1 z\n"}, ["feats.scp: no line for utterance b1", "feats.scp:2: utterance c1 is not"]),
        ({"utt2dur": "a1 1\n"}, ["utt2dur: no line for utterance b1"]),
        ({"utt2lang": "a1 zh\n"}, ["utt2lang: no line for utterance b1"]),
        ({"vad_scp": "a1 x\n"}, ["vad.scp: no line for utterance b1"]),
        ({"utt2num_frames": "a1 1\n"}, ["utt2num_frames: no line for utterance b1"]),
        ({"reco2dur": "b1 1\n"}, ["reco2dur: no line for utterance a1 (utt2spk:1)"]),
        ({"reco2file_and_channel": "b1 f A\n"}, ["reco2file_and_channel: no line for utterance a1"]),
        # speakers
        ({"spk2utt": "a a1\n"}, ["utt2spk:2: b1 is not listed under b in spk2utt"]),
        ({"spk2utt": "a a1 c1\nb b1\n"}, ["spk2utt:1: c1 of a is not in utt2spk"]),
        ({"spk2utt": "a a1\nb b1 a1\n"}, ["spk2utt:2: a1 of b is already listed under a"]),
        (
            {"spk2utt": "a b1\nb a1\n"},
            ["spk2utt:1: b1 of a is of b", "spk2utt:2: a1 of b is of a", "utt2spk:1", "utt2spk:2"],
        ),
        (
            {"spk2gender": "a f\nc m\n"},
            ["spk2gender: no line for speaker b (utt2spk:2)", "spk2gender:2: speaker c is not"],
        ),
    ],
)
def test_each_rule_has_what_breaks_it(tmp_path, changes, expected):
    errors = errors_of(make(tmp_path, WHOLE, **changes))
    assert len(errors) == len(expected), errors
    for error, start in zip(errors, expected, strict=True):
        assert error.startswith(start)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"segments": "a1 r1 0 2\nb1 r2 0.5\n"},
            ["segments:2: 3 fields where `utterance recording start end` is needed"],
        ),
        ({"segments": "a1 r1 0 x\nb1 r2 0 1\n"}, ["segments:1: end 'x' is not a number"]),
        ({"segments": "a1 r1 -1 1\nb1 r2 0 1\n"}, ["segments:1: start -1 is negative"]),
        ({"segments": "a1 r1 1 1\nb1 r2 3 2\n"}, ["segments:1: end 1 is not after", "segments:2: end 2 is not after"]),
        ({"segments": "a1 r1 0 2.503\nb1 r2 0 1\n"}, ["segments:1: a1 goes to 2.503 s, but r1 ends at 2 s"]),
        ({"segments": "a1 r1 0 2\nb1 r2 4 -1\n"}, ["segments:2: b1 goes to 4 s, but r2 ends at 3 s"]),
        (
            {"segments": "a1 r1 0 1\nb1 r3 0 1\n", "probs_scp": None, "reco2dur": None, "reco2file_and_channel": None},
            ["wav.scp: no line for recording r3 (segments:2)", "wav.scp:2: recording r2 is not in segments"],
        ),
        ({"reco2dur": "r1 2\n"}, ["reco2dur: no line for recording r2 (segments:2)"]),
        ({"reco2file_and_channel": "r1 f A\n"}, ["reco2file_and_channel: no line for recording r2"]),
        ({"probs_scp": "a1 p\nr1 p\nr9 p\n"}, ["probs.scp:3: r9 is no utterance and no recording"]),
        ({"segments": "a1 r1 0 2\nb1 r2 0 1\nb2 r2 1 2\n"}, ["segments:3: utterance b2 is not in utt2spk"]),
    ],
)
def test_each_rule_of_segments_has_what_breaks_it(tmp_path, changes, expected):
    errors = errors_of(make(tmp_path, CUT, **changes))
    assert len(errors) == len(expected), errors
    for error, start in zip(errors, expected, strict=True):
        assert error.startswith(start)


def test_all_errors_are_found_not_only_the_first(tmp_path):
    make(tmp_path, WHOLE, text="a1 <s>\nb1 #0", utt2dur="a1 0\nb1 2\n", spk2gender="a x\nb m\n")
    assert [error.split(": ")[0] for error in errors_of(tmp_path)] == [
        "text:2",
        "text:1",
        "text:2",
        "utt2dur:1",
        "spk2gender:1",
    ]


@pytest.mark.parametrize(("option", "name"), [("feats", "feats.scp"), ("text", "text"), ("wav", "wav.scp")])
def test_a_file_that_need_not_be_there_is_still_checked_when_it_is(tmp_path, option, name):
    make(tmp_path, WHOLE)
    (tmp_path / name).write_text("a1 x\n")
    assert errors_of(tmp_path, **{option: False}) == [f"{name}: no line for utterance b1 (utt2spk:2)"]
    (tmp_path / name).unlink()
    assert errors_of(tmp_path) == [f"{name}: no such file"]
    assert errors_of(tmp_path, **{option: False}) == []


def test_tables_that_need_not_have_all_utterances_have_no_others(tmp_path):
    make(tmp_path, WHOLE)
    (tmp_path / "keywords").write_text("b1 one; two\n")
    assert errors_of(tmp_path) == []
    (tmp_path / "keywords").write_text("b1 one; two\nc1 three\n")
    assert errors_of(tmp_path) == ["keywords:2: utterance c1 is not in utt2spk"]


def test_non_printable_characters_may_be_allowed(tmp_path):
    make(tmp_path, WHOLE, text="a1 x\u200by\nb1 \ue000\n")
    assert len(validate(tmp_path)) == 2
    assert validate(tmp_path, non_print=True) == []


def test_letters_and_joiners_of_other_scripts_are_printable(tmp_path):
    assert validate(make(tmp_path, WHOLE, text="a1 می\u200cخواهم é ñ 한국어\nb1 क्\u200dष 😀 ，。\n")) == []


def test_speakers_may_be_in_any_order(tmp_path):
    make(tmp_path, WHOLE, utt2spk="a1 b\nb1 a\n", spk2utt="a b1\nb a1\n")
    assert errors_of(tmp_path) == [
        "utt2spk:2: speaker a of b1 comes after b: not sorted by speaker; begin utterance ids with the speaker id"
    ]
    assert validate(tmp_path, spk_sort=False) == []


def test_an_odd_segment_line_does_not_end_the_check(tmp_path):
    assert errors_of(make(tmp_path, CUT, segments="a1 \u3000\nb1 r2 0 1\n"))[0].startswith("segments:1: ")


# ---- script


def run(*arguments, cwd):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_script_says_so_when_all_is_well(tmp_path):
    make(tmp_path / "data", WHOLE)
    done = run("data", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "validate_data_dir.py: Successfully validated data-directory data\n"


def test_script_prints_every_error(tmp_path):
    make(tmp_path / "data", WHOLE, text="a1 <s>\nb1 x\n", utt2dur="a1 0\nb1 1\n")
    done = run("data", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "data/text:1: a1 holds <s>, which cannot be a word",
        "data/utt2dur:1: duration '0' of a1 is not a number above 0",
        "validate_data_dir.py: data is not valid, errors: 2",
    ]


def test_script_takes_kaldis_flags(tmp_path):
    make(tmp_path / "data", {"utt2spk": "a1 b\nb1 a\n", "spk2utt": "a b1\nb a1\n", "text": "a1 x\u200b\nb1 y\n"})
    flags = ["--no-feats", "--no-text", "--no-wav", "--no-spk-sort", "--non-print"]
    assert run(*flags, "data", cwd=tmp_path).returncode == 0
    assert len(run("--no-text", "data", cwd=tmp_path).stderr.splitlines()) == 5
