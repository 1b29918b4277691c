"""A long window costs the encoder little memory: measured in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

FRAMES, WIDTH, HEADS = 1500, 256, 16  # 60 s

MEASURED = f"""
from pathlib import Path
import torch
from firered.models.aed import Aed, AedConfig

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

torch.set_num_threads(1)
torch.manual_seed(0)
model = Aed(AedConfig(odim=23, d_model={WIDTH}, n_head={HEADS}, n_layers_enc=2, n_layers_dec=1)).prepare()
with torch.inference_mode():
    model.encoder(torch.randn(1, 300, 80), torch.tensor([300]))  # libraries, once
    feats, lengths = torch.randn(1, 4 * {FRAMES}, 80), torch.tensor([4 * {FRAMES}])
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    model.encoder(feats, lengths)
    print(memory("VmHWM") - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak")
def test_a_window_of_60_s_takes_a_few_times_its_frames():
    # The least of three: at times the system gives large pages, most of which nobody uses.
    command = [sys.executable, "-c", MEASURED]
    peaks = (int(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(3))
    peak = min(peaks)
    convolution = 4 * 32 * 39 * 2 * FRAMES  # what the first gives, in channels and bands
    layer = 4 * 8 * WIDTH * FRAMES  # frames, eight times: queries, keys, values, gates
    scores = 4 * HEADS * 64 * FRAMES  # of a block of queries
    bound = 2 * convolution + layer + 4 * scores
    assert peak < bound
    assert bound < 4 * HEADS * FRAMES**2  # the scores of all queries, held at once
