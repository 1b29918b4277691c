"""Voice activity detection at the published size on hours of audio, on a GPU or a processor, random weights.

    python tests/bench/vad_job.py [--device cuda] [--hours 10] [--markdown TABLE.md]

Recordings of 30 minutes of noise, handed over as samples: filterbank (on the processor), posteriors (on the device) and
segments are timed, reading and decoding of files are not. Best of `--rounds`, after one short recording.
"""

import argparse
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.rows import add_row, peak_gb, wait_for

from firered.audio.frames import Frames, of_samples
from firered.audio.framing import SAMPLE_RATE
from firered.audio.frontend import NUM_BINS, Cmvn
from firered.models.checkpoint import pick_device
from firered.models.dfsmn import Dfsmn, DfsmnConfig
from firered.vad.classifier import FrameClassifier
from firered.vad.detect import Vad

# As published; see the model card.
SIZES = {"idim": NUM_BINS, "R": 8, "M": 1, "H": 256, "P": 128, "N1": 20, "S1": 1, "N2": 20, "S2": 1, "odim": 1}
PIECE_S, RECORDING_S = 10, 1800


def detector(device: torch.device) -> Vad:
    """One of random weights."""
    torch.manual_seed(0)
    model = Dfsmn(DfsmnConfig.from_args(Namespace(**SIZES, dropout=0.05))).eval().to(device)
    count, mean, variance = 10000.0, np.linspace(9.0, 13.0, NUM_BINS), np.full(NUM_BINS, 12.0)
    stats = np.zeros((2, NUM_BINS + 1))
    stats[0], stats[1, :-1] = [*(count * mean), count], count * (variance + mean**2)
    return Vad(FrameClassifier(model, Cmvn(stats), device))


def recordings(total_s: float) -> Iterator[Frames]:
    """Noise."""
    pool = np.random.default_rng(0).normal(0, 1000, PIECE_S * SAMPLE_RATE).astype(np.int16)
    number = 0
    while total_s > 0:
        seconds = min(total_s, RECORDING_S)
        pieces = [pool] * int(seconds // PIECE_S) + [pool[: int(seconds % PIECE_S * SAMPLE_RATE)]]
        yield of_samples(f"r{number}", pieces)
        total_s, number = total_s - seconds, number + 1


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--hours", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0, help="0: as torch chooses")
    parser.add_argument("--markdown", type=Path, help="file that the row is appended to")
    args = parser.parse_args()
    torch.set_num_threads(args.threads or torch.get_num_threads())
    device, audio_s = pick_device(args.device), args.hours * 3600
    vad = detector(device)
    list(vad.detect(recordings(30)))
    best = float("inf")
    for _ in range(args.rounds):
        wait_for(device)
        begun = time.perf_counter()
        for frames, result in vad.detect(recordings(audio_s)):
            if isinstance(result, Exception):
                raise RuntimeError(f"{frames.key}: {result}")
        best = min(best, time.perf_counter() - begun)
    features_s = time_of_features(audio_s)
    print(
        f"{args.hours:g} h: {best:.1f} s, {features_s:.1f} s of it the filterbank (by itself)  real time factor "
        f"{best / audio_s:.6f}  peak {peak_gb(device):.2f} GB",
        flush=True,
    )
    cells = (f"{args.hours:g} h", f"{features_s:.1f} s", f"{best:.1f} s", f"{best / audio_s:.6f}")
    add_row(args.markdown, *cells, f"{peak_gb(device):.2f} GB")


def time_of_features(audio_s: float) -> float:
    """Seconds that the filterbank takes alone."""
    begun = time.perf_counter()
    for frames in recordings(audio_s):
        for _ in frames:
            pass
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
