"""Embeddings of models that are to be filled from a checkpoint."""

import subprocess
import sys

import torch
from support.paths import EGS
from torch import nn

from firered.models.embedding import Embedding


def test_weights_are_those_of_torch_for_the_same_seed():
    torch.manual_seed(3)
    own = Embedding(7, 5, padding_idx=2)
    torch.manual_seed(3)
    assert torch.equal(own.weight, nn.Embedding(7, 5, padding_idx=2).weight)
    own.draw(std=0.1)
    assert 0 < float(own.weight.detach().abs().max()) < 1
    assert bool(own.weight[2].any())


def test_to_load_a_model_of_the_house_does_not_import_the_compiler_of_torch():
    code = (
        "import sys; from pathlib import Path; from firered.models.aed import Aed; "
        f"Aed.load(Path({str(EGS / 'mini/models/FireRedASR2-AED/model.pth.tar')!r})); "
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
