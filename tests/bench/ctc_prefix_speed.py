"""How long the prefix beam search of a CTC head takes, without hotwords and with ten phrases an utterance.

    python tests/bench/ctc_prefix_speed.py --shape 8 250 5000

Frames are made up: three of four are the blank's, the others' token has a probability of nearly 1, and noise the rest.
"""

import argparse
import random
import statistics
import time

import torch

from firered.search.context_graph import ContextGraph, Phrase
from firered.search.ctc_prefix import ctc_prefix_search
from firered.search.hotwords import Hotwords
from firered.search.vocabulary import Vocabulary
from firered.text.spelling import spell_phrase

FIRST_HAN = 0x4E00


def peaky_frames(n, frames, size, generator):
    logits = torch.randn(n, frames, size, generator=generator)
    label = torch.randint(1, size, (n, frames), generator=generator)
    label[torch.rand(n, frames, generator=generator) < 0.75] = 0
    return logits.scatter_add(2, label[..., None], torch.full((n, frames, 1), 16.0)).log_softmax(-1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", type=int, nargs=3, default=(8, 250, 5000), help="utterances, frames, tokens")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    n, frames, size = args.shape
    log_probs = peaky_frames(n, frames, size, torch.Generator().manual_seed(0)).to(args.device)
    vocabulary = Vocabulary([None, *(chr(FIRST_HAN + number) for number in range(1, size))])
    draw = random.Random(0)

    def phrase():
        return Phrase(spell_phrase("".join(chr(FIRST_HAN + draw.randrange(1, size)) for _ in range(3))), 1.5)

    lists = [Hotwords(ContextGraph([phrase() for _ in range(10)]), vocabulary) for _ in range(n)]
    for name, hotwords in (("no hotwords", ()), ("ten phrases an utterance", lists)):
        ms = []
        for _ in range(args.times + 1):
            start = time.perf_counter()
            ctc_prefix_search(log_probs, [frames] * n, hotwords=hotwords)
            ms.append(1000 * (time.perf_counter() - start))
        print(f"{name}: {statistics.median(ms[1:]):.1f} ms (median of {args.times}, {min(ms[1:]):.1f} at best)")


if __name__ == "__main__":
    main()
