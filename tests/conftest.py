"""What the tests share: data that may not be there, models that need no download, and signals."""

import argparse
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import HealthCheck, settings

from firered.audio.feats import NUM_BINS
from firered.data.kaldi_io import write_matrix
from firered.hub.catalogue import CHECKPOINT
from firered.models.dfsmn import Dfsmn, DfsmnConfig

# As the commands have it; and where tests share few cores with other work, torch's threads wait for each other.
torch.set_num_threads(1)

# A machine with other work to do may take any time over an example; that says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

TESTS = Path(__file__).resolve().parent
SHARED = TESTS.parent.parent / "shared"  # released models, real recordings and goldens; not everywhere

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg is not installed here"
)
needs_sox = pytest.mark.skipif(not shutil.which("sox"), reason="sox is not installed here")

# name in the published layout: outputs, look-ahead taps
TINY_MODELS = {"VAD": (1, 2), "Stream-VAD": (1, 0), "AED": (3, 2)}


@pytest.fixture(scope="session")
def shared():
    """Path of something under SHARED; skips the test on machines without it."""

    def find(path):
        found = SHARED / path
        if not found.exists():
            pytest.skip(f"{path} is not here: {SHARED} comes with the workplace, not with the repository")
        return found

    return find


@pytest.fixture(scope="session")
def tiny_vad_models(tmp_path_factory):
    """Directory with FireRedVAD/{VAD,Stream-VAD,AED} as published, of random weights; not to be written to."""
    top = tmp_path_factory.mktemp("models")
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


def sine(seconds, rate=16000, hertz=440.0, amplitude=0.5):
    """(n,) float32 tone with full scale 1.0."""
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def noise(samples, amplitude=0.5, seed=0):
    """(n,) or, for a tuple, (n, channels) float32 white noise, the same for the same seed."""
    return np.random.default_rng(seed).uniform(-amplitude, amplitude, samples).astype(np.float32)


def write_wav(path, samples=None, rate=16000, subtype=None, **options):
    """The path of a new audio file (format by suffix); half a second of noise if no samples are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(8000) if samples is None else samples, rate, subtype, **options)
    return path
