"""Memory of AED recognition on a processor: of batches of so many seconds, and of many utterances of different lengths.

    python tests/bench/memory.py [--size L] [--dtypes float32,bfloat16,int8] [--seconds 10,40,80,160]
                                 [--utterances 2000] [--threads 2] [--batch-seconds 80] [--layers 4]

Random weights. What a batch takes is the peak of the resident memory beside what there was before it: the encoder, the
CTC head's log posteriors, and the search's cache with its first step. Each number format runs in a process of its own.
The line of best fit says what a second of a batch costs, and how far from it the measured are. Then utterances of 1 to
30 s, sorted by length in no way, are recognised in batches by seconds: the peak of the first hundred and that of all.
`--layers` takes fewer layers of encoder and decoder than the size has; their memory is what it is for.
"""

import argparse
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch

from firered.models.aed import Aed, AedConfig
from firered.models.dtype import cast
from firered.runtime.batches import plan
from firered.search.beam import BeamConfig, beam_search

VOCABULARY, BEAM, SOS, EOS = 8667, 3, 3, 4


def make_model(size: str, layers: int | None) -> Aed:
    """A model with random weights."""
    config = AedConfig.of_size(size, VOCABULARY)
    config = config if layers is None else replace(config, n_layers_enc=layers, n_layers_dec=layers)
    with torch.device("meta"):
        model = Aed(config)
    model.to_empty(device="cpu")
    with torch.no_grad():
        for weight in model.parameters():
            weight.uniform_(-0.03, 0.03) if weight.dim() > 1 else weight.fill_(1.0)
    return model.eval()


def resident(name: str) -> float:
    """MB: VmRSS now, VmHWM at most since `forget_peak`."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def forget_peak() -> None:
    """Count the peak from now on."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


@torch.inference_mode()
def recognise(model: Aed, seconds: list[float], steps: int) -> None:
    """One batch."""
    lengths = torch.tensor([round(100 * length) for length in seconds])
    feats = torch.randn(len(seconds), int(lengths.max()), 80).to(model.dtype)
    encoded, frames = model.encoder(feats, lengths)
    model.ctc_log_probs(encoded)
    limits = torch.full((len(seconds),), steps)
    cache = model.start(encoded, frames, BEAM, steps)
    beam_search(cache, limits, BeamConfig(beam_size=BEAM, eos_penalty=9.0), sos=SOS, eos=EOS)


def run(args: argparse.Namespace) -> None:
    """One number format."""
    torch.set_num_threads(args.threads)
    model = cast(make_model(args.size, args.layers).prepare(), args.dtypes, torch.device("cpu"))
    recognise(model, [5.0], 2)  # kernels, fused weights
    print(f"{args.dtypes}: {resident('VmRSS'):.0f} MB with the weights and the libraries", flush=True)
    found = []
    for seconds in map(float, args.seconds.split(",")):
        before = resident("VmRSS")
        forget_peak()
        recognise(model, [10.0] * round(seconds / 10), 2)
        found.append((seconds, resident("VmHWM") - before))
    mean_s, mean_mb = (sum(column) / len(found) for column in zip(*found, strict=True))
    spread = sum((s - mean_s) ** 2 for s, _ in found)
    slope = sum((s - mean_s) * (mb - mean_mb) for s, mb in found) / spread if spread else 0.0
    print(f"| seconds | {args.dtypes}, MB | line of {slope:.2f} MB a second |\n|---|---|---|", flush=True)
    for seconds, megabytes in found:
        line = mean_mb + slope * (seconds - mean_s)
        print(f"| {seconds:.0f} | {megabytes:.0f} | {megabytes / line - 1:+.1%} |", flush=True)
    many(model, args)


def many(model: Aed, args: argparse.Namespace) -> None:
    """Utterances of all lengths: the peak of the first hundred, and that of all."""
    draw = random.Random(0)
    lengths = [draw.uniform(1, 30) for _ in range(args.utterances)]
    forget_peak()
    for first in range(0, len(lengths), 100):
        share = lengths[first : first + 100]
        for batch in plan([(length, length) for length in share], args.batch_seconds):
            recognise(model, batch, 2)
        if first == 0 or first + 100 >= len(lengths):
            now, peak = resident("VmRSS"), resident("VmHWM")
            print(f"{args.dtypes}: after {first + len(share)} utterances {now:.0f} MB, peak {peak:.0f} MB", flush=True)


def main() -> None:
    """Measure each number format in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="L")
    parser.add_argument("--dtypes", default="float32,bfloat16,int8")
    parser.add_argument("--seconds", default="10,40,80,160")
    parser.add_argument("--utterances", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-seconds", type=float, default=80.0)
    parser.add_argument("--layers", type=int)
    args = parser.parse_args()
    if "," not in args.dtypes:
        run(args)
        return
    for dtype in args.dtypes.split(","):
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--dtypes", dtype], check=True)


if __name__ == "__main__":
    main()
