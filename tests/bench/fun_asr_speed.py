"""Speed and memory of Fun-ASR-Nano at its published sizes, with random weights.

    python tests/bench/fun_asr_speed.py [--dtypes float32,bfloat16,int8] [--batches 1,8] [--threads 2] [--device cpu]
        [--scratch DIR]

A checkpoint in the published layout (2.1 GB) is written to the scratch disk and removed at the end. Utterances of 10 s
are transcribed to 40 tokens each. Every number format runs in a process of its own, in which encoder and language model
have that format (the encoder has float32 beside bfloat16 on a processor). Real time factor = seconds of work / of
audio.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from itertools import islice, product
from pathlib import Path

import torch
from tokenizers import AddedToken

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.llm_speed import noise, peak_gb
from support.tiny_fun_asr import tokenizer, write_config

from firered.asr.config import FunAsrConfig
from firered.asr.families.fun_asr import FunAsr
from firered.models.fun_asr_checkpoint import CTC_VOCABULARY, WEIGHTS, published_shapes
from firered.models.fun_asr_config import CONFIG, CheckpointConfig
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.text.bpe_tokenizer import SPECIAL

SANM = {"output_size": 512, "attention_heads": 4, "linear_units": 2048, "num_blocks": 50, "tp_blocks": 20}
SANM |= {"kernel_size": 11}
ADAPTOR = {"ffn_dim": 2048, "llm_dim": 1024, "encoder_dim": 512, "n_layer": 2}
CTC = {"ffn_dim": 2048, "llm_dim": 512, "encoder_dim": 512, "n_layer": 5}
QWEN3 = {"model_type": "qwen3", "vocab_size": 151936, "hidden_size": 1024, "intermediate_size": 3072}
QWEN3 |= {"num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}
QWEN3 |= {"tie_word_embeddings": True, "rope_theta": 1000000, "max_position_embeddings": 40960}
CTC_WORDS = 60515
# Words of the prompt that are one token each to the published tokenizer; a byte each they would make it twice as long.
PROMPT_WORDS = ("system", "user", "assistant", "You", " are", " a", " helpful", " assistant", "语音", "转", "写", "：")


def write_checkpoint(directory: Path) -> None:
    """The published layout and sizes, in bfloat16, and prompts of as many tokens as the published tokenizer makes."""
    write_config(directory, SANM, ADAPTOR, CTC, QWEN3, ctc_vocab_size=CTC_WORDS)
    words = product(range(256), repeat=3)
    pieces = [*(bytes([byte]) for byte in range(256)), *map(bytes, islice(words, CTC_WORDS - len(SPECIAL) - 256))]
    lines = [f"{b64encode(piece).decode()} {rank}\n" for rank, piece in enumerate(pieces)]
    (directory / CTC_VOCABULARY).write_text("".join(lines))
    tokens = tokenizer()
    tokens.add_tokens([AddedToken(word, normalized=False) for word in PROMPT_WORDS])
    tokens.save_pretrained(directory / "Qwen3-0.6B")
    shapes = published_shapes(directory, CheckpointConfig.read(directory / CONFIG))
    torch.manual_seed(0)
    table = torch.randn(1 << 24)
    state = {name: noise(torch.empty(shape, device="meta"), torch.bfloat16, table) for name, shape in shapes.items()}
    torch.save({"state_dict": state}, directory / WEIGHTS)


def options_of(dtype: str, device: str, tokens: int) -> FunAsrConfig:
    """Encoder and language model in a number format; the encoder not in bfloat16 on a processor."""
    encoder = "float32" if device == "cpu" and dtype == "bfloat16" else dtype
    return FunAsrConfig(dtype=dtype, encoder_dtype=encoder, max_length=tokens, split_truncated=False, batch_seconds=1e6)


def measure(args: argparse.Namespace, directory: Path) -> None:
    """One number format: a line for loading and one for each batch size."""
    torch.set_num_threads(args.threads)
    begun = time.perf_counter()
    asr = FunAsr.from_pretrained(directory, options_of(args.dtypes, args.device, args.tokens), args.device)
    device = asr.loaded.device
    print(f"{args.dtypes}: loaded in {time.perf_counter() - begun:.0f} s, peak {peak_gb(device):.2f} GB", flush=True)
    for batch in map(int, args.batches.split(",")):
        feats = [torch.randn(100 * args.seconds, 80) for _ in range(batch)]
        speech = [Speech(f"u{n}", own, float(args.seconds), Context(), asr.front_end) for n, own in enumerate(feats)]
        asr.recognise(speech[:1])
        begun, worked = time.perf_counter(), time.process_time()
        results = asr.recognise(speech)
        took, worked = time.perf_counter() - begun, time.process_time() - worked
        tokens = sum(len(result.tokens) for result in results)
        seconds = batch * args.seconds
        print(
            f"  batch {batch:3}  {tokens / batch:.0f} tokens each  real time factor {took / seconds:.4f} "
            f"({worked / seconds:.4f} of processor time)  peak {peak_gb(device):.2f} GB",
            flush=True,
        )


def main() -> None:
    """Write the checkpoint, measure each number format in a process of its own, remove the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dtypes", default="float32,bfloat16,int8")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=40)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scratch", default=None)
    parser.add_argument("--model", help=argparse.SUPPRESS)  # set for the processes that measure
    args = parser.parse_args()
    if args.model:
        measure(args, Path(args.model))
        return
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        write_checkpoint(Path(scratch))
        for dtype in args.dtypes.split(","):
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--model", scratch, "--dtypes", dtype], check=True)


if __name__ == "__main__":
    main()
