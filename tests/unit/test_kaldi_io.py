import pickle
import struct
import subprocess
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from support.signals import noise

from firered.audio.frontend import CmvnStats
from firered.data.archives import (
    OVERSHOOT_ROWS,
    MatrixWriter,
    feature_blocks,
    read_matrix,
    read_matrix_blocks,
    rows_of,
    write_matrix,
)
from firered.errors import DataError


def matrix(rows, cols=80, seed=0):
    return noise((rows, cols), 20.0, seed)


def in_blocks(whole, *sizes):
    return np.split(whole, np.cumsum(sizes))


def archive(path, entries, **options):
    """An archive with one matrix a key, written by us; the table of where they lie."""
    with MatrixWriter(path, **options) as writer:
        return {key: writer.write(key, [matrix])[0] for key, matrix in entries.items()}


@pytest.mark.parametrize("sizes", [(), (1,), (3, 3, 3), (0, 5, 0)])
def test_round_trip_of_blocks_of_any_size(tmp_path, sizes):
    first, second = matrix(11), matrix(10, seed=1)
    with MatrixWriter(tmp_path / "a.ark") as writer:
        places = [writer.write("你好", in_blocks(first, *sizes)), writer.write("b", in_blocks(second, 9))]
    assert [rows for _, rows in places] == [11, 10]
    for (place, _), whole in zip(places, (first, second), strict=True):
        np.testing.assert_array_equal(read_matrix(place), whole)
        assert read_matrix(place).dtype == np.float32


def test_kaldiio_reads_what_we_write(tmp_path):
    entries = {"a": matrix(7), "b": matrix(1, 1), "长": matrix(300, 3)}
    table = archive(tmp_path / "a.ark", entries)
    (tmp_path / "a.scp").write_text("".join(f"{key} {place}\n" for key, place in table.items()))
    for found in (kaldiio.load_scp(str(tmp_path / "a.scp")), dict(kaldiio.load_ark(str(tmp_path / "a.ark")))):
        assert found.keys() == entries.keys()
        for key, stored in entries.items():
            np.testing.assert_array_equal(found[key], stored)


@pytest.mark.parametrize(
    ("kind", "options", "tolerance"),
    [
        ("float32", {}, 0),
        ("float64", {}, 0),
        ("float32", {"text": True}, 1e-5),
        ("float64", {"text": True}, 1e-5),
        ("float32", {"compression_method": 2}, 40 / 255),  # 8 bits over a range of 40
        ("float32", {"compression_method": 3}, 40 / 65535),
        ("float32", {"compression_method": 5}, 40 / 255),
    ],
)
def test_what_kaldiio_writes_is_read(tmp_path, kind, options, tolerance):
    entries = {"a": matrix(20, 5).astype(kind), "b": matrix(9, 5, seed=1).astype(kind)}
    kaldiio.save_ark(str(tmp_path / "a.ark"), entries, str(tmp_path / "a.scp"), **options)
    table = dict(line.split(maxsplit=1) for line in (tmp_path / "a.scp").read_text().splitlines())
    for key, stored in entries.items():
        np.testing.assert_allclose(read_matrix(table[key]), stored, rtol=0, atol=tolerance)
        blocks = list(read_matrix_blocks(table[key], 8))
        assert [len(block) for block in blocks] == ([8, 8, 4] if key == "a" else [8, 1])
        assert {block.dtype for block in blocks} == {np.dtype(np.float32)}
        np.testing.assert_allclose(np.concatenate(blocks), stored, rtol=1e-7, atol=tolerance)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_a_vector_is_one_column(tmp_path, kind):
    vector = matrix(9, 1)[:, 0].astype(kind)
    kaldiio.save_ark(str(tmp_path / "a.ark"), {"a": vector})
    np.testing.assert_array_equal(read_matrix(f"{tmp_path}/a.ark:2"), vector[:, None])
    np.testing.assert_array_equal(np.concatenate(list(read_matrix_blocks(f"{tmp_path}/a.ark:2"))), vector[:, None])


