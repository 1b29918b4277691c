"""A model that streams, of the small models of egs/mini: its convolutions are made causal, without any training.

What it writes has many errors, but it is text, and changes with the chunks.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from firered.models.aed import Aed
from firered.train.tasks.aed import made_causal
from support.paths import EGS

MODEL = EGS / "mini/models/FireRedASR2-AED"


def write_streaming(folder: Path, *, ctc: bool = True) -> Path:
    """The directory of such a model."""
    folder.mkdir(parents=True)
    model = Aed.load(MODEL / "model.pth.tar")
    causal = made_causal(model, replace(model.config, causal=True, chunk_sizes="dynamic"))
    if not ctc:
        causal.ctc = None
    torch.save(causal.checkpoint(), folder / "model.pth.tar")
    for path in MODEL.iterdir():
        if path.name != "model.pth.tar":
            shutil.copy(path, folder)
    return folder
