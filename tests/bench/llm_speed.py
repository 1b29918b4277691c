"""Speed and memory of recognition with the LLM variant at the shape of a published language model, random weights.

    python tests/bench/llm_speed.py [--llm 0.5B|7B] [--layers N] [--encoder L] [--dtypes bfloat16,int8,int4]
        [--encoder-dtype float32] [--batches 1,8] [--beams 1,3] [--rounds 1] [--scratch DIR]
        [--markdown TABLE.md]

A directory in the published layout, with LoRA of rank 64, is written to the scratch disk (7B: 16 GB) and removed at the
end. Utterances of 10 s are transcribed to 45 tokens each. Every number format runs in a process of its own: its peak
memory is what the system counts, pages of mapped files included. Of the work, the prompt (one pass over its tokens),
the steps (a token of each hypothesis) and the rest (the encoder, mostly) are told apart. `--layers` makes the language
model shorter, to see what a layer takes where the whole does not fit. Real time factor = seconds of work / of audio;
where others use the processor too, that of processor time says more (with --threads 1 it is the factor of one free
core).
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.rows import GB, add_row, peak_gb
from support.tiny_llm import tiny_tokenizer

from firered.asr.families.speech_llm import LlmAsr
from firered.asr.llm_config import LlmConfig
from firered.data.archives import write_matrix
from firered.models import llm_stepper
from firered.models.adapters import LinearAdapter
from firered.models.aed import AedConfig
from firered.models.causal_lm import LORA_RANK, with_lora
from firered.runtime.speech import Speech

SHARD, FOLDER = 1 << 30, "Qwen2"
NAMES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
NAMES += ("num_key_value_heads", "tie_word_embeddings")
SHAPES = {"0.5B": (151936, 896, 4864, 24, 14, 2, True), "7B": (152064, 3584, 18944, 28, 28, 4, False)}


def noise(like: Tensor, dtype: torch.dtype, table: Tensor) -> Tensor:
    """Random weights of the size that keeps activations where they are."""
    if like.dim() == 1:
        return torch.ones(like.shape, dtype=dtype)
    values = table.repeat(-(-like.numel() // len(table)))[: like.numel()].view(like.shape)
    return (values * like[0].numel() ** -0.5).to(dtype)


def write_llm(folder: Path, config: Qwen2Config, table: Tensor) -> Qwen2ForCausalLM:
    """The language model's folder, written a shard at a time; returns its shapes, without weights."""
    with torch.device("meta"):
        shapes = Qwen2ForCausalLM(config)
    config.architectures = ["Qwen2ForCausalLM"]
    config.save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    places, shard = {}, {}

    def flush() -> None:
        name = f"model-{len(set(places.values())) + 1:05}.safetensors"
        save_file(shard, folder / name, {"format": "pt"})
        places.update(dict.fromkeys(shard, name))
        shard.clear()

    for name, like in shapes.named_parameters():
        shard[name] = noise(like, torch.bfloat16, table)
        if sum(value.nbytes for value in shard.values()) > SHARD:
            flush()
    flush()
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(str(index).replace("'", '"'))
    return shapes


def write_model(directory: Path, shape: str, encoder: str, layers: int) -> None:
    """The published layout with random weights."""
    torch.manual_seed(0)
    table = torch.randn(1 << 24)
    sizes = dict(zip(NAMES, SHAPES[shape], strict=True))
    sizes["num_hidden_layers"] = layers or sizes["num_hidden_layers"]
    config = Qwen2Config(**sizes, rope_theta=1e6)
    llm = with_lora(write_llm(directory / FOLDER, config, table), LORA_RANK)
    aed = AedConfig.of_size(encoder, 100)
    with torch.device("meta"):
        parts = {"encoder.": aed.encoder(), "encoder_projector.": LinearAdapter(aed.d_model, config.hidden_size)}
    state = {f"{prefix}{name}": v for prefix, part in parts.items() for name, v in part.named_parameters()}
    state |= {f"llm.{name}": value for name, value in llm.named_parameters() if ".lora_" in name}
    state = {name: noise(value, torch.float32, table) for name, value in state.items()}
    args = {"encoder_downsample_rate": 2, "use_lora": True}
    torch.save({"args": argparse.Namespace(**args), "model_state_dict": state}, directory / "model.pth.tar")
    given = {"args": argparse.Namespace(**asdict(aed)), "model_state_dict": {}}
    torch.save(given, directory / "asr_encoder.pth.tar")
    stats = np.zeros((2, 81))
    stats[0], stats[1, :-1] = 1000, 2000
    stats[0, :-1] = 0
    write_matrix(directory / "cmvn.ark", stats)


