"""Systems of `peers.py weights`: the same real weights of Whisper, greedy, utterance by utterance, on recordings.

Each takes samples and gives text, its own feature extraction included; reading the files is not timed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from bench.peer_models import whole
from bench.rows import peak_gb

from firered.audio.framing import SAMPLE_RATE
from firered.audio.load import INT16_SCALE, read
from firered.data.datadir import DataDir, write_table
from firered.errors import DataError
from firered.runtime.context import Context

LONGEST_S, MOST_TOKENS = 30.0, 224  # of one window of Whisper, and of its text
Row = dict[str, object]
Transcriber = Callable[[np.ndarray], str]


def measure(args: argparse.Namespace) -> Iterator[Row]:
    """One row: all utterances by one system in one number format."""
    torch.set_num_threads(args.threads)
    samples, references = utterances(args.corpus, args.utterances)
    transcribe = SYSTEMS[args.system](args)
    transcribe(next(iter(samples.values())))
    took, texts = best(samples, transcribe, args.rounds)
    peak = peak_gb(torch.device("cpu"))
    seconds = sum(len(own) for own in samples.values()) / SAMPLE_RATE
    known = {"system": args.system, "dtype": args.dtype, "rtf": took / seconds, "seconds": seconds, "peak": peak}
    yield known | {"texts": texts, "errors": error_rate(references, texts)}


def best(samples: dict[str, np.ndarray], transcribe: Transcriber, rounds: int) -> tuple[float, dict[str, str]]:
    """Seconds of the fastest round, and the texts."""
    fastest, texts = float("inf"), {}
    for _ in range(rounds):
        begun = time.perf_counter()
        texts = {key: transcribe(own) for key, own in samples.items()}
        fastest = min(fastest, time.perf_counter() - begun)
    return fastest, texts


def utterances(corpus: Path, most: int) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Samples, full scale 1, and reference texts of the first utterances of a data directory; a window of Whisper each.

    Raises:
        DataError: a file is missing or bad, or an utterance too long.
    """
    data = DataDir(corpus)
    recordings, texts = data.table("wav.scp"), data.table("text")
    if not recordings or not texts:
        raise DataError(f"{corpus}: wav.scp and text are needed")
    if data.segments is not None:
        raise DataError(f"{corpus}: has segments; recordings of one utterance each are needed")
    keys = [key for key in recordings if key in texts][:most]
    samples = {}
    for key in keys:
        samples[key] = read(recordings[key]) / INT16_SCALE
        if len(samples[key]) > LONGEST_S * SAMPLE_RATE:
            raise DataError(f"{corpus}: {key} is longer than {LONGEST_S:g} s")
    return samples, {key: texts[key] for key in keys}


def error_rate(references: dict[str, str], texts: dict[str, str]) -> float:
    """In percent, by firered-score."""
    with tempfile.TemporaryDirectory() as scratch:
        given = [Path(scratch) / name for name in ("reference", "hypothesis")]
        for folder, table in zip(given, (references, texts), strict=True):
            folder.mkdir()
            write_table(folder / "text", table)
        out = Path(scratch) / "score"
        program = Path(sys.executable).with_name("firered-score")
        command = [program, "text", "--number-normalization", "--t2s", *given, out]
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"peers: firered-score: {done.stderr}")
        score = json.loads((out / "score.json").read_text(encoding="utf-8"))
        return float(next(iter(score["metrics"].values()))["value"])


def firered(args: argparse.Namespace) -> Transcriber:
    """Ours: the family of models of transformers, confidence included, without word times."""
    import firered

    asr = firered.load(args.whisper, device="cpu", dtype=args.dtype, timestamps="none")
    context = Context(language=args.language)

    def transcribe(samples: np.ndarray) -> str:
        return asr(samples, context=context).text

    return transcribe


def transformers(args: argparse.Namespace) -> Transcriber:
    """transformers' own generate."""
    from transformers import WhisperForConditionalGeneration, WhisperProcessor
    from transformers.utils import logging

    logging.set_verbosity_error()  # it names limits that its own defaults set beside this one
    processor = WhisperProcessor.from_pretrained(args.whisper)
    network = WhisperForConditionalGeneration.from_pretrained(args.whisper, dtype=getattr(torch, args.dtype)).eval()
    given = {"language": args.language, "task": "transcribe", "num_beams": 1, "do_sample": False}

    @torch.inference_mode()
    def transcribe(samples: np.ndarray) -> str:
        features = processor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        out = network.generate(features.to(network.dtype), max_new_tokens=MOST_TOKENS, **given)
        return processor.decode(out[0], skip_special_tokens=True).strip()

    return transcribe


def ctranslate2(args: argparse.Namespace) -> Transcriber:
    """CTranslate2 on weights that its own converter has made of these, with transformers' features and tokens."""
    import ctranslate2
    from transformers import WhisperProcessor

    processor = WhisperProcessor.from_pretrained(args.whisper)
    network = ctranslate2.models.Whisper(str(converted(args)), compute_type=args.dtype, intra_threads=args.threads)
    names = ("<|startoftranscript|>", f"<|{args.language}|>", "<|transcribe|>", "<|notimestamps|>")
    prompt = processor.tokenizer.convert_tokens_to_ids(list(names))

    def transcribe(samples: np.ndarray) -> str:
        features = processor(samples, sampling_rate=SAMPLE_RATE, return_tensors="np").input_features
        given = ctranslate2.StorageView.from_array(np.ascontiguousarray(features))
        found = network.generate(given, [prompt], beam_size=1, max_length=2 * MOST_TOKENS)
        return processor.decode(found[0].sequences_ids[0], skip_special_tokens=True).strip()

    return transcribe


def converted(args: argparse.Namespace) -> Path:
    """Where CTranslate2's form of the weights is kept."""
    return args.work / "models" / f"{args.whisper.resolve().name}-{args.dtype}"


def make(args: argparse.Namespace) -> None:
    """Make it, unless it is there."""
    if args.system != "ctranslate2" or converted(args).is_dir():
        return
    from ctranslate2.converters import TransformersConverter

    with whole(converted(args)) as scratch:
        TransformersConverter(str(args.whisper)).convert(str(scratch), quantization=args.dtype, force=True)


SYSTEMS = {"firered": firered, "transformers": transformers, "ctranslate2": ctranslate2}
