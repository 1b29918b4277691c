"""Speed and memory of AED recognition at a published size, with random weights.

    python tests/bench/asr_speed.py [--size L] [--threads 2] [--dtypes float32,bfloat16,int8] [--batches 1,8]
                                    [--device cuda] [--batches auto] [--markdown TABLE.md]

Utterances of 10 s that decode to 45 tokens at beam 3. "prefix" steps as the published code does: the whole prefix and
the whole encoder output of every beam, projected anew at every token; it is the oracle of the cached steps.
Each number format runs in a process of its own, for its peak memory. Real time factor = seconds of work / of audio.
`--batches auto` doubles the batch from 1 until the device's memory is full or `--largest` is reached. `--markdown`
appends the rows to a file as a table's.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.rows import add_row, peak_gb, wait_for

from firered.models.aed import Aed, AedConfig
from firered.models.checkpoint import pick_device
from firered.models.dtype import cast
from firered.models.step_graph import graphs_help
from firered.search.beam import BeamConfig, beam_search

VOCABULARY, TOKENS, SECONDS, BEAM, SOS, EOS = 8667, 45, 10, 3, 3, 4


class PrefixSteps:
    """Steps without any cache."""

    def __init__(self, model: Aed, encoded: Tensor, lengths: Tensor) -> None:
        self.model = model
        self.encoded = encoded.repeat_interleave(BEAM, 0)
        self.lengths = lengths.repeat_interleave(BEAM, 0)
        self.tokens = torch.zeros(len(self.encoded), 0, dtype=torch.long, device=encoded.device)

    def step(self, tokens: Tensor) -> Tensor:
        """Logits of the next tokens."""
        self.tokens = torch.cat([self.tokens, tokens[:, None]], 1)
        return self.model.decoder(self.tokens, self.encoded, self.lengths)[:, -1]

    def reorder(self, index: Tensor) -> None:
        """Follow the search."""
        self.tokens = self.tokens[index]

    def select(self, utterances: list[int]) -> None:
        """Keep these utterances."""
        rows = torch.tensor([u * BEAM + b for u in utterances for b in range(BEAM)], dtype=torch.long)
        self.tokens, self.encoded, self.lengths = self.tokens[rows], self.encoded[rows], self.lengths[rows]


@torch.no_grad()
def make_model(size: str) -> Aed:
    """A model with random weights, quickly."""
    with torch.device("meta"):
        model = Aed(AedConfig.of_size(size, VOCABULARY))
    model.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, weight in model.named_parameters():
        if weight.dim() == 1:
            weight.fill_(1.0 if name.endswith("weight") else 0.0)
        else:
            weight.uniform_(-1, 1, generator=generator).mul_((3 / weight[0].numel()) ** 0.5)
    return model.eval()


@torch.inference_mode()
def measure(
    model: Aed, batch: int, device: torch.device, prefix: bool, beam: int = BEAM
) -> tuple[float, float, list[list[int]]]:
    """Seconds of the encoder and of the search, and the tokens found."""
    torch.manual_seed(1)
    feats = torch.randn(batch, 100 * SECONDS, 80).to(device, model.dtype)
    lengths = torch.full((batch,), 100 * SECONDS, device=device)
    begun = time.perf_counter()
    encoded, frames = model.encoder(feats, lengths)
    wait_for(device)
    between = time.perf_counter()
    limits = torch.full((batch,), TOKENS, device=device)
    steps = PrefixSteps(model, encoded, frames) if prefix else model.start(encoded, frames, beam, TOKENS)
    # A penalty that makes the end all but impossible: every utterance takes all its tokens.
    found = beam_search(steps, limits, BeamConfig(beam_size=beam, eos_penalty=9.0), sos=SOS, eos=EOS)
    wait_for(device)
    return between - begun, time.perf_counter() - between, [hypotheses[0].tokens for hypotheses in found]


def run(args: argparse.Namespace) -> None:
    """One number format: a line for each batch size."""
    device = pick_device(args.device)
    torch.set_num_threads(args.threads)
    model = cast(make_model(args.size).prepare(), args.dtypes, device)
    first = args.dtypes == "float32" and not args.no_prefix
    for batch in batch_sizes(args.batches, args.largest):
        try:
            measure(model, batch, device, prefix=False)  # warms up kernels and allocators of this shape
            encoder, search, tokens = min(measure(model, batch, device, prefix=False) for _ in range(args.rounds))
        except torch.OutOfMemoryError:
            print(f"{args.dtypes:10} batch {batch:3}  does not fit the memory", flush=True)
            break
        report(args, steps_as(device, batch), batch, encoder, search, device)
        if first and batch == 1:
            encoder, search, oracle = measure(model, batch, device, prefix=True)
            report(args, "prefix", batch, encoder, search, device)
            print(f"{'':10} same tokens as with the cache: {oracle == tokens}", flush=True)


def steps_as(device: torch.device, batch: int) -> str:
    """How the search steps at this size of batch."""
    return "graphs" if graphs_help(device, batch * BEAM) else "cached"


def batch_sizes(given: str, largest: int) -> list[int]:
    """The batch sizes of `1,8`, or for `auto` the powers of two up to the largest."""
    if given != "auto":
        return [int(size) for size in given.split(",")]
    return [1 << power for power in range(largest.bit_length()) if 1 << power <= largest]


def report(
    args: argparse.Namespace, steps: str, batch: int, encoder: float, search: float, device: torch.device
) -> None:
    """Print one row, and append it to the Markdown table."""
    factor = (encoder + search) / (batch * SECONDS)
    peak = peak_gb(device)
    print(
        f"{args.dtypes:10} {steps:7} batch {batch:3}  encoder {encoder:7.3f} s  search {search:7.3f} s  "
        f"real time factor {factor:.5f}  peak {peak:.1f} GB",
        flush=True,
    )
    row = (args.dtypes, steps, batch, f"{encoder:.3f} s", f"{search:.3f} s", f"{factor:.5f}")
    row += (f"{1 / factor:.0f}", f"{peak:.1f} GB")
    add_row(args.markdown, *row)


def main() -> None:
    """Measure each number format in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="L")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtypes", default="float32,bfloat16,int8")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--largest", type=int, default=1024, help="the largest batch of --batches auto")
    parser.add_argument("--markdown", type=Path, help="file that the rows are appended to")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--no-prefix", action="store_true")
    args = parser.parse_args()
    dtypes = args.dtypes.split(",")
    if len(dtypes) == 1:
        run(args)
        return
    for dtype in dtypes:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--dtypes", dtype], check=True)


if __name__ == "__main__":
    main()
