"""Names of output files: safe, never the same for two ids, and the way back."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firered.corpora import convert
from firered.data.atomic import replacing
from firered.data.datadir import read_table
from firered.data.names import FILE_NAMES, file_names, id_of, path_of_id, write_file_names
from firered.errors import DataError

AS_THEY_ARE = ["a", "a_b", "S1-utt.0001", "会议 录音".replace(" ", "_"), "a~b", "x;y|z", "é", ".hidden", "-a", "a:b?*"]
OTHERWISE = ["a/b", "../../etc/passwd", "/", ".", "..", "a\x01b", "u" * 300, "长" * 100, "a~0123456789abcdef"]
IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "Cc"]), min_size=1, max_size=300)


def test_ids_that_can_be_names_are_names():
    assert file_names(AS_THEY_ARE) == {key: key for key in AS_THEY_ARE}
    assert file_names(["u" * 240]) == {"u" * 240: "u" * 240}


@pytest.mark.parametrize("key", OTHERWISE)
def test_ids_that_cannot_be_names_get_one_that_can(tmp_path, key):
    (name,) = file_names([key]).values()
    assert name != key
    for suffix in (".TextGrid", ".srt", ".wav"):
        with replacing(tmp_path / f"{name}{suffix}") as unfinished:
            unfinished.write_text("x")
        assert (tmp_path / f"{name}{suffix}").parent == tmp_path
        assert path_of_id(tmp_path, key, suffix) == tmp_path / f"{name}{suffix}"
    assert file_names([key, "a", "b"])[key] == name  # whatever else there is


def as_some_systems_compare(name):
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@given(st.lists(IDS | st.sampled_from(["a/b", "a_b", "A_B", "a", "A", "é", "e\u0301", "ß", "ss", *OTHERWISE])))
def test_no_two_ids_share_a_file(ids):
    names = file_names(ids)
    assert names.keys() == set(ids)
    assert len({as_some_systems_compare(name) for name in names.values()}) == len(names)
    for name in names.values():
        assert 0 < len(f"{name}.TextGrid".encode()) <= 255
        assert "/" not in name
        assert name not in (".", "..")
    again = file_names(names.values())  # nobody else's id can be a name that was made
    made = [name for key, name in names.items() if name != key]
    assert all(again[name] != name for name in made)


def test_which_of_two_keeps_its_name_does_not_depend_on_their_order():
    assert file_names(["a", "A"]) == file_names(["A", "a"])
    assert file_names(["A"]) == {"A": "A"}


def test_the_table_is_the_way_back(tmp_path):
    write_file_names(tmp_path, file_names(AS_THEY_ARE))
    assert not (tmp_path / FILE_NAMES).exists()
    ids = ["a/b", "a_b", "u" * 300]
    names = file_names(ids)
    write_file_names(tmp_path, names)
    write_file_names(tmp_path, file_names(["c/d"]))  # a later run into the same folder
    assert set(read_table(tmp_path / FILE_NAMES).values()) == {"a/b", "u" * 300, "c/d"}
    for key in ids:
        assert id_of(tmp_path / f"{names[key]}.TextGrid") == key
    assert id_of(tmp_path / "plain.TextGrid") == "plain"
    with pytest.raises(DataError, match=r"no x/y\.wav here"):
        path_of_id(tmp_path, "x/y", ".wav")


@pytest.mark.parametrize("only_writer", [False, True])
@pytest.mark.parametrize("length", [1, 240, 241, 250, 255])
def test_a_name_as_long_as_a_name_may_be_can_be_written(tmp_path, only_writer, length):
    path = tmp_path / ("n" * length)
    with replacing(path, only_writer=only_writer) as unfinished:
        unfinished.write_text("x")
    assert [file.name for file in tmp_path.iterdir()] == ["n" * length]


def test_converted_recordings_have_such_names(tmp_path, monkeypatch):
    monkeypatch.setattr(convert, "_convert", lambda recording, wav: wav.write_text(str(recording)) and "")
    wavs = convert.converted(
        {"a/b": tmp_path / "1", "a_b": tmp_path / "2", "u" * 300: tmp_path / "3"}, tmp_path / "wav"
    )
    assert {key: path.read_text() for key, path in wavs.files.items()} == {
        "a/b": f"{tmp_path}/1",
        "a_b": f"{tmp_path}/2",
        "u" * 300: f"{tmp_path}/3",
    }
