"""Trained models as one folder in the published layout, small enough to be kept in the repository.

Weights are stored in half precision. Tables of positions, which every loader computes, are left out, and so are encoder
weights that others in the same folder replace.
"""

import shutil
from pathlib import Path
from typing import Annotated

import torch
import typer

from firered.hub.catalogue import CHECKPOINT
from firered.models.checkpoint import load_checkpoint

# place in the published layout -> trained folder
PLACES = {
    "FireRedVAD/VAD": "vad",
    "FireRedVAD/Stream-VAD": "stream_vad",
    "FireRedVAD/AED": "mvad",
    "FireRedLID": "lid",
    "FireRedASR2-AED": "ctc",
    "FireRedASR2-LLM": "llm",
    "FireRedPunc": "punc",
    "lm": "lm",
}
STREAMING = {"FireRedASR2-AED-Stream": "ctc_stream"}  # where it was trained
_BESIDE = ("cmvn.ark", "dict.txt", "train_bpe1000.model", "chinese-bert-wwm-ext_vocab.txt", "out_dict")
_ENCODER, _LLM, _BERT = "asr_encoder.pth.tar", "Qwen2-7B-Instruct", "chinese-lert-base"


def shrink(source: Path, target: Path, *, weights: bool = True) -> None:
    """Write a checkpoint with half the bytes a weight, or with its arguments alone."""
    args, state = load_checkpoint(source)
    kept = {name: value for name, value in state.items() if weights and not name.endswith(".pe")}
    halves = {name: value.half() if value.is_floating_point() else value for name, value in kept.items()}
    torch.save({"args": args, "model_state_dict": halves}, target)


def bundle(trained: Path, place: Path) -> None:
    """Write one model."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    shrink(trained / CHECKPOINT, place / CHECKPOINT)
    for name in _BESIDE:
        if (trained / name).is_file():
            shutil.copyfile(trained / name, place / name)
    if (trained / _ENCODER).is_file():
        shrink(trained / _ENCODER, place / _ENCODER, weights=False)  # those in CHECKPOINT count
    for name in (_LLM, _BERT):
        if (trained / name).is_dir():
            shutil.copytree(trained / name, place / name)


def main(
    trained: Annotated[Path, typer.Argument(help="folder of the trained models")],
    out: Annotated[Path, typer.Argument(help="folder to write")],
) -> None:
    """Write the models and log their size."""
    places = PLACES | {place: name for place, name in STREAMING.items() if (trained / name).is_dir()}
    for place, name in places.items():
        bundle(trained / name, out / place)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {len(places)} models, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    typer.run(main)
