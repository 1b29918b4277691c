"""Files of torch.save that are made to deceive: none of them takes memory or time, and none is believed."""

import io
import pickle
import struct
import zipfile
from argparse import Namespace
from collections import OrderedDict

import pytest
import torch

from firered.errors import ModelError
from firered.models.torch_file import read_torch_file


def zipped(path, pickled, storages, names=("archive/data.pkl", "archive/data/{}")):
    """A file as torch.save writes it, of a pickle and storages of one's own."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(names[0], pickled)
        for key, raw in storages.items():
            archive.writestr(names[1].format(key), raw)
    return path


def global_(module, name):
    return b"c" + f"{module}\n{name}\n".encode()


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value):
    return b"\x8a\x10" + value.to_bytes(16, "little", signed=True)


def tuple_(*parts):
    return b"(" + b"".join(parts) + b"t"


def storage(count, key="0", kind="FloatStorage"):
    return tuple_(text("storage"), global_("torch", kind), text(key), text("cpu"), number(count)) + b"Q"


def tensor(stored, offset, size, stride):
    shape = (tuple_(*map(number, size)), tuple_(*map(number, stride)))
    arguments = tuple_(stored, number(offset), *shape, b"\x89", global_("collections", "OrderedDict") + b")R")
    return global_("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def pickled(value):
    return b"\x80\x02" + value + b"."


def test_a_tensor_made_by_hand_is_read(tmp_path):
    raw = struct.pack("<6f", *range(6))
    path = zipped(tmp_path / "m", pickled(tensor(storage(6), 1, (2, 2), (2, 1))), {"0": raw})
    assert read_torch_file(path).tolist() == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("size", "stride", "offset", "count"),
    [
        ((10**6, 10**6), (0, 0), 0, 6),  # one number that pretends to be a matrix
        ((3, 3), (1, 1), 0, 6),  # more numbers than there are
        ((6,), (1,), 1, 6),  # beyond the end
        ((2,), (5,), 1, 6),
        ((2,), (-1,), 1, 6),
        ((-2,), (1,), 0, 6),
        ((2,), (1, 1), 0, 6),
        ((6,), (1,), 0, 5),  # a storage shorter than its member
        ((6,), (1,), 0, 10**12),
        ((2,), (1,), -1, 6),
        ((10**30,), (1,), 0, 6),
    ],
)
def test_a_tensor_lies_within_its_storage_and_a_storage_is_its_member(tmp_path, size, stride, offset, count):
    path = zipped(tmp_path / "m", pickled(tensor(storage(count), offset, size, stride)), {"0": bytes(24)})
    with pytest.raises(ModelError, match="m: refused, it is damaged or holds more than tensors"):
        read_torch_file(path)


def test_a_storage_that_is_not_there_or_of_another_type_is_refused(tmp_path):
    for stored in (storage(6, key="1"), storage(6, kind="ComplexFloatStorage"), storage(6, kind="QInt8Storage")):
        path = zipped(tmp_path / "m", pickled(tensor(stored, 0, (6,), (1,))), {"0": bytes(24)})
        with pytest.raises(ModelError, match="m: refused"):
            read_torch_file(path)


@pytest.mark.parametrize(
    "call",
    [
        global_("builtins", "bytearray") + tuple_(number(10**12)) + b"R",
        global_("torch", "Tensor") + tuple_(number(10**12)) + b"R",
        global_("builtins", "eval") + tuple_(text("1")) + b"R",
        global_("argparse", "Namespace") + tuple_(text("more")) + b"R",
        global_("argparse", "Namespace") + b"}" + text("_get_kwargs") + text("x") + b"sb",  # changes the class
        global_("collections", "OrderedDict") + tuple_(tuple_(text("a"))) + b"R",
        b")" + b"\x85q\x01h\x01h\x01\x86" * 60 + b"}" + b"N" + b"s",  # each holds the one before twice
        b"r\xff\xff\xff\xff",
        b"}" + tuple_(text("a")) + b"Ns",  # a key that is no text
        b"]" + text("a") + text("b") + b"s",  # an item of a list
        b"0",
    ],
)
def test_a_pickle_does_nothing_but_describe(tmp_path, call):
    before = dict(vars(Namespace))
    path = zipped(tmp_path / "m", pickled(call), {})
    with pytest.raises(ModelError, match="/m: "):
        read_torch_file(path)
    assert dict(vars(Namespace)) == before


def test_a_chain_that_doubles_costs_no_time_or_memory(tmp_path):
    chain = b")q\x00" + b"".join(b"h\x00h\x00\x86q\x00" for _ in range(200))
    assert isinstance(read_torch_file(zipped(tmp_path / "m", pickled(chain), {})), tuple)
    with pytest.raises(ModelError, match="a key of type tuple"):
        read_torch_file(zipped(tmp_path / "m", pickled(b"}" + chain + b"Ns"), {}))


@pytest.mark.parametrize("protocol", [0, 3, 4])
def test_pickles_of_other_kinds_than_torch_writes_are_refused(tmp_path, protocol):
    path = zipped(tmp_path / "m", pickle.dumps(OrderedDict(a=[1, b"x"]), protocol=protocol), {})
    with pytest.raises(ModelError, match="/m: "):
        read_torch_file(path)


def saved():
    buffer = io.BytesIO()
    torch.save({"a": torch.arange(4.0), "b": torch.ones(2).half()}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("old", [False, True], ids=["zip", "old"])
def test_a_file_cut_anywhere_is_refused_by_name(tmp_path, old):
    torch.save({"a": torch.arange(4.0)}, tmp_path / "whole", _use_new_zipfile_serialization=not old)
    whole, path = (tmp_path / "whole").read_bytes(), tmp_path / "m"
    assert read_torch_file(tmp_path / "whole")["a"].tolist() == [0.0, 1.0, 2.0, 3.0]
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(ModelError, match="/m: "):
            read_torch_file(path)


def rewritten(path, change, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(io.BytesIO(saved())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, raw in members.items():
            archive.writestr(name, raw)
    return path


def test_a_zip_written_by_another_program_is_read(tmp_path):
    content = read_torch_file(
        rewritten(tmp_path / "m", lambda members: None)
    )  # members at any byte, not at multiples of 64
    assert content["a"].tolist() == [0.0, 1.0, 2.0, 3.0]
    assert content["b"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("change", "compression", "message"),
    [
        (lambda members: None, zipfile.ZIP_DEFLATED, "its parts are compressed"),
        (lambda members: members.pop("archive/data/0"), zipfile.ZIP_STORED, "storage 0 is not there, 16 are needed"),
        (lambda members: members.pop("archive/data.pkl"), zipfile.ZIP_STORED, "a zip of other files, not a checkpoint"),
        (lambda members: members.update({"archive/data/0": bytes(12)}), zipfile.ZIP_STORED, "has 12 bytes, 16 are"),
        (lambda members: members.update({"archive/constants.pkl": b""}), zipfile.ZIP_STORED, "a TorchScript program"),
        (lambda members: members.update({"archive/byteorder": b"big"}), zipfile.ZIP_STORED, "another byte order"),
        (lambda members: members.update({"x/data/0": bytes(16)}), zipfile.ZIP_STORED, "is in it twice"),
    ],
)
def test_a_zip_that_was_changed_is_refused(tmp_path, change, compression, message):
    with pytest.raises(ModelError, match=message):
        read_torch_file(rewritten(tmp_path / "m", change, compression))


def test_a_header_that_disagrees_with_the_directory_is_refused(tmp_path):
    """The length of a header's field decides where the numbers begin."""
    raw, path = bytearray(saved()), tmp_path / "m"
    at = raw.index(b"archive/data/0") - 30 + 28  # length of what follows the name
    raw[at] += 4
    path.write_bytes(raw)
    with pytest.raises(ModelError, match="is not where it should be"):
        read_torch_file(path)


@pytest.mark.parametrize("old", [False, True])
def test_what_was_read_can_be_saved_and_read_again(tmp_path, old):
    """Each tensor by itself, not the file that it was read from."""
    tensors = {"a": torch.randn(700, 31), "b": torch.ones(3, dtype=torch.bfloat16), "none": torch.zeros(0)}
    torch.save(tensors, tmp_path / "first.pt", _use_new_zipfile_serialization=not old)
    read = read_torch_file(tmp_path / "first.pt")
    torch.save(read, tmp_path / "second.pt")
    torch.save({"a": read["a"]}, tmp_path / "one.pt")
    again = read_torch_file(tmp_path / "second.pt")
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())
    read["b"][0] = 5.0  # a change stays in memory
    assert torch.equal(read_torch_file(tmp_path / "first.pt")["b"], tensors["b"])
    assert abs((tmp_path / "one.pt").stat().st_size - tensors["a"].nbytes) < 5000
