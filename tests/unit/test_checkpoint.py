import argparse
import contextlib
import io
import os
import pickle
import random
import subprocess
import tarfile
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from firered.errors import ModelError
from firered.models.checkpoint import (
    arg,
    config_from_args,
    load_checkpoint,
    load_network,
    load_weights,
    model_files,
    need_numbers,
    pick_device,
)

ARGS = argparse.Namespace(idim=80, R=8, name="体", nested=argparse.Namespace(betas=(0.9, 0.98), none=None))


def package(**changes):
    tensors = OrderedDict(a=torch.arange(6.0).reshape(2, 3), b=torch.tensor([1, 2]), half=torch.ones(2).half())
    whole = {"args": ARGS, "model_state_dict": tensors, **changes}
    return {key: value for key, value in whole.items() if value is not None}


def saved(path, content, **options):
    torch.save(content, path, **options)
    return path


def refused(path):
    with pytest.raises(ModelError) as error:
        load_checkpoint(path)
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_arguments_and_tensors_come_as_they_were_saved(tmp_path, zipped):
    path = saved(tmp_path / "model.pth.tar", package(), _use_new_zipfile_serialization=zipped)
    assert zipfile.is_zipfile(path) == zipped
    args, state = load_checkpoint(path)
    assert args == ARGS
    assert state.keys() == package()["model_state_dict"].keys()
    for name, tensor in package()["model_state_dict"].items():
        assert state[name].dtype == tensor.dtype
        assert torch.equal(state[name], tensor)


def test_what_else_a_checkpoint_holds_is_left_alone(tmp_path):
    path = saved(tmp_path / "m", package(epoch=3, optimizer={"state": {0: torch.ones(2)}}))
    assert load_checkpoint(path)[0] == ARGS


