"""Voice activity detectors of random weights in the published layout."""

import argparse

import numpy as np
import torch

from firered.audio.frontend import NUM_BINS
from firered.data.archives import write_matrix
from firered.hub.catalogue import CHECKPOINT
from firered.models.dfsmn import Dfsmn, DfsmnConfig

# name in the published layout: outputs, look-ahead taps
TINY_MODELS = {"VAD": (1, 2), "Stream-VAD": (1, 0), "AED": (3, 2)}


def write_tiny_models(top):
    """The path `top`, with FireRedVAD/{VAD,Stream-VAD,AED} in it."""
    for name, (events, lookahead) in TINY_MODELS.items():
        write_tiny_model(top / "FireRedVAD" / name, events, lookahead)
    return top


def write_tiny_model(directory, events, lookahead, seed=0):
    """A small DFSMN of random weights with statistics of speech, as a published model directory."""
    sizes = {"idim": NUM_BINS, "R": 2, "M": 1, "H": 16, "P": 8, "N1": 4, "S1": 1, "N2": lookahead, "S2": 1}
    args = argparse.Namespace(**sizes, odim=events, dropout=0.05)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state = Dfsmn(DfsmnConfig.from_args(args)).state_dict()
    directory.mkdir(parents=True)
    torch.save({"args": args, "model_state_dict": state}, directory / CHECKPOINT)
    frames, mean, variance = 10000.0, np.linspace(9.0, 13.0, NUM_BINS), np.full(NUM_BINS, 12.0)
    stats = np.zeros((2, NUM_BINS + 1))
    stats[0] = [*(frames * mean), frames]
    stats[1, :-1] = frames * (variance + mean**2)
    write_matrix(directory / "cmvn.ark", stats)