def test_ranges_of_rows_and_columns(tmp_path):
    whole = matrix(20, 5)
    place = archive(tmp_path / "a.ark", {"a": whole})["a"]
    np.testing.assert_array_equal(read_matrix(f"{place}[3:7]"), whole[3:8])  # Kaldi counts the last one in
    np.testing.assert_array_equal(read_matrix(f"{place}[:,1:2]"), whole[:, 1:3])
    np.testing.assert_array_equal(np.concatenate(list(read_matrix_blocks(f"{place}[3:7]"))), whole[3:8])


@pytest.mark.parametrize("compress", [False, True])
def test_a_range_of_rows_in_blocks(tmp_path, compress):
    matrix = noise((30, 4))
    with MatrixWriter(tmp_path / "f.ark", compress) as writer:
        writer.write("before", [noise((9, 4), seed=1)])
        place, _ = writer.write("a", [matrix])
    part = rows_of(place, 5, 20)
    assert part == f"{place}[5:24]"
    blocks = list(read_matrix_blocks(part, 8))
    assert [len(block) for block in blocks] == [8, 8, 4]
    np.testing.assert_allclose(np.concatenate(blocks), matrix[5:25], atol=0.02 if compress else 0)
    np.testing.assert_array_equal(np.concatenate(blocks), read_matrix(part))


def test_a_range_beyond_the_matrix(tmp_path):
    with MatrixWriter(tmp_path / "f.ark") as writer:
        place, _ = writer.write("a", [noise((30, 4))])
    for first, count, overshoot in ((20, 11, 0), (20, 16, 5), (20, 61, OVERSHOOT_ROWS), (30, 1, 50), (35, 5, 50)):
        with pytest.raises(DataError, match="no such range, rows of the matrix: 30"):
            list(read_matrix_blocks(rows_of(place, first, count), overshoot=overshoot))
    for wrong in ("[7:3]", "[3]", "[a:b]", "[0:1,0:1,0:1]", "[:,2:4]", "[0:1:2]", "[-1:3]"):
        with pytest.raises(DataError, match="range"):
            read_matrix(f"{place}{wrong}")


@pytest.mark.parametrize("compress", [False, True])
def test_a_range_that_ends_a_little_after_the_matrix_is_cut(tmp_path, caplog, compress):
    whole = noise((30, 4))
    with MatrixWriter(tmp_path / "f.ark", compress) as writer:
        place, _ = writer.write("a", [whole])
    for overshoot in (1, 5, 50, 10**6):
        caplog.clear()
        cut = list(read_matrix_blocks(rows_of(place, 20, 10 + overshoot), overshoot=overshoot))
        np.testing.assert_allclose(np.concatenate(cut), whole[20:], atol=0.02)
        assert f"{place}[20:{29 + overshoot}]: ends after the matrix, rows of the matrix: 30; cut there" in caplog.text


def test_compressed_is_a_quarter_and_within_quantisation(tmp_path):
    whole = matrix(400)
    place = archive(tmp_path / "a.ark", {"a": whole}, compress=True)["a"]
    assert (tmp_path / "a.ark").stat().st_size < whole.nbytes * 0.27
    # A column's lower quarter of values gets 64 of the 256 levels, its middle half 128, its upper quarter 63.
    steps = np.diff(np.percentile(whole, [0, 25, 75, 100], axis=0), axis=0) / np.array([[64], [128], [63]])
    assert (np.abs(read_matrix(place) - whole) < 0.55 * steps.max(0)).all()
    np.testing.assert_array_equal(kaldiio.load_mat(place), read_matrix(place))


def test_an_empty_matrix_is_no_rows(tmp_path):
    with MatrixWriter(tmp_path / "a.ark") as writer:
        empty, rows = writer.write("a", [])
        after, _ = writer.write("b", [matrix(2)])
    assert rows == 0
    assert len(read_matrix(empty)) == 0
    assert list(read_matrix_blocks(empty)) == []
    np.testing.assert_array_equal(read_matrix(after), matrix(2))


