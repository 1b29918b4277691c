"""A whole job of AED recognition at a published size: hours of short utterances, random weights.

    python tests/bench/aed_job.py [--size L] [--device cuda] [--dtypes float16,bfloat16] [--hours 10]
        [--sweep-hours 2] [--batch-seconds auto] [--modes all] [--option NAME=VALUE ...] [--markdown TABLE.md]

Utterances of 2 to 8 s that decode to 15 tokens each: AISHELL-1's test set has 7,176 of 5.03 s on average, 10 hours in
all, and 14.6 characters. The samples are noise. What is timed: the filterbank, on the processor; then `Asr.recognise`
over all of it in batches of similar length, from features in the processor's memory to text, confidence included.
Reading files and loading the model are not in it; the peak on a processor is that of the process, which makes the
model in float32 first.

`--batch-seconds auto` doubles the batches (padded seconds) from 500 until half of the card's memory is used or
`--largest` is reached. `--modes all` are all ways to decode that the recogniser's options offer (`mode`): the first of
them goes through all sizes of batches and through the whole job at the fastest, the others run at the fastest. All but
the whole job are of `--sweep-hours` of the audio. `--option` sets any other option of the
recogniser, in the modes that have a use for it. The CTC head is made sure of itself at a rate of 3 tokens a second,
since what CTC modes do depends on that; as hypotheses of a head and of a decoder with random weights have nothing in
common, drafts are never accepted here.
"""

import argparse
import math
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.asr_speed import VOCABULARY, make_model
from bench.rows import add_row, forget_peak, peak_gb, wait_for

from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.asr.modes import MODES, takes
from firered.audio.frames import of_samples
from firered.audio.framing import SAMPLE_RATE
from firered.audio.frontend import NUM_BINS, Cmvn
from firered.models.aed import Aed
from firered.models.checkpoint import pick_device
from firered.models.dtype import cast
from firered.runtime.batches import plan
from firered.runtime.loaded import Loaded
from firered.runtime.speech import Speech
from firered.text.tokenizer import BLANK_ID, SPECIAL, Tokenizer

TOKENS, RATE, SHORTEST_S, LONGEST_S = 15, 3.0, 2.0, 8.0
FIRST_BATCH_S, FIRST_HAN = 500, 0x4E00
NO_END = 9.0  # a penalty that makes the end all but impossible: every utterance takes all its tokens


def utterances(hours: float) -> list[Speech]:
    """Noise of many lengths, with its features."""
    draw = np.random.default_rng(0)
    pool = draw.normal(0, 1000, 60 * SAMPLE_RATE).astype(np.int16)
    count = max(1, round(hours * 3600 / ((SHORTEST_S + LONGEST_S) / 2)))
    made = []
    for number, seconds in enumerate(draw.permutation(np.linspace(SHORTEST_S, LONGEST_S, count))):
        start = int(draw.integers(len(pool) - int(LONGEST_S * SAMPLE_RATE)))
        made.append(Speech.of(of_samples(f"u{number}", [pool[start : start + int(seconds * SAMPLE_RATE)]])))
    return made


@torch.inference_mode()
def make_sure(model: Aed, speech: list[Speech], cmvn: Cmvn) -> None:
    """Give the CTC head outputs near 0 and 1, that read as so many tokens as are spoken a second."""
    feats = torch.nn.utils.rnn.pad_sequence([cmvn(own.feats) for own in speech], batch_first=True)
    encoded, frames = model.encoder(feats, torch.tensor([len(own.feats) for own in speech]))
    sizes = frames.tolist()
    rows = torch.cat([own[:size] for own, size in zip(encoded, sizes, strict=True)])
    head = model.ctc.ctc_lo
    # What all frames of a random encoder have in common would make one token the likeliest of all of them.
    head.bias.sub_(head(rows).mean(0))
    scale = 10 / head(rows).std()
    head.weight.mul_(scale)
    head.bias.mul_(scale)
    head.bias[1 : len(SPECIAL)] = -1e4  # the special tokens are no text
    best = head(rows)[:, BLANK_ID + 1 :].max(1)
    lead = best.values - head(rows)[:, BLANK_ID]
    wanted = RATE * sum(own.duration_s for own in speech)

    def off(level: float) -> float:
        labels = torch.where(lead > level, best.indices + BLANK_ID + 1, BLANK_ID).split(sizes)
        return abs(wanted - sum(int((own.unique_consecutive() != BLANK_ID).sum()) for own in labels))

    head.bias[BLANK_ID] += min(lead.quantile(torch.linspace(0, 1, 101)).tolist(), key=off)


