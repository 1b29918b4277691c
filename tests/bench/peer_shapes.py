"""Systems of `peers.py shapes`: equal audio and equal numbers of tokens, random weights of the published sizes."""

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from bench.asr_speed import BEAM, SECONDS, TOKENS
from bench.asr_speed import measure as measure_aed
from bench.peer_models import END, PROMPT, START, directory_of, whisper, whisper_shape
from bench.rows import peak_gb

from firered.audio.framing import SAMPLE_RATE
from firered.audio.frontend import fbank
from firered.models.aed import Aed
from firered.models.dtype import fill_for
from firered.search.ctc import ctc_greedy

Row = dict[str, object]
PROCESSOR = torch.device("cpu")
WINDOW_S, RATE = 30, 100


def measure(args: argparse.Namespace) -> Iterator[Row]:
    """Rows of one system in one number format, one a batch size."""
    torch.set_num_threads(args.threads)
    return {
        "published": published,
        "firered": lambda args: firered(args, BEAM),
        "firered-greedy": lambda args: firered(args, 1),
        "firered-ctc": firered_ctc,
        "transformers": transformers_whisper,
        "ctranslate2": ctranslate2_whisper,
        "sherpa-onnx": sherpa,
        "sherpa-onnx-ctc": sherpa,
    }[args.system](args)


def row(args: argparse.Namespace, batch: int, took: float, tokens: int, seconds: float = SECONDS) -> Row:
    """One measurement; `seconds` is what the encoder sees of each utterance."""
    known = {"system": args.system, "dtype": args.dtype, "batch": batch, "rtf": took / (batch * SECONDS)}
    return known | {"tokens": tokens, "seconds": seconds, "peak": peak_gb(PROCESSOR)}


def batches_of(args: argparse.Namespace) -> list[int]:
    return [int(size) for size in args.batches.split(",")]


def best(work: Callable[[], int], rounds: int) -> tuple[float, int]:
    """Seconds of the fastest round after one that warms up, and what it returned."""
    work()
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        tokens = work()
        found.append((time.perf_counter() - begun, tokens))
    return min(found)


def ours(args: argparse.Namespace) -> Aed:
    """Our model, loaded as recognition loads it."""
    path = directory_of(args) / "model.pth.tar"
    return Aed.load(path, fill_for(args.dtype, path, Aed.quantised_parts())).prepare()


def published(args: argparse.Namespace) -> Iterator[Row]:
    """Steps over the whole prefix without any cache, as the published code takes them, written plainly."""
    encoder, search, found = measure_aed(ours(args), 1, PROCESSOR, prefix=True)
    yield row(args, 1, encoder + search, len(found[0]))


def firered(args: argparse.Namespace, beam: int) -> Iterator[Row]:
    """Ours, from features to tokens."""
    model = ours(args)
    for batch in batches_of(args):
        measure_aed(model, batch, PROCESSOR, prefix=False, beam=beam)
        rounds = [measure_aed(model, batch, PROCESSOR, prefix=False, beam=beam) for _ in range(args.rounds)]
        encoder, search, found = min(rounds, key=lambda found: found[0] + found[1])
        yield row(args, batch, encoder + search, len(found[0]))


def noise(batch: int) -> list[np.ndarray]:
    """Samples of utterances, full scale 1."""
    draw = np.random.default_rng(0)
    return [draw.normal(0, 0.03, SECONDS * SAMPLE_RATE).astype(np.float32) for _ in range(batch)]


def firered_ctc(args: argparse.Namespace) -> Iterator[Row]:
    """Our encoder and CTC head, from samples to tokens."""
    model = ours(args)
    for batch in batches_of(args):

        @torch.inference_mode()
        def work(given: list[np.ndarray] = noise(batch)) -> int:  # noqa: B008 - this round's
            feats = torch.stack([fbank(32768 * samples) for samples in given])
            lengths = torch.full((len(given),), feats.shape[1])
            encoded, frames = model.encoder(((feats - 8.0) * 0.4).to(model.dtype), lengths)
            return len(ctc_greedy(model.ctc_log_probs(encoded), frames)[0].tokens)

        yield row(args, batch, *best(work, args.rounds))


def transformers_whisper(args: argparse.Namespace) -> Iterator[Row]:
    """transformers' own generate, which takes windows of 30 s."""
    from transformers.utils import logging

    model = whisper(args.size, getattr(torch, args.dtype))
    feats = torch.randn(1, model.config.num_mel_bins, WINDOW_S * RATE).to(model.dtype)
    prompt = torch.tensor([PROMPT])
    logging.set_verbosity_error()  # it names options that its own defaults set beside these
    limits = {"num_beams": BEAM, "min_new_tokens": TOKENS, "max_new_tokens": TOKENS, "do_sample": False}

    def work() -> int:
        out = model.generate(feats, decoder_input_ids=prompt, suppress_tokens=[END], **limits)
        return out.shape[-1] - (len(PROMPT) if out[0, 0] == START else 0)

    yield row(args, 1, *best(work, args.rounds), WINDOW_S)


def ctranslate2_whisper(args: argparse.Namespace) -> Iterator[Row]:
    """CTranslate2 in int8: 30 s as Whisper is used, and 10 s alone, which is less work than its weights expect."""
    import ctranslate2

    model = ctranslate2.models.Whisper(str(directory_of(args)), compute_type=args.dtype, intra_threads=args.threads)
    bins = whisper_shape(args.size)["num_mel_bins"]
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
                    max_length=2 * TOKENS,  # half of it may be text
                    suppress_tokens=[END],
                )
                return len(results[0].sequences_ids[0])

            yield row(args, batch, *best(work, args.rounds), seconds)


def sherpa(args: argparse.Namespace) -> Iterator[Row]:
    """sherpa-onnx, from samples to tokens; its attention decoder is greedy and takes one utterance after the other."""
    import sherpa_onnx

    files, kinds = directory_of(args), sherpa_onnx.OfflineRecognizer
    given = {"tokens": str(files / "tokens.txt"), "num_threads": args.threads}
    if args.system == "sherpa-onnx-ctc":
        recogniser = kinds.from_fire_red_asr_ctc(model=str(files / "model.onnx"), **given)
    else:
        graphs = {name: str(files / f"{name}.onnx") for name in ("encoder", "decoder")}
        recogniser = kinds.from_fire_red_asr(**graphs, **given)
    for batch in batches_of(args):

        def work(samples: list[np.ndarray] = noise(batch)) -> int:  # noqa: B008 - this round's
            streams = [recogniser.create_stream() for _ in samples]
            for stream, own in zip(streams, samples, strict=True):
                stream.accept_waveform(SAMPLE_RATE, own)
            recogniser.decode_streams(streams)
            return len(streams[0].result.tokens)

        yield row(args, batch, *best(work, args.rounds))