class RunsCode:
    def __init__(self, marker):
        self.command = f"touch {marker}"

    def __reduce__(self):
        return subprocess.getoutput, (self.command,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("place", ["args", "model_state_dict", "optimizer"])
def test_a_checkpoint_cannot_run_code(tmp_path, zipped, place):
    marker = tmp_path / "marker"
    content = package(**{place: RunsCode(marker)})
    path = saved(tmp_path / "m", content, _use_new_zipfile_serialization=zipped)
    assert "refused, it is damaged or holds more than tensors" in refused(path)
    assert not marker.exists()


def test_a_bare_pickle_cannot_run_code(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "m"
    path.write_bytes(pickle.dumps(RunsCode(marker), protocol=2))
    refused(path)
    assert not marker.exists()


def test_a_tar_cannot_run_code(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "m"
    with tarfile.open(path, "w") as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            data = pickle.dumps(RunsCode(marker))
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    refused(path)
    assert not marker.exists()


def test_namespace_is_let_through_only_while_loading(tmp_path):
    path = saved(tmp_path / "m", package())
    load_checkpoint(path)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=True)


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_file_cut_short(tmp_path, kept, zipped):
    path = saved(tmp_path / "m", package(), _use_new_zipfile_serialization=zipped)
    data = path.read_bytes()
    path.write_bytes(data[: kept if isinstance(kept, int) else int(kept * len(data))])
    refused(path)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_file_with_wrong_bytes_gives_no_other_error(tmp_path, zipped):
    path = saved(tmp_path / "m", package(), _use_new_zipfile_serialization=zipped)
    data, rng = path.read_bytes(), random.Random(0)
    for _ in range(300):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(ModelError):  # the byte may be one that nothing depends on
            load_checkpoint(path)


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", b"{}", b"PK\3\4"])
def test_a_file_that_is_no_checkpoint(tmp_path, content):
    (tmp_path / "m").write_bytes(content)
    refused(tmp_path / "m")


@pytest.mark.parametrize(
    "content",
    [
        package(args=None),
        package(model_state_dict=None),
        package(args={"idim": 80}),
        package(model_state_dict=torch.ones(2)),
        torch.ones(3),
        [1, 2],
    ],
    ids=["no args", "no weights", "args no Namespace", "weights no dict", "a tensor", "a list"],
)
def test_another_layout(tmp_path, content):
    message = refused(saved(tmp_path / "m", content))
    assert "not a checkpoint of this layout (`args` and `model_state_dict` expected)" in message


def test_weights_that_are_no_tensors(tmp_path):
    message = refused(saved(tmp_path / "m", package(model_state_dict={"a": torch.ones(1), "b": [1.0]})))
    assert "model_state_dict holds more than tensors" in message


# Weights


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 2)
        self.second = nn.Linear(2, 1, bias=False)
        self.register_buffer("table", torch.zeros(4))


def weights(**changes):
    """State of a net with other values; names with `__` for the dot, None leaves one out."""
    state = {name: torch.full_like(tensor, 3.0) for name, tensor in Net().state_dict().items()}
    state |= {name.replace("__", "."): tensor for name, tensor in changes.items()}
    return {name: tensor for name, tensor in state.items() if tensor is not None}


def test_weights_go_to_their_names(tmp_path):
    net = Net()
    load_weights(net, dict(reversed(weights(first__weight=torch.arange(6.0).reshape(2, 3)).items())), tmp_path)
    assert torch.equal(net.first.weight, torch.arange(6.0).reshape(2, 3))
    assert torch.equal(net.table, torch.full((4,), 3.0))


@pytest.mark.parametrize(
    ("changes", "faults"),
    [
        ({"first__bias": None}, "missing: first.bias"),
        ({"third__weight": torch.ones(1)}, "unknown: third.weight"),
        ({"second__weight": torch.ones(2, 1)}, "second.weight is (2, 1), expected (1, 2)"),
        ({"second__weight": torch.ones(2)}, "second.weight is (2,), expected (1, 2)"),
        ({"first__bias": None, "x": torch.ones(1)}, "missing: first.bias; unknown: x"),
        (
            {"first__bias": None, "first__weight": None} | {name: torch.ones(1) for name in "uvwxyz"},
            "missing: first.weight; missing: first.bias; unknown: u; unknown: v; unknown: w and 3 more",
        ),
    ],
)
def test_weights_of_another_model(tmp_path, changes, faults):
    net = Net()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(ModelError) as error:
        load_weights(net, weights(**changes), tmp_path / "model.pth.tar")
    assert str(error.value) == f"{tmp_path}/model.pth.tar: weights of another model ({faults})"
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_what_can_be_computed_may_be_on_one_side_only(tmp_path):
    net = Net()
    load_weights(net, weights(table=None, extra=torch.ones(1)), tmp_path, may_lack=("table", "extra"))
    assert torch.equal(net.first.bias, torch.full((2,), 3.0))
    assert torch.equal(net.table, torch.zeros(4))
    with pytest.raises(ModelError, match="table is"):  # but if it is there it must fit
        load_weights(net, weights(table=torch.ones(9)), tmp_path, may_lack=("table",))


# Directories and devices


def test_files_of_a_model_directory(tmp_path, tiny_vad_models):
    directory = tiny_vad_models / "FireRedVAD/VAD"
    assert model_files(directory, "model.pth.tar", "cmvn.ark") == [directory / "model.pth.tar", directory / "cmvn.ark"]
    with pytest.raises(ModelError, match="gone: no such model directory"):
        model_files(tmp_path / "gone", "cmvn.ark")
    (tmp_path / "cmvn.ark").write_bytes(b"")
    with pytest.raises(ModelError, match=r"not a complete model directory, model\.pth\.tar, dict\.txt missing"):
        model_files(tmp_path, "model.pth.tar", "cmvn.ark", "dict.txt")


def test_devices():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu", "cuda:99", ""):
        with pytest.raises(ModelError, match=f"device '{name}' cannot be used here: ."):
            pick_device(name)


# Arguments and networks


@dataclass(frozen=True)
class Sizes:
    layers: int = arg(low=1, layers=True)
    width: int = arg(3, low=1, high=9)
    rate: float = arg(0.5, low=0, high=1)
    shared: bool = arg(True)
    extra: int | None = arg(None, low=1)


def sizes(**given):
    return config_from_args(Sizes, argparse.Namespace(**({"layers": 1} | given)), "a net", source="m.tar")


def test_arguments_of_the_right_types_make_a_config_and_others_are_ignored():
    assert sizes(width=9, rate=1, shared=0, extra=None, other=object()) == Sizes(1, 9, 1, 0, None)
    assert sizes(extra=5).extra == 5


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("width", "3", "'3', not a value of type int"),
        ("width", 3.0, "3.0, not a value of type int"),
        ("width", True, "True, not a value of type int"),
        ("width", None, "None, not a value of type int"),
        ("width", [3], "of type list, not a value of type int"),
        ("width", 0, r"0, which cannot be \(from 1 to 9\)"),
        ("width", 10, "10, which cannot be"),
        ("layers", 2**31, "2147483648, which cannot be"),
        ("layers", 10**600, "10000.*, which cannot be"),
        ("rate", float("nan"), "nan, which cannot be"),
        ("rate", float("inf"), "inf, which cannot be"),
        ("rate", "0.5", "'0.5', not a value of type float"),
        ("rate", -0.1, "-0.1, which cannot be"),
        ("shared", 2, "2, not a value of type bool"),
        ("shared", "no", "'no', not a value of type bool"),
        ("extra", 0, "0, which cannot be"),
        ("extra", "x", "'x', not a value of type int"),
    ],
)
def test_an_argument_of_a_wrong_type_or_size_is_named(name, value, shown):
    with pytest.raises(ModelError, match=rf"m\.tar: the argument {name} of a net is {shown}"):
        sizes(**{name: value})


