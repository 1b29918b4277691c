"""Saves the encoder's output for recordings, as features for other models.

python docs/examples/encode.py features.npz hello_zh.wav [more.wav ...]
"""

import os
import sys
from pathlib import Path

import numpy as np

import firered

MODEL = os.environ.get("MODEL", "pretrained_models/FireRedASR2-AED")


def main(out: str, *recordings: str) -> None:
    """Write one (frames, dimensions) matrix for each recording under its file name."""
    asr = firered.load(MODEL)
    matrices = {Path(path).stem: asr.encode(path).feats.numpy() for path in recordings}
    for name, matrix in matrices.items():
        print(f"{name}: {matrix.shape[0]} frames of {matrix.shape[1]} values")
    np.savez(out, **matrices)


if __name__ == "__main__":
    main(*sys.argv[1:])
