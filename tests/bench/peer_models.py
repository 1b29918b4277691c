"""Models of random weights in the files that systems of `peers.py shapes` read; made once, in a process of its own.

Ours is a checkpoint; CTranslate2's and sherpa-onnx's are made by their own ways (a loader of its converter, an ONNX
export with the metadata that its readers ask for) and quantised to int8 by their own tools.
"""

import argparse
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from bench.asr_speed import make_model

if TYPE_CHECKING:  # the processes of other systems shall not hold what they have no use for
    from transformers import WhisperForConditionalGeneration

# whisper-large-v3, as its config.json has it; for XS the shape of base
LARGE = {"d_model": 1280, "encoder_layers": 32, "decoder_layers": 32, "encoder_ffn_dim": 5120, "decoder_ffn_dim": 5120}
LARGE |= {"encoder_attention_heads": 20, "decoder_attention_heads": 20, "num_mel_bins": 128, "vocab_size": 51866}
SMALL = {"d_model": 512, "encoder_layers": 6, "decoder_layers": 6, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048}
SMALL |= {"encoder_attention_heads": 8, "decoder_attention_heads": 8, "num_mel_bins": 80, "vocab_size": 51865}
START, END, PROMPT = 50258, 50257, [50258, 50260, 50360, 50364]
NAMES = dict(zip(PROMPT, ("<|startoftranscript|>", "<|zh|>", "<|transcribe|>", "<|notimestamps|>"), strict=True))
NAMES |= {END: "<|endoftext|>", 50363: "<|nospeech|>"}


def directory_of(args: argparse.Namespace) -> Path | None:
    """Where a system's model is; None: it makes its own in memory."""
    kind = KINDS.get(args.system)
    return None if kind is None else args.work / "models" / f"{kind}-{args.size}"


def make(args: argparse.Namespace) -> None:
    """Write a system's model, unless it is there."""
    directory = directory_of(args)
    if directory is None or directory.is_dir():
        return
    torch.set_num_threads(args.threads)
    with whole(directory) as scratch, torch.no_grad():
        MAKERS[KINDS[args.system]](args, scratch)


@contextmanager
def whole(directory: Path) -> Iterator[Path]:
    """A folder to write to, which gets its name when all of it is there."""
    scratch = directory.with_name(f"{directory.name}.new")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    yield scratch
    scratch.replace(directory)


def make_ours(args: argparse.Namespace, directory: Path) -> None:
    """A checkpoint in the published layout."""
    torch.save(make_model(args.size).checkpoint(), directory / "model.pth.tar")


def whisper_shape(size: str) -> dict[str, int]:
    """Sizes of the Whisper that stands beside one of ours."""
    return SMALL if size == "XS" else LARGE


@torch.no_grad()
def whisper(size: str, dtype: torch.dtype = torch.float32) -> "WhisperForConditionalGeneration":
    """A Whisper of random weights."""
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    config = WhisperConfig(**whisper_shape(size), decoder_start_token_id=START, eos_token_id=END)
    config.pad_token_id = config.bos_token_id = END
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config).to(dtype)
    model.to_empty(device="cpu")
    model.tie_weights()
    table = torch.randn(1 << 22, generator=torch.Generator().manual_seed(0))
    for weight in model.parameters():
        if weight.dim() == 1:
            weight.zero_()
            continue
        values = table.repeat(-(-weight.numel() // len(table)))[: weight.numel()].view(weight.shape)
        weight.copy_(values * weight[0].numel() ** -0.5)
    for module in model.modules():
        if isinstance(module, torch.nn.LayerNorm):
            module.weight.fill_(1.0)
    return model.eval()


def make_ctranslate2(args: argparse.Namespace, directory: Path) -> None:
    """A Whisper as CTranslate2's own loader of its kind makes a model of it, in int8."""
    from ctranslate2.converters.transformers import WhisperLoader

    model = whisper(args.size)
    spec = WhisperLoader().get_model_spec(model)
    spec.register_vocabulary([NAMES.get(number, f"<{number}>") for number in range(model.config.vocab_size)])
    config = {"suppress_ids": [END], "suppress_ids_begin": [END], "lang_ids": [PROMPT[1]], "alignment_heads": [[0, 0]]}
    for name, value in config.items():
        setattr(spec.config, name, value)
    spec.validate()
    spec.optimize(quantization="int8")
    spec.save(str(directory))


def make_sherpa(args: argparse.Namespace, directory: Path) -> None:
    """Our network as sherpa-onnx reads it, or its encoder and CTC head."""
    from bench.peer_onnx import write_sherpa

    write_sherpa(args.size, directory, ctc=args.system == "sherpa-onnx-ctc")


# The models that systems read, and what makes them.
KINDS = {"published": "firered", "firered": "firered", "firered-greedy": "firered", "firered-ctc": "firered"}
KINDS |= {"ctranslate2": "ctranslate2", "sherpa-onnx": "sherpa-onnx", "sherpa-onnx-ctc": "sherpa-onnx-ctc"}
MAKERS: dict[str, Callable[[argparse.Namespace, Path], None]] = {
    "firered": make_ours,
    "ctranslate2": make_ctranslate2,
    "sherpa-onnx": make_sherpa,
    "sherpa-onnx-ctc": make_sherpa,
}
