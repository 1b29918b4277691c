"""Recordings inside of tar and parquet files, written out as files of their own."""

import os
import sys

import pytest
from support.copies import write_jsonl, write_parquet, write_tar

from firered.corpora import lhotse, parquet, tars
from firered.corpora.corpus_set import CorpusSet
from firered.corpora.packed import Packed, unpack
from firered.errors import DataError
from firered.optional import advice_for


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_bytes_are_written_as_they_are_packed_and_only_those_wanted(kind, tmp_path):
    container = tmp_path / f"c.{kind}"
    if kind == "tar":
        write_tar(container, {"x/a.mp3": b"A", "x/b.mp3": b"B", "x/a.json": b"{}", "._a.mp3": b"mac"})
    else:
        write_parquet(container, [{"audio": {"bytes": b, "path": f"x/{b}.mp3"}} for b in (b"B", b"A", b"C")])
    member = "a" if kind == "tar" else "1"
    done = unpack({"utt": Packed(container, member)}, tmp_path / "out")
    assert done.files == {"utt": tmp_path / "out/utt.mp3"}
    assert not done.failed
    assert [path.read_bytes() for path in (tmp_path / "out").iterdir()] == [b"A"]


def test_a_container_that_has_changed_is_read_again(tmp_path):
    container, out = tmp_path / "c.tar", tmp_path / "out"
    write_tar(container, {"a.wav": b"old"})
    unpack({"a": Packed(container, "a")}, out)
    write_tar(container, {"a.wav": b"new"})
    os.utime(container, ns=(1, 1))
    assert unpack({"a": Packed(container, "a")}, out).files["a"].read_bytes() == b"new"


def test_what_is_not_there_is_told_with_the_container(tmp_path):
    write_tar(tmp_path / "c.tar", {"a.wav": b"a"})
    write_parquet(tmp_path / "c.parquet", [{"audio": b"a"}, {"audio": b""}])
    wanted = {"u": Packed(tmp_path / "c.tar", "b"), "v": Packed(tmp_path / "c.parquet", "1")}
    wanted["w"] = Packed(tmp_path / "d.tar", "a")
    done = unpack(wanted, tmp_path / "out")
    assert done.failed == {
        "u": f"b is not in {tmp_path / 'c.tar'}",
        "v": f"row 1 of {tmp_path / 'c.parquet'} has none",
        "w": f"{tmp_path / 'd.tar'} is not there",
    }


@pytest.mark.parametrize("key", ["a/b", "..", "录" * 100, ".hidden", "a_b"])
def test_any_id_is_a_file_of_its_own(key, tmp_path):
    write_tar(tmp_path / "c{}.tar", {"a.wav": b"a"})
    done = unpack({key: Packed(tmp_path / "c{}.tar", "a"), "a_b ": Packed(tmp_path / "c{}.tar", "b")}, tmp_path / "out")
    assert done.files[key].parent == tmp_path / "out"
    assert done.files[key].is_file()
    assert unpack({key: Packed(tmp_path / "c{}.tar", "a")}, tmp_path / "out").files == {key: done.files[key]}


def test_no_name_in_a_container_becomes_a_command(tmp_path):
    write_parquet(tmp_path / "c.parquet", [{"audio": {"bytes": b"RIFF", "path": "a.touch x |"}}])
    write_tar(tmp_path / "c.tar", {"a.x |": b"RIFF"})
    wanted = {"u": Packed(tmp_path / "c.parquet", "0"), "v": Packed(tmp_path / "c.tar", "a")}
    assert {path.name for path in unpack(wanted, tmp_path / "out").files.values()} == {"u.audio", "v.audio"}


def test_suffix_by_the_content_where_a_row_names_none(tmp_path):
    write_parquet(tmp_path / "c.parquet", [{"audio": {"bytes": b"fLaC...", "path": None}}, {"audio": {"bytes": b"?"}}])
    found = {number: suffix for number, suffix, _ in parquet.extract(tmp_path / "c.parquet", {"0", "1"})}
    assert found == {"0": ".flac", "1": ".audio"}


READERS = {
    "c.parquet": lambda path: list(parquet.rows(path)),
    "c.tar.gz": tars.names,
    "cuts.jsonl.gz": lambda path: lhotse.add_cuts(CorpusSet("x", path.parent), path, path.parent),
}


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "only a pointer of git-lfs, not the file; fetch",
        ),
        (b"no such thing", "not "),
        (None, "cannot be read: No such file"),
    ],
)
def test_files_that_are_none(name, content, message, tmp_path):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError) as error:
        READERS[name](path)
    assert str(error.value).startswith(f"{path}: {message}")


def test_a_parquet_file_without_audio_names_its_columns(tmp_path):
    write_parquet(tmp_path / "c.parquet", [{"id": "a", "text": "b"}])
    with pytest.raises(DataError, match="no column holds audio; it has id, text"):
        list(parquet.rows(tmp_path / "c.parquet"))


def test_cuts_that_are_none_are_listed(tmp_path):
    good = {
        "id": "a-0", "start": 1.0, "duration": 2.0,
        "recording": {"id": "r", "duration": 9.0, "sources": [{"type": "file", "source": "r.wav"}]},
        "supervisions": [
            {"id": "a", "recording_id": "r", "start": 0.5, "duration": 1.0, "text": "好"},
            {"id": "b", "recording_id": "r", "start": 1.5, "duration": 0.5, "text": ""},
            {"id": "beyond", "recording_id": "r", "start": -0.5, "duration": 3.0, "text": "好"},
        ],
    }  # fmt: skip
    write_jsonl(tmp_path / "cuts.jsonl.gz", [good, {"id": "c-0"}, {**good, "recording": {"sources": []}}])
    (tmp_path / "r.wav").write_bytes(b"x")
    found = CorpusSet("x", tmp_path)
    lhotse.add_cuts(found, tmp_path / "cuts.jsonl.gz", tmp_path)
    spans = {key: (entry.recording, entry.span) for key, entry in found.entries.items()}
    assert spans == {"a": ("r", (1.5, 2.5)), "beyond": ("r", (1.0, 3.0))}
    assert [line.split(":")[0] for line in found.missing] == ["b no text", "c-0 cuts.jsonl.gz", "a-0 cuts.jsonl.gz"]


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "c.parquet").write_bytes(b"")
    with pytest.raises(ModuleNotFoundError) as error:
        list(parquet.rows(tmp_path / "c.parquet"))
    assert "pip install 'firered[parquet]'" in advice_for(error.value)
