"""Speed of punctuation at the published size: a BERT of base size with random weights over a real vocabulary.

    python tests/bench/punc_speed.py --vocab vocab.txt [--lines 4000] [--threads 2] [--batch-sizes 2048,4096]

The lines are Chinese, English and both mixed, 1 to about 200 tokens long, drawn from the vocabulary. All go through in
batches; the batch-of-one loop takes every so many of them, so that `--single` are timed, and must give the same texts.
"""

import argparse
import random
import re
import sys
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.tiny_punc import BASE

from firered.models.bert import BertSizes
from firered.models.checkpoint import pick_device
from firered.models.punc_bert import PuncArgs, PuncBert
from firered.punc.config import PuncConfig
from firered.punc.punctuate import Punc
from firered.punc.tokens import PieceTokenizer
from firered.text.tokenizer import read_dict

MARKS = ("", "，", "。", "？", "！")
CLS_ID = 101


def make_lines(vocabulary: list[str], count: int, seed: int = 0) -> list[str]:
    """Text of a vocabulary's characters and words: a third Chinese, a third English, a third changing between them."""
    draw = random.Random(seed)
    chinese = [token for token in vocabulary if re.fullmatch("[\u4e00-\u9fff]", token)]
    english = [token for token in vocabulary if re.fullmatch("[a-z]{2,}", token)]
    lines = []
    for number in range(count):
        length = min(200, max(1, round(draw.lognormvariate(3.0, 0.8))))
        kind, is_chinese, line = number % 3, number % 3 != 1, ""
        for _ in range(length):
            if kind == 2 and draw.random() < 0.15:
                is_chinese = not is_chinese
            line += draw.choice(chinese) if is_chinese else f" {draw.choice(english)} "
        lines.append(" ".join(line.split()))
    return lines


@torch.no_grad()
def make_model(size: int) -> PuncBert:
    """A BERT of base size (12 layers, 768) with random weights, spread so that the tags differ."""
    torch.manual_seed(0)
    model = PuncBert(BertSizes(**{**BASE, "vocab_size": size}), PuncArgs(len(MARKS), CLS_ID)).eval()
    model.classifier.weight.normal_(0, 0.3)
    return model


def timed(punc: Punc, lines: list[str], *, alone: bool) -> tuple[float, list[str]]:
    """Seconds that the lines take in batches or one by one, and the texts they become."""
    begun = time.perf_counter()
    results = [punc(line) for line in lines] if alone else punc.punctuate(lines)
    return time.perf_counter() - begun, [result.punc_text for result in results]


def main() -> None:
    """A line for each batch size, and one for the loop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", required=True)
    parser.add_argument("--lines", type=int, default=4000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-sizes", default="4096")
    parser.add_argument("--single", type=int, default=400)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    vocabulary = read_dict(Path(args.vocab))
    tokenizer, model, device = PieceTokenizer(vocabulary), make_model(len(vocabulary)), pick_device(args.device)
    lines = make_lines(vocabulary, args.lines)
    lengths = [len(pieces) for pieces in tokenizer.cut(lines)]
    print(f"{len(lines)} lines, {sum(lengths)} tokens, {args.dtype}, {args.threads} threads", flush=True)

    def report(name: str, tokens: int, seconds: float) -> None:
        print(f"{name:12} {seconds:8.1f} s  {tokens / seconds:8.0f} tokens/s", flush=True)

    for size in map(int, args.batch_sizes.split(",")):
        punc = Punc(model, tokenizer, MARKS, PuncConfig(batch_size=size, dtype=args.dtype), device)
        timed(punc, lines[:8], alone=False)
        seconds, texts = timed(punc, lines, alone=False)
        report(f"batch {size}", sum(lengths), seconds)
    some = slice(0, None, max(1, len(lines) // args.single))
    seconds, alone = timed(punc, lines[some], alone=True)
    report("one by one", sum(lengths[some]), seconds)
    print(
        f"same text alone and in batches: {sum(a == b for a, b in zip(alone, texts[some], strict=True))}/{len(alone)}"
    )


if __name__ == "__main__":
    main()
