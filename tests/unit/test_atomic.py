"""Files replaced in one step."""

import pytest

from firered.data.atomic import replacing


@pytest.mark.parametrize("only_writer", [False, True])
def test_the_file_is_there_only_when_the_block_ends_well(tmp_path, only_writer):
    path = tmp_path / "new" / "file"
    with replacing(path, only_writer=only_writer) as unfinished:
        unfinished.write_text("half")
        assert not path.exists()
        assert unfinished.parent == path.parent
    assert path.read_text() == "half"
    with pytest.raises(TypeError), replacing(path, only_writer=only_writer) as unfinished:
        unfinished.open("w").write(None)
    assert path.read_text() == "half"
    assert list(path.parent.iterdir()) == [path]


def test_writers_at_the_same_time_have_files_of_their_own_and_a_lone_one_takes_over_what_was_left(tmp_path):
    with replacing(tmp_path / "a") as first, replacing(tmp_path / "a") as second:
        assert first != second
        first.write_text("first")
        second.write_text("second")
    assert (tmp_path / "a").read_text() == "first"  # the last to end
    (tmp_path / ".b.tmp").write_text("left by a run that was killed")
    with replacing(tmp_path / "b", only_writer=True) as unfinished:
        unfinished.write_text("whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
