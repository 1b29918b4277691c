"""What a list of hotwords costs a recogniser, in milliseconds an utterance, by its length.

    python tests/bench/hotword_overhead.py MODEL DATA LIST... [--rounds 3] [--threads 1] [--size L] [--batch-seconds 60]

DATA is a data directory with files in its wav.scp; lists are files as `--hotwords` takes them, such as those that
egs/mini_hotwords makes. Reading them and what is made of them once is not counted. What is done about a list depends
on the audio's length and hardly on the model's size; so `--size` measures what the same audio takes an AED of a
published size in int8 (random weights, 3 tokens a second), and each list's cost is given as a share of that, too.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.aed_job import NO_END, RATE, check, recogniser

import firered
from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.asr.recogniser import Recogniser
from firered.audio.like import as_frames
from firered.data.datadir import read_table
from firered.hotwords.lists import HotwordList
from firered.hotwords.reading import read_list
from firered.runtime.batches import plan
from firered.runtime.speech import Speech

SOME = 40  # utterances that the large model is measured on


def best_of(asr: Recogniser, speech: Sequence[Speech], seconds: float, rounds: int) -> float:
    """Milliseconds an utterance of the fastest round; the first batch is done once before."""
    batches = plan([(own, own.duration_s) for own in speech], seconds)
    check(asr.recognise(batches[0]))
    took = []
    for _ in range(rounds):
        begun = time.perf_counter()
        for batch in batches:
            check(asr.recognise(batch))
        took.append(time.perf_counter() - begun)
    return 1000 * min(took) / len(speech)


def with_list(speech: Sequence[Speech], hotwords: HotwordList) -> list[Speech]:
    """The utterances with this list each."""
    return [replace(own, context=replace(own.context, hotwords=hotwords)) for own in speech]


def of_size(size: str, speech: Sequence[Speech], seconds: float, rounds: int) -> float:
    """Milliseconds an utterance of a model of random weights, without any list."""
    some = list(speech[:SOME])
    loaded = recogniser(size, "int8", torch.device("cpu"), some).loaded
    tokens = max(1, round(RATE * sum(own.duration_s for own in some) / len(some)))
    return best_of(Asr(loaded, AsrConfig(eos_penalty=NO_END, decode_max_len=tokens)), some, seconds, rounds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("lists", type=Path, nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", help="of the AED whose time is compared to: XS, S, M, L")
    parser.add_argument("--batch-seconds", type=float, default=60)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    speech = [Speech.of(as_frames(path)) for path in read_table(args.data / "wav.scp").values()]
    mean_s = sum(own.duration_s for own in speech) / len(speech)
    print(f"{len(speech)} utterances of {mean_s:.2f} s on average, {args.threads} threads\n")
    asr = firered.load(args.model, device="cpu")
    plain = best_of(asr, speech, args.batch_seconds, args.rounds)
    large = of_size(args.size, speech, args.batch_seconds, args.rounds) if args.size else None
    beside = f"of {large:.0f} ms, size {args.size} in int8" if large else ""
    print(f"| list | ms an utterance | more than without | of that | {beside} |")
    print("|---|---|---|---|---|")
    print(f"| none | {plain:.1f} | | | |", flush=True)
    for path in args.lists:
        hotwords = read_list(path)
        took = best_of(asr, with_list(speech, hotwords), args.batch_seconds, args.rounds)
        share = f"{100 * (took - plain) / large:.1f}%" if large else ""
        cells = f"{took:.1f} | {took - plain:.1f} | {100 * (took - plain) / plain:.0f}% | {share}"
        print(f"| {len(hotwords):,} entries | {cells} |", flush=True)


if __name__ == "__main__":
    main()