@pytest.mark.parametrize("compress", [False, True])
def test_a_matrix_given_up_half_way_is_cut_off_again(tmp_path, compress):
    def breaks_off():
        yield matrix(5)
        raise KeyboardInterrupt

    with MatrixWriter(tmp_path / "a.ark", compress) as writer:
        writer.write("a", [matrix(4)])
        size = writer.tell()
        with pytest.raises(KeyboardInterrupt):
            writer.write("b", breaks_off())
        assert writer.tell() == size == (tmp_path / "a.ark").stat().st_size
        writer.write("c", [matrix(3)])
    assert [(key, len(matrix)) for key, matrix in kaldiio.load_ark(str(tmp_path / "a.ark"))] == [("a", 4), ("c", 3)]


@pytest.mark.parametrize("compress", [False, True])
def test_every_matrix_is_on_disk_when_write_returns(tmp_path, compress):
    with MatrixWriter(tmp_path / "a.ark", compress) as writer:
        place, _ = writer.write("a", [matrix(4)])
        assert read_matrix(place).shape == (4, 80)
        assert (tmp_path / "a.ark").stat().st_size == writer.tell()


def test_append_at_continues_exactly(tmp_path):
    entries = {key: matrix(5, seed=seed) for seed, key in enumerate("abc")}
    archive(tmp_path / "whole.ark", entries)
    with MatrixWriter(tmp_path / "a.ark") as writer:
        writer.write("a", [entries["a"]])
        mark = writer.tell()
        writer.write("lost", [matrix(50)])
    with MatrixWriter(tmp_path / "a.ark", append_at=mark) as writer:
        assert writer.tell() == mark
        for key in "bc":
            writer.write(key, [entries[key]])
    assert (tmp_path / "a.ark").read_bytes() == (tmp_path / "whole.ark").read_bytes()


def test_append_at_refuses_an_archive_that_has_become_shorter(tmp_path):
    archive(tmp_path / "a.ark", {"a": matrix(5)})
    before = (tmp_path / "a.ark").read_bytes()
    with pytest.raises(DataError, match=r"a\.ark: shorter than an earlier run left it"):
        MatrixWriter(tmp_path / "a.ark", append_at=len(before) + 1)
    assert (tmp_path / "a.ark").read_bytes() == before


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("kept", [3, 10, 40, 0.5, 0.99])
def test_an_archive_cut_short_is_an_error(tmp_path, compress, kept):
    place = archive(tmp_path / "a.ark", {"a": matrix(30)}, compress=compress)["a"]
    data = (tmp_path / "a.ark").read_bytes()
    (tmp_path / "a.ark").write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    for read in (read_matrix, lambda place: list(read_matrix_blocks(place))):
        with pytest.raises(DataError, match=r"a\.ark:2"):
            read(place)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"some text\n", "not a readable Kaldi matrix"),
        (b" [ 1.0 2.0\n 3.0 4.0", "no corresponding bracket"),
        (b" [ 1.0 2.0\n 3.0 ]\n", "not a readable Kaldi matrix"),
        (b"\0BXM \x04\1\0\0\0\4\1\0\0\0", "Unexpected format"),
        (b"\0B\4\2\0\0\0\4\1\0\0\0\4\2\0\0\0", "not a Kaldi matrix of numbers"),  # integers
        (b"\0BFM \4" + struct.pack("<i", -5) + b"\4" + struct.pack("<i", 80), "readable"),
    ],
)
def test_what_is_no_matrix_is_an_error(tmp_path, content, reason):
    (tmp_path / "a.ark").write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_matrix(str(tmp_path / "a.ark"))


@pytest.mark.parametrize("name", ["{}", "{}:0", "{}:17", "{}[0:3]"])
def test_a_missing_archive_is_named(tmp_path, name):
    name = name.format(tmp_path / "none.ark")
    with pytest.raises(DataError, match=r"none\.ark.*no such file"):
        read_matrix(name)
    with pytest.raises(DataError, match=r"none\.ark.*no such file"):
        list(read_matrix_blocks(name))