def recogniser(size: str, dtype: str, device: torch.device, speech: list[Speech]) -> Asr:
    """One of random weights."""
    feats = torch.cat([own.feats for own in speech[:20]]).double()
    stats = np.zeros((2, NUM_BINS + 1))
    stats[0, :-1], stats[1, :-1], stats[0, -1] = feats.sum(0), feats.square().sum(0), len(feats)
    cmvn = Cmvn(stats)
    model = make_model(size)
    make_sure(model, speech[:4], cmvn)
    model = cast(model.prepare(), dtype, device)
    symbols = (*SPECIAL, *(chr(FIRST_HAN + number) for number in range(VOCABULARY - len(SPECIAL))))
    return Asr(Loaded(model, cmvn, Tokenizer(symbols), device, Path()), AsrConfig())


def modes_of(given: str) -> list[str]:
    """The ways to decode that were asked for."""
    if given == "all":
        return list(MODES)
    unknown = sorted(set(given.split(",")) - set(MODES))
    if unknown:
        sys.exit(f"--modes {','.join(unknown)}: there are {', '.join(MODES)}")
    return given.split(",")


def options_of(given: list[str]) -> dict[str, Any]:
    """NAME=VALUE, each value in the type of the option's default."""
    kinds = {field.name: type(field.default) for field in fields(AsrConfig)}
    options = {}
    for item in given:
        name, _, value = item.partition("=")
        if name not in kinds:
            sys.exit(f"--option {item}: recognition has no option of this name")
        options[name] = value == "true" if kinds[name] is bool else kinds[name](value)
    return options


def config_of(mode: str, size: float, given: dict[str, Any]) -> AsrConfig:
    """Options of the recogniser in a mode, with batches of so many seconds; what has no effect in it is left out."""
    options = {"eos_penalty": NO_END, "decode_max_len": TOKENS, **given}
    used = {name: value for name, value in options.items() if takes(mode, name)}
    return AsrConfig(mode=mode, batch_seconds=max(size, LONGEST_S), **used)


def job(asr: Asr, speech: list[Speech], batch_seconds: float) -> tuple[float, int]:
    """Seconds that it takes, and its tokens; the first batch, which is the largest, runs once before."""
    batches = plan([(own, own.duration_s) for own in speech], batch_seconds)
    device = asr.loaded.device
    check(asr.recognise(batches[0]))
    forget_peak(device)
    wait_for(device)
    begun = time.perf_counter()
    found = [result for batch in batches for result in check(asr.recognise(batch))]
    wait_for(device)
    return time.perf_counter() - begun, sum(len(result.tokens) for result in found)


def check(results: list) -> list:
    """The results; the first error among them ends the program."""
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def sizes_of_batches(given: str, largest: float, fits: Callable[[], bool]) -> "list[float] | Doubling":
    """`500,2000`, or from one size to twice that while half of the memory is free."""
    return Doubling(largest, fits) if given == "auto" else [float(size) for size in given.split(",")]


class Doubling:
    """Sizes of batches, each twice that before it."""

    def __init__(self, largest: float, fits: Callable[[], bool]) -> None:
        self.largest, self.fits = largest, fits

    def __iter__(self):
        size = min(FIRST_BATCH_S, self.largest)
        yield size
        while size < self.largest and self.fits():
            size = min(2 * size, self.largest)
            yield size