def loaded(make, state, layers=1):
    return load_network(make, Sizes(layers), state, Path("m.tar"))


def test_a_network_gets_the_weights_and_no_memory_before(tmp_path):
    weights_of = weights()
    net = loaded(Net, {name: value.double() for name, value in weights_of.items()})
    assert not net.training
    for name, value in net.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, weights_of[name])


def test_a_network_that_is_too_large_is_refused_before_it_takes_memory():
    def wide():
        net = Net()
        net.first = nn.Linear(10**6, 10**6)  # 4 TB
        return net

    with pytest.raises(ModelError, match=r"m.tar: weights of another model \(first.weight is \(2, 3\), expected"):
        loaded(wide, weights())
    with pytest.raises(ModelError, match=r"m\.tar: layers is 1000000, but its weights are 4 tensors"):
        loaded(lambda: nn.Sequential(*(nn.Linear(9, 9) for _ in range(10**6))), weights(), layers=10**6)
    with pytest.raises(ModelError, match=r"m\.tar: no network can be made of its arguments \("):
        loaded(lambda: nn.Linear(2**40, 2**40), weights())


def test_one_set_of_numbers_is_not_a_whole_network(tmp_path):
    """Many names for one storage, or one number repeated, would make a small file a large network."""
    one = torch.zeros(9, 9)

    def stack():
        return nn.Sequential(*(nn.Linear(9, 9, bias=False) for _ in range(20)))

    with pytest.raises(ModelError, match="1620 weights, which share 324 bytes of numbers"):
        loaded(stack, {f"{number}.weight": one for number in range(20)})
    row = torch.zeros(120)
    with pytest.raises(ModelError, match="1620 weights, which share 400 bytes of numbers"):
        loaded(stack, {f"{number}.weight": row.as_strided((9, 9), (9, 1), number) for number in range(20)})
    apart = {f"{number}.weight": torch.zeros(9, 9) for number in range(20)}
    assert len(loaded(stack, apart)) == 20


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), 1e300])
def test_weights_that_are_no_numbers_are_refused(bad):
    wrong = torch.ones(2, 3, dtype=torch.float64)
    wrong[1, 2] = bad  # the last is too large for the network's format
    with pytest.raises(ModelError, match=r"m\.tar: 1 of 6 weights of first.weight are no numbers"):
        loaded(Net, weights(first__weight=wrong))


def test_weights_whose_sum_is_no_number_are_weights():
    large = torch.full((2, 3), 3e38)
    assert torch.equal(loaded(Net, weights(first__weight=large)).first.weight, large)
    half = torch.full((2, 3), 6e4).half()
    need_numbers({"a": half}, Path("m"))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64, torch.uint8])
def test_weights_of_a_type_that_is_none_are_refused(dtype):
    with pytest.raises(ModelError, match=f"first.weight is of type {str(dtype).removeprefix('torch.')}"):
        loaded(Net, weights(first__weight=torch.ones(2, 3).to(dtype)))


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "empty"])
def test_what_is_no_file_is_named_and_not_waited_for(tmp_path, kind):
    path = tmp_path / "model.pth.tar"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "empty":
            path.touch()
    assert ("empty" if kind == "empty" else "not a file but a") in refused(path)
    if kind != "empty":
        with pytest.raises(
            ModelError, match=r"model\.pth\.tar: a file belongs there, not a folder, a pipe or a device"
        ):
            model_files(tmp_path, "model.pth.tar")


def test_a_pointer_of_git_lfs_and_a_page_are_named(tmp_path):
    (tmp_path / "m").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    assert "a pointer of Git LFS, not the file itself; run `git lfs pull`" in refused(tmp_path / "m")
    (tmp_path / "m").write_bytes(b"<!DOCTYPE html>\n<html>")
    assert "no checkpoint but a text ('<!DOCTYPE html> <html>')" in refused(tmp_path / "m")
