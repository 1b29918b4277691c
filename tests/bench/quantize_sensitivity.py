"""What a reduced number format does to text: errors by kind, by number format and noise, and by layers in int8.

    python tests/bench/quantize_sensitivity.py [--model DIR] [--data DIR] [--snr clean,10,0]
        [--dtypes float32,bfloat16,int8] [--groups] [--beam 3] [--longest 12]

DATA has `wav.scp` with paths and `text`; it is not cut, so recordings longer than `--longest` seconds are left out.
Noise is white, from one seed, at so many dB below each recording. With --groups (models with encoder and decoder) one
group of layers after the other is in int8 and all others in float32: what costs more than the rest is what
`firered-quantize --keep` is for. `--model` is of any family.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

import firered
from firered.asr.aed_config import AsrConfig
from firered.asr.families import find
from firered.asr.families.aed import Asr
from firered.models.aed import Aed
from firered.models.filling import in_int8
from firered.models.fused import prepare
from firered.models.quantise import Layers
from firered.runtime.loaded import Loaded
from firered.scoring.config import NormalizerConfig
from firered.scoring.metrics.error_rate import align_texts, total
from firered.scoring.text.normalise import normalizer

MINI = Path(__file__).resolve().parents[2] / "egs" / "mini"
GROUPS = {
    "encoder feed-forward": ".ffn",
    "encoder attention": "encoder.*.mhsa.",
    "encoder convolution": ".conv.",
    "decoder self-attention": ".self_attn.",
    "decoder cross-attention": ".cross_attn.",
    "decoder feed-forward": ".mlp.",
    "decoder output": "tgt_word_prj",
}

Recordings = dict[str, tuple[np.ndarray, int]]  # samples (n,) with full scale 1, and their rate


class OneGroup(Layers):
    """Turns only the layers of one group."""

    def __init__(self, path: Path, *parts: str) -> None:
        super().__init__(path)
        self._parts, self.turned = parts, 0

    def turns(self, name: str, *others: str) -> bool:
        """Whether all parts of the group's name are in the layer's."""
        found = all(part in f"{name}." for part in self._parts)
        self.turned += found
        return found


def read(data: Path, longest_s: float) -> tuple[Recordings, dict[str, str]]:
    """Recordings and references by utterance."""
    lines = (line.split(maxsplit=1) for line in (data / "wav.scp").read_text(encoding="utf-8").splitlines())
    found = {key: soundfile.read(path.strip(), dtype="float32") for key, path in lines}
    recordings = {key: (samples, rate) for key, (samples, rate) in found.items() if len(samples) <= longest_s * rate}
    texts = (line.partition(" ") for line in (data / "text").read_text(encoding="utf-8").splitlines())
    return recordings, {key: text for key, _, text in texts if key in recordings}


def noisy(recordings: Recordings, snr: str) -> Recordings:
    """The recordings with white noise, or as they are."""
    if snr == "clean":
        return recordings
    generator = np.random.default_rng(0)
    found = {}
    for key, (samples, rate) in recordings.items():
        level = np.sqrt(np.mean(samples**2)) * 10 ** (-float(snr) / 20)
        noise = generator.normal(0, level, samples.shape).astype(np.float32)
        found[key] = np.clip(samples + noise, -1, 1), rate
    return found


def row(name: str, recogniser: Any, recordings: Recordings, texts: dict[str, str]) -> str:
    """Errors of one recogniser, as a row of a table; what failed counts as deleted, and is told."""
    outcomes = recogniser.batch([recordings[key] for key in texts], list(texts))
    found = {key: one.text for key, one in zip(texts, outcomes, strict=True) if not isinstance(one, Exception)}
    counts = total(one.counts for one in align_texts(texts, found, normalizer(NormalizerConfig())))
    failed = f" ({len(texts) - len(found)} failed)" if len(found) < len(texts) else ""
    kinds = f"{counts.substitutions} | {counts.deletions} | {counts.insertions} | {counts.tokens}"
    return f"| {name}{failed} | {counts.rate or 0:.2f} | {kinds} |"


def by_group(model: Path, beam: int) -> Iterator[tuple[str, Asr]]:
    """A recogniser for each group of layers that is in int8 alone."""
    config = AsrConfig(beam_size=beam)
    for name, pattern in GROUPS.items():
        exact = Loaded.load(Aed, model, "float32", "cpu")
        layers = OneGroup(model / "model.pth.tar", *pattern.split("*"))
        network = prepare(Aed.load(model / "model.pth.tar", in_int8(layers, Aed.quantised_parts())))
        exact.model = network
        yield f"{name} ({layers.turned} layers)", Asr(exact, config)


def main() -> None:
    """Write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=MINI / "models" / "FireRedASR2-AED")
    parser.add_argument("--data", type=Path, default=MINI / "test")
    parser.add_argument("--snr", default="clean,10,0")
    parser.add_argument("--dtypes", default="float32,bfloat16,int8")
    parser.add_argument("--beam", type=int, default=3)
    parser.add_argument("--longest", type=float, default=12.0)
    parser.add_argument("--groups", action="store_true")
    args = parser.parse_args()
    recordings, texts = read(args.data, args.longest)
    family = find(args.model)[1].name
    for snr in args.snr.split(","):
        heard = noisy(recordings, snr)
        noise = "clean" if snr == "clean" else f"white noise, {snr} dB"
        print(f"\n{args.model.name}, {noise}, {len(texts)} utterances\n", flush=True)
        print("| number format | errors, % | substitutions | deletions | insertions | of |\n|---|---|---|---|---|---|")
        for dtype in args.dtypes.split(","):
            recogniser = firered.load(args.model, dtype=dtype, beam_size=args.beam)
            print(row(dtype, recogniser, heard, texts), flush=True)
        if args.groups and family == "aed":
            for name, recogniser in by_group(args.model, args.beam):
                print(row(f"int8: {name}", recogniser, heard, texts), flush=True)


if __name__ == "__main__":
    main()
