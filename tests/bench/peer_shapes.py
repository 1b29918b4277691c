"""Systems of `peers.py measure`: equal audio and equal numbers of tokens, random weights of the published sizes."""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from bench.asr_speed import SECONDS, TOKENS, make_model
from bench.asr_speed import measure as measure_aed
from bench.rows import peak_gb
from transformers import WhisperConfig, WhisperForConditionalGeneration

from firered.models.dtype import cast

Row = dict[str, object]
PROCESSOR = torch.device("cpu")
BEAM, WINDOW_S, RATE = 3, 30, 100
# whisper-large-v3, as its config.json has it; for XS a tenth of it
LARGE = {"d_model": 1280, "encoder_layers": 32, "decoder_layers": 32, "encoder_ffn_dim": 5120, "decoder_ffn_dim": 5120}
LARGE |= {"encoder_attention_heads": 20, "decoder_attention_heads": 20, "num_mel_bins": 128, "vocab_size": 51866}
SMALL = {"d_model": 512, "encoder_layers": 6, "decoder_layers": 6, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048}
SMALL |= {"encoder_attention_heads": 8, "decoder_attention_heads": 8, "num_mel_bins": 80, "vocab_size": 51865}
START, END, PROMPT = 50258, 50257, [50258, 50260, 50360, 50364]
NAMES = dict(zip(PROMPT, ("<|startoftranscript|>", "<|zh|>", "<|transcribe|>", "<|notimestamps|>"), strict=True))
NAMES |= {END: "<|endoftext|>", 50363: "<|nospeech|>"}


def measure(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of one system, one a batch size and number format."""
    torch.set_num_threads(args.threads)
    return {
        "published": published,
        "firered": firered,
        "transformers": transformers_whisper,
        "ctranslate2": ctranslate2_whisper,
        "sherpa-onnx": sherpa_ctc,
    }[args.system](args)


def row(args: argparse.Namespace, dtype: str, batch: int, took: float, tokens: int, seconds: float = SECONDS) -> Row:
    """One measurement; `seconds` is what the encoder sees of each utterance."""
    known = {"system": args.system, "dtype": dtype, "batch": batch, "rtf": took / (batch * SECONDS)}
    return known | {"tokens": tokens, "seconds": seconds, "peak": peak_gb(PROCESSOR)}


def batches_of(args: argparse.Namespace) -> list[int]:
    return [int(size) for size in args.batches.split(",")]


def best(work: Callable[[], int], rounds: int = 2) -> tuple[float, int]:
    """Seconds of the fastest round, and what it returned."""
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        tokens = work()
        found.append((time.perf_counter() - begun, tokens))
    return min(found)


def published(args: argparse.Namespace) -> Iterator[Row]:
    """Steps over the whole prefix without any cache, as the published code takes them, written plainly."""
    model = cast(make_model(args.size).prepare(), "float32", PROCESSOR)
    encoder, search, found = measure_aed(model, 1, PROCESSOR, prefix=True)
    yield row(args, "float32", 1, encoder + search, len(found[0]))


def firered(args: argparse.Namespace) -> Iterator[Row]:
    """Ours; memory is that of all formats so far, the largest first, so look at the row of one alone (--dtypes)."""
    for dtype in args.dtypes.split(","):
        model = cast(make_model(args.size).prepare(), dtype, PROCESSOR)
        measure_aed(model, 1, PROCESSOR, prefix=False)
        for batch in batches_of(args):
            rounds = [measure_aed(model, batch, PROCESSOR, prefix=False) for _ in range(2)]
            encoder, search, found = min(rounds, key=lambda found: found[0] + found[1])
            yield row(args, dtype, batch, encoder + search, len(found[0]))


@torch.no_grad()
def whisper(args: argparse.Namespace) -> WhisperForConditionalGeneration:
    """A Whisper of random weights that never ends by itself."""
    config = WhisperConfig(**(SMALL if args.size == "XS" else LARGE), decoder_start_token_id=START, eos_token_id=END)
    config.pad_token_id = config.bos_token_id = END
    with torch.device("meta"):
        model = WhisperForConditionalGeneration(config)
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


def transformers_whisper(args: argparse.Namespace) -> Iterator[Row]:
    """transformers' own generate, which takes windows of 30 s."""
    model = whisper(args)
    feats = torch.randn(1, model.config.num_mel_bins, WINDOW_S * RATE)
    limits = {"num_beams": BEAM, "min_new_tokens": TOKENS, "max_new_tokens": TOKENS, "do_sample": False}
    for dtype in ("float32", "bfloat16"):
        model = model.to(getattr(torch, dtype))

        def work(given: torch.Tensor = feats.to(model.dtype)) -> int:  # noqa: B008 - bound once a format
            prompt = torch.tensor([PROMPT])
            out = model.generate(given, decoder_input_ids=prompt, suppress_tokens=[END], **limits)
            return out.shape[-1] - (len(PROMPT) if out[0, 0] == START else 0)

        took, tokens = best(work, rounds=1 if args.size == "L" else 2)
        yield row(args, dtype, 1, took, tokens, WINDOW_S)


def ctranslate2_whisper(args: argparse.Namespace) -> Iterator[Row]:
    """CTranslate2 in int8: 30 s as Whisper is used, and 10 s alone, which is less work than its weights expect."""
    import ctranslate2

    directory = args.work / f"ctranslate2-{args.size}"
    if not (directory / "model.bin").is_file():
        convert(whisper(args), directory)
    model = ctranslate2.models.Whisper(str(directory), compute_type="int8", intra_threads=args.threads)
    bins = (SMALL if args.size == "XS" else LARGE)["num_mel_bins"]
    for seconds in (SECONDS, WINDOW_S):
        for batch in batches_of(args):
            if seconds == WINDOW_S and batch > 1 and args.size == "L":
                continue  # minutes, at the real time factor of one alone
            feats = np.random.default_rng(0).standard_normal((batch, bins, seconds * RATE)).astype(np.float32)

            def work(given: np.ndarray = feats) -> int:
                results = model.generate(
                    ctranslate2.StorageView.from_array(given),
                    [PROMPT] * len(given),
                    beam_size=BEAM,
                    max_length=len(PROMPT) + TOKENS,
                    suppress_tokens=[END],
                )
                return len(results[0].sequences_ids[0])

            took, tokens = best(work)
            yield row(args, "int8", batch, took, tokens, seconds)


def convert(model: WhisperForConditionalGeneration, directory: Path) -> None:
    """A network of transformers as CTranslate2's own loader of its kind makes a model of it, in int8."""
    from ctranslate2.converters.transformers import WhisperLoader

    spec = WhisperLoader().get_model_spec(model)
    size = model.config.vocab_size
    spec.register_vocabulary([NAMES.get(number, f"<{number}>") for number in range(size)])
    config = {"suppress_ids": [END], "suppress_ids_begin": [END], "lang_ids": [PROMPT[1]], "alignment_heads": [[0, 0]]}
    for name, value in config.items():
        setattr(spec.config, name, value)
    spec.validate()
    spec.optimize(quantization="int8")
    directory.mkdir(parents=True, exist_ok=True)
    spec.save(str(directory))


def sherpa_ctc(args: argparse.Namespace) -> Iterator[Row]:
    """Encoder and CTC head of our model through sherpa-onnx, which has a kind for them; no attention decoder."""
    raise NotImplementedError(json.dumps(vars(args), default=str))
