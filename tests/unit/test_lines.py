"""Tables that are no UTF-8: the line is named, and the others are read."""

import pytest

from firered.corpora.files import numbered_lines
from firered.data.datadir import DataDir, parse_segments, read_table
from firered.data.lines import numbered, read_lines
from firered.data.texts import read_texts
from firered.errors import DataError, OptionError
from firered.options import read_yaml
from firered.scoring.config import VadScoreConfig
from firered.scoring.inputs.labels import read_labels

THREE = b"a 1\nb \xff2\nc 3\n", b"a 1\nb 2\0\nc 3\n"
WIDE = "utf-16", "utf-16-le", "utf-16-be", "utf-32"


@pytest.mark.parametrize("data", THREE)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path, data):
    path = tmp_path / "wav.scp"
    path.write_bytes(data)
    problems = []
    assert read_table(path, problems) == {"a": "1", "c": "3"}
    assert [problem.key for problem in problems] == ["b"]
    assert problems[0].reason.startswith(f"{path}:2: ")
    with pytest.raises(DataError, match=r"wav\.scp:2: (not UTF-8|holds a NUL)"):
        read_table(path)
    texts = read_texts(str(path), "kaldi")
    assert (texts.by_id, [problem.key for problem in texts.problems]) == ({"a": "1", "c": "3"}, ["b"])
    plain = read_texts(str(path), "plain")
    assert list(plain.by_id.values()) == ["a 1", "c 3"]
    assert [problem.key for problem in plain.problems] == ["wav.scp:2"]


def test_an_id_that_is_no_text_is_named_by_its_line(tmp_path):
    for number, data in enumerate((b"a 1\n\xff 2\n", b"a 1\nb\0 2\n")):
        (tmp_path / "text").write_bytes(data)
        problems = []
        assert read_table(tmp_path / "text", problems) == {"a": "1"}
        assert [problem.key for problem in problems] == ["text:2"], number


def test_any_run_of_blanks_ends_an_id_and_other_white_space_does_not(tmp_path):
    (tmp_path / "text").write_text(" a  1  2 \nb\t3\nc \t4\nd\v5\ne\u00a06\nf\n", encoding="utf-8")
    problems = []
    found = read_table(tmp_path / "text", problems, empty_value_ok=True)
    assert found == {"a": "1  2", "b": "3", "c": "4", "d": "5", "f": ""}
    assert [problem.reason.partition(": ")[2] for problem in problems] == [
        "id 'e\\xa06' holds white space that is neither blank nor tab"
    ]


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("mark", ["\ufeff", ""])
def test_a_table_in_utf_16_is_refused_by_file_and_line(tmp_path, encoding, mark):
    path = tmp_path / "segments"
    mark = "" if encoding in ("utf-16", "utf-32") else mark  # which write one by themselves
    path.write_bytes(f"{mark}u1 a 0 1\nu2 a 1 2\n".encode(encoding))
    problems = []
    assert parse_segments(path, problems) == {}
    assert problems[0].reason.startswith(f"{path}:1: ")
    if mark:
        assert "UTF-16, not UTF-8" in problems[0].reason
        assert "iconv -f UTF-16 -t UTF-8" in problems[0].reason
        assert len(problems) == 1


@pytest.mark.parametrize("encoding", WIDE)
def test_free_form_files_are_refused_by_file_and_line(tmp_path, encoding):
    for name, read in {
        "rttm": lambda path: DataDir(path.parent).lines("rttm"),
        "ctm": lambda path: DataDir(path.parent).lines("ctm"),
        "a.lab": lambda path: read_labels(path, VadScoreConfig()),
        "table.tsv": lambda path: list(numbered_lines(path)),
        "list.txt": read_lines,
    }.items():
        (tmp_path / name).write_bytes("a 1 0.5 1.0 x x\n".encode(encoding))
        with pytest.raises(DataError, match=rf"{name}:1: "):
            read(tmp_path / name)
    (tmp_path / "a.yaml").write_bytes("a: 1\n".encode(encoding))
    with pytest.raises(OptionError, match=r"a\.yaml"):
        read_yaml(tmp_path / "a.yaml")


def test_a_byte_order_mark_of_utf_8_is_left_out(tmp_path):
    for name in ("wav.scp", "text", "list.txt"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbfa 1\r\nb 2\n")
    assert read_table(tmp_path / "wav.scp") == {"a": "1", "b": "2"}
    assert read_lines(tmp_path / "list.txt") == [(1, "a 1"), (2, "b 2")]
    assert read_texts(str(tmp_path / "text")).by_id == {"a": "1", "b": "2"}


def test_lines_of_nothing():
    assert list(numbered(b"")) == []
    assert list(numbered(b"\n")) == [(1, "", "")]
    assert list(numbered(b"a")) == [(1, "a", "")]
