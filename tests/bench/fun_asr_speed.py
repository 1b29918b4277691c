"""Speed and memory of Fun-ASR-Nano at its published sizes, with random weights.

    python tests/bench/fun_asr_speed.py [--dtypes float32,bfloat16,int8] [--batches 1,8] [--threads 2] [--device cpu]
        [--scratch DIR] [--funasr /path/to/python] [--markdown TABLE.md]

A checkpoint in the published layout (2.1 GB) is written to the scratch disk and removed at the end. Utterances of 10 s
are transcribed to 40 tokens each. Every number format runs in a process of its own, in which encoder and language model
have that format (the encoder has float32 beside bfloat16 on a processor). Real time factor = seconds of work / of
audio. `--funasr` names a Python in which the published code (package funasr) is installed beside torch and firered: it
transcribes as much of the same checkpoint in float32 and in bfloat16, several utterances one after another, as it does
where there is a CTC head.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from itertools import islice, product
from pathlib import Path

import torch
from tokenizers import AddedToken

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.llm_speed import noise
from bench.rows import add_row, peak_gb
from support.tiny_fun_asr import tokenizer, write_config

from firered.asr.families.fun_asr import FunAsr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.models.fun_asr_checkpoint import CTC_VOCABULARY, WEIGHTS, published_shapes
from firered.models.fun_asr_config import CONFIG, CheckpointConfig
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.text.bpe_tokenizer import SPECIAL

SANM = {"output_size": 512, "attention_heads": 4, "linear_units": 2048, "num_blocks": 50, "tp_blocks": 20}
SANM |= {"kernel_size": 11}
ADAPTOR = {"ffn_dim": 2048, "llm_dim": 1024, "encoder_dim": 512, "n_layer": 2, "downsample_rate": 1}
CTC = {"ffn_dim": 2048, "llm_dim": 512, "encoder_dim": 512, "n_layer": 5, "downsample_rate": 1}
QWEN3 = {"model_type": "qwen3", "vocab_size": 151936, "hidden_size": 1024, "intermediate_size": 3072}
QWEN3 |= {"num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128}
QWEN3 |= {"tie_word_embeddings": True, "rope_theta": 1000000, "max_position_embeddings": 40960}
CTC_WORDS = 60515
# Words of the prompt that are one token each to the published tokenizer; a byte each they would make it twice as long.
PROMPT_WORDS = ("system", "user", "assistant", "You", " are", " a", " helpful", " assistant", "语音", "转", "写", "：")


def write_checkpoint(directory: Path) -> None:
    """The published layout and sizes, in bfloat16, and prompts of as many tokens as the published tokenizer makes."""
    write_config(directory, SANM, ADAPTOR, CTC, QWEN3, ctc_vocab_size=CTC_WORDS, **published_fields(directory))
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


def published_fields(directory: Path) -> dict[str, object]:
    """Fields of config.yaml that the published code needs and firered does not."""
    vocabulary = {"vocab_path": str(directory / CTC_VOCABULARY), "is_multilingual": True, "num_languages": 8749}
    llm = {"init_param_path": str(directory / "Qwen3-0.6B")}
    return {
        "llm_conf": {**llm, "llm_dtype": "bf16"},
        "tokenizer": "HuggingfaceTokenizer",
        "tokenizer_conf": llm,
        "frontend": "WavFrontend",
        "dataset_conf": {"ctc_tokenizer": "SenseVoiceTokenizer", "ctc_tokenizer_conf": vocabulary},
    }


def options_of(dtype: str, device: str, tokens: int) -> FunAsrConfig:
    """Encoder and language model in a number format; the encoder not in bfloat16 on a processor."""
    encoder = "float32" if device == "cpu" and dtype == "bfloat16" else dtype
    return FunAsrConfig(dtype=dtype, encoder_dtype=encoder, max_length=tokens, split_truncated=False, batch_seconds=1e6)


def measure(args: argparse.Namespace, directory: Path) -> None:
    """One number format: a line for loading and one for each batch size."""
    begun = time.perf_counter()
    asr = FunAsr.from_pretrained(directory, options_of(args.dtypes, args.device, args.tokens), args.device)
    device = asr.loaded.device
    print(f"{args.dtypes}: loaded in {time.perf_counter() - begun:.0f} s, peak {peak_gb(device):.2f} GB", flush=True)

    def transcribe(count: int) -> int:
        feats = [torch.randn(100 * args.seconds, 80) for _ in range(count)]
        speech = [Speech(f"u{n}", own, float(args.seconds), Context(), asr.front_end) for n, own in enumerate(feats)]
        return sum(len(result.tokens) for result in asr.recognise(speech))

    time_batches(args, transcribe, device)


def measure_funasr(args: argparse.Namespace, directory: Path) -> None:
    """The same with the published code's classes."""
    from funasr import AutoModel

    begun = time.perf_counter()
    model = AutoModel(model=str(directory), device=args.device, disable_update=True, disable_pbar=True)
    llm = args.dtypes.removeprefix("funasr-")
    device = torch.device(args.device)
    print(f"{args.dtypes}: loaded in {time.perf_counter() - begun:.0f} s, peak {peak_gb(device):.2f} GB", flush=True)
    steps = {"llm_dtype": llm, "max_length": args.tokens, "llm_kwargs": {"min_new_tokens": args.tokens}}

    def transcribe(count: int) -> int:
        audio = [torch.randn(16000 * args.seconds) / 20 for _ in range(count)]
        assert len(model.generate(audio, batch_size=count, **steps)) == count
        return args.tokens * count

    time_batches(args, transcribe, device)


def time_batches(args: argparse.Namespace, transcribe: Callable[[int], int], device: torch.device) -> None:
    """Print a line for each batch size, after one utterance that is not timed."""
    transcribe(1)
    for batch in map(int, args.batches.split(",")):
        begun, worked = time.perf_counter(), time.process_time()
        tokens = transcribe(batch)
        took, worked = time.perf_counter() - begun, time.process_time() - worked
        seconds = batch * args.seconds
        print(
            f"  batch {batch:3}  {tokens / batch:.0f} tokens each  real time factor {took / seconds:.4f} "
            f"({worked / seconds:.4f} of processor time)  peak {peak_gb(device):.2f} GB",
            flush=True,
        )
        cells = (args.dtypes, batch, f"{tokens / batch:.0f}", f"{took / seconds:.5f}", f"{peak_gb(device):.1f} GB")
        add_row(args.markdown, *cells)


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
    parser.add_argument("--funasr", metavar="PYTHON", help="an interpreter that has the package funasr")
    parser.add_argument("--markdown", type=Path, help="file that the rows are appended to")
    parser.add_argument("--model", help=argparse.SUPPRESS)  # set for the processes that measure
    args = parser.parse_args()
    if args.model:
        torch.set_num_threads(args.threads)
        (measure_funasr if args.dtypes.startswith("funasr") else measure)(args, Path(args.model))
        return
    runs = [(sys.executable, dtype) for dtype in args.dtypes.split(",")]
    if args.funasr:
        runs += [(args.funasr, "funasr-fp32"), (args.funasr, "funasr-bf16")]
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        write_checkpoint(Path(scratch))
        for python, dtype in runs:
            subprocess.run([python, __file__, *sys.argv[1:], "--model", scratch, "--dtypes", dtype], check=True)


if __name__ == "__main__":
    main()