@pytest.mark.parametrize("form", ["{} |", "{}|", "| {}", " {} | ", "{} |:0", "{} |[0:9]", "{} |:0[0:9]", "{} |[0]1"])
def test_a_scp_cannot_run_commands(tmp_path, form):
    marker = tmp_path / "marker"
    name = form.format(f"touch {marker}; cat a.ark")
    for read in (read_matrix, lambda name: list(read_matrix_blocks(name))):
        with pytest.raises(DataError):
            read(name)
    assert not marker.exists()


def test_a_pipe_is_refused_with_the_reason():
    with pytest.raises(DataError, match="pipes are not read here"):
        read_matrix("copy-feats ark:a.ark ark:- |")


class RunsCode:
    def __init__(self, marker):
        self.command = f"touch {marker}"

    def __reduce__(self):
        return subprocess.getoutput, (self.command,)


def test_a_pickle_in_an_archive_is_not_loaded(tmp_path):
    marker = tmp_path / "marker"
    (tmp_path / "a.ark").write_bytes(b"a PKL" + pickle.dumps(RunsCode(marker)))
    for name in (f"{tmp_path}/a.ark:2", f"{tmp_path}/a.ark:2[0:1]"):
        with pytest.raises(DataError, match="pickle"):
            read_matrix(name)
    assert not marker.exists()


def test_standard_input_is_not_waited_for(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        read_matrix("-")


def test_a_wav_in_an_archive_is_no_matrix(tmp_path):
    kaldiio.save_ark(str(tmp_path / "a.ark"), {"a": (16000, np.zeros(100, np.int16))})
    with pytest.raises(DataError, match="not a readable Kaldi matrix"):
        read_matrix(f"{tmp_path}/a.ark:2")


def test_blocks_come_from_disk_piece_by_piece(tmp_path):
    place = archive(tmp_path / "a.ark", {"a": matrix(1000)})["a"]
    blocks = read_matrix_blocks(place, 10)
    np.testing.assert_array_equal(next(blocks), matrix(1000)[:10])
    # Zeroed on disk while it is read: what comes next shows that it had not been loaded.
    with Path(place.rpartition(":")[0]).open("r+b") as file:
        file.seek(-4 * 80 * 10, 2)
        file.write(bytes(4 * 80 * 10))
    assert not list(blocks)[-1].any()


def test_feature_blocks_of_an_utterance(tmp_path):
    table = archive(tmp_path / "a.ark", {"a": matrix(5), "b": matrix(6, seed=1)})
    found = np.concatenate(list(feature_blocks(table["b"], matrix(1).shape[1])))
    np.testing.assert_array_equal(found, matrix(6, seed=1))
    with pytest.raises(DataError, match="columns, filterbanks here have 7"):
        list(feature_blocks(table["b"], 7))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_are_an_error(tmp_path, value):
    bad = matrix(6)
    bad[4, 1] = value
    place = archive(tmp_path / "a.ark", {"a": bad})["a"]
    with pytest.raises(DataError, match="holds NaN or infinite values"):
        list(feature_blocks(place, bad.shape[1]))


def test_cmvn_ark_is_kaldis_to_the_byte(tmp_path):
    stats = CmvnStats()
    stats.add(matrix(50))
    stats.write(tmp_path / "cmvn.ark")
    data = (tmp_path / "cmvn.ark").read_bytes()
    assert len(data) == 15 + 2 * 81 * 8
    assert data[:15] == b"\0BDM \x04\x02\x00\x00\x00\x04\x51\x00\x00\x00"
    np.testing.assert_array_equal(np.frombuffer(data[15:], "<f8").reshape(2, 81), stats.stats)
    np.testing.assert_array_equal(kaldiio.load_mat(str(tmp_path / "cmvn.ark")), stats.stats)


def test_write_matrix_of_any_memory_order(tmp_path):
    whole = matrix(3, 4).astype(np.float64)
    write_matrix(tmp_path / "m", np.asfortranarray(whole))
    np.testing.assert_array_equal(read_matrix(str(tmp_path / "m")), whole)
