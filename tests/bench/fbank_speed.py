"""Filterbanks beside each other on one thread: firered's, kaldi-native-fbank's and torchaudio's.

    python tests/bench/fbank_speed.py [--minutes 10] [--rounds 5] [--audio FILE]

80 bins, 25 ms frames every 10 ms, no dither, of one signal in memory. Best of the rounds, which take turns; the
differences are the largest of any number from kaldi-native-fbank's.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import kaldi_native_fbank
import numpy as np
import torch
import torchaudio.compliance.kaldi

from firered.audio.framing import SAMPLE_RATE
from firered.audio.frontend import NUM_BINS, fbank
from firered.audio.load import read


def native(samples: np.ndarray) -> np.ndarray:
    """By kaldi-native-fbank, all frames of which are taken out at once."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.dither, options.mel_opts.num_bins = 0, NUM_BINS
    front_end = kaldi_native_fbank.OnlineFbank(options)
    front_end.accept_waveform(SAMPLE_RATE, samples)
    front_end.input_finished()
    if hasattr(front_end, "get_frames"):
        return front_end.get_frames(0, front_end.num_frames_ready)
    return np.stack([front_end.get_frame(number) for number in range(front_end.num_frames_ready)])


def by_torchaudio(samples: np.ndarray) -> torch.Tensor:
    """By torchaudio's Kaldi compliance module."""
    return torchaudio.compliance.kaldi.fbank(
        torch.from_numpy(samples)[None], num_mel_bins=NUM_BINS, sample_frequency=SAMPLE_RATE, dither=0.0
    )


WAYS: dict[str, Callable[[np.ndarray], object]] = {
    "firered": fbank,
    "kaldi-native-fbank": native,
    "torchaudio": by_torchaudio,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--audio", type=Path, help="repeated to the length; noise by default")
    args = parser.parse_args()
    torch.set_num_threads(1)
    seconds = 60 * args.minutes
    own = read(args.audio) if args.audio else np.random.default_rng(0).normal(0, 1000, 60 * SAMPLE_RATE)
    samples = np.resize(np.asarray(own, np.float32), int(seconds * SAMPLE_RATE))
    took = dict.fromkeys(WAYS, float("inf"))
    found: dict[str, np.ndarray] = {}
    for _ in range(args.rounds):
        for name, way in WAYS.items():
            begun = time.perf_counter()
            found[name] = np.asarray(way(samples))
            took[name] = min(took[name], time.perf_counter() - begun)
    print("| | real time factor | firered = 1 | largest difference |")
    print("|---|---|---|---|")
    for name, best in took.items():
        apart = np.abs(found[name] - found["kaldi-native-fbank"]).max()
        print(f"| {name} | {best / seconds:.6f} | {best / took['firered']:.1f} | {apart:.1e} |")


if __name__ == "__main__":
    main()
