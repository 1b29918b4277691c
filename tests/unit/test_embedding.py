"""Embeddings of models that are to be filled from a checkpoint."""

import subprocess
import sys

import pytest
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


@pytest.mark.parametrize(
    "load",
    [
        "from firered.models.aed import Aed; Aed.load(MODELS / 'FireRedASR2-AED/model.pth.tar')",
        "from firered.system.system import System; System.from_pretrained(MODELS, device='cpu')",
    ],
)
def test_to_load_models_of_the_house_imports_neither_the_compiler_of_torch_nor_transformers(load):
    """Either takes longer to import than the bundled models to load."""
    code = f"import sys; from pathlib import Path; MODELS = Path({str(EGS / 'mini/models')!r}); {load}; "
    code += "print(*(name for name in ('torch._dynamo', 'transformers') if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