class Watched(llm_stepper.LlmPasses):
    """Steps that note what the prompt and they themselves take; a processor has no queue to wait for."""

    passes: ClassVar[list[float]] = []  # seconds of each pass over the language model: the prompt's, then the steps'

    def run(self, *args: Any, **kwargs: Any) -> Tensor:
        begun = time.perf_counter()
        out = super().run(*args, **kwargs)
        self.passes.append(time.perf_counter() - begun)
        return out


def one_round(asr: LlmAsr, speech: list[Speech]) -> tuple[float, float, int, str]:
    """Seconds, those of the processor, tokens, and what prompt and steps took, in words."""
    llm_stepper.LlmPasses = Watched
    Watched.passes.clear()
    begun, worked = time.perf_counter(), time.process_time()
    results = asr.recognise(speech)
    took, worked = time.perf_counter() - begun, time.process_time() - worked
    prompt, *steps = Watched.passes
    rest = took - prompt - sum(steps)
    each = 1000 * sum(steps) / max(1, len(steps))
    parts = f"prompt {prompt:.2f} s, {len(steps)} steps of {each:.0f} ms, rest {rest:.2f} s"
    return took, worked, sum(len(result.tokens) for result in results), parts


def measure(args: argparse.Namespace, directory: Path) -> None:
    """One number format: a line for loading and one for each batch size and beam."""
    torch.set_num_threads(args.threads)
    begun = time.perf_counter()
    config = LlmConfig(
        dtype=args.dtypes,
        encoder_dtype=args.encoder_dtype,
        decode_max_len=args.tokens,
        decode_min_len=args.tokens,
        batch_seconds=1e6,
    )
    loaded = LlmAsr.from_pretrained(directory, config, args.device).loaded
    weights = sum(value.nbytes for value in loaded.model.parameters()) / GB
    took, peak = time.perf_counter() - begun, peak_gb(loaded.device)
    print(f"{args.llm} {args.dtypes}: weights {weights:.2f} GB, loaded in {took:.0f} s, peak {peak:.2f} GB", flush=True)
    for beam in map(int, args.beams.split(",")):
        asr = LlmAsr(loaded, LlmConfig(**{**asdict(config), "beam_size": beam}))
        for batch in map(int, args.batches.split(",")):
            for steps in ("graphs", "cached") if loaded.device.type == "cuda" else ("cached",):
                measure_batch(args, asr, batch, beam, steps)
    print(f"  peak beyond the weights: {peak_gb(loaded.device) - weights:.2f} GB", flush=True)


def measure_batch(args: argparse.Namespace, asr: LlmAsr, batch: int, beam: int, steps: str) -> None:
    """A batch of one size, its steps as CUDA graphs or without: a line, and a row of the table."""
    os.environ["FIRERED_CUDA_GRAPHS"] = "1" if steps == "graphs" else "0"
    speech = [Speech(f"u{n}", torch.randn(100 * args.seconds, 80), float(args.seconds)) for n in range(batch)]
    measured = [one_round(asr, speech) for _ in range(args.rounds)]
    took, worked, tokens, parts = min(measured, key=lambda one: one[0])
    factor, peak = took / (batch * args.seconds), peak_gb(asr.loaded.device)
    print(
        f"  beam {beam} batch {batch:3}  {steps}  {tokens / took:7.2f} tokens/s  real time factor {factor:.3f} "
        f"({worked / (batch * args.seconds):.3f} of processor time)  peak {peak:.2f} GB"
        + (f"; {parts}" if asr.loaded.device.type == "cpu" else ""),
        flush=True,
    )
    cells = (f"Qwen2-{args.llm}", args.dtypes, steps, beam, batch, f"{tokens / took:.1f}", f"{factor:.5f}")
    add_row(args.markdown, *cells, f"{peak:.1f} GB")


def main() -> None:
    """Write the model, measure each number format in a process of its own, remove the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", default="0.5B", choices=SHAPES)
    parser.add_argument("--encoder", default="L")
    parser.add_argument("--encoder-dtype", default="float32")
    parser.add_argument("--layers", type=int, default=0, help="of the language model; 0: all")
    parser.add_argument("--rounds", type=int, default=1, help="of each measurement; the fastest is told")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtypes", default="bfloat16,float32")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--beams", default="1,3")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=45)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--scratch", default=None)
    parser.add_argument("--markdown", type=Path, help="file that the rows are appended to")
    parser.add_argument("--model", help=argparse.SUPPRESS)  # set for the processes that measure
    args = parser.parse_args()
    if args.model:
        measure(args, Path(args.model))
        return
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        given = [*sys.argv[1:], "--model", scratch]
        (Path(scratch) / FOLDER).mkdir()
        write_model(Path(scratch), args.llm, args.encoder, args.layers)
        for dtype in args.dtypes.split(","):
            subprocess.run([sys.executable, __file__, *given, "--dtypes", dtype], check=True)


if __name__ == "__main__":
    main()
