"""Loading takes the weights in the format asked for, and little more: measured in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from firered.models.aed import Aed, AedConfig
from firered.models.mapped import give_back, map_file

MEASURED = """
import json, sys
from pathlib import Path
import torch
from firered.models.aed import Aed
from firered.models.dtype import fill_for

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

path, found = Path(sys.argv[1]), {}
torch.set_num_threads(1)
Aed.load(path.with_name("small.pth.tar"), fill_for("int8", path, Aed.quantised_parts()))  # libraries, once
for dtype in ("int8", "bfloat16", "float32"):
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = memory("VmRSS")
    model = Aed.load(path, fill_for(dtype, path, Aed.quantised_parts()))
    found[dtype] = memory("VmHWM") - before
    del model
print(json.dumps(found))
"""


def write_checkpoint(path: Path, config: AedConfig) -> int:
    """A checkpoint of random weights; bytes of them."""
    with torch.device("meta"):
        model = Aed(config)
    model.to_empty(device="cpu")
    for parameter in model.parameters():
        parameter.data.normal_(0, 0.02)
    torch.save(model.checkpoint(), path)
    return sum(parameter.nbytes for parameter in model.parameters())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak")
def test_a_model_is_never_in_memory_twice(tmp_path):
    write_checkpoint(
        tmp_path / "small.pth.tar", AedConfig(odim=8, d_model=64, n_head=1, n_layers_enc=1, n_layers_dec=1)
    )
    large = AedConfig(odim=1000, d_model=512, n_head=8, n_layers_enc=6, n_layers_dec=6)
    size = write_checkpoint(tmp_path / "model.pth.tar", large)
    assert 270e6 < size < 330e6
    command = [sys.executable, "-c", MEASURED, str(tmp_path / "model.pth.tar")]
    peaks = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    layer = size / 10  # one, and what the allocator keeps
    assert peaks["float32"] < size + layer
    assert peaks["bfloat16"] < size / 2 + layer
    assert peaks["int8"] < size / 4 + 3 * layer  # a layer in several forms


def test_memory_of_a_mapped_file_is_given_back_and_read_again(tmp_path):
    numbers = torch.arange(100_000, dtype=torch.float32)
    (tmp_path / "file").write_bytes(numbers.numpy().tobytes())
    mapped = torch.from_numpy(map_file(tmp_path / "file")).view(torch.float32)
    mapped[50_000] = -1.0  # seen until it is given back: then the file's number is read again
    assert mapped[50_000] == -1
    give_back(mapped)
    assert torch.equal(mapped, numbers)


def test_other_memory_is_left_alone():
    own = torch.arange(100_000)
    give_back(own, own[3:], own[::2], torch.empty(0))
    assert torch.equal(own, torch.arange(100_000))