def run(args: argparse.Namespace, dtypes: list[str]) -> None:
    """Make the audio, and measure these number formats one after the other."""
    torch.set_num_threads(args.threads or torch.get_num_threads())
    begun = time.perf_counter()
    speech = utterances(args.hours)
    features_s, audio_s = time.perf_counter() - begun, sum(own.duration_s for own in speech)
    print(f"{len(speech)} utterances, {audio_s / 3600:.3g} h; filterbank {features_s:.1f} s", flush=True)
    if args.markdown:
        cells = ["filterbank (processor)", "", "", f"{audio_s / 3600:.3g} h", f"{features_s:.1f} s"]
        add_row(args.markdown, *cells, f"{features_s / audio_s:.6f}", "", "")
    for dtype in dtypes:
        run_format(args, dtype, speech)


def run_format(args: argparse.Namespace, dtype: str, speech: list[Speech]) -> None:
    """One number format: a line for each size of batches, one for the whole job, and one for each other mode."""
    device = pick_device(args.device)
    asr = recogniser(args.size, dtype, device, speech)
    total = torch.cuda.get_device_properties(device).total_memory / 1e9 if device.type == "cuda" else math.inf
    sizes = sizes_of_batches(args.batch_seconds, args.largest, lambda: peak_gb(device) < total / 2)
    part = speech[: math.ceil(len(speech) * min(1.0, args.sweep_hours / args.hours))]
    took: dict[float, float] = {}

    def measure(mode: str, size: float, audio: list[Speech]) -> float:
        own = Asr(asr.loaded, config_of(mode, size, options_of(args.option)))
        seconds, tokens = job(own, audio, size)
        report(args.markdown, (dtype, mode, size, seconds, tokens / len(audio), peak_gb(device)), audio)
        return seconds

    first, *others = modes_of(args.modes)
    for size in sizes:
        took[size] = measure(first, size, part)
    fastest = min(took, key=lambda size: took[size])
    if len(part) < len(speech):
        measure(first, fastest, speech)
    for mode in others:
        measure(mode, fastest, part)


def report(markdown: Path | None, row: tuple, audio: list[Speech]) -> None:
    """Print one row, and append it to the Markdown table."""
    dtype, mode, size, seconds, tokens, peak = row
    audio_s = sum(own.duration_s for own in audio)
    print(
        f"{dtype:9} {mode:12} batches of {size:g} s: {audio_s / 3600:.3g} h in {seconds:.1f} s  "
        f"real time factor {seconds / audio_s:.6f}  {tokens:.1f} tokens each  peak {peak:.1f} GB",
        flush=True,
    )
    cells = (dtype, mode, f"{size:g} s", f"{audio_s / 3600:.3g} h", f"{seconds:.1f} s", f"{seconds / audio_s:.6f}")
    add_row(markdown, *cells, f"{tokens:.1f}", f"{peak:.1f} GB")


def main() -> None:
    """Measure all number formats; on a processor, whose peak is its process', each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="L")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtypes", default="float16,bfloat16")
    parser.add_argument("--hours", type=float, default=10)
    parser.add_argument("--sweep-hours", type=float, default=2)
    parser.add_argument("--batch-seconds", default="auto")
    parser.add_argument("--largest", type=float, default=32000, help="seconds of the largest batch")
    parser.add_argument("--modes", default="all", help="all, or names with commas between")
    parser.add_argument("--option", action="append", default=[], help="NAME=VALUE of the recogniser's options")
    parser.add_argument("--threads", type=int, default=0, help="0: as torch chooses")
    parser.add_argument("--markdown", type=Path, help="file that the rows are appended to")
    args = parser.parse_args()
    dtypes = args.dtypes.split(",")
    if len(dtypes) == 1 or args.device != "cpu":
        run(args, dtypes)
        return
    for dtype in dtypes:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--dtypes", dtype], check=True)


if __name__ == "__main__":
    main()
