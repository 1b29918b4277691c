"""The whole system on many short recordings, whose segments share batches or go through one recording at a time.

    python tests/bench/system_speed.py --models pretrained_models --audio folder [--files 200] [--seconds 3]

Stretches of the recordings in the folder are the short recordings; both ways have to give the same transcripts.
"""

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from firered.audio.config import AudioConfig
from firered.audio.frontend import SAMPLE_RATE
from firered.audio.load import INT16_SCALE, read_blocks
from firered.runs.inputs import audio_files
from firered.system.config import SystemConfig
from firered.system.system import System


def short_ones(folder: Path, count: int, seconds: float) -> list[np.ndarray]:
    """Stretches of the folder's recordings one after the other, from the start again where they end."""
    length, found = round(seconds * SAMPLE_RATE), []
    for path in sorted(audio_files(folder)):
        samples = np.concatenate(list(read_blocks(str(path), AudioConfig())))
        found += [samples[start : start + length] for start in range(0, len(samples) - length, length)]
    return [found[number % len(found)] for number in range(count)]


def transcripts(system: System, recordings: list[np.ndarray]) -> tuple[float, list[str]]:
    """Seconds that all take, and the text of each."""

    begun = time.perf_counter()
    results = system.batch(samples / INT16_SCALE for samples in recordings)
    texts = [str(result) if isinstance(result, Exception) else result.text for result in results]
    return time.perf_counter() - begun, texts


def main() -> None:
    """A line for each way, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="pretrained_models")
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    system = System.from_pretrained(args.models, device=args.device)
    recordings = short_ones(args.audio, args.files, args.seconds)
    transcripts(system, recordings[:2])
    found = {}
    for name, share_seconds in (("shared", SystemConfig().share_seconds), ("one by one", 0.0)):
        system.config = replace(system.config, share_seconds=share_seconds)
        found[name] = transcripts(system, recordings)
        print(f"{name:12} {found[name][0]:8.2f} s", flush=True)
    (shared_s, shared), (single_s, single) = found.values()
    same = sum(a == b for a, b in zip(shared, single, strict=True))
    print(f"ratio {single_s / shared_s:.2f}; same text {same}/{len(single)}")


if __name__ == "__main__":
    main()
